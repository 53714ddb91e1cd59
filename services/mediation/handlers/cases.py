"""The decisions of mediation, one use case per command, event and clock; `use_cases` names them all."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from libs.db.work import Decision, Moment, UseCase
from libs.db.work import ignored as ignored_decision
from libs.events.base import CaseFacts, Payload
from libs.events.intake import (
    CaseAccepted,
    CaseAmended,
    CaseFlagsChanged,
    CaseMerged,
    CaseReleased,
    CaseWithdrawn,
    IntakeEvent,
)
from libs.events.notify import MessageReceived
from libs.events.routing import AssignmentExhausted, AssignmentProposed
from libs.web.errors import Refusal
from services.mediation.domain import (
    agreement,
    breaches,
    clocks,
    closing,
    consents,
    facts,
    offers,
    petition,
    sessions,
)
from services.mediation.domain.breaches import RanOut
from services.mediation.domain.case import Case
from services.mediation.domain.codes import Codes
from services.mediation.domain.facts import Rule
from services.mediation.domain.turn import Turn
from services.mediation.process import FACTS, FIRST_STATE, by_holder, by_staff

PARTNER_RULES: Mapping[str, Rule] = {
    "take-up": offers.take_up,
    "return": offers.give_back,
    "contact-attempts": consents.contact,
    "consents": consents.consent,
    "mediators": consents.appoint,
    "sessions": sessions.schedule,
    "session-outcome": sessions.outcome,
    "agreement": agreement.agree,
    "performance": agreement.perform,
    "end": closing.end,
    "hand-back": offers.hand_back,
    "extend": closing.extend,
    "close": closing.close,
}
"""What an organisation may do, by the names of `process.ACTIONS`."""

STAFF_RULES: Mapping[str, Rule] = {"reply": petition.reply, "close": closing.close_by_staff}
"""What a person of the district may do, by the names of `process.STAFF`."""


class NoTrack(Refusal):
    """An accepted case names no lifecycle that is known here: a dead letter, for a person."""

    CODE = "no_track"


def accepted(codes: Codes, case: Case | None, event: CaseAccepted, moment: Moment) -> Decision[Case]:
    """Intake accepted the case: mediation opens it, whether or not a proposal came before (G8)."""
    if case is not None and case.opened_at is not None:
        return ignored_decision(case, "opened")
    turn = Turn(case or _first_seen(event, event.case), moment, codes)
    facts.learn(turn, event.case, _number(moment))
    facts.open_case(turn)
    _complaint(turn)
    return turn.decision()


def proposed(codes: Codes, case: Case | None, event: AssignmentProposed, moment: Moment) -> Decision[Case]:
    """Routing proposes: exactly one answer, also to a repeated or an outdated proposal (G16)."""
    turn = Turn(case or _first_seen(event, event.case), moment, codes)
    if offers.answered(turn, event):
        return ignored_decision(case, "answered")
    return _react(turn, "proposed", event)


def exhausted(codes: Codes, case: Case | None, event: AssignmentExhausted, moment: Moment) -> Decision[Case]:
    """Routing has nobody to propose: a person takes over."""
    return _react(Turn(case or _first_seen(event, event.case), moment, codes), "exhausted", event)


def flags_changed(codes: Codes, case: Case | None, event: CaseFlagsChanged, moment: Moment) -> Decision[Case]:
    """A flag was raised or lowered; one that forbids automatic routing changes the course of the case."""
    holds = codes.holding_flags.intersection(event.added) and not event.case.released
    return _later(codes, "flagged" if holds else "amended", case, event, moment)


def later(codes: Codes, fact: str) -> Callable[[Case | None, IntakeEvent, Moment], Decision[Case]]:
    """The decision of a fact of intake that always means the same row of `process.FACTS`."""
    return partial(_later, codes, fact)


def message_received(
    codes: Codes, case: Case | None, event: MessageReceived, moment: Moment
) -> Decision[Case]:
    """A citizen's SMS: only a rating concerns mediation."""
    if case is None or event.meaning != "rating":
        return ignored_decision(case, "no_rating")
    return _react(Turn(case, moment, codes), "rated", event)


