"""What becomes of a case: each use case is one pure decision."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, Final
from uuid import UUID

from libs.db.work import Audit, Decision, Moment, ignored
from libs.events.base import CaseFacts, Payload
from libs.events.intake import CaseAccepted, CaseAmended, CaseFlagsChanged, CaseReleased, CaseWithdrawn
from libs.events.mediation import (
    CaseClosed,
    CaseHandedBack,
    CaseOffered,
    CaseRecalled,
    CaseReturned,
    CaseTakenUp,
    OfferExpired,
    OfferRefused,
    OfferWithdrawn,
)
from libs.events.routing import (
    AssignmentExhausted,
    AssignmentProposed,
    CandidateIn,
    CandidateOut,
    CoMediator,
)
from libs.web.errors import FieldError, ForbiddenAction, Invalid, NotFound, Refusal, Title
from services.routing import policy
from services.routing.domain.board import NO_NEEDS, Board, Needs
from services.routing.domain.case import Attempt, Findings, Result, RoutingCase, Status
from services.routing.domain.field import Contender
from services.routing.domain.question import Choice, Out, Question

AWAITING: Final = "awaiting_assignment"
"""Mediation's state of a case that may be offered to an organisation."""

Answer = CaseOffered | CaseTakenUp
Release = CaseReturned | OfferExpired | CaseHandedBack | CaseRecalled | OfferRefused | OfferWithdrawn

_RESULTS: Final[dict[type[Payload], Result]] = {
    CaseOffered: Result.OFFERED,
    CaseTakenUp: Result.TAKEN_UP,
    CaseReturned: Result.RETURNED,
    OfferExpired: Result.EXPIRED,
    CaseHandedBack: Result.HANDED_BACK,
    OfferRefused: Result.REFUSED,
    OfferWithdrawn: Result.WITHDRAWN,
    CaseRecalled: Result.WITHDRAWN,
}


class CannotTakeIt(Refusal):
    """The organisation cannot get the case, not even by a person; `reasons` say why."""

    CODE, TITLE = "organisation_out", Title("该组织不能承接此件", "The organisation cannot take this case")


@dataclass(frozen=True, slots=True)
class NeedsArrived:
    """Routing's copy of the case's needs was written."""


@dataclass(frozen=True, slots=True)
class ChooseOrganisation:
    """A supervisor chooses, with a reason in words."""

    org_id: str
    reason: str


def propose(
    case: RoutingCase | None, event: CaseAccepted | CaseReleased, moment: Moment
) -> Decision[RoutingCase]:
    """An accepted case gets its first proposal; one that a person released gets the proposal held back."""
    if event.case.accepted_at is None and not isinstance(event, CaseAccepted):
        return ignored(case, "released_before_accepted")
    known = replace(case or RoutingCase(event.case_id, event.district), facts=event.case)
    if not known.awaits_proposal:
        return _decided(case, known, moment)
    after, events = _next_attempt(known, event.case, moment)
    return _decided(case, after, moment, events)


def needs_arrived(case: RoutingCase | None, command: NeedsArrived, moment: Moment) -> Decision[RoutingCase]:
    """A case that waited for the citizen's needs goes on."""
    if case is None or case.facts is None or not case.waiting:
        return ignored(case, "not_waiting")
    after, events = _next_attempt(case, case.facts, moment)
    return _decided(case, after, moment, events)


def record_facts(
    case: RoutingCase | None, event: CaseAmended | CaseFlagsChanged, moment: Moment
) -> Decision[RoutingCase]:
    """What changed counts for the next attempt; what it means for a running one, mediation decides."""
    if case is None:
        return ignored(case, "not_accepted")
    return _decided(case, replace(case, facts=event.case), moment)


def withdraw(case: RoutingCase | None, event: CaseWithdrawn, moment: Moment) -> Decision[RoutingCase]:
    """A citizen's withdrawal ends the search; a case that was taken up is mediation's to close."""
    if case is None or case.status in (Status.TAKEN_UP, Status.CLOSED):
        return ignored(case, "nothing_sought")
    return _decided(case, case.at_its_end(), moment)


