"""One transaction for a batch of commands or events: lock, recognise repeats, decide each, save all together.

The order of locks is the same everywhere (G1): case heads sorted by id, then what `Store.share` takes, then
inbox rows sorted by key, then writes sorted by key, the audit head last. `decide` sees one case at a time and
its failure is that case's alone (G2).
"""

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Generic, Protocol, TypeVar
from uuid import UUID

from libs.db import auditlog, idempotency
from libs.db.faults import Conflict
from libs.db.pool import Tx
from libs.db.work import Audit, Change, Decision, Delivery, Moment, Outcome, State, Work
from libs.events.base import Payload
from libs.events.envelope import Envelope
from libs.events.registry import encode
from libs.messaging import outbox, parking
from libs.web.errors import Busy, Refusal, Stale

A = TypeVar("A")


class Store(Protocol[A]):
    """The service's SQL, set-based. Rows are locked through `case_head` before `load`."""

    async def load(self, tx: Tx, case_ids: Sequence[UUID]) -> dict[UUID, A]:
        """The cases that exist, one query per table."""

    async def save(self, tx: Tx, changes: Sequence[Change[A]], shared: Any) -> None:
        """Write the changes, one statement per table, sorted by key."""

    async def share(self, tx: Tx, works: Sequence[Work[A, Any]]) -> Any:
        """Figures that the decisions of this batch share and change in turn (G5)."""


@dataclass(frozen=True, slots=True)
class Offset:
    """The next record that a consumer reads of a partition (G10)."""

    consumer: str
    topic: str
    partition: int
    next_offset: int


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
class _Slot(Generic[A]):
    """A case inside the batch: as loaded, and as the decisions so far left it."""

    exists: bool
    district: str
    loaded_version: int
    version: int
    before: A | None
    after: A | None


