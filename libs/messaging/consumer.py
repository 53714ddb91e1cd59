"""What a service reacts to: declarations for `consumers.py`, and the runners that carry them out."""

from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, Generic, TypeVar
from uuid import NAMESPACE_URL, UUID, uuid5

import structlog

from libs.db.batch import Offset, store_offsets
from libs.db.faults import Fault, classify
from libs.db.pool import Database, Tx
from libs.db.shell import Shell
from libs.db.work import Actor, Delivery, UseCase, Work
from libs.events.base import Payload
from libs.events.envelope import Envelope, Undecodable, from_headers, type_of
from libs.events.registry import decode, payload_class
from libs.events.topics import HORIZON_HOURS
from libs.messaging import parking
from libs.messaging.beats import BEAT
from libs.messaging.reader import KafkaPlace
from libs.messaging.relay import VERSION_HEADER

log = structlog.get_logger()

HORIZON: Final = timedelta(hours=HORIZON_HOURS)

A = TypeVar("A")


@dataclass(frozen=True)
class EventConsumer:
    """Events of one topic, each type with its use case; types that are not named are passed over.

    `dead_blocks_case`: later events of a case wait while one of it is dead. `gather`: seconds between batches
    where nobody waits for the effect, so that more of it is written at once.
    """

    name: str
    topic: str
    handlers: Mapping[type[Payload], UseCase[Any, Any]]
    dead_blocks_case: bool = True
    gather: float = 0.0


@dataclass(frozen=True, slots=True)
class StateRecord:
    """A record of a compacted topic; `value` None is a tombstone."""

    key: str
    version: int
    value: bytes | None


Apply = Callable[[Tx, Sequence[StateRecord]], Awaitable[Sequence[UUID]]]
"""Upserts WHERE version < new, in order of key; returns the cases whose waiting work may now go on."""


Empty = Callable[[Tx], Awaitable[None]]
"""Forgets the copy, all but what is known to be erased."""


@dataclass(frozen=True)
class StateReader:
    """A copy of another service's current records (G12): no inbox, the version decides.

    `empty` is named where the records hold something of people: a reader that was away past the horizon may
    have missed an erasure for good, so it forgets its copy and begins anew (G13).
    """

    name: str
    topic: str
    apply: Apply
    empty: Empty | None = None
    gather: float = 0.0


ApplyEvents = Callable[[Tx, Sequence[tuple[Envelope, Payload]]], Awaitable[None]]
"""Version-guarded upserts of a read model."""


@dataclass(frozen=True)
class Projection:
    """A read model made of the events of several topics: of all types, or of `types` alone."""

    name: str
    topics: Sequence[str]
    apply: ApplyEvents
    gather: float = 0.25
    types: Collection[type[Payload]] | None = None


class EventRunner(Generic[A]):
    """Turns records into works and runs them through the shell, one transaction a batch."""

    def __init__(
        self,
        consumer: EventConsumer,
        shell: Shell[A],
        database: Database,
        place: KafkaPlace,
        service: str,
        now: Callable[[], datetime],
        traced: Callable[[Envelope], str | None] = lambda envelope: envelope.traceparent,
    ) -> None:
        self.consumer = consumer
        self._shell = shell
        self._database = database
        self._place = place
        self._actor = Actor("service", service)
        self._now = now
        self._traced = traced
        self._by_type = {cls.TYPE: (cls, use_case) for cls, use_case in consumer.handlers.items()}
        self._passed_over: set[bytes] = set()
        """Declared types that nobody here waits for, as they were met."""

    async def handle(self, records: Sequence[Any], offsets: Sequence[Offset]) -> None:
        """Do the batch; a record that can never be read goes to the dead letters first, by itself."""
        works: list[Work[A, Any]] = []
        for record in records:
            kind = type_of(record.headers)
            if kind in self._passed_over:
                continue
            delivery = self._delivery(record)
            try:
                work = self.work(delivery)
            except Undecodable as error:
                await bury_undecodable(self._database, delivery, error, self._now())
                continue
            if work is None:
                self._passed_over.add(kind)
            else:
                works.append(work)
        if works:
            await self._shell.run(works, offsets)

    def work(self, delivery: Delivery) -> Work[A, Any] | None:
        """The work that a delivery asks for; None where its type concerns others. Raises `Undecodable`."""
        envelope = from_headers(delivery.headers, delivery.topic)
        found = self._by_type.get(envelope.type)
        if found is None:
            payload_class(envelope.topic, envelope.type, envelope.version)
            return None
        payload = decode(envelope, delivery.value)
        return Work(
            use_case=found[1],
            case_id=envelope.case_id,
            command=payload,
            actor=self._actor,
            district=payload.district,
            received_at=self._now(),
            delivery=delivery,
            event=envelope,
            trace=self._traced(envelope),
        )

    def _delivery(self, record: Any) -> Delivery:
        return delivery_of(
            record, self.consumer.name, self._place, blocks_case=self.consumer.dead_blocks_case
        )