def record_answer(case: RoutingCase | None, event: Answer, moment: Moment) -> Decision[RoutingCase]:
    """The organisation was asked, or took the case up."""
    if case is None or not _is_ours(case, event.assignment_id):
        return ignored(case, "unknown_assignment")
    return _decided(case, case.answered(event.assignment_id, _RESULTS[type(event)]), moment)


def try_next(case: RoutingCase | None, event: Release, moment: Moment) -> Decision[RoutingCase]:
    """Returned, expired, handed back, recalled, refused or withdrawn: its place is free, and the next one is
    proposed when mediation waits for one and nobody else is asked already."""
    if case is None or not _is_ours(case, event.assignment_id):
        return ignored(case, "unknown_assignment")
    freed = case.answered(event.assignment_id, _RESULTS[type(event)])
    if event.state != AWAITING or not freed.awaits_proposal or freed.facts is None:
        return _decided(case, freed, moment)
    after, events = _next_attempt(freed, freed.facts, moment)
    return _decided(case, after, moment, events)


def close(case: RoutingCase | None, event: CaseClosed, moment: Moment) -> Decision[RoutingCase]:
    """The case is over; one that closed before its acceptance came here is remembered as closed (G8)."""
    known = case or RoutingCase(event.case_id, event.district)
    return _decided(case, known.at_its_end(), moment)


def choose_by_hand(
    case: RoutingCase | None, command: ChooseOrganisation, moment: Moment
) -> Decision[RoutingCase]:
    """A supervisor chooses; mediation answers the proposal (202).

    An open offer gives way to it, a taken-up case does not (G16). Raises ForbiddenAction in the wrong state
    or for a kind that never goes to a partner, Invalid for no partner of the district, CannotTakeIt for
    reasons that no person may set aside.
    """
    if case is None or case.facts is None:
        raise NotFound()
    if case.status in (Status.TAKEN_UP, Status.CLOSED):
        raise ForbiddenAction(state=case.status, allowed=[])
    board: Board = moment.shared
    if case.facts.kind not in board.rules.partner_kinds:
        raise ForbiddenAction("not_for_partners", state=case.status, allowed=[])
    field = board.fields[case.district]
    org = field.partner(command.org_id)
    if org is None:
        raise Invalid(errors=[FieldError("/org_id", "unknown_code")])
    question = _question(case, case.facts, _needs(case, case.facts, board) or NO_NEEDS, moment)
    reasons = policy.hindrances(question, org, board.loads, board.rules)
    if reasons or org.org_id in case.reservations:
        raise CannotTakeIt(reasons=list(reasons), asked_already=org.org_id in case.reservations)
    found = policy.choose(question, field, board.loads, board.rules)
    choice = replace(found, chosen=org, reason=None, referral=None, because=policy.PERSON)
    findings = Findings(choice, moment.actor.id, command.reason)
    chosen, events = _attempt(case, case.facts, findings, moment)
    attempt = chosen.attempts[-1]
    return _decided(
        case,
        chosen,
        moment,
        events,
        reply={
            "case_id": str(case.case_id),
            "assignment_id": str(attempt.assignment_id),
            "attempt": attempt.number,
            "org_id": org.org_id,
            "state": attempt.result,
        },
        status=202,
        audit=[Audit("assignment.chosen", {"org_id": org.org_id, "attempt": attempt.number})],
    )


def _next_attempt(
    case: RoutingCase, facts: CaseFacts, moment: Moment
) -> tuple[RoutingCase, Sequence[Payload]]:
    """The rule's next choice, or the wait for the needs it depends on."""
    board: Board = moment.shared
    needs = _needs(case, facts, board)
    if needs is None:
        return replace(case, waiting=True), ()
    question = _question(case, facts, needs, moment)
    choice = policy.choose(question, board.fields[case.district], board.loads, board.rules)
    return _attempt(case, facts, Findings(choice), moment)


