"""Both ends of a chain in one process: a toy service that publishes, and one that consumes."""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient

from libs.db.pool import Database
from libs.db.shell import Shell
from libs.db.work import UseCase
from libs.events.envelope import Envelope, from_headers
from libs.events.intake import CaseReminded
from libs.messaging.consumer import EventConsumer, EventRunner
from libs.messaging.producer import Producer
from libs.messaging.reader import KafkaPlace, Reader
from libs.messaging.relay import Relay
from libs.messaging.unparker import Unparker
from libs.runtime.loops import Pulse
from tests.support import toy

TOPIC = "intake.case.v1"
CONSUMER = "routing.intake-case"


def now() -> datetime:
    return datetime.now(UTC)


def counting(case: toy.Counter | None, command: CaseReminded, moment: Any) -> Any:
    """The consuming toy's use case."""
    return toy.decide(case or toy.Counter(command.case_id), command, moment)


@dataclass
class Running:
    """Loops that a test started; all are stopped when the test ends."""

    tasks: list[tuple[Pulse, asyncio.Task[None]]] = field(default_factory=list)

    def start(self, loop: Callable[[Pulse], Any]) -> Pulse:
        pulse = Pulse(lambda: None)
        self.tasks.append((pulse, asyncio.create_task(loop(pulse))))
        return pulse

    async def stop(self) -> None:
        for pulse, _ in self.tasks:
            pulse.stop()
        await asyncio.gather(*(task for _, task in self.tasks))
        self.tasks.clear()


async def toy_database(open_database: Any, service: str) -> Database:
    """A fresh database of the service with the toy's table beside the mechanisms'."""
    database: Database = await open_database(service)
    async with database.transaction() as tx:
        await tx.execute(toy.SCHEMA)
    return database


def relay(database: Database, place: KafkaPlace, stack: AsyncExitStack, **options: Any) -> Relay:
    """A relay with a producer of its own."""
    producer = Producer(place.bootstrap, client_id="test", timeout=10)
    stack.push_async_callback(producer.close)
    return Relay(database, producer, place.physical, **options)


def shell(database: Database) -> Shell[toy.Counter]:
    return Shell(database, toy.CounterStore(), toy.surroundings())


def consumer(
    database: Database, place: KafkaPlace, decide: Any = counting
) -> tuple[Reader, Unparker, EventRunner[toy.Counter]]:
    """The consuming toy: its reader, its unparker and its runner."""
    declared = EventConsumer(CONSUMER, TOPIC, {CaseReminded: UseCase("count", decide)})
    works = shell(database)
    runner = EventRunner(declared, works, database, place, "routing", now)
    reader = Reader(CONSUMER, [TOPIC], place, database, runner.handle)
    return reader, Unparker([runner], works, database, now), runner


async def dump(place: KafkaPlace, topic: str) -> list[Any]:
    """Every record of a topic from its beginning to its present end, partition by partition."""
    name = place.physical(topic)
    admin = AIOKafkaAdminClient(bootstrap_servers=place.bootstrap)
    await admin.start()
    [described] = await admin.describe_topics([name])
    await admin.close()
    places = [TopicPartition(name, row["partition"]) for row in described["partitions"]]
    client = AIOKafkaConsumer(bootstrap_servers=place.bootstrap, auto_offset_reset="earliest")
    await client.start()
    try:
        client.assign(places)
        ends = await client.end_offsets(places)
        records: list[Any] = []
        while [tp for tp in places if await client.position(tp) < ends[tp]]:
            for rows in (await client.getmany(timeout_ms=200)).values():
                records.extend(rows)
        return records
    finally:
        with suppress(asyncio.CancelledError):  # the client without a group raises its own cancellation
            await client.stop()


async def envelopes(place: KafkaPlace, topic: str = TOPIC) -> list[Envelope]:
    """The envelopes of a topic's records."""
    return [from_headers(record.headers, topic) for record in await dump(place, topic)]


async def produce(
    place: KafkaPlace, topic: str, records: Sequence[tuple[bytes | None, bytes | None, list]]
) -> None:
    """Put raw records on a topic: `(key, value, headers)`."""
    client = AIOKafkaProducer(bootstrap_servers=place.bootstrap)
    await client.start()
    try:
        for key, value, headers in records:
            await client.send_and_wait(place.physical(topic), value, key=key, headers=headers)
    finally:
        await client.stop()


async def total(database: Database, case_id: UUID) -> int | None:
    """The toy's total of a case."""
    async with database.read() as tx:
        value: int | None = await tx.fetchval("select total from counter where case_id = $1", case_id)
    return value


async def scalar(database: Database, sql: str, *args: object) -> Any:
    """One value by SQL."""
    async with database.read() as tx:
        return await tx.fetchval(sql, *args)
