"""One transaction for a batch of commands or events: lock, recognise repeats, decide each, save all together.

The order of locks is the same everywhere (G1): case heads sorted by id, then what `Store.share` takes, then
inbox rows sorted by key, then writes sorted by key, the audit head last. What is decided in between, and that
a failure is its case's alone (G2), is in `libs.db.deciding`.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar
from uuid import UUID

from libs.db import auditlog, idempotency
from libs.db.deciding import LATER, REPEAT, Deciding, Result, Surroundings
from libs.db.faults import Conflict
from libs.db.pool import Tx
from libs.db.work import Change, Delivery, Work
from libs.messaging import outbox, parking
from libs.web.errors import Busy, Refusal

__all__ = ["LATER", "Batch", "Offset", "Result", "Store", "Surroundings", "store_offsets"]

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
        self._service = around.service
        self._deciding = Deciding(works, around)
        self._offsets = offsets
        self._last_round = last_round
        self._sick = sick
        self._locked_out: set[int] = set()
        self.changes: Sequence[Change[A]] = ()

    async def run(self, tx: Tx) -> list[Result]:
        """Do all works; the results in their order. Raises only what concerns the transaction as a whole."""
        await self._answer_repeated_requests(tx)
        await self._lock(tx)
        shared = None
        if open_works := [work for _, work in self._deciding.open()]:
            shared = await self._store.share(tx, open_works)
            await self._skip_repeated_events(tx)
            await self._load(tx)
            self._deciding.decide(shared)
        await self._save(tx, shared)
        return [result or LATER for result in self._deciding.results]

    @property
    def publishes(self) -> bool:
        """Whether it left something in the outbox."""
        writes = self._deciding.writes
        return bool(writes.events or writes.states or writes.failures)

    async def _answer_repeated_requests(self, tx: Tx) -> None:
        answers = await idempotency.claim(tx, [work.key for work in self._deciding.works if work.key])
        for index, work in enumerate(self._deciding.works):
            answer = answers.get(work.key.scope) if work.key else None
            if isinstance(answer, Refusal):
                self._deciding.results[index] = Result(error=answer)
            elif answer is not None:
                self._deciding.results[index] = Result(outcome=answer)

    async def _lock(self, tx: Tx) -> None:
        wanted = sorted({case_id for _, work in self._deciding.open() for case_id in work.cases()})
        if not wanted:
            return
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
                self._deciding.found(row["case_id"], row["district"], row["version"])
        for index, work in self._deciding.open():
            if busy.isdisjoint(work.cases()):
                continue
            if self._last_round and work.delivery:
                self._locked_out.add(index)
            else:
                self._deciding.results[index] = (
                    Result(error=Busy(retry_after=1)) if self._last_round else LATER
                )

    async def _skip_repeated_events(self, tx: Tx) -> None:
        events = [
            (index, work, work.delivery, (work.delivery.consumer, work.event.event_id))
            for index, work in self._deciding.open()
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
                self._deciding.results[index] = REPEAT
                if delivery.parked_id is not None:
                    self._deciding.writes.unparked.append(delivery.parked_id)
                continue
            fresh.discard(name)
            if (delivery.consumer, work.case_id) in waiting and name not in takeover:
                self._deciding.fail(work, None)
                self._deciding.results[index] = Result()
            elif error := TimeoutError() if index in self._locked_out else self._sick:
                self._deciding.fail(work, error)
                self._deciding.results[index] = Result(error=error)

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
        asked = {case_id for _, work in self._deciding.open() for case_id in work.cases()}
        if known := sorted(asked & self._deciding.slots.keys()):
            self._deciding.loaded(await self._store.load(tx, known))

    async def _save(self, tx: Tx, shared: Any) -> None:
        await self._write_heads(tx)
        self.changes = self._deciding.changes()
        if self.changes:
            await self._store.save(tx, self.changes, shared)
        writes = self._deciding.writes
        await outbox.append_events(tx, writes.events)
        await outbox.append_states(tx, writes.states)
        await idempotency.keep(tx, writes.answers)
        await self._write_failures(tx)
        await parking.unpark(tx, writes.unparked)
        if self._offsets and LATER not in self._deciding.results:
            await store_offsets(tx, self._offsets)
        await auditlog.append(tx, self._service, writes.audit)

    async def _write_heads(self, tx: Tx) -> None:
        """Raise each version from the one that was loaded: a row that moved meanwhile fails the batch."""
        slots = sorted(self._deciding.slots.items())
        new = [(case_id, slot) for case_id, slot in slots if not slot.exists and slot.after is not None]
        old = [(c, slot) for c, slot in slots if slot.exists and slot.version != slot.loaded_version]
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
        failures, now = self._deciding.writes.failures, self._deciding.now
        await parking.park(tx, [f for f in failures if f.delivery.parked_id is None], now)
        for failure in failures:
            if failure.delivery.parked_id is not None:
                await parking.fail_again(tx, failure, now)


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
