"""The lifecycles: which acts each state allows, and what each later fact does in it. Pure data and its gate.

Three tables say it all. `ACTIONS`: what the organisation that holds the case may do, with the states that may
follow. `STAFF`: the same for persons of the district. `FACTS`: what the word of another service does; a fact
that means nothing in a state is ignored with a reason, never in silence (G16).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from libs.db.work import Decision, Moment
from libs.web.errors import ForbiddenAction, NotFound, Stale
from services.mediation.domain import closing, facts, offers
from services.mediation.domain.case import Case
from services.mediation.domain.codes import Codes
from services.mediation.domain.facts import Rule, ignore
from services.mediation.domain.turn import Turn

Table = Mapping[str, Mapping[str, tuple[str, ...]]]
"""State → action → the states that may follow."""

# --- acts of the organisation -------------------------------------------------------------------------------

_OFFERED: Final = {"take-up": ("taken_up",), "return": ("awaiting_assignment",)}
_ANY_WORK: Final = {"hand-back": ("awaiting_assignment",)}

_MEDIATING: Final = _ANY_WORK | {
    "mediators": (),
    "extend": (),
    "end": ("ended",),
}
"""Acts without a following state leave the case in the one it is in."""

MEDIATION: Final[Table] = {
    "awaiting_assignment": {},
    "offered": _OFFERED,
    "taken_up": _MEDIATING
    | {"contact-attempts": ("consent_pending",), "consents": ("consent_pending", "ended")},
    "consent_pending": _MEDIATING
    | {
        "contact-attempts": (),
        "consents": ("in_mediation", "ended"),
        "sessions": (),
        "session-outcome": (),
    },
    "in_mediation": _MEDIATING
    | {
        "contact-attempts": (),
        "consents": ("ended",),
        "sessions": (),
        "session-outcome": (),
        "agreement": ("agreed", "performing"),
    },
    "agreed": {"contact-attempts": (), "end": ("ended",), "close": ("closed",)},
    "performing": {"contact-attempts": (), "performance": (), "end": ("ended",), "close": ("closed",)},
    "ended": {"close": ("closed",)},
    "with_duty_desk": {},
    "referred": {},
    "closed": {},
}


def _advice(done: str) -> Table:
    """The lifecycle of a case without two sides: somebody is advised or helped."""
    work = _ANY_WORK | {
        "contact-attempts": (),
        "sessions": (),
        "session-outcome": (done,),
        "close": ("closed",),
    }
    return {
        "awaiting_assignment": {},
        "offered": _OFFERED,
        "taken_up": work,
        done: work,
        "with_duty_desk": {},
        "referred": {},
        "closed": {},
    }


def _by_persons(*states: str) -> Table:
    """A lifecycle without organisations: a person of the district has it."""
    return {state: {} for state in (*states, "closed")}


ACTIONS: Final[Mapping[str, Table]] = {
    "MEDIATION": MEDIATION,
    "CONSULTATION": _advice("advised"),
    "SUPPORT": _advice("advised"),
    "SERVICE": _advice("done"),
    "PETITION": _by_persons("handling", "replied"),
    "PETITION_LIGHT": _by_persons("studying", "replied"),
    "SEALED": _by_persons("transferred"),
}

FIRST_STATE: Final = {track: next(iter(table)) for track, table in ACTIONS.items()}

# --- acts of the district's own people ----------------------------------------------------------------------

_UNHELD: Final = ("awaiting_assignment", "with_duty_desk", "referred")
_UNANSWERED: Final = ("handling", "studying")
_OF_PERSONS: Final = (*_UNANSWERED, "replied", "transferred")

STAFF: Final[Table] = {
    **{state: {"close": ("closed",)} for state in (*_UNHELD, "replied", "transferred")},
    **{state: {"reply": ("replied",)} for state in _UNANSWERED},
}
"""A petition is closed when it was answered, not before (XF22 art 32)."""

# --- what other services tell -------------------------------------------------------------------------------

_WORKING: Final = ("taken_up", "consent_pending", "in_mediation", "advised", "done")
_SETTLED: Final = ("agreed", "performing")


def _row(
    *,
    waiting: Rule,
    offered: Rule,
    working: Rule,
    settled: Rule,
    ended: Rule,
    closed: Rule,
    persons: Rule,
    **single: Rule,
) -> dict[str, Rule]:
    """One fact in every state: by groups of states, `single` for a state that differs from its group."""
    return {
        **dict.fromkeys(_UNHELD, waiting),
        "offered": offered,
        **dict.fromkeys(_WORKING, working),
        **dict.fromkeys(_SETTLED, settled),
        "ended": ended,
        "closed": closed,
        **dict.fromkeys(_OF_PERSONS, persons),
        **single,
    }


FACTS: Final[Mapping[str, Mapping[str, Rule]]] = {
    "proposed": _row(
        waiting=offers.offer,
        offered=offers.replace_offer,
        working=offers.refuse("TAKEN_UP"),
        settled=offers.refuse("TAKEN_UP"),
        ended=offers.refuse("ENDED"),
        closed=offers.refuse("CLOSED"),
        persons=offers.refuse("NOT_FOR_PARTNERS"),
    ),
    "exhausted": _row(
        waiting=offers.exhausted,
        offered=offers.exhausted,
        working=ignore("taken_up"),
        settled=ignore("taken_up"),
        ended=ignore("ended"),
        closed=ignore("closed"),
        persons=offers.exhausted_under_person,
    ),
    "withdrawn": _row(
        waiting=facts.withdraw,
        offered=facts.withdraw,
        working=facts.withdraw_from_work,
        settled=ignore("agreement_stands"),
        ended=ignore("ended"),
        closed=ignore("closed"),
        persons=facts.withdraw,
    ),
    "merged": _row(
        waiting=facts.merge,
        offered=facts.merge,
        working=facts.merge,
        settled=ignore("agreement_stands"),
        ended=ignore("ended"),
        closed=ignore("closed"),
        persons=facts.merge,
    ),
    "amended": _row(
        waiting=facts.take_note,
        offered=facts.take_note,
        working=facts.take_note,
        settled=facts.take_note,
        ended=facts.take_note,
        closed=ignore("closed"),
        persons=facts.take_note,
    ),
    "flagged": _row(
        waiting=facts.take_note,
        offered=facts.hold,
        working=facts.warn_supervisor,
        settled=facts.warn_supervisor,
        ended=facts.warn_supervisor,
        closed=ignore("closed"),
        persons=facts.warn_supervisor,
        awaiting_assignment=facts.hold,
    ),
    "released": _row(
        waiting=facts.release,
        offered=facts.take_note,
        working=facts.take_note,
        settled=facts.take_note,
        ended=facts.take_note,
        closed=ignore("closed"),
        persons=facts.take_note,
        awaiting_assignment=facts.take_note,
        referred=facts.take_note,
    ),
    "complained_about": _row(
        waiting=ignore("not_the_holder"),
        offered=facts.recall_offer,
        working=facts.recall,
        settled=facts.recall_to_desk,
        ended=facts.recall_to_desk,
        closed=ignore("closed"),
        persons=ignore("not_the_holder"),
    ),
    "rated": _row(
        waiting=ignore("not_closed"),
        offered=ignore("not_closed"),
        working=ignore("not_closed"),
        settled=ignore("not_closed"),
        ended=ignore("not_closed"),
        closed=closing.rate,
        persons=ignore("not_closed"),
    ),
}

# --- the gate -----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Act:
    """A command, with the version of the case that its sender decided on (None: right on any version)."""

    command: Any
    expected: int | None = None


Gate = Callable[[Case | None, Act, Moment], Decision[Case]]


def by_holder(action: str, rule: Rule, codes: Codes) -> Gate:
    """An act of the organisation: the case is its own, the state allows the act, then the rule runs.

    Raises NotFound for a case that the organisation must not know of, before anything else is said of it.
    """

    def decide(case: Case | None, act: Act, moment: Moment) -> Decision[Case]:
        if case is None or case.hidden_from(moment.actor.org_id):
            raise NotFound
        return _pass(ACTIONS[case.track], action, rule, Turn(case, moment, codes), act)

    return decide


def by_staff(action: str, rule: Rule, codes: Codes) -> Gate:
    """An act of a person of the case's district."""

    def decide(case: Case | None, act: Act, moment: Moment) -> Decision[Case]:
        if case is None or not case.for_staff(moment.actor.districts, moment.actor.roles):
            raise NotFound
        return _pass(STAFF, action, rule, Turn(case, moment, codes), act)

    return decide


def _pass(table: Table, action: str, rule: Rule, turn: Turn, act: Act) -> Decision[Case]:
    state, allowed = turn.case.state, table.get(turn.case.state, {})
    if act.expected not in (None, turn.moment.version):
        raise Stale(version=turn.moment.version)
    if action not in allowed:
        raise ForbiddenAction(state=state, allowed=sorted(allowed))
    rule(turn, act.command)
    if turn.case.state not in (state, *allowed[action]):
        raise AssertionError(f"{action} led from {state} to {turn.case.state}")
    return turn.decision(audit=action)
