"""What each event changes on the board. Events of one topic come in order, topics in any (G8)."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Any
from uuid import UUID

from libs.events.base import CaseFacts, DueDate, Payload
from libs.events.envelope import Envelope
from libs.events.intake import IntakeDeadlineMissed, IntakeEvent
from libs.events.mediation import DeadlineMissed, MediationEvent
from libs.events.notify import MessageEvent, MessageReceived


@dataclass(frozen=True, slots=True)
class CaseRow:
    """A case as the board shows it: codes and dates. `registered_at` None: no event told its facts yet.

    The `…_version` fields are the numbers of the last events told by each topic (G6).
    """

    case_id: UUID
    district: str
    query_code: str = ""
    kind: str | None = None
    category: str | None = None
    urgency: str | None = None
    flags: tuple[str, ...] = ()
    complained_about_org: str | None = None
    registered_at: datetime | None = None
    intake_state: str | None = None
    intake_rule: str | None = None
    intake_due_on: date | None = None
    intake_due_at: datetime | None = None
    mediation_state: str | None = None
    org_id: str | None = None
    mediation_rule: str | None = None
    mediation_due_on: date | None = None
    mediation_due_at: datetime | None = None
    intake_missed: str | None = None
    intake_missed_at: datetime | None = None
    mediation_missed: str | None = None
    mediation_missed_at: datetime | None = None
    message: str | None = None
    message_state: str | None = None
    message_at: datetime | None = None
    intake_version: int = 0
    routing_version: int = 0
    mediation_version: int = 0
    notify_version: int = 0

    @property
    def state(self) -> str | None:
        """Mediation's state once it has the case, intake's before."""
        return self.mediation_state or self.intake_state

    @property
    def due(self) -> tuple[str, date | None, datetime] | None:
        """The next open deadline of both services: rule, last day, instant."""
        told = (
            (self.intake_rule, self.intake_due_on, self.intake_due_at),
            (self.mediation_rule, self.mediation_due_on, self.mediation_due_at),
        )
        open_ones = [(rule, on, at) for rule, on, at in told if rule is not None and at is not None]
        return min(open_ones, key=lambda due: due[2], default=None)

    @property
    def late(self) -> tuple[str, datetime] | None:
        """The duty that was missed first and is still owed: rule, and when it was due."""
        told = (
            (self.intake_missed, self.intake_missed_at),
            (self.mediation_missed, self.mediation_missed_at),
        )
        missed = [(rule, at) for rule, at in told if rule is not None and at is not None]
        return min(missed, key=lambda late: late[1], default=None)

    @property
    def pressing_at(self) -> datetime | None:
        """Since when, or from when on, the case presses; the read model sorts by the same."""
        return self.late[1] if self.late else self.due and self.due[2]


@dataclass(frozen=True, slots=True)
class Moment:
    """An event in a case's timeline; `detail` holds the codes that say what it was about."""

    case_id: UUID
    topic: str
    version: int
    type: str
    at: datetime
    detail: dict[str, Any]


INTAKE_STATES = {
    "case.registered": "registered",
    "case.accepted": "accepted",
    "case.refused": "refused",
    "case.forwarded": "forwarded",
    "case.sent_back": "registered",
    "case.merged": "merged",
    "case.withdrawn": "withdrawn",
    "case.erased": "erased",
}

WITHOUT_HOLDER = frozenset({"awaiting_assignment", "with_duty_desk", "referred"})

TOLD = {
    *("org_id", "reason_code", "reason", "directed_to", "by", "referral_org", "rule", "level", "until"),
    *("channel", "outcome", "decision", "starts_at", "mode", "held", "form", "done", "result", "rating"),
    *("party", "template", "meaning", "added", "removed", "count"),
}
"""The fields of a payload that the timeline shows."""


def changed(row: CaseRow, envelope: Envelope, payload: Payload) -> CaseRow:
    """The row after the event; the same one when its topic told a later or this event before."""
    version = f"{envelope.topic.partition('.')[0]}_version"
    if envelope.caseversion <= getattr(row, version):
        return row
    if isinstance(payload, IntakeEvent):
        row = _late(row, _intake(row, payload), payload, envelope.time)
    elif isinstance(payload, MediationEvent):
        row = _late(row, _mediation(row, payload), payload, envelope.time)
    elif isinstance(payload, MessageEvent):
        row = _message(row, payload.template, payload.TYPE.partition(".")[2], envelope.time)
    elif isinstance(payload, MessageReceived):
        row = _message(row, payload.meaning, "received", envelope.time)
    facts = getattr(payload, "case", None)
    if facts is not None and (isinstance(payload, IntakeEvent) or row.intake_version == 0):
        row = _facts(row, facts)
    told: dict[str, Any] = {version: envelope.caseversion}
    return replace(row, **told)


def moment(envelope: Envelope, payload: Payload) -> Moment:
    """The event as an entry of the timeline."""
    detail = payload.model_dump(mode="json", include=TOLD, exclude_none=True)
    return Moment(
        envelope.case_id, envelope.topic, envelope.caseversion, envelope.type, envelope.time, detail
    )


def _facts(row: CaseRow, facts: CaseFacts) -> CaseRow:
    return replace(
        row,
        query_code=facts.query_code,
        kind=facts.kind,
        category=facts.category,
        urgency=facts.urgency,
        flags=facts.flags,
        complained_about_org=facts.complained_about_org,
        registered_at=facts.registered_at,
    )


def _intake(row: CaseRow, payload: IntakeEvent) -> CaseRow:
    return replace(
        row,
        intake_state=INTAKE_STATES.get(payload.TYPE, row.intake_state),
        query_code="" if payload.TYPE == "case.erased" else row.query_code,
        **_due("intake", payload.deadlines),
    )


def _mediation(row: CaseRow, payload: MediationEvent) -> CaseRow:
    return replace(
        row,
        mediation_state=payload.state,
        org_id=None if payload.state in WITHOUT_HOLDER else payload.org_id,
        **_due("mediation", payload.deadlines),
    )


def _late(before: CaseRow, row: CaseRow, payload: IntakeEvent | MediationEvent, at: datetime) -> CaseRow:
    """With the duty that the sender says was missed; it is owed until the case moves on there."""
    sender = payload.TOPIC.partition(".")[0]
    if isinstance(payload, DeadlineMissed | IntakeDeadlineMissed):
        known = getattr(before, f"{sender}_rule") == payload.rule
        due_at = getattr(before, f"{sender}_due_at") if known else at
        told: dict[str, Any] = {f"{sender}_missed": payload.rule, f"{sender}_missed_at": due_at}
        return replace(row, **told)
    if getattr(before, f"{sender}_state") == getattr(row, f"{sender}_state"):
        return row
    gone: dict[str, Any] = {f"{sender}_missed": None, f"{sender}_missed_at": None}
    return replace(row, **gone)


def _message(row: CaseRow, what: str, state: str, at: datetime) -> CaseRow:
    return replace(row, message=what, message_state=state, message_at=at)


def _due(sender: str, deadlines: Sequence[DueDate]) -> dict[str, Any]:
    """The next of a sender's open deadlines, as the fields that keep it."""
    due = min(deadlines, key=lambda due: due.due_at, default=None)
    return {
        f"{sender}_rule": due and due.rule,
        f"{sender}_due_on": due and due.due_on,
        f"{sender}_due_at": due and due.due_at,
    }
