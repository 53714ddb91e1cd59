"""What notify holds of a case: its facts, the way to its parties, and every message about it."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from libs.events.base import CaseFacts

State = Literal[
    "planned", "suppressed", "deferred", "sending", "indeterminate", "sent", "delivered", "failed", "expired"
]
UNSENT: frozenset[State] = frozenset({"planned", "deferred"})
AT_PROVIDER: frozenset[State] = frozenset({"sending", "indeterminate", "sent"})
"""States in which a receipt may still tell something; all others are final for receipts."""

Waits = Literal["FACTS", "CONTACT", "QUIET_HOURS", "RETRY"]
"""Why a deferred message waits: intake's event, the dossier, the night, or the next attempt."""


@dataclass(frozen=True, slots=True)
class Facts:
    """The codes by which messages are decided; `version` is intake's, 0 when passed on by another service."""

    version: int
    kind: str | None
    track: str | None
    topic: str | None
    lawful_route: str | None
    flags: tuple[str, ...]
    query_code: str
    anonymous: bool
    sms_consent: bool
    dossier_version: int

    @classmethod
    def of(cls, case: CaseFacts, version: int) -> "Facts":
        return cls(
            version=version,
            kind=case.kind,
            track=case.track,
            topic=case.topic,
            lawful_route=case.lawful_route,
            flags=case.flags,
            query_code=case.query_code,
            anonymous=case.anonymous,
            sms_consent=case.sms_consent,
            dossier_version=case.dossier_version,
        )


@dataclass(frozen=True, slots=True)
class Contact:
    """The applicant's way to be reached, as far as a decision needs it: the number itself stays sealed."""

    version: int
    reachable: bool
    safe: bool
    opted_out: bool = False
    erased: bool = False


@dataclass(frozen=True, slots=True)
class Attempt:
    """One call of the provider: committed before the call, its outcome after it."""

    number: int
    at: datetime
    outcome: str | None = None
    code: str | None = None
    ended_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Message:
    """One SMS to one party about one event.

    `values` are the dates that the text names, as text. `allowed` is how many attempts it may have in all.
    `not_before` None while unsent: something must arrive first, no time alone lets it go. A `repeat` tells of
    what so many messages before it have told already, and is kept only to show that it was not sent.
    `trace` is the traceparent of the event that it tells of.
    """

    id: UUID
    template: str
    party: str
    trigger: str
    trigger_version: int
    values: Mapping[str, str]
    state: State
    planned_at: datetime
    changed_at: datetime
    reason: str | None = None
    not_before: datetime | None = None
    attempts: int = 0
    allowed: int = 1
    attempt: Attempt | None = None
    answered_at: datetime | None = None
    repeat: int = 0
    trace: str | None = None

    def to(self, state: State, now: datetime, reason: str | None = None, **more: Any) -> "Message":
        """The message in another state, with `more` fields changed; nothing is waited for any more."""
        return replace(self, **{"not_before": None} | more, state=state, reason=reason, changed_at=now)

    def waiting(self, reason: Waits, now: datetime, until: datetime | None = None) -> "Message":
        """The message put off, until a time or until something arrives."""
        if (self.state, self.reason, self.not_before) == ("deferred", reason, until):
            return self
        return replace(self, state="deferred", reason=reason, changed_at=now, not_before=until)

    @property
    def notice(self) -> tuple[str, str, str, int]:
        """What there is one message of per case: template, party, version of the trigger event."""
        return self.template, self.party, self.trigger, self.trigger_version


@dataclass(frozen=True, slots=True)
class Received:
    """An SMS from a citizen, by what it means. `ref` is a digest of the provider's number of it."""

    id: UUID
    at: datetime
    meaning: str
    rating: int | None
    in_reply_to: UUID | None
    ref: bytes
    text: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Correspondence:
    """All messages about one case. `contact` is a copy that the dossier's reader keeps, never changed here.

    `received` are replies that the decision adds; those of before are not loaded.
    """

    case_id: UUID
    district: str
    facts: Facts | None = None
    contact: Contact | None = None
    respondent_agreed: bool = False
    messages: Mapping[UUID, Message] = field(default_factory=dict)
    received: tuple[Received, ...] = ()

    def knowing(self, facts: Facts) -> "Correspondence":
        """With these facts, unless newer ones are known (events of two topics have no common order)."""
        if self.facts is not None and self.facts.version >= facts.version:
            return self
        return replace(self, facts=facts)

    def with_message(self, message: Message) -> "Correspondence":
        if self.messages.get(message.id) is message:
            return self
        return replace(self, messages={**self.messages, message.id: message})

    def contact_is_current(self) -> bool:
        """Whether the copy of the contact is at least the one that the facts were told with (G15)."""
        return (
            self.facts is not None
            and self.contact is not None
            and self.contact.version >= self.facts.dossier_version
        )
