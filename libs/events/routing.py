"""Events of routing: which organisation is proposed for a case, and why."""

from typing import ClassVar, Literal
from uuid import UUID

from libs.events.base import CaseFacts, Code, Count, Payload, RuleVersion, Shape


class RoutingEvent(Payload):
    """An event on `routing.assignment.v1`."""

    TOPIC: ClassVar[str] = "routing.assignment.v1"


class CandidateOut(Shape):
    """An organisation that was looked at and left out, with every reason."""

    org_id: Code
    reasons: tuple[Code, ...]


class CandidateIn(Shape):
    """An organisation that could take the case, with the figures that ranked it."""

    org_id: Code
    rank: Count
    area_level: Count
    load_ratio: float


class CoMediator(Shape):
    """An organisation asked to support the lead."""

    type: Code
    org_id: Code | None
    speaks_language: bool = False


class AssignmentProposed(RoutingEvent):
    """Routing proposes an organisation; mediation answers each proposal exactly once (G16)."""

    TYPE: ClassVar[str] = "assignment.proposed"

    case: CaseFacts
    assignment_id: UUID
    attempt: Count
    org_id: Code
    org_type: Code
    target_type: Code
    acceptance_working_days: Count | None = None
    standing_acceptance: bool = False
    by_person: bool = False
    candidates: tuple[CandidateIn, ...] = ()
    out: tuple[CandidateOut, ...] = ()
    co_mediators: tuple[CoMediator, ...] = ()
    rule_version: RuleVersion


class AssignmentExhausted(RoutingEvent):
    """No organisation can be proposed: a person or another body takes over."""

    TYPE: ClassVar[str] = "assignment.exhausted"

    case: CaseFacts
    reason: Literal["DUTY_DESK", "REFERRAL", "NO_ELIGIBLE", "SEALED"]
    referral_type: Code | None = None
    referral_org: Code | None = None
    attempt: Count
    out: tuple[CandidateOut, ...] = ()
    rule_version: RuleVersion
