"""Reading a topic: the poll loop that every kind of consumer shares.

Where to read on stands in PostgreSQL, written in the transaction of the effects (G10). Kafka's own commit is
for display. The driver's traps that shape this loop: `getmany` must not be cancelled and used again;
without explicit offsets `commit` acknowledges records in flight; exceptions in a rebalance listener vanish.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import structlog
from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener, TopicPartition
from aiokafka.client import AIOKafkaClient
from aiokafka.errors import KafkaError, KafkaTimeoutError

from libs.db.batch import Offset
from libs.db.faults import Fault, classify
from libs.db.pool import Database
from libs.messaging.sequence import CaseSequence
from libs.runtime.loops import Pulse, was_cancelled

log = structlog.get_logger()

POLL_MS = 500
FETCH_WAIT_MS = 2_000
"""How long the broker holds a fetch that finds nothing; it answers at once when something comes."""
COMMIT_EVERY = 5.0
GATHER = 0.1
"""After a batch a reader rests for as long as the batch took, at most these seconds: the more there is to do,
the more the next batch is worth its transaction, and where there is little nobody waits."""
AS_OF_EVERY, AS_OF_FIRST = 10.0, 0.5
MAX_WAIT = 5.0
STUCK, LOOK = 25.0, 5.0
"""Seconds without a return after which a client is given up while the broker answers; between looks."""

Handle = Callable[[Sequence[Any], Sequence[Offset]], Awaitable[None]]
"""Does a batch of records and stores the offsets with its effects; may raise infrastructure faults only."""


@dataclass(frozen=True, slots=True)
class KafkaPlace:
    """Which broker, and how logical topic names become physical ones."""

    bootstrap: str
    prefix: str = ""

    def physical(self, topic: str) -> str:
        """The name on the broker."""
        return self.prefix + topic

    def logical(self, topic: str) -> str:
        """The name that the rest of the house uses."""
        return topic.removeprefix(self.prefix)

    async def answers(self) -> bool:
        """Whether the broker answers a newcomer."""
        client = AIOKafkaClient(bootstrap_servers=self.bootstrap)
        try:
            await asyncio.wait_for(client.bootstrap(), 3)
        except (KafkaError, OSError, TimeoutError):
            return False
        finally:
            await client.close()
        return True


@dataclass(slots=True)
class Position:
    """Where a partition stands for this reader."""

    next_offset: int
    behind: int = 0
    as_of: datetime | None = None


@dataclass
class Reader:
    """Reads `topics` in group `name`, one batch at a time, until told to stop.

    A reader that died without a word keeps its partitions from others for `session_timeout_ms`; its successor
    of the same `instance` has them back at once. After a batch that was not full it waits `gather` seconds,
    so that the next is larger. `numbered`: the topics hold events that are numbered per case; holes are told.
    `before` is done at the start, before anything is read.
    """

    name: str
    topics: Sequence[str]
    place: KafkaPlace
    database: Database
    handle: Handle
    max_records: int = 500
    session_timeout_ms: int = 30_000
    gather: float = 0.0
    instance: str | None = None
    numbered: bool = False
    before: Callable[[], Awaitable[None]] | None = None
    positions: dict[tuple[str, int], Position] = field(default_factory=dict)
    _sequences: dict[tuple[str, int], CaseSequence] = field(default_factory=dict)
    _unsought: set[TopicPartition] = field(default_factory=set)
    _idle: asyncio.Event = field(default_factory=asyncio.Event)
    _committed_at: float = 0.0
    _noted_at: float = 0.0
    _whole: bool = False

    async def run(self, pulse: Pulse) -> None:
        """Read until told to stop; a broker that is away is waited for, with growing pauses."""
        if self.before is not None:
            await self.before()
        wait = 0.2
        while not pulse.stopping:
            try:
                await self._read(pulse)
                wait = 0.2
            except (Exception, asyncio.CancelledError) as error:
                if was_cancelled() or not _passes(error):
                    raise
                log.warning("reader_put_off", consumer=self.name, error=type(error).__name__)
                await pulse.pause(wait)
                wait = min(wait * 2, MAX_WAIT)

    def lag(self) -> int:
        """Records that wait on the partitions of this reader."""
        return sum(position.behind for position in self.positions.values())

    def missing(self) -> int:
        """Events that did not come although later ones of their case did."""
        return sum(sequence.missing for sequence in self._sequences.values())

    async def _read(self, pulse: Pulse) -> None:
        consumer = AIOKafkaConsumer(
            bootstrap_servers=self.place.bootstrap,
            group_id=self.place.prefix + self.name,
            client_id=self.name,
            group_instance_id=f"{self.name}-{self.instance}" if self.instance else None,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            max_poll_records=self.max_records,
            session_timeout_ms=self.session_timeout_ms,
            heartbeat_interval_ms=3_000,
            fetch_max_wait_ms=FETCH_WAIT_MS,
            rebalance_timeout_ms=60_000,
            max_poll_interval_ms=300_000,
        )
        self._idle.set()
        consumer.subscribe([self.place.physical(t) for t in self.topics], listener=_Listener(self))
        try:
            await consumer.start()
            while not pulse.stopping:
                await self._seek(consumer, pulse)
                polled = await self._poll(consumer, pulse)
                records = {tp: rows for tp, rows in polled.items() if tp not in self._unsought}
                begun = time.monotonic()
                if records:
                    await self._do(consumer, records, pulse)
                pulse.beat()
                await self._note(consumer)
                if 0 < sum(map(len, records.values())) < self.max_records:
                    await pulse.wait(max(self.gather, min(time.monotonic() - begun, GATHER)))
            await self._commit(consumer)
        finally:
            await _leave(consumer)

    async def _poll(self, consumer: Any, pulse: Pulse) -> Mapping[TopicPartition, Sequence[Any]]:
        """The next records. The client waits without limit for its partitions: rightly while the broker is
        away; while it answers, such a client may wait for ever (aiokafka 1154) and is given up."""
        poll: asyncio.Future[Mapping[TopicPartition, Sequence[Any]]]
        poll = asyncio.ensure_future(consumer.getmany(timeout_ms=POLL_MS))
        patience = STUCK
        try:
            while not (await asyncio.wait({poll}, timeout=LOOK))[0]:
                pulse.beat()
                patience = patience - LOOK if await self.place.answers() else STUCK
                if patience <= 0:
                    raise KafkaTimeoutError(f"{self.name} is stuck")
            return poll.result()
        finally:
            poll.cancel()

    async def _seek(self, consumer: Any, pulse: Pulse) -> None:
        """Set newly assigned partitions to where the database says; 0 where it knows nothing, which the
        broker turns into the earliest record that it still has."""
        while self._unsought and not pulse.stopping:
            async with self.database.read() as tx:
                rows = await tx.fetch(
                    "select topic, partition, next_offset from consumer_offset where consumer = $1", self.name
                )
            known = {(row["topic"], row["partition"]): row["next_offset"] for row in rows}
            for tp in list(self._unsought):
                name = (self.place.logical(tp.topic), tp.partition)
                if tp in consumer.assignment():
                    consumer.seek(tp, known.get(name, 0))
                    self.positions[name] = Position(known.get(name, 0))
                self._unsought.discard(tp)

    async def _do(self, consumer: Any, records: Mapping[TopicPartition, Sequence[Any]], pulse: Pulse) -> None:
        """Hand the batch over until it is done: infrastructure faults repeat all of it, for as long as they
        last, and nothing is ever dead-lettered for them."""
        offsets = [
            Offset(self.name, self.place.logical(tp.topic), tp.partition, rows[-1].offset + 1)
            for tp, rows in records.items()
        ]
        batch = [record for rows in records.values() for record in rows]
        if self.numbered:
            self._note_sequence(records)
        wait = 0.1
        self._idle.clear()
        try:
            while True:
                try:
                    await self.handle(batch, offsets)
                    break
                except Exception as error:
                    if classify(error) is Fault.DATA:
                        raise
                    log.warning("batch_put_off", consumer=self.name, error=type(error).__name__)
                    if await pulse.pause(wait):
                        return
                    wait = min(wait * 2, MAX_WAIT)
        finally:
            self._idle.set()
        for offset in offsets:
            position = self.positions.setdefault((offset.topic, offset.partition), Position(0))
            position.next_offset = offset.next_offset
        if time.monotonic() - self._committed_at > COMMIT_EVERY:
            await self._commit(consumer)

    def _note_sequence(self, records: Mapping[TopicPartition, Sequence[Any]]) -> None:
        for tp, rows in records.items():
            place = (self.place.logical(tp.topic), tp.partition)
            self._sequences.setdefault(place, CaseSequence(self.name)).note(rows)

    async def _commit(self, consumer: Any) -> None:
        """Tell Kafka where we are, for whoever watches the group; a failure means nothing."""
        self._committed_at = time.monotonic()
        offsets = {
            tp: position.next_offset
            for tp in consumer.assignment()
            if (position := self.positions.get((self.place.logical(tp.topic), tp.partition)))
            and position.next_offset
        }
        if not offsets:
            return
        try:
            await asyncio.wait_for(consumer.commit(offsets), 5)
        except Exception as error:
            log.info("commit_skipped", consumer=self.name, error=type(error).__name__)

    async def _note(self, consumer: Any) -> None:
        """Keep lag and `as_of`: the last time this reader stood at the end of a partition (G15). With it goes
        where it reads on: records that have no effect here are passed over without a transaction."""
        for tp in consumer.assignment():
            position = self.positions.get((self.place.logical(tp.topic), tp.partition))
            end, polled_at = consumer.highwater(tp), consumer.last_poll_timestamp(tp)
            if position is None or end is None or not polled_at:
                continue
            position.behind = max(0, end - position.next_offset)
            if position.behind == 0:
                position.as_of = datetime.fromtimestamp(polled_at / 1000, UTC)
        positions = self.positions.values()
        whole = bool(positions) and all(position.as_of is not None for position in positions)
        # While a partition has not been read to its end somebody may be waiting for that, so it is told soon.
        if time.monotonic() - self._noted_at < (AS_OF_EVERY if self._whole else AS_OF_FIRST):
            return
        self._noted_at, self._whole = time.monotonic(), whole
        fresh = sorted((name, p) for name, p in self.positions.items() if p.as_of is not None)
        if fresh:
            await self.database.execute(
                """
                insert into consumer_offset (consumer, topic, partition, next_offset, as_of)
                select $1, * from unnest($2::text[], $3::int[], $4::bigint[], $5::timestamptz[])
                on conflict (consumer, topic, partition) do update set
                    next_offset = greatest(consumer_offset.next_offset, excluded.next_offset),
                    as_of = greatest(consumer_offset.as_of, excluded.as_of)
                """,
                self.name,
                [topic for (topic, _), _ in fresh],
                [partition for (_, partition), _ in fresh],
                [position.next_offset for _, position in fresh],
                [position.as_of for _, position in fresh],
            )


class _Listener(ConsumerRebalanceListener):  # type: ignore[misc]
    """Waits for the running batch before partitions go; notes which arrived. Whatever it raised would be
    swallowed by the driver, so it does nothing that can fail."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader

    async def on_partitions_revoked(self, revoked: Sequence[TopicPartition]) -> None:
        try:
            await asyncio.wait_for(self._reader._idle.wait(), 45)
        except TimeoutError:
            log.warning("revoked_in_mid_batch", consumer=self._reader.name)
        for tp in revoked:
            place = (self._reader.place.logical(tp.topic), tp.partition)
            self._reader.positions.pop(place, None)
            self._reader._sequences.pop(place, None)

    async def on_partitions_assigned(self, assigned: Sequence[TopicPartition]) -> None:
        self._reader._unsought.update(assigned)


def _passes(error: BaseException) -> bool:
    """Whether it is no fault of what was read: then reading it again may help."""
    if isinstance(error, KafkaError | asyncio.CancelledError):
        return True
    return isinstance(error, Exception) and classify(error) is not Fault.DATA


async def _leave(consumer: Any) -> None:
    try:
        await asyncio.wait_for(consumer.stop(), 10)
    except Exception as error:
        log.warning("reader_stop_failed", error=type(error).__name__)


async def as_of(database: Database, consumer: str) -> datetime | None:
    """Since when at least a consumer's copy is whole: its oldest partition; None: it never was (G15)."""
    async with database.read() as tx:
        row = await tx.fetchrow(
            "select min(as_of) as oldest, bool_or(as_of is null) as unknown from consumer_offset"
            " where consumer = $1",
            consumer,
        )
    return None if row["unknown"] else row["oldest"]
