"""Events of mediation: the life of a case from opening to closing."""

from datetime import date
from typing import ClassVar, Literal
from uuid import UUID

from pydantic import AwareDatetime

from libs.events.base import CaseFacts, Code, Count, DueDate, Owned, Rating

Party = Literal["applicant", "respondent"]
Means = Literal["约", "法", "德"]
"""By what the parties were won: covenant, law, morals."""


class MediationEvent(Owned):
    """An event on `mediation.case.v1`. `state` is the state after the change, `track` the lifecycle."""

    TOPIC: ClassVar[str] = "mediation.case.v1"

    state: Code
    track: Code | None = None
    org_id: Code | None = None


class CaseOpened(MediationEvent):
    """Mediation started its clocks for an accepted case."""

    TYPE: ClassVar[str] = "case.opened"

    case: CaseFacts


class CaseOffered(MediationEvent):
    """The case was offered to an organisation; the answer to a proposal (G16)."""

    TYPE: ClassVar[str] = "case.offered"

    assignment_id: UUID
    attempt: Count


class OfferRefused(MediationEvent):
    """Mediation cannot offer this proposal; the other possible answer to it (G16)."""

    TYPE: ClassVar[str] = "case.offer_refused"

    assignment_id: UUID
    attempt: Count
    reason_code: Code


class OfferWithdrawn(MediationEvent):
    """An open offer was replaced by a newer attempt."""

    TYPE: ClassVar[str] = "case.offer_withdrawn"

    assignment_id: UUID
    attempt: Count
    reason_code: Code


class CaseTakenUp(MediationEvent):
    """The organisation took the case up."""

    TYPE: ClassVar[str] = "case.taken_up"

    assignment_id: UUID
    attempt: Count
    first_contact_by: date | None = None
    standing: bool = False


class CaseReturned(MediationEvent):
    """The organisation gave the offer back, with a coded reason."""

    TYPE: ClassVar[str] = "case.returned"

    assignment_id: UUID
    attempt: Count
    reason_code: Code
    proposed_org: Code | None = None


class OfferExpired(MediationEvent):
    """The offer was not answered within its term."""

    TYPE: ClassVar[str] = "case.offer_expired"

    assignment_id: UUID
    attempt: Count


class CaseHandedBack(MediationEvent):
    """The organisation gave up a case that it had taken up."""

    TYPE: ClassVar[str] = "case.handed_back"

    assignment_id: UUID
    attempt: Count
    reason_code: Code


class CaseRecalled(MediationEvent):
    """A case that was taken up was taken from its organisation; routing finds the next one (G16)."""

    TYPE: ClassVar[str] = "case.recalled"

    assignment_id: UUID
    attempt: Count
    reason_code: Code


class ContactAttempted(MediationEvent):
    """The organisation tried to reach a party."""

    TYPE: ClassVar[str] = "contact.attempted"

    party: Party
    channel: Code
    at: AwareDatetime
    outcome: Code


class ConsentRequested(MediationEvent):
    """A party is asked whether it takes part (PMA art 17)."""

    TYPE: ClassVar[str] = "consent.requested"

    party: Party


class ConsentRecorded(MediationEvent):
    """A party agreed to mediation or refused it."""

    TYPE: ClassVar[str] = "consent.recorded"

    party: Party
    decision: Literal["agrees", "refuses"]
    at: AwareDatetime


class MediatorAppointed(MediationEvent):
    """A mediator was appointed and made the disclosure."""

    TYPE: ClassVar[str] = "mediator.appointed"

    chosen_by: Code


class SessionScheduled(MediationEvent):
    """A session has a time and a mode."""

    TYPE: ClassVar[str] = "session.scheduled"

    session_id: UUID
    starts_at: AwareDatetime
    mode: Code
    parties: tuple[Party, ...]


class SessionHeld(MediationEvent):
    """A session took place or fell through."""

    TYPE: ClassVar[str] = "session.held"

    session_id: UUID
    held: bool


class AgreementReached(MediationEvent):
    """The parties agreed (PMA arts 28-31)."""

    TYPE: ClassVar[str] = "agreement.reached"

    form: Literal["written", "oral"]
    partial: bool
    effective_on: date
    performance_items: Count
    means: tuple[Means, ...] = ()


class PerformanceRecorded(MediationEvent):
    """An item of the agreement was performed or not."""

    TYPE: ClassVar[str] = "performance.recorded"

    item: Count
    done: bool
    on: date


class MediationEnded(MediationEvent):
    """The mediation ended without agreement; other routes were told (PMA art 26)."""

    TYPE: ClassVar[str] = "mediation.ended"

    reason_code: Code
    routes_told: tuple[Code, ...] = ()


class CaseExtended(MediationEvent):
    """A term was prolonged."""

    TYPE: ClassVar[str] = "case.extended"

    rule: Code
    until: date


class CaseEscalated(MediationEvent):
    """The case climbed to a level of the ladder, or to the duty desk or a referral."""

    TYPE: ClassVar[str] = "case.escalated"

    level: Code
    reason_code: Code


class ReplyIssued(MediationEvent):
    """The public body answered the petition; `issued_on` is the day of the answer, which the citizen has."""

    TYPE: ClassVar[str] = "reply.issued"

    written: bool
    issued_on: date
    lawful_route: Code | None


class CaseClosed(MediationEvent):
    """The case is closed with a coded result."""

    TYPE: ClassVar[str] = "case.closed"

    result: Code


class CaseRated(MediationEvent):
    """The citizen rated the handling."""

    TYPE: ClassVar[str] = "case.rated"

    rating: Rating


class DeadlineWarned(MediationEvent):
    """One of mediation's deadlines comes near."""

    TYPE: ClassVar[str] = "deadline.warned"

    rule: Code
    tell: tuple[Code, ...] = ()


class DeadlineMissed(MediationEvent):
    """One of mediation's deadlines passed unmet."""

    TYPE: ClassVar[str] = "deadline.missed"

    rule: Code
    tell: tuple[Code, ...] = ()
    escalation: tuple[Code, ...] = ()


class DeadlineMoved(MediationEvent):
    """A deadline was computed again, for example by a new calendar (G17).

    `was` null: it did not run before; `now` null: it does not apply any more.
    """

    TYPE: ClassVar[str] = "deadline.moved"

    rule: Code
    was: DueDate | None
    now: DueDate | None
    why: Code
