"""Deciding a batch in memory: each work on its case as the works before it left it. No statement in here.

The transaction around it (`libs.db.batch`) and its twin without a database (`libs.testing.shell`) share this,
so a rule is decided in a test exactly as it is in production.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Generic, TypeVar
from uuid import UUID

from libs.db.auditlog import Entry
from libs.db.idempotency import Answer
from libs.db.work import Audit, Change, Decision, IdempotencyKey, Moment, Outcome, State, Work
from libs.events.base import Payload
from libs.events.envelope import Envelope
from libs.events.registry import encode
from libs.messaging.outbox import Outgoing, check_size
from libs.messaging.parking import Failure
from libs.web.errors import Refusal, Stale

A = TypeVar("A")


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a batch needs from its service."""

    service: str
    now: Callable[[], datetime]
    new_id: Callable[[], UUID]
    ignored: Callable[[Work[Any, Any], str], None] = lambda work, reason: None


@dataclass(frozen=True, slots=True)
class Result:
    """What became of one work: an outcome, an error, `later` (its case is locked) or `repeat` (done)."""

    outcome: Outcome | None = None
    error: BaseException | None = None
    later: bool = False
    repeat: bool = False


LATER = Result(later=True)
REPEAT = Result(repeat=True)


@dataclass(slots=True)
class Slot(Generic[A]):
    """A case inside the batch: as loaded, and as the decisions so far left it."""

    district: str
    exists: bool = False
    loaded_version: int = 0
    version: int = 0
    before: A | None = None
    after: A | None = None


@dataclass(slots=True)
class Writes:
    """What the batch writes besides the cases themselves."""

    events: list[Outgoing] = field(default_factory=list)
    states: list[State] = field(default_factory=list)
    audit: list[Entry] = field(default_factory=list)
    answers: list[tuple[IdempotencyKey, Answer]] = field(default_factory=list)
    failures: list[Failure] = field(default_factory=list)
    unparked: list[int] = field(default_factory=list)


