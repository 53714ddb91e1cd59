"""Offers: every proposal of routing gets exactly one answer, and every offer one end (G16)."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import date

from libs.events.mediation import (
    CaseEscalated,
    CaseHandedBack,
    CaseOffered,
    CaseRecalled,
    CaseReturned,
    CaseTakenUp,
    OfferExpired,
    OfferRefused,
    OfferWithdrawn,
)
from libs.events.routing import AssignmentExhausted, AssignmentProposed
from libs.web.errors import FieldError, Invalid
from services.mediation.domain import clocks
from services.mediation.domain.case import DUTY_DESK, Offer, OfferStatus, Words
from services.mediation.domain.turn import Turn


@dataclass(frozen=True, slots=True)
class TakeUp:
    """The organisation says who handles the case (sealed) and by when it will phone."""

    handler: Words | None = None
    first_contact_by: date | None = None


@dataclass(frozen=True, slots=True)
class Return:
    """The organisation gives an offer back."""

    reason_code: str
    reason_text: Words | None = None
    proposed_org: str | None = None


@dataclass(frozen=True, slots=True)
class HandBack:
    """The organisation gives up a case that it had taken up."""

    reason_code: str
    reason_text: Words | None = None


# --- proposals ----------------------------------------------------------------------------------------------


def offer(turn: Turn, proposal: AssignmentProposed) -> None:
    """Offer the case to the organisation proposed; with a standing acceptance it is taken up at once."""
    if reason := _obstacle(turn, proposal):
        _answer_no(turn, proposal, reason)
        return
    clocks.start(turn, "case.offered", turn.now, offer_days=proposal.acceptance_working_days)
    made = Offer(
        proposal.assignment_id,
        proposal.attempt,
        proposal.org_id,
        "open",
        turn.now,
        due_at=turn.case.deadlines[clocks.OFFER_TERM].due_at,
    )
    turn.tasks_done()
    turn.become(state="offered", org_id=made.org_id, referred_to=None, offers=(*turn.case.offers, made))
    turn.tell(CaseOffered, assignment_id=made.assignment_id, attempt=made.attempt)
    if proposal.standing_acceptance:
        _take_up(turn, standing=True)


def replace_offer(turn: Turn, proposal: AssignmentProposed) -> None:
    """A newer attempt replaces an open offer: its holder is told, then the next organisation is asked."""
    held = turn.case.offer
    if held is not None and proposal.attempt <= held.attempt:
        _answer_no(turn, proposal, "SUPERSEDED")
    elif reason := _obstacle(turn, proposal):
        _answer_no(turn, proposal, reason)
    else:
        withdraw(turn, "SUPERSEDED", state="offered")
        offer(turn, proposal)


def refuse(reason: str) -> Callable[[Turn, AssignmentProposed], None]:
    """The rule that answers a proposal with a no, since the case is past being offered."""

    def answer(turn: Turn, proposal: AssignmentProposed) -> None:
        _answer_no(turn, proposal, reason)

    return answer


def answered(turn: Turn, proposal: AssignmentProposed) -> bool:
    """Whether this proposal has its answer already: a second one would be one too many."""
    return any(offer.assignment_id == proposal.assignment_id for offer in turn.case.offers)


def withdraw(turn: Turn, reason: str, *, state: str) -> None:
    """Take an open offer back. `state` is where the case goes: routing proposes the next only where it reads
    `awaiting_assignment`."""
    ended = _end_offer(turn, "withdrawn", reason)
    turn.become(state=state, org_id=None)
    turn.tell(
        OfferWithdrawn,
        org_id=ended.org_id,
        assignment_id=ended.assignment_id,
        attempt=ended.attempt,
        reason_code=reason,
    )


# --- nobody to offer it to ----------------------------------------------------------------------------------


def exhausted(turn: Turn, event: AssignmentExhausted) -> None:
    """No organisation can be proposed: a person or another body takes over, and is told so."""
    state = "referred" if event.reason == "REFERRAL" else "with_duty_desk"
    if turn.case.offer is not None:
        withdraw(turn, "SUPERSEDED", state=state)
    if event.reason == "REFERRAL":
        turn.become(state=state, referred_to=event.referral_org or event.referral_type)
        to_person(turn, "REFERRAL", event.referral_type or "REFERRAL")
    else:
        to_duty_desk(turn, event.reason)


def exhausted_under_person(turn: Turn, event: AssignmentExhausted) -> None:
    """A track without offers: routing names who owns the case, its state is its own track's."""
    turn.become(referred_to=event.referral_org or event.referral_type)
    to_person(turn, event.reason, event.referral_type or event.reason)


def to_duty_desk(turn: Turn, reason: str) -> None:
    """The duty desk of the district takes the case."""
    turn.become(state="with_duty_desk", org_id=None, referred_to=None)
    to_person(turn, DUTY_DESK, reason)


def to_person(turn: Turn, queue: str, reason: str) -> None:
    """A person has to act: a task in the queue, and the case is marked as escalated to it."""
    turn.ask_person(queue, reason, clocks.act_by(turn))
    turn.tell(CaseEscalated, level=queue, reason_code=reason)


# --- answers of the organisation ----------------------------------------------------------------------------


