"""Events of intake: what the citizen said, and what intake decided of it."""

from typing import ClassVar
from uuid import UUID

from libs.events.base import CaseFacts, Code, Count, Owned, QueryCode


class IntakeEvent(Owned):
    """An event on `intake.case.v1`."""

    TOPIC: ClassVar[str] = "intake.case.v1"


class CaseRegistered(IntakeEvent):
    """A matter was registered (登记); nothing is decided yet. `decided` names a decision of the same act."""

    TYPE: ClassVar[str] = "case.registered"

    case: CaseFacts
    decided: Code | None = None


class CaseAmended(IntakeEvent):
    """What the citizen said was corrected or completed; `changed` names the fields, never their values."""

    TYPE: ClassVar[str] = "case.amended"

    case: CaseFacts
    changed: tuple[Code, ...]


class CaseAccepted(IntakeEvent):
    """The matter was accepted (受理). `with_registration`: decided in the act of registering."""

    TYPE: ClassVar[str] = "case.accepted"

    case: CaseFacts
    with_registration: bool


class CaseRefused(IntakeEvent):
    """The matter was not accepted, for a coded reason and with where to turn instead."""

    TYPE: ClassVar[str] = "case.refused"

    case: CaseFacts
    reason_code: Code
    directed_to: Code | None
    with_registration: bool


class CaseForwarded(IntakeEvent):
    """The matter was passed to the body with power to handle it (转送)."""

    TYPE: ClassVar[str] = "case.forwarded"

    case: CaseFacts
    reason_code: Code | None
    directed_to: Code
    with_registration: bool


class CaseSentBack(IntakeEvent):
    """The body `by` that the matter was forwarded to sent it back (退回); intake decides of it anew."""

    TYPE: ClassVar[str] = "case.sent_back"

    case: CaseFacts
    by: Code | None


class CaseMerged(IntakeEvent):
    """A repeated matter was joined to the case that handles it already (XF22 art 19).

    `into_query_code` is that case's number, the only one that the citizen is told from here on.
    """

    TYPE: ClassVar[str] = "case.merged"

    case: CaseFacts
    into: UUID
    into_query_code: QueryCode | None = None
    reason_code: Code
    with_registration: bool


class CaseLinked(IntakeEvent):
    """A child case was opened under this one, for its civil side or a need beside it; this one goes on."""

    TYPE: ClassVar[str] = "case.linked"

    case: CaseFacts
    child: UUID
    child_kind: Code


class CaseFlagsChanged(IntakeEvent):
    """Flags were raised by the rules or a person, or lowered by a supervisor."""

    TYPE: ClassVar[str] = "case.flags_changed"

    case: CaseFacts
    added: tuple[Code, ...] = ()
    removed: tuple[Code, ...] = ()


class CaseReminded(IntakeEvent):
    """The citizen asked again (催办)."""

    TYPE: ClassVar[str] = "case.reminded"

    count: Count
    new_facts: bool
    merged_from: UUID | None = None


class CaseReleased(IntakeEvent):
    """A person released a case that a flag held back from routing."""

    TYPE: ClassVar[str] = "case.released"

    case: CaseFacts


class CaseWithdrawn(IntakeEvent):
    """The citizen took the matter back."""

    TYPE: ClassVar[str] = "case.withdrawn"


class CaseErased(IntakeEvent):
    """The personal data of the case is gone; every reader deletes its copy."""

    TYPE: ClassVar[str] = "case.erased"


class IntakeDeadlineWarned(IntakeEvent):
    """One of intake's deadlines comes near."""

    TYPE: ClassVar[str] = "deadline.warned"

    rule: Code
    tell: tuple[Code, ...] = ()


class IntakeDeadlineMissed(IntakeEvent):
    """One of intake's deadlines passed unmet."""

    TYPE: ClassVar[str] = "deadline.missed"

    rule: Code
    tell: tuple[Code, ...] = ()
    escalation: tuple[Code, ...] = ()


class IntakeDeadlineMet(IntakeEvent):
    """A duty that one of intake's deadlines watches was done; `late` says that it had passed before."""

    TYPE: ClassVar[str] = "deadline.met"

    rule: Code
    late: bool