def clock_ran_out(codes: Codes, case: Case | None, command: RanOut, moment: Moment) -> Decision[Case]:
    """The sweep saw a clock; the case decides whether it still runs."""
    if case is None:
        return ignored_decision(case, "unknown")
    turn = Turn(case, moment, codes)
    breaches.ran_out(turn, command)
    return turn.decision()


def calendar_came(codes: Codes, case: Case | None, command: None, moment: Moment) -> Decision[Case]:
    """A holiday table came: the clocks that were counted without it are counted again."""
    if case is None:
        return ignored_decision(case, "unknown")
    turn = Turn(case, moment, codes)
    clocks.recount_provisional(turn)
    return turn.decision()


def _later(codes: Codes, fact: str, case: Case | None, event: IntakeEvent, moment: Moment) -> Decision[Case]:
    """A later fact of intake. Before the acceptance is known here it says nothing: that one tells all."""
    if case is None or case.opened_at is None:
        return ignored_decision(case, "not_opened")
    turn = Turn(case, moment, codes)
    told = getattr(event, "case", None)
    if told is not None:
        facts.learn(turn, told, _number(moment))
    FACTS[fact][turn.case.state](turn, event)
    _complaint(turn)
    return turn.decision()


def _complaint(turn: Turn) -> None:
    """Whoever holds the case and is complained about in it loses it in the same transaction (G16)."""
    org_id = turn.case.org_id
    if org_id is not None and turn.case.facts.complained_about_org == org_id:
        FACTS["complained_about"][turn.case.state](turn, None)


def _react(turn: Turn, fact: str, event: Payload) -> Decision[Case]:
    FACTS[fact][turn.case.state](turn, event)
    return turn.decision()


def _first_seen(event: Payload, told: CaseFacts) -> Case:
    """The row of a case, made from whichever event comes first (G8)."""
    if told.track not in FIRST_STATE:
        raise NoTrack
    return Case(event.case_id, event.district, told, told.track, FIRST_STATE[told.track])


def _number(moment: Moment) -> int:
    if moment.event is None:
        raise LookupError("a fact of intake comes as an event")
    return moment.event.caseversion


@dataclass(frozen=True, slots=True)
class UseCases:
    """Everything that mediation can be asked, by who asks: organisations, staff, other services, clocks."""

    partner: Mapping[str, UseCase[Case, Any]]
    staff: Mapping[str, UseCase[Case, Any]]
    intake: Mapping[type[Payload], UseCase[Case, Any]]
    routing: Mapping[type[Payload], UseCase[Case, Any]]
    notify: Mapping[type[Payload], UseCase[Case, Any]]
    clock: UseCase[Case, RanOut]
    calendar: UseCase[Case, None]


def use_cases(codes: Codes) -> UseCases:
    """The contents page: the rules bound to the reference data they decide by."""
    return UseCases(
        partner={
            action: UseCase(action, by_holder(action, rule, codes)) for action, rule in PARTNER_RULES.items()
        },
        staff={
            action: UseCase(f"staff-{action}", by_staff(action, rule, codes))
            for action, rule in STAFF_RULES.items()
        },
        intake={
            CaseAccepted: UseCase("open", partial(accepted, codes)),
            CaseAmended: UseCase("amend", later(codes, "amended")),
            CaseFlagsChanged: UseCase("flags", partial(flags_changed, codes)),
            CaseReleased: UseCase("release", later(codes, "released")),
            CaseWithdrawn: UseCase("withdraw", later(codes, "withdrawn")),
            CaseMerged: UseCase("merge", later(codes, "merged")),
        },
        routing={
            AssignmentProposed: UseCase("propose", partial(proposed, codes)),
            AssignmentExhausted: UseCase("exhaust", partial(exhausted, codes)),
        },
        notify={MessageReceived: UseCase("rate", partial(message_received, codes))},
        clock=UseCase("clock", partial(clock_ran_out, codes)),
        calendar=UseCase("calendar", partial(calendar_came, codes)),
    )
