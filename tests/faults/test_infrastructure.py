"""PostgreSQL and Kafka go away and come back: typed answers in time, nothing lost, nobody restarted.

Each test has a server of its own, since it stops it.
"""

import asyncio
import shutil
import signal
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import psutil
import pytest
from uuid_utils.compat import uuid7

from libs.db.dsn import of_database
from libs.db.faults import Fault, classify
from libs.db.migrate import apply, create_database
from libs.db.pool import Database
from libs.db.shell import Shell
from libs.events import topics as declared
from libs.messaging import topics
from libs.messaging.producer import Producer
from libs.messaging.reader import KafkaPlace
from libs.messaging.relay import Relay
from libs.web.errors import Unavailable
from ops.stack.home import Home
from ops.stack.kafka import EmbeddedKafka
from ops.stack.postgres import EmbeddedPostgres
from tests.support import chain, toy
from tests.support.wait import until

BUDGET = 2.0


@pytest.fixture
def home() -> Iterator[Home]:
    folder = Path(tempfile.mkdtemp(prefix="heshi-fault-"))
    yield Home(folder)
    shutil.rmtree(folder)


@pytest.fixture
def postgres(home: Home) -> Iterator[EmbeddedPostgres]:
    server = EmbeddedPostgres(home)
    server.start()
    yield server
    server.stop()


@pytest.fixture
def broker(home: Home) -> Iterator[EmbeddedKafka]:
    server = EmbeddedKafka(home)
    server.start()
    yield server
    server.stop()


@pytest.fixture
async def running() -> AsyncIterator[chain.Running]:
    loops = chain.Running()
    yield loops
    await loops.stop()


@pytest.fixture
async def stack() -> AsyncIterator[AsyncExitStack]:
    async with AsyncExitStack() as made:
        yield made


def lose(server: EmbeddedPostgres | EmbeddedKafka, how: signal.Signals) -> None:
    """End the server's processes without a word to its clients; the next launch recovers."""
    assert server.child is not None
    server.child.stop((how, 10))


def bring_back(server: EmbeddedPostgres | EmbeddedKafka) -> None:
    server.launch()
    server.wait_ready()


async def toy_on(
    postgres: EmbeddedPostgres, service: str, stack: AsyncExitStack, **timeouts: float
) -> Database:
    """A migrated database of the service on this server, with the toy's table."""
    create_database(postgres.dsn, service)
    apply(of_database(postgres.dsn, service), service)
    database = await Database.open(of_database(postgres.dsn, service), name="test", size=4, **timeouts)
    stack.push_async_callback(database.close)
    async with database.transaction() as tx:
        await tx.execute(toy.SCHEMA)
    return database


async def test_while_postgres_is_away_each_request_is_told_so_and_later_it_heals(
    postgres: EmbeddedPostgres, stack: AsyncExitStack, running: chain.Running
):
    database = await toy_on(postgres, "intake", stack)
    shell = Shell(database, toy.CounterStore(), toy.surroundings(), budget=BUDGET)
    running.start(shell.flush)
    asked = [toy.work(uuid7(), n, key=bytes([n]) * 32) for n in range(1, 21)]
    await shell.submit(asked[0])

    lose(postgres, signal.SIGQUIT)  # immediate shutdown: sessions are cut in mid-air
    answers = await asyncio.wait_for(
        asyncio.gather(*(shell.submit(work) for work in asked), return_exceptions=True), BUDGET + 5
    )
    assert {type(answer) for answer in answers} == {Unavailable}
    assert all(answer.status == 503 and answer.retry_after for answer in answers)

    bring_back(postgres)
    again = await asyncio.gather(*(shell.submit(work) for work in asked))
    assert [outcome.status for outcome in again] == [201] * 20
    assert [outcome.replayed for outcome in again] == [True] + [False] * 19
    assert await chain.scalar(database, "select sum(total) from counter") == sum(range(1, 21))


async def test_g2_whatever_the_driver_says_of_a_lost_server_no_row_is_blamed(postgres: EmbeddedPostgres):
    """G2: between a server's last word and the end of the line the driver has errors of its own."""
    database = await Database.open(postgres.dsn, name="test", size=4)
    heard: list[Exception] = []

    async def ask_on() -> None:
        while True:
            try:
                async with database.transaction() as tx:
                    await tx.fetchval("select 1")
                async with database.read() as tx:
                    await tx.fetchval("select 2")
            except Exception as error:
                heard.append(error)
                await asyncio.sleep(0.001)

    asking = [asyncio.create_task(ask_on()) for _ in range(12)]
    for how in [signal.SIGQUIT, signal.SIGKILL] * 5:
        await asyncio.sleep(0.1)
        await asyncio.to_thread(lose, postgres, how)
        await asyncio.to_thread(bring_back, postgres)
    for task in asking:
        task.cancel()
    await asyncio.wait(asking)
    await database.close()
    assert len({type(error) for error in heard}) > 1
    assert {classify(error) for error in heard} == {Fault.INFRASTRUCTURE}