@dataclass(slots=True)
class _Writes:
    """What the batch writes besides the cases themselves."""

    events: list[outbox.Outgoing] = field(default_factory=list)
    states: list[State] = field(default_factory=list)
    audit: list[auditlog.Entry] = field(default_factory=list)
    answers: list[tuple[Any, idempotency.Answer]] = field(default_factory=list)
    failures: list[parking.Failure] = field(default_factory=list)
    unparked: list[int] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a batch needs from its service."""

    service: str
    now: Callable[[], datetime]
    new_id: Callable[[], UUID]
    ignored: Callable[[Work[Any, Any], str], None] = lambda work, reason: None


class Batch(Generic[A]):
    """The works of one transaction. Make it, `run` it inside the transaction, and throw it away."""

    def __init__(
        self,
        store: Store[A],
        around: Surroundings,
        works: Sequence[Work[A, Any]],
        offsets: Sequence[Offset],
        *,
        last_round: bool,
        sick: BaseException | None = None,
    ) -> None:
        self._store = store
        self._around = around
        self._works = works
        self._offsets = offsets
        self._last_round = last_round
        self._sick = sick
        self._results: list[Result | None] = [None] * len(works)
        self._slots: dict[UUID, _Slot[A]] = {}
        self._writes = _Writes()
        self._locked_out: set[int] = set()
        self._now = around.now()

    async def run(self, tx: Tx) -> list[Result]:
        """Do all works; the results in their order. Raises only what concerns the transaction as a whole."""
        await self._answer_repeated_requests(tx)
        await self._lock(tx)
        shared = await self._store.share(tx, [work for _, work in self._open()])
        await self._skip_repeated_events(tx)
        await self._load(tx)
        for index, work in self._open():
            self._results[index] = self._handle(work, shared)
        await self._save(tx, shared)
        return [result or LATER for result in self._results]

    def _open(self) -> list[tuple[int, Work[A, Any]]]:
        return [(n, work) for n, work in enumerate(self._works) if self._results[n] is None]

    async def _answer_repeated_requests(self, tx: Tx) -> None:
        answers = await idempotency.claim(tx, [work.key for work in self._works if work.key])
        for index, work in enumerate(self._works):
            answer = answers.get(work.key.scope) if work.key else None
            if isinstance(answer, Refusal):
                self._results[index] = Result(error=answer)
            elif answer is not None:
                self._results[index] = Result(outcome=answer)

    async def _lock(self, tx: Tx) -> None:
        wanted = sorted({case_id for _, work in self._open() for case_id in work.cases()})
        rows = await tx.fetch(
            """
            with locked as (
                select case_id, district, version from case_head
                where case_id = any($1) order by case_id for update skip locked
            )
            select h.case_id, l.district, l.version from case_head h left join locked l using (case_id)
            where h.case_id = any($1)
            """,
            wanted,
        )
        busy = {row["case_id"] for row in rows if row["version"] is None}
        for row in rows:
            if row["version"] is not None:
                self._slots[row["case_id"]] = _Slot(
                    True, row["district"], row["version"], row["version"], None, None
                )
        for index, work in self._open():
            if busy.isdisjoint(work.cases()):
                continue
            if self._last_round and work.delivery:
                self._locked_out.add(index)
            else:
                self._results[index] = Result(error=Busy(retry_after=1)) if self._last_round else LATER

    async def _skip_repeated_events(self, tx: Tx) -> None:
        events = [
            (index, work, work.delivery, (work.delivery.consumer, work.event.event_id))
            for index, work in self._open()
            if work.delivery and work.event
        ]
        if not events:
            return
        names = sorted({name for *_, name in events})
        takeover = {name for _, _, delivery, name in events if delivery.parked_id is not None}
        rows = await tx.fetch(
            """
            insert into inbox (consumer, event_id, status)
            select consumer, event_id, 'done' from unnest($1::text[], $2::uuid[]) as t (consumer, event_id)
            order by 1, 2
            on conflict (consumer, event_id) do nothing
            returning consumer, event_id
            """,
            [consumer for consumer, _ in names],
            [event_id for _, event_id in names],
        )
        fresh = {(row["consumer"], row["event_id"]) for row in rows}
        if takeover:
            fresh |= await _take_over(tx, takeover)
        waiting = await self._waiting(tx, [(work.case_id, delivery) for _, work, delivery, _ in events])
        for index, work, delivery, name in events:
            if name not in fresh:
                self._results[index] = REPEAT
                if delivery.parked_id is not None:
                    self._writes.unparked.append(delivery.parked_id)
                continue
            fresh.discard(name)
            if (delivery.consumer, work.case_id) in waiting and name not in takeover:
                self._fail(work, None)
                self._results[index] = Result()
            elif error := TimeoutError() if index in self._locked_out else self._sick:
                self._fail(work, error)
                self._results[index] = Result(error=error)

    async def _waiting(self, tx: Tx, events: Iterable[tuple[UUID, Delivery]]) -> set[tuple[str, UUID]]:
        per_consumer: dict[tuple[str, bool], list[UUID]] = {}
        for case_id, delivery in events:
            per_consumer.setdefault((delivery.consumer, delivery.blocks_case), []).append(case_id)
        return {
            (consumer, case_id)
            for (consumer, blocks), ids in per_consumer.items()
            for case_id in await parking.waiting_cases(tx, consumer, ids, blocks)
        }

    async def _load(self, tx: Tx) -> None:
        known = sorted({c for _, work in self._open() for c in work.cases() if c in self._slots})
        if not known:
            return
        cases = await self._store.load(tx, known)
        for case_id, case in cases.items():
            slot = self._slots[case_id]
            slot.before = slot.after = case

    def _handle(self, work: Work[A, Any], shared: Any) -> Result:
        """Decide one work on the case as the works before it left it; its failure leaves no trace of it."""
        waits_behind = work.delivery is not None and any(
            failure.case_id == work.case_id and failure.delivery.consumer == work.delivery.consumer
            for failure in self._writes.failures
        )
        if waits_behind:
            self._fail(work, None)
            return Result()
        try:
            return Result(outcome=self._decide(work, shared))
        except Exception as error:
            if work.delivery is not None:
                self._fail(work, error)
            elif isinstance(error, Refusal) and work.key and error.status < 500:
                self._writes.answers.append((work.key, error))
            return Result(error=error)

    def _decide(self, work: Work[A, Any], shared: Any) -> Outcome:
        slot = self._slots.get(work.case_id) or _Slot(False, work.district, 0, 0, None, None)
        if work.expected_version is not None and slot.after is not None:
            if work.expected_version != slot.version:
                raise Stale(version=slot.version)
        moment = Moment(
            now=work.received_at,
            actor=work.actor,
            version=slot.version,
            new_id=self._around.new_id,
            event=work.event,
            others={c: self._slots[c].after for c in work.also if c in self._slots},
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
        slot: _Slot[A],
        changes: dict[UUID, tuple[A | None, Sequence[Payload]]],
    ) -> list[outbox.Outgoing]:
        """The events as they will be stored; raises before anything of the work is kept."""
        made: list[outbox.Outgoing] = []
        for case_id, (_, payloads) in changes.items():
            version = slot.version if case_id == work.case_id else self._slots[case_id].version
            for number, payload in enumerate(payloads, version + 1):
                event_id = self._around.new_id()
                encoded = encode(payload)
                outbox.check_size(encoded)
                envelope = Envelope(
                    event_id=event_id,
                    type=payload.TYPE,
                    source=f"/services/{self._around.service}",
                    case_id=case_id,
                    caseversion=number,
                    time=self._now,
                    topic=payload.TOPIC,
                    version=payload.VERSION,
                    causation_id=work.event.event_id if work.event else None,
                    correlation_id=(work.event.correlation_id if work.event else None) or event_id,
                    traceparent=work.trace,
                )
                made.append(outbox.Outgoing(envelope, payload.district, encoded))
        return made

    def _accept(
        self,
        work: Work[A, Any],
        slot: _Slot[A],
        changes: dict[UUID, tuple[A | None, Sequence[Payload]]],
        outgoing: list[outbox.Outgoing],
        decision: Decision[A],
        outcome: Outcome,
    ) -> None:
        if decision.case is not None or slot.exists:
            self._slots.setdefault(work.case_id, slot)
        for case_id, (case, payloads) in changes.items():
            if case_id in self._slots:
                self._slots[case_id].after = case
                self._slots[case_id].version += len(payloads)
        self._writes.events.extend(outgoing)
        self._writes.states.extend(decision.state)
        self._writes.audit.extend(_entries(work, decision.audit, self._now))
        if work.key:
            self._writes.answers.append((work.key, outcome))
        if work.delivery and work.delivery.parked_id is not None:
            self._writes.unparked.append(work.delivery.parked_id)

    def _fail(self, work: Work[A, Any], error: BaseException | None) -> None:
        if work.delivery and work.event:
            event = work.event
            failure = parking.Failure(work.delivery, work.case_id, event.event_id, event.caseversion, error)
            self._writes.failures.append(failure)

    async def _save(self, tx: Tx, shared: Any) -> None:
        changes = [
            Change(case_id, slot.district, slot.before, slot.after, slot.version)
            for case_id, slot in sorted(self._slots.items())
            if slot.after is not slot.before or slot.version != slot.loaded_version
        ]
        await self._write_heads(tx)
        if changes:
            await self._store.save(tx, changes, shared)
        writes = self._writes
        await outbox.append_events(tx, writes.events)
        await outbox.append_states(tx, writes.states)
        await idempotency.keep(tx, writes.answers)
        await self._write_failures(tx)
        await parking.unpark(tx, writes.unparked)
        if self._offsets and LATER not in self._results:
            await store_offsets(tx, self._offsets)
        await auditlog.append(tx, self._around.service, writes.audit)

    async def _write_heads(self, tx: Tx) -> None:
        """Raise each version from the one that was loaded: a row that moved meanwhile fails the batch."""
        new = [(c, s) for c, s in sorted(self._slots.items()) if not s.exists and s.after is not None]
        old = [(c, s) for c, s in sorted(self._slots.items()) if s.exists and s.version != s.loaded_version]
        if new:
            written = await tx.execute(
                """
                insert into case_head (case_id, district, version)
                select * from unnest($1::uuid[], $2::text[], $3::int[]) order by 1
                on conflict (case_id) do nothing
                """,
                [case_id for case_id, _ in new],
                [slot.district for _, slot in new],
                [slot.version for _, slot in new],
            )
            if written != len(new):
                raise Conflict
        if old:
            written = await tx.execute(
                """
                update case_head h set version = n.version
                from unnest($1::uuid[], $2::int[], $3::int[]) as n (case_id, loaded, version)
                where h.case_id = n.case_id and h.version = n.loaded
                """,
                [case_id for case_id, _ in old],
                [slot.loaded_version for _, slot in old],
                [slot.version for _, slot in old],
            )
            if written != len(old):
                raise Conflict

    async def _write_failures(self, tx: Tx) -> None:
        first = [f for f in self._writes.failures if f.delivery.parked_id is None]
        await parking.park(tx, first, self._now)
        for failure in self._writes.failures:
            if failure.delivery.parked_id is not None:
                await parking.fail_again(tx, failure, self._now)


async def store_offsets(tx: Tx, offsets: Sequence[Offset]) -> None:
    """Write where the consumers read on, in the transaction of the effects (G10); never backwards."""
    rows = sorted(offsets, key=lambda o: (o.consumer, o.topic, o.partition))
    await tx.execute(
        """
        insert into consumer_offset (consumer, topic, partition, next_offset)
        select * from unnest($1::text[], $2::text[], $3::int[], $4::bigint[])
        on conflict (consumer, topic, partition) do update
            set next_offset = greatest(consumer_offset.next_offset, excluded.next_offset)
        """,
        [o.consumer for o in rows],
        [o.topic for o in rows],
        [o.partition for o in rows],
        [o.next_offset for o in rows],
    )


async def _take_over(tx: Tx, names: Collection[tuple[str, UUID]]) -> set[tuple[str, UUID]]:
    """Inbox rows that a parked event may turn to `done`; one that is done already stays."""
    rows = await tx.fetch(
        """
        update inbox i set status = 'done'
        from unnest($1::text[], $2::uuid[]) as t (consumer, event_id)
        where i.consumer = t.consumer and i.event_id = t.event_id and i.status = 'parked'
        returning i.consumer, i.event_id
        """,
        [consumer for consumer, _ in names],
        [event_id for _, event_id in names],
    )
    return {(row["consumer"], row["event_id"]) for row in rows}


def _entries(work: Work[A, Any], audits: Sequence[Audit], now: datetime) -> list[auditlog.Entry]:
    return [
        auditlog.Entry(now, work.actor.label(), audit.action, work.case_id, audit.detail) for audit in audits
    ]