def take_up(turn: Turn, command: TakeUp) -> None:
    """The organisation takes the case; its first contact and its terms begin to run."""
    if command.first_contact_by is not None and command.first_contact_by < turn.today:
        raise Invalid(errors=[FieldError("/first_contact_by", "in_the_past")])
    turn.note("handler", command.handler)
    _take_up(turn, first_contact_by=command.first_contact_by)


def give_back(turn: Turn, command: Return) -> None:
    """The organisation returns the offer, for a coded reason; some reasons ask it to name another."""
    codes = turn.codes.returned
    _known(command.reason_code, codes)
    if codes[command.reason_code] and command.proposed_org is None:
        raise Invalid(errors=[FieldError("/proposed_org", "required", "another_organisation")])
    _explained(command.reason_code, command.reason_text)
    clocks.stop(turn, clocks.OFFER_TERM)
    ended = _end_offer(turn, "returned", command.reason_code)
    turn.note("return", command.reason_text, about=str(ended.assignment_id))
    turn.become(state="awaiting_assignment", org_id=None)
    turn.tell(
        CaseReturned,
        org_id=ended.org_id,
        assignment_id=ended.assignment_id,
        attempt=ended.attempt,
        reason_code=command.reason_code,
        proposed_org=command.proposed_org,
    )


def hand_back(turn: Turn, command: HandBack) -> None:
    """The organisation gives up what it had taken up (a volunteer may: VOL17 art 22)."""
    _known(command.reason_code, turn.codes.handed_back)
    _explained(command.reason_code, command.reason_text)
    ended = _end_offer(turn, "handed_back", command.reason_code)
    start_afresh(turn)
    turn.note("hand_back", command.reason_text, about=str(ended.assignment_id))
    turn.tell(
        CaseHandedBack,
        org_id=ended.org_id,
        assignment_id=ended.assignment_id,
        attempt=ended.attempt,
        reason_code=command.reason_code,
    )


def start_afresh(turn: Turn) -> None:
    """The next organisation begins anew: consent was given to the one that asked (PMA art 17)."""
    turn.become(
        state="awaiting_assignment", org_id=None, taken_up_at=None, consents={}, sessions=(), agreement=None
    )


def recall(turn: Turn, reason: str) -> None:
    """The case is taken from an organisation that may not go on with it; the state to go to is set before."""
    ended = _end_offer(turn, "recalled", reason)
    turn.become(org_id=None)
    turn.tell(
        CaseRecalled,
        org_id=ended.org_id,
        assignment_id=ended.assignment_id,
        attempt=ended.attempt,
        reason_code=reason,
    )


def expire(turn: Turn) -> None:
    """The offer was not answered within its term: routing proposes the next."""
    ended = _end_offer(turn, "expired", None)
    turn.become(state="awaiting_assignment", org_id=None)
    turn.tell(OfferExpired, org_id=ended.org_id, assignment_id=ended.assignment_id, attempt=ended.attempt)


def _take_up(turn: Turn, *, first_contact_by: date | None = None, standing: bool = False) -> None:
    clocks.stop(turn, clocks.OFFER_TERM)
    taken = _end_offer(turn, "taken_up", None)
    turn.become(state="taken_up", taken_up_at=turn.now)
    clocks.start(turn, "case.taken_up", turn.now)
    turn.tell(
        CaseTakenUp,
        assignment_id=taken.assignment_id,
        attempt=taken.attempt,
        first_contact_by=first_contact_by,
        standing=standing,
    )


def _end_offer(turn: Turn, status: OfferStatus, reason: str | None) -> Offer:
    """Write down what became of the held offer, and stop the clocks that concerned its holder."""
    held = turn.case.offer
    if held is None:
        raise LookupError("no offer is held")
    clocks.stop_of_holder(turn)
    after = replace(held, status=status, reason_code=reason)
    turn.become(offers=tuple(after if offer is held else offer for offer in turn.case.offers))
    return after


def _obstacle(turn: Turn, proposal: AssignmentProposed) -> str | None:
    """Why this proposal cannot be offered although the state allows offers; the first reason that applies."""
    facts = turn.case.facts
    if turn.case.track not in turn.codes.partner_tracks:
        return "NOT_FOR_PARTNERS"
    if facts.complained_about_org == proposal.org_id:
        return "COMPLAINED_ABOUT"
    newest = max((offer.attempt for offer in turn.case.offers), default=0)
    if proposal.attempt < newest:
        return "SUPERSEDED"
    held_back = turn.codes.holding_flags.intersection(facts.flags)
    if held_back and not (facts.released or proposal.case.released or proposal.by_person):
        return "FLAGGED"
    return None


def _answer_no(turn: Turn, proposal: AssignmentProposed, reason: str) -> None:
    refused = Offer(
        proposal.assignment_id, proposal.attempt, proposal.org_id, "refused", turn.now, reason_code=reason
    )
    turn.become(offers=(*turn.case.offers, refused))
    turn.tell(
        OfferRefused,
        org_id=None,
        assignment_id=proposal.assignment_id,
        attempt=proposal.attempt,
        reason_code=reason,
    )


def _known(code: str, codes: object) -> None:
    if code not in codes:  # type: ignore[operator]
        raise Invalid(errors=[FieldError("/reason_code", "unknown_code")])


def _explained(code: str, text: Words | None) -> None:
    """The code OTHER says nothing by itself: it needs words (其他须说明)."""
    if code == "OTHER" and text is None:
        raise Invalid(errors=[FieldError("/reason_text", "required", "other_explained")])