def _needs(case: RoutingCase, facts: CaseFacts, board: Board) -> Needs | None:
    """What the citizen asked for; None while the copy is older than the facts say (G8)."""
    if not facts.has_needs:
        return NO_NEEDS
    copy = board.needs.get(case.case_id)
    return copy.needs if copy and copy.version >= facts.dossier_version else None


def _question(case: RoutingCase, facts: CaseFacts, needs: Needs, moment: Moment) -> Question:
    return Question(
        kind=facts.kind,
        category=facts.category,
        grid=facts.grid,
        at=moment.now,
        flags=frozenset(facts.flags),
        released=facts.released,
        chosen_target=facts.chosen_target,
        complained_about=facts.complained_about_org,
        consent=facts.share_with_partner,
        declined=case.declined,
        returns=case.returns,
        language=needs.language,
        mode=needs.mode,
        ethnic_support=needs.ethnic_support,
    )


def _attempt(
    case: RoutingCase, facts: CaseFacts, findings: Findings, moment: Moment
) -> tuple[RoutingCase, Sequence[Payload]]:
    """The case with this attempt, and the event that tells of it."""
    chosen = findings.choice.chosen
    attempt = Attempt(
        number=len(case.attempts) + 1,
        assignment_id=moment.new_id(),
        at=moment.now,
        result=Result.PENDING if chosen else Result.EXHAUSTED,
        org_id=chosen.org_id if chosen else None,
        findings=findings,
    )
    event: Payload = (
        _proposed(case, facts, attempt, findings, chosen)
        if chosen
        else _exhausted(case, facts, attempt, findings.choice)
    )
    return case.attempted(attempt), [event]


def _proposed(
    case: RoutingCase, facts: CaseFacts, attempt: Attempt, findings: Findings, chosen: Contender
) -> AssignmentProposed:
    choice = findings.choice
    return AssignmentProposed(
        case_id=case.case_id,
        district=case.district,
        case=facts,
        assignment_id=attempt.assignment_id,
        attempt=attempt.number,
        org_id=chosen.org_id,
        org_type=chosen.type,
        target_type=choice.target or chosen.type,
        acceptance_working_days=chosen.acceptance_working_days,
        standing_acceptance=chosen.standing_acceptance,
        by_person=findings.by_person is not None,
        candidates=tuple(CandidateIn(**candidate._asdict()) for candidate in choice.candidates),
        out=_out(choice),
        co_mediators=tuple(CoMediator(**co._asdict()) for co in choice.co_mediators),
        rule_version=choice.rule_version,
    )


def _exhausted(case: RoutingCase, facts: CaseFacts, attempt: Attempt, choice: Choice) -> AssignmentExhausted:
    return AssignmentExhausted(
        case_id=case.case_id,
        district=case.district,
        case=facts,
        reason=choice.reason,
        referral_type=choice.referral.type if choice.referral else None,
        referral_org=choice.referral.org_id if choice.referral else None,
        attempt=attempt.number,
        out=_out(choice),
        rule_version=choice.rule_version,
    )


def _out(choice: Choice) -> tuple[CandidateOut, ...]:
    return tuple(map(_left_out, choice.out))


@lru_cache(maxsize=4096)  # most organisations are left out for the same reasons case after case
def _left_out(out: Out) -> CandidateOut:
    return CandidateOut(org_id=out.org_id, reasons=out.reasons)


def _is_ours(case: RoutingCase, assignment_id: UUID) -> bool:
    return any(attempt.assignment_id == assignment_id for attempt in case.attempts)


def _decided(
    before: RoutingCase | None,
    after: RoutingCase,
    moment: Moment,
    events: Sequence[Payload] = (),
    **answer: Any,
) -> Decision[RoutingCase]:
    """The decision; the places that the case took or gave back count for the next case of the batch (G5)."""
    board: Board = moment.shared
    held = before.reservations if before else Counter[str]()
    holds = after.reservations
    if holds != held:
        for org_id in (holds - held).elements():
            board.reserve(org_id, moment.now)
        for org_id in (held - holds).elements():
            board.release(org_id)
    return Decision(before if after == before else after, events, **answer)
