"""Reaching the parties, asking whether they take part, and who mediates."""

from dataclasses import dataclass
from datetime import datetime

from libs.events.mediation import (
    ConsentRecorded,
    ConsentRequested,
    ContactAttempted,
    MediatorAppointed,
    Party,
)
from libs.web.errors import FieldError, Invalid
from services.mediation.domain import clocks, closing
from services.mediation.domain.case import PARTIES, Answer, Words
from services.mediation.domain.turn import Turn

REACHED = "reached"
CONTACT_TERMS = ("PROD-CONTACT", "PROD-REOPEN-CONTACT")
CONSENT_TERM = "PROD-CONSENT"


@dataclass(frozen=True, slots=True)
class ContactAttempt:
    """The organisation tried to reach a party."""

    party: Party
    channel: str
    at: datetime
    outcome: str


@dataclass(frozen=True, slots=True)
class Consent:
    """What a party answered; the evidence of it is sealed."""

    party: Party
    decision: Answer
    at: datetime
    evidence: Words | None = None


@dataclass(frozen=True, slots=True)
class Mediator:
    """Who mediates, and what of kinship or interest was disclosed to the parties; both sealed."""

    name: Words
    disclosure: Words
    chosen_by: str


def contact(turn: Turn, command: ContactAttempt) -> None:
    """Write down an attempt. Once the applicant is reached, both sides are asked whether they take part."""
    _not_later(turn, command.at)
    reached = command.outcome == REACHED and command.party == "applicant"
    if reached:
        clocks.stop(turn, *CONTACT_TERMS)
    turn.tell(
        ContactAttempted,
        party=command.party,
        channel=command.channel,
        at=command.at,
        outcome=command.outcome,
    )
    if reached and turn.case.track == "MEDIATION" and turn.case.state == "taken_up":
        _ask(turn)


def consent(turn: Turn, command: Consent) -> None:
    """A side agrees or refuses. Both agree: mediation begins. One refuses, also later: it must end.

    PMA arts 11, 17 and 23: taking part is voluntary, a party may refuse or stop at any time.
    """
    _not_later(turn, command.at)
    if turn.case.state == "taken_up":
        if command.party == "applicant":
            clocks.stop(turn, *CONTACT_TERMS)
        _ask(turn)
    turn.become(consents={**turn.case.consents, command.party: command.decision})
    turn.note("evidence", command.evidence, about=command.party)
    if len(turn.case.consents) == len(PARTIES) or command.decision == "refuses":
        clocks.stop(turn, CONSENT_TERM)
    if turn.case.both_agree:
        turn.become(state="in_mediation")
    turn.tell(ConsentRecorded, party=command.party, decision=command.decision, at=command.at)
    if command.decision == "refuses":
        closing.end_mediation(turn, "REFUSED", closing.STATUTORY_ROUTES)


def appoint(turn: Turn, command: Mediator) -> None:
    """A mediator is named after disclosing kinship or interest (PMA arts 19, 20; SZ22 art 23)."""
    mediator = str(turn.moment.new_id())
    turn.note("mediator", command.name, about=mediator)
    turn.note("disclosure", command.disclosure, about=mediator)
    turn.tell(MediatorAppointed, chosen_by=command.chosen_by)


def _ask(turn: Turn) -> None:
    turn.become(state="consent_pending")
    clocks.start(turn, "consent.requested", turn.now)
    for party in PARTIES:
        turn.tell(ConsentRequested, party=party)


def _not_later(turn: Turn, at: datetime) -> None:
    if at > turn.now:
        raise Invalid(errors=[FieldError("/at", "in_the_future")])
