"""The words of a use case: what is asked, what the decision is told, what it answers. No driver in here.

One shape for every use case (load → decide → save): the shell (`libs.db.shell`) loads the cases of a batch,
calls `decide` once per command or event, and saves all changes together. `decide` is pure: time, ids and
everything it needs are passed in.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Generic, Literal, TypeVar
from uuid import UUID

from libs.events.base import Payload
from libs.events.envelope import Envelope
from libs.privacy.audit import check_detail

A = TypeVar("A")
C = TypeVar("C")


def _anybody(case: object, actor: "Actor") -> None:
    """Whoever sends a work may know of its case, unless it says otherwise."""


@dataclass(frozen=True, slots=True)
class Actor:
    """Who acts. `id` is a staff name, a key id, or a service; never a citizen's name or number.

    `portal` is the one whose key it is, `scopes` what that key is good for.
    """

    kind: Literal["staff", "partner", "channel", "citizen", "service"]
    id: str
    roles: frozenset[str] = frozenset()
    org_id: str | None = None
    districts: frozenset[str] = frozenset()
    portal: str | None = None
    scopes: frozenset[str] = frozenset()

    def label(self) -> str:
        """The actor as the audit log names it."""
        return f"{self.kind}:{self.id}"


@dataclass(frozen=True, slots=True)
class Audit:
    """An entry of the audit chain: an action and its codes; it can never be erased, so no personal data.
    `case_id` is a further case that the command changed; without one it is about the command's own.

    Raises `AuditRefused` in the decision that makes it, so that it fails its own case alone.
    """

    action: str
    detail: Mapping[str, object] = field(default_factory=dict)
    case_id: UUID | None = None

    def __post_init__(self) -> None:
        check_detail({"action": self.action})
        check_detail(self.detail)


@dataclass(frozen=True, slots=True)
class State:
    """The current record of a key on a compacted topic; `value` None is its tombstone (G12)."""

    topic: str
    key: str
    version: int
    value: bytes | None
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class IdempotencyKey:
    """HMACs of (credential, method, path, key) and of the body: neither can be read back (G4)."""

    scope: bytes
    body: bytes


@dataclass(frozen=True, slots=True)
class Delivery:
    """Where an event came from: identity for the inbox, place for offsets and dead letters.

    `parked_id` tells that it comes from the parked rows; `blocks_case` whether later events of its case wait
    while it is dead.
    """

    consumer: str
    topic: str
    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes], ...]
    parked_id: int | None = None
    blocks_case: bool = True


@dataclass(slots=True)
class Moment:
    """What a decision is told besides the case and the command.

    `now` is aware UTC: for a request the time it was received (G17), else the service's clock. `version` is
    the case's version in this service before the decision, 0 for none. `shared` is what `Store.share` loaded
    for the whole batch; a decision may change it for those that follow (G5).
    """

    now: datetime
    actor: Actor
    version: int
    new_id: Callable[[], UUID]
    event: Envelope | None = None
    others: Mapping[UUID, Any] = field(default_factory=dict)
    shared: Any = None


@dataclass(slots=True)
class Decision(Generic[A]):
    """What becomes of the case. Each event raises the version by one, in order (G6).

    `reply` is the door's answer; it is stored with the idempotency key, so it holds no personal field.
    `others` are further cases of the command that changed, with their events (G3).
    """

    case: A | None
    events: Sequence[Payload] = ()
    reply: Any = None
    status: int = 200
    audit: Sequence[Audit] = ()
    state: Sequence[State] = ()
    others: Mapping[UUID, tuple[Any, Sequence[Payload]]] = field(default_factory=dict)
    location: str | None = None
    ignored: str | None = None


def ignored(case: A | None, reason: str) -> Decision[A]:
    """The event means nothing in this state, and why: counted and logged, never a silent pass."""
    return Decision(case, ignored=reason)


Decide = Callable[[A | None, C, Moment], Decision[A]]
"""Pure; returns the decision or raises `Refusal`, for an event also `NotYet`."""


@dataclass(frozen=True, slots=True)
class UseCase(Generic[A, C]):
    """One entry of a service's table of contents."""

    name: str
    decide: Decide[A, C]


@dataclass(frozen=True, slots=True)
class Work(Generic[A, C]):
    """One command or event for one case, with who asks and how it is made idempotent.

    `known` raises NotFound for who may not know of the case: asked before the version is compared, by which
    they would learn that there is one, and how far it has come.
    """

    use_case: UseCase[A, C]
    case_id: UUID
    command: C
    actor: Actor
    district: str
    received_at: datetime
    also: tuple[UUID, ...] = ()
    key: IdempotencyKey | None = None
    expected_version: int | None = None
    known: Callable[[A, Actor], object] = _anybody
    delivery: Delivery | None = None
    event: Envelope | None = None
    trace: str | None = None

    def cases(self) -> tuple[UUID, ...]:
        """Every case that the work reads or changes."""
        return (self.case_id, *self.also)


@dataclass(frozen=True, slots=True)
class Outcome:
    """The answer to a command: status, body without personal fields, the case's version after it."""

    status: int
    body: Any
    version: int
    replayed: bool = False
    location: str | None = None


@dataclass(frozen=True, slots=True)
class Change(Generic[A]):
    """A case before and after the batch; `version` is the one after."""

    case_id: UUID
    district: str
    before: A | None
    after: A | None
    version: int
