"""The batch shell without a database, for tests of handlers and doors.

`tests/contract` holds it to the promises of the real one. What it cannot show: two processes at once, locks,
halving around a row that the database refuses, and infrastructure that is away.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Generic, TypeVar
from uuid import UUID

from libs.db import idempotency
from libs.db.auditlog import Entry
from libs.db.batch import Offset
from libs.db.deciding import REPEAT, Deciding, Result, Surroundings
from libs.db.work import Delivery, Outcome, State, Work
from libs.messaging.outbox import Outgoing
from libs.messaging.parking import Failure, describe, next_try
from libs.web.errors import KeyReused, Refusal

A = TypeVar("A")


@dataclass(slots=True)
class Parked(Generic[A]):
    """An event that waits: what it asks for, how often it failed, when it is tried again, and why."""

    id: int
    work: Work[A, Any]
    delivery: Delivery
    event_id: UUID
    attempts: int
    next_at: datetime
    error_type: str
    error: str


@dataclass(frozen=True, slots=True)
class Dead:
    """An event that was given up."""

    consumer: str
    case_id: UUID
    event_id: UUID
    attempts: int
    error_type: str
    error: str


@dataclass
class FakeShell(Generic[A]):
    """Same `submit` and `run` as `libs.db.shell.Shell`; what it would have written stands in its fields.

    `cases` is the store, `heads` the district and version of each case (a case given at the start stands at
    version 1), `share` makes what `Store.share` loads. `outbox` names what the relay would publish: event
    ids, and topic and key of states. `retry` takes up what is parked and due, as the unparker does.
    """

    around: Surroundings
    cases: dict[UUID, A] = field(default_factory=dict)
    share: Callable[[Sequence[Work[A, Any]]], Any] = lambda works: None
    heads: dict[UUID, tuple[str, int]] = field(default_factory=dict)
    events: list[Outgoing] = field(default_factory=list)
    outbox: list[UUID | tuple[str, str]] = field(default_factory=list)
    states: dict[tuple[str, str], State] = field(default_factory=dict)
    audit: list[Entry] = field(default_factory=list)
    answers: dict[bytes, Mapping[str, Any]] = field(default_factory=dict)
    inbox: dict[tuple[str, UUID], str] = field(default_factory=dict)
    offsets: dict[tuple[str, str, int], int] = field(default_factory=dict)
    parked: list[Parked[A]] = field(default_factory=list)
    dead: list[Dead] = field(default_factory=list)
    _parked_ever: int = 0

    def __post_init__(self) -> None:
        for case_id, case in self.cases.items():
            self.heads.setdefault(case_id, (getattr(case, "district", ""), 1))

    async def submit(self, work: Work[A, Any]) -> Outcome:
        """Do one command; its answer, or the `Refusal` that says why not."""
        [result] = self._transact([work], ())
        if result.outcome is None:
            raise result.error or AssertionError("a command has an outcome or an error")
        return result.outcome

    async def run(self, works: Sequence[Work[A, Any]], offsets: Sequence[Offset] = ()) -> list[Result]:
        """Do a batch; the results in order."""
        if _shares_a_key(works):  # as the real one, which halves the batch at the doubled key
            middle = len(works) // 2
            return await self.run(works[:middle]) + await self.run(works[middle:], offsets)
        return self._transact(works, offsets)

    async def retry(self) -> int:
        """Try the first parked event of each case whose time has come; how many are parked no more."""
        now = self.around.now()
        works = [self._again(row, now) for row in list(self.parked) if self._is_due(row, now)]
        results = await self.run(works)
        return sum(1 for result in results if result.outcome is not None or result.repeat)

    def _transact(self, works: Sequence[Work[A, Any]], offsets: Sequence[Offset]) -> list[Result]:
        deciding = Deciding(works, self.around)
        self._answer_repeated_requests(deciding)
        for case_id in {case_id for _, work in deciding.open() for case_id in work.cases()}:
            if case_id in self.heads:
                deciding.found(case_id, *self.heads[case_id])
        shared = self.share([work for _, work in deciding.open()])
        self._skip_repeated_events(deciding)
        deciding.loaded({c: self.cases[c] for c in deciding.slots if c in self.cases})
        deciding.decide(shared)
        self._save(deciding, offsets)
        return [result or Result() for result in deciding.results]

    def _answer_repeated_requests(self, deciding: Deciding[A]) -> None:
        for index, work in deciding.open():
            row = self.answers.get(work.key.scope) if work.key else None
            if row is None or work.key is None:
                continue
            answer = idempotency.of_row(row) if row["body"] == work.key.body else KeyReused()
            if isinstance(answer, Refusal):
                deciding.results[index] = Result(error=answer)
            else:
                deciding.results[index] = Result(outcome=answer)

    def _skip_repeated_events(self, deciding: Deciding[A]) -> None:
        taken: set[tuple[str, UUID]] = set()
        for index, work in deciding.open():
            if work.delivery is None or work.event is None:
                continue
            name, retried = (work.delivery.consumer, work.event.event_id), work.delivery.parked_id is not None
            known = self.inbox.get(name)
            if name in taken or not (known is None or (known == "parked" and retried)):
                deciding.results[index] = REPEAT
                if work.delivery.parked_id is not None:
                    deciding.writes.unparked.append(work.delivery.parked_id)
            elif self._waits(work.delivery, work.case_id) and not retried:
                deciding.fail(work, None)
                deciding.results[index] = Result()
            taken.add(name)

    def _waits(self, delivery: Delivery, case_id: UUID) -> bool:
        name = (delivery.consumer, case_id)
        return any((row.delivery.consumer, row.work.case_id) == name for row in self.parked) or (
            delivery.blocks_case and any((row.consumer, row.case_id) == name for row in self.dead)
        )

    def _save(self, deciding: Deciding[A], offsets: Sequence[Offset]) -> None:
        writes = deciding.writes
        for change in deciding.changes():
            self.heads[change.case_id] = (change.district, change.version)
            if change.after is None:
                self.cases.pop(change.case_id, None)
            else:
                self.cases[change.case_id] = change.after
        self.events += writes.events
        self.outbox += [event.envelope.event_id for event in writes.events]
        for state in sorted(writes.states, key=lambda state: state.version):
            self._set(state)
        self.answers |= {key.scope: idempotency.to_row(key, answer) for key, answer in writes.answers}
        for work, result in zip(deciding.works, deciding.results, strict=True):
            if work.delivery and work.event and result is not REPEAT:
                self.inbox[work.delivery.consumer, work.event.event_id] = "done"
        self.parked = [row for row in self.parked if row.id not in writes.unparked]
        for failure in writes.failures:
            self._park(failure, deciding)
        for offset in offsets:
            name = (offset.consumer, offset.topic, offset.partition)
            self.offsets[name] = max(self.offsets.get(name, 0), offset.next_offset)
        self.audit += writes.audit

    def _set(self, state: State) -> None:
        name = (state.topic, state.key)
        if name not in self.states or self.states[name].version < state.version:
            self.states[name] = state
            self.outbox.append(name)

    def _park(self, failure: Failure, deciding: Deciding[A]) -> None:
        name = (failure.delivery.consumer, failure.event_id)
        before = next((row for row in self.parked if row.id == failure.delivery.parked_id), None)
        attempts = (before.attempts if before else 0) + (failure.error is not None)
        error_type, error = describe(failure.error)
        at = next_try(failure.error, attempts, deciding.now)
        if before is not None:
            self.parked.remove(before)
        if at is None:
            dead = Dead(name[0], failure.case_id, failure.event_id, attempts, error_type, error)
            self.dead.append(dead)
            self.inbox[name] = "dead"
            return
        if before is None:
            self._parked_ever += 1
        work = next(w for w in deciding.works if w.delivery == failure.delivery)
        delivery = replace(failure.delivery, parked_id=before.id if before else self._parked_ever)
        parked = Parked(
            delivery.parked_id or 0, work, delivery, failure.event_id, attempts, at, error_type, error
        )
        self.parked.append(parked)
        self.inbox[name] = "parked"

    def _is_due(self, row: Parked[A], now: datetime) -> bool:
        name = (row.delivery.consumer, row.work.case_id)
        earlier = any(
            (other.delivery.consumer, other.work.case_id) == name
            and other.delivery.offset < row.delivery.offset
            for other in self.parked
        )
        blocked = row.delivery.blocks_case and any((d.consumer, d.case_id) == name for d in self.dead)
        return row.next_at <= now and not earlier and not blocked

    def _again(self, row: Parked[A], now: datetime) -> Work[A, Any]:
        return replace(row.work, delivery=row.delivery, received_at=now)


def _shares_a_key(works: Sequence[Work[Any, Any]]) -> bool:
    scopes = [work.key.scope for work in works if work.key]
    return len(scopes) > len(set(scopes))