class StateRunner:
    """Applies batches of a compacted topic; a record that cannot be applied is dead by reference alone."""

    def __init__(
        self,
        reader: StateReader,
        database: Database,
        place: KafkaPlace,
        now: Callable[[], datetime],
        arrived: Callable[[Sequence[UUID]], Awaitable[None]] | None = None,
    ) -> None:
        self._reader = reader
        self._database = database
        self._place = place
        self._now = now
        self._arrived = arrived

    async def forget_outdated(self) -> None:
        """Empty the copy and read from the beginning when it was last whole longer ago than records stay.

        What is older than the horizon comes back only by `heshi republish` at the owner: until then a person
        is not written to, rather than written to from data that may be erased.
        """
        if self._reader.empty is None:
            return
        async with self._database.transaction() as tx:
            oldest = await tx.fetchval(
                "select min(as_of) from consumer_offset where consumer = $1", self._reader.name
            )
            if oldest is None or self._now() - oldest < HORIZON:
                return
            log.error("copy_forgotten", consumer=self._reader.name, topic=self._reader.topic)
            await self._reader.empty(tx)
            await tx.execute("delete from consumer_offset where consumer = $1", self._reader.name)

    async def handle(self, records: Sequence[Any], offsets: Sequence[Offset]) -> None:
        """Apply the batch in one transaction, or one by one when a record makes it fail."""
        records = [record for record in records if record.key != BEAT]
        if not records:
            return
        try:
            released = await self._apply(records, offsets)
        except Exception as error:
            if classify(error) is not Fault.DATA:
                raise
            released = await self._one_by_one(records, offsets)
        if released and self._arrived is not None:
            await self._arrived(released)

    async def _apply(self, records: Sequence[Any], offsets: Sequence[Offset]) -> list[UUID]:
        newest: dict[str, StateRecord] = {}
        for record in records:
            state = _state_of(record)
            known = newest.get(state.key)
            if known is None or known.version <= state.version:
                newest[state.key] = state
        async with self._database.transaction() as tx:
            released = await self._reader.apply(tx, [newest[key] for key in sorted(newest)])
            await store_offsets(tx, offsets)
        return list(released)

    async def _one_by_one(self, records: Sequence[Any], offsets: Sequence[Offset]) -> list[UUID]:
        released: list[UUID] = []
        for record in records:
            try:
                released += await self._apply([record], ())
            except Exception as error:
                if classify(error) is not Fault.DATA:
                    raise
                delivery = delivery_of(record, self._reader.name, self._place, by_reference=True)
                await bury_undecodable(self._database, delivery, error, self._now())
        async with self._database.transaction() as tx:
            await store_offsets(tx, offsets)
        return released


class ProjectionRunner:
    """Applies batches of events to a read model."""

    def __init__(
        self, projection: Projection, database: Database, place: KafkaPlace, now: Callable[[], datetime]
    ) -> None:
        self._projection = projection
        self._database = database
        self._place = place
        self._now = now
        self._types = None if projection.types is None else {cls.TYPE for cls in projection.types}

    async def handle(self, records: Sequence[Any], offsets: Sequence[Offset]) -> None:
        """Apply the batch in one transaction, or one by one when an event makes it fail."""
        events: list[tuple[Any, Envelope, Payload]] = []
        for record in records:
            try:
                envelope = from_headers(record.headers, self._place.logical(record.topic))
                if self._types is None or envelope.type in self._types:
                    events.append((record, envelope, decode(envelope, record.value)))
            except Undecodable as error:
                await self._bury(record, error)
        if not events:
            return
        try:
            await self._apply([(envelope, payload) for _, envelope, payload in events], offsets)
        except Exception as error:
            if classify(error) is not Fault.DATA:
                raise
            await self._one_by_one(events, offsets)

    async def _apply(self, events: Sequence[tuple[Envelope, Payload]], offsets: Sequence[Offset]) -> None:
        async with self._database.transaction() as tx:
            if events:
                await self._projection.apply(tx, events)
            await store_offsets(tx, offsets)

    async def _one_by_one(
        self, events: Sequence[tuple[Any, Envelope, Payload]], offsets: Sequence[Offset]
    ) -> None:
        for record, envelope, payload in events:
            try:
                await self._apply([(envelope, payload)], ())
            except Exception as error:
                if classify(error) is not Fault.DATA:
                    raise
                await self._bury(record, error)
        await self._apply([], offsets)

    async def _bury(self, record: Any, error: Exception) -> None:
        delivery = delivery_of(record, self._projection.name, self._place)
        await bury_undecodable(self._database, delivery, error, self._now())


async def bury_undecodable(
    database: Database, delivery: Delivery, error: BaseException, now: datetime
) -> None:
    """A record that can never be handled becomes a dead letter, once: its place is its identity, since what
    it says of itself cannot be trusted."""
    event_id = uuid5(NAMESPACE_URL, f"{delivery.topic}/{delivery.partition}/{delivery.offset}")
    reason = (
        (str(error.reason_code), error.detail[:200])
        if isinstance(error, Undecodable)
        else parking.describe(error)
    )
    log.warning("record_buried", consumer=delivery.consumer, error=reason[0], offset=delivery.offset)
    async with database.transaction() as tx:
        fresh = await tx.execute(
            "insert into inbox (consumer, event_id, status) values ($1, $2, 'dead') on conflict do nothing",
            delivery.consumer,
            event_id,
        )
        if fresh:
            await parking.bury_record(
                tx, delivery, event_id, case_id=None, version=None, attempts=1, reason=reason, now=now
            )


def delivery_of(
    record: Any, consumer: str, place: KafkaPlace, *, blocks_case: bool = True, by_reference: bool = False
) -> Delivery:
    """A Kafka record as a delivery. By reference: without its value, which is somebody's dossier (G13)."""
    return Delivery(
        consumer=consumer,
        topic=place.logical(record.topic),
        partition=record.partition,
        offset=record.offset,
        key=record.key,
        value=None if by_reference else record.value,
        headers=tuple((name, value or b"") for name, value in record.headers),
        blocks_case=blocks_case,
    )


def _state_of(record: Any) -> StateRecord:
    version = next((value for name, value in record.headers if name == VERSION_HEADER), b"")
    if not record.key or not version.isdigit():
        raise ValueError("a compacted record needs a key and a version")
    return StateRecord(record.key.decode(), int(version), record.value)