class Deciding(Generic[A]):
    """The works of one batch with their results so far, their cases, and what is to be written."""

    def __init__(self, works: Sequence[Work[A, Any]], around: Surroundings) -> None:
        self.works = works
        self.results: list[Result | None] = [None] * len(works)
        self.slots: dict[UUID, Slot[A]] = {}
        self.writes = Writes()
        self.now = around.now()
        self._around = around

    def open(self) -> list[tuple[int, Work[A, Any]]]:
        """The works that have no result yet, with their places."""
        return [(n, work) for n, work in enumerate(self.works) if self.results[n] is None]

    def found(self, case_id: UUID, district: str, version: int) -> None:
        """The case exists in this service, at this version."""
        self.slots[case_id] = Slot(district, True, version, version)

    def loaded(self, cases: Mapping[UUID, A]) -> None:
        """What the store holds of the cases that exist."""
        for case_id, case in cases.items():
            slot = self.slots[case_id]
            slot.before = slot.after = case

    def decide(self, shared: Any) -> None:
        """Decide every open work, in order; one that fails leaves no trace and spares the others."""
        for index, work in self.open():
            self.results[index] = self._handle(work, shared)

    def fail(self, work: Work[A, Any], error: BaseException | None) -> None:
        """An event that was not handled is to be parked; `error` None: it waits behind another."""
        if work.delivery and work.event:
            event = work.event
            failure = Failure(work.delivery, work.case_id, event.event_id, event.caseversion, error)
            self.writes.failures.append(failure)

    def changes(self) -> list[Change[A]]:
        """The cases that the decisions changed, sorted by id."""
        return [
            Change(case_id, slot.district, slot.before, slot.after, slot.version)
            for case_id, slot in sorted(self.slots.items())
            if slot.after is not slot.before or slot.version != slot.loaded_version
        ]

    def _handle(self, work: Work[A, Any], shared: Any) -> Result:
        waits_behind = work.delivery is not None and any(
            failure.case_id == work.case_id and failure.delivery.consumer == work.delivery.consumer
            for failure in self.writes.failures
        )
        if waits_behind:
            self.fail(work, None)
            return Result()
        try:
            return Result(outcome=self._decide(work, shared))
        except Exception as error:
            if work.delivery is not None:
                self.fail(work, error)
            elif isinstance(error, Refusal) and work.key and _is_final(error):
                self.writes.answers.append((work.key, error))
            return Result(error=error)

    def _decide(self, work: Work[A, Any], shared: Any) -> Outcome:
        slot = self.slots.get(work.case_id) or Slot(work.district)
        if work.expected_version is not None and slot.after is not None:
            work.known(slot.after, work.actor)
            if work.expected_version != slot.version:
                raise Stale(version=slot.version)
        moment = Moment(
            now=work.received_at,
            actor=work.actor,
            version=slot.version,
            new_id=self._around.new_id,
            event=work.event,
            others={c: self.slots[c].after for c in work.also if c in self.slots},
            shared=shared,
        )
        decision = work.use_case.decide(slot.after, work.command, moment)
        if decision.ignored is not None:
            self._around.ignored(work, decision.ignored)
        changes = {work.case_id: (decision.case, decision.events), **decision.others}
        outgoing = self._outgoing(work, slot, changes)
        outcome = Outcome(
            decision.status, decision.reply, slot.version + len(decision.events), False, decision.location
        )
        self._accept(work, slot, changes, outgoing, decision, outcome)
        return outcome

    def _outgoing(
        self,
        work: Work[A, Any],
        slot: Slot[A],
        changes: Mapping[UUID, tuple[A | None, Sequence[Payload]]],
    ) -> list[Outgoing]:
        """The events as they will be stored; raises before anything of the work is kept."""
        made: list[Outgoing] = []
        for case_id, (_, payloads) in changes.items():
            version = slot.version if case_id == work.case_id else self.slots[case_id].version
            for number, payload in enumerate(payloads, version + 1):
                event_id = self._around.new_id()
                encoded = encode(payload)
                check_size(encoded)
                envelope = Envelope(
                    event_id=event_id,
                    type=payload.TYPE,
                    source=f"/services/{self._around.service}",
                    case_id=case_id,
                    caseversion=number,
                    time=self.now,
                    topic=payload.TOPIC,
                    version=payload.VERSION,
                    causation_id=work.event.event_id if work.event else None,
                    correlation_id=(work.event.correlation_id if work.event else None) or event_id,
                    traceparent=work.trace,
                )
                made.append(Outgoing(envelope, payload.district, encoded))
        return made

    def _accept(
        self,
        work: Work[A, Any],
        slot: Slot[A],
        changes: Mapping[UUID, tuple[A | None, Sequence[Payload]]],
        outgoing: list[Outgoing],
        decision: Decision[A],
        outcome: Outcome,
    ) -> None:
        if decision.case is not None or slot.exists:
            self.slots.setdefault(work.case_id, slot)
        for case_id, (case, payloads) in changes.items():
            if case_id in self.slots:
                self.slots[case_id].after = case
                self.slots[case_id].version += len(payloads)
        self.writes.events.extend(outgoing)
        self.writes.states.extend(decision.state)
        self.writes.audit.extend(_entries(work, decision.audit, self.now))
        if work.key:
            self.writes.answers.append((work.key, outcome))
        if work.delivery and work.delivery.parked_id is not None:
            self.writes.unparked.append(work.delivery.parked_id)


def _is_final(refusal: Refusal) -> bool:
    """Whether the same request is to be answered so for ever; one that says when to come again is not."""
    return refusal.status < 500 and refusal.retry_after is None


def _entries(work: Work[A, Any], audits: Sequence[Audit], now: datetime) -> list[Entry]:
    actor = work.actor.label()
    return [Entry(now, actor, audit.action, audit.case_id or work.case_id, audit.detail) for audit in audits]