async def test_requests_that_outlast_a_short_outage_are_answered(
    postgres: EmbeddedPostgres, stack: AsyncExitStack, running: chain.Running
):
    """Whoever waits within the budget gets the answer, not the outage."""
    database = await toy_on(postgres, "intake", stack)
    shell = Shell(database, toy.CounterStore(), toy.surroundings(), budget=60)
    running.start(shell.flush)
    lose(postgres, signal.SIGQUIT)
    waiting = [asyncio.create_task(shell.submit(toy.work(uuid7(), 1))) for _ in range(20)]
    await asyncio.sleep(0.2)  # the first attempts fail
    await asyncio.to_thread(bring_back, postgres)
    assert {outcome.status for outcome in await asyncio.gather(*waiting)} == {201}
    assert await chain.scalar(database, "select count(*) from event") == 20


async def test_a_database_that_keeps_silent_is_away_too(
    postgres: EmbeddedPostgres, stack: AsyncExitStack, running: chain.Running
):
    """Nothing refuses a connection and nothing answers: every wait ends all the same."""
    database = await toy_on(postgres, "intake", stack, command_timeout=1, acquire_timeout=1)
    shell = Shell(database, toy.CounterStore(), toy.surroundings(), budget=BUDGET)
    running.start(shell.flush)
    await shell.submit(toy.work(uuid7(), 1))
    assert postgres.child is not None
    server = psutil.Process(postgres.child.pid)
    frozen = [*server.children(recursive=True), server]
    try:
        for process in frozen:
            process.suspend()
        answers = await asyncio.wait_for(
            asyncio.gather(*(shell.submit(toy.work(uuid7(), 1)) for _ in range(20)), return_exceptions=True),
            BUDGET + 8,
        )
    finally:
        for process in reversed(frozen):
            process.resume()
    assert {type(answer) for answer in answers} == {Unavailable}

    async def healed() -> bool:
        try:
            return (await shell.submit(toy.work(uuid7(), 1))).status == 201
        except Unavailable:
            return False

    await until(healed)


async def test_a_consumer_whose_database_goes_away_repeats_and_buries_nothing(
    postgres: EmbeddedPostgres, database, kafka, stack: AsyncExitStack, running: chain.Running
):
    source, sink = await chain.toy_database(database, "intake"), await toy_on(postgres, "routing", stack)
    place = await kafka(chain.TOPIC)
    publishing = chain.relay(source, place, stack)
    reader, failed = chain.consumer(sink, place)[0], asyncio.Event()

    def noticing(call: Callable[..., Awaitable[None]]) -> Callable[..., Awaitable[None]]:
        async def noticed(*args: Any) -> None:
            try:
                await call(*args)
            except Exception:
                failed.set()
                raise

        return noticed

    reader.handle, reader._read = noticing(reader.handle), noticing(reader._read)
    running.start(reader.run)
    cases, writer = [uuid7() for _ in range(10)], chain.shell(source)

    async def add_and_publish() -> None:
        await writer.run([toy.work(case_id, 1) for case_id in cases])
        await publishing.once()

    async def counted(events: int) -> bool:
        return await chain.scalar(sink, "select count(*) from event") == events

    await add_and_publish()
    await until(lambda: counted(10))
    lose(postgres, signal.SIGQUIT)
    await add_and_publish()
    await add_and_publish()
    await asyncio.wait_for(failed.wait(), 20)
    bring_back(postgres)
    await until(lambda: counted(30), seconds=40)
    assert {await chain.total(sink, case_id) for case_id in cases} == {1 + 2 + 3}
    lost = "select (select count(*) from dead_letter) + (select count(*) from parked)"
    assert await chain.scalar(sink, lost) == 0


async def test_registration_goes_on_while_the_broker_is_away_and_all_of_it_arrives(
    broker: EmbeddedKafka, database, stack: AsyncExitStack, running: chain.Running
):
    source, sink = await chain.toy_database(database, "intake"), await chain.toy_database(database, "routing")
    place = KafkaPlace(broker.bootstrap)
    every = declared.load()
    topic = every.all[chain.TOPIC].model_copy(update={"partitions": 2, "readers": ()})
    await topics.apply(
        place.bootstrap, declared.Topics(durability=every.durability, topics={chain.TOPIC: topic})
    )
    producer = Producer(place.bootstrap, client_id="test", timeout=3)
    stack.push_async_callback(producer.close)
    relay = Relay(source, producer, place.physical)
    shell = Shell(source, toy.CounterStore(), toy.surroundings(), published=relay.wake, budget=5)
    for loop in (relay.run, shell.flush, chain.consumer(sink, place)[0].run):
        running.start(loop)
    cases = [uuid7() for _ in range(10)]

    async def add() -> None:
        outcomes = await asyncio.gather(*(shell.submit(toy.work(case_id, 1)) for case_id in cases))
        assert {outcome.status for outcome in outcomes} == {201}

    async def counted(events: int) -> bool:
        return await chain.scalar(sink, "select count(*) from event") == events

    await add()
    await until(lambda: counted(10))
    lose(broker, signal.SIGKILL)
    await add()
    await add()
    assert await chain.scalar(source, "select count(*) from outbox") == 20
    bring_back(broker)
    await until(lambda: counted(30), seconds=60)
    assert {await chain.total(sink, case_id) for case_id in cases} == {1 + 2 + 3}
    assert await chain.scalar(source, "select count(*) from outbox") == 0
