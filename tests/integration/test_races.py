"""Two writers at once, held at the moment that matters: nothing is lost, and nobody waits for each other."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

import pytest
from uuid_utils.compat import uuid7

from libs.db.batch import Result
from libs.db.pool import Database
from libs.db.shell import Shell
from libs.messaging.reader import KafkaPlace
from tests.support import chain, toy
from tests.support.infrastructure import Databases, server
from tests.support.stream import Stream
from tests.support.wait import until


@pytest.fixture
async def two(databases: Databases) -> AsyncIterator[tuple[Database, Database]]:
    """Two pools of one database, as two processes have."""
    dsn = databases.fresh("routing")
    pools = [await Database.open(dsn, name=f"writer-{n}", size=4) for n in (1, 2)]
    async with pools[0].transaction() as tx:
        await tx.execute(toy.SCHEMA)
    yield pools[0], pools[1]
    for pool in pools:
        await pool.close()


class Meeting(toy.CounterStore):
    """A store whose first `parties` batches wait for each other between their locks and their decisions."""

    def __init__(self, parties: int) -> None:
        self._open, self._missing = asyncio.Event(), parties

    async def share(self, tx: Any, works: Sequence[Any]) -> None:
        self._missing -= 1
        if self._missing <= 0:
            self._open.set()
        await asyncio.wait_for(self._open.wait(), 10)


async def test_two_that_create_one_case_at_once_both_count(two: tuple[Database, Database]):
    """Neither finds a row to lock; who comes second decides again on what the first made of the case."""
    case_id, store = uuid7(), Meeting(2)
    first, second = (Shell(pool, store, toy.surroundings()) for pool in two)
    [[one], [other]] = await asyncio.gather(
        first.run([toy.work(case_id, 3)]), second.run([toy.work(case_id, 4)])
    )
    assert sorted(result.outcome.version for result in (one, other)) == [1, 2]
    assert await chain.total(two[0], case_id) == 7
    async with two[0].read() as tx:
        versions = await tx.fetch("select version from event where case_id = $1 order by id", case_id)
    assert [row["version"] for row in versions] == [1, 2]


async def test_an_event_that_two_workers_got_counts_once(two: tuple[Database, Database]):
    """As after a rebalance: both hold the same record, of a case that does not exist here yet."""
    case_id, store = uuid7(), Meeting(2)
    shells = [Shell(pool, store, toy.surroundings()) for pool in two]
    event = Stream(chain.consumer(two[0], KafkaPlace(""))[2]).event(case_id, 1, 5)
    results = await asyncio.gather(*(shell.run([event]) for shell in shells))
    assert sorted(result.repeat for [result] in results) == [False, True]
    assert await chain.total(two[0], case_id) == 5


@asynccontextmanager
async def held(database: Database, sql: str, *args: object) -> AsyncIterator[None]:
    """While the block runs, a third writer is in the way; it gives up at the end."""

    class GiveUp(Exception):
        pass

    try:
        async with database.transaction() as tx:
            await tx.execute(sql, *args)
            yield
            raise GiveUp
    except GiveUp:
        return


async def both_meet(
    two: tuple[Database, Database],
    batches: Callable[[int], Awaitable[list[Result]]],
    in_the_way: str,
    *args: object,
) -> list[list[Result]]:
    """Start both batches, let both come to the row in the way, clear it; their results."""

    async def blocked() -> bool:
        waiting = "select count(*) from pg_stat_activity where wait_event_type = 'Lock' and datname = $1"
        name = await chain.scalar(two[0], "select current_database()")
        return await chain.scalar(two[0], waiting, name) == 2

    async with held(two[0], in_the_way, *args):
        tasks = [asyncio.create_task(batches(n)) for n in (0, 1)]
        await until(blocked, every=0.01)
    return list(await asyncio.gather(*tasks))


async def deadlocks(two: tuple[Database, Database]) -> int:
    """How many the server had to break in this database; sessions report it at the latest at their end."""
    name = await chain.scalar(two[0], "select current_database()")
    for pool in two:
        await pool.close()
    watcher = await Database.open(server(), name="watcher", size=1)
    try:
        return int(
            await chain.scalar(watcher, "select deadlocks from pg_stat_database where datname = $1", name)
        )
    finally:
        await watcher.close()


async def test_g1_new_cases_are_locked_in_one_order(two: tuple[Database, Database]):
    """G1: two batches with the same new cases in opposite order do not lock each other out."""
    cases = sorted(uuid7() for _ in range(3))
    shells = [Shell(pool, toy.CounterStore(), toy.surroundings()) for pool in two]

    def batch(n: int) -> Awaitable[list[Result]]:
        return shells[n].run([toy.work(case_id, 1) for case_id in (cases, cases[::-1])[n]])

    results = await both_meet(two, batch, "insert into case_head values ($1, '', 0)", cases[1])
    assert all(result.outcome for batch_results in results for result in batch_results)
    assert [await chain.total(two[0], case_id) for case_id in cases] == [2, 2, 2]
    assert await deadlocks(two) == 0


async def test_g1_inbox_rows_are_locked_in_one_order(two: tuple[Database, Database]):
    """G1: the same events in opposite order, as two workers may get them."""
    stream = Stream(chain.consumer(two[0], KafkaPlace(""))[2])
    events = sorted((stream.event(uuid7(), 1, 1) for _ in range(3)), key=lambda work: work.event.event_id)
    shells = [Shell(pool, toy.CounterStore(), toy.surroundings()) for pool in two]
    results = await both_meet(
        two,
        lambda n: shells[n].run((events, events[::-1])[n]),
        "insert into inbox values ($1, $2, 'done')",
        chain.CONSUMER,
        events[1].event.event_id,
    )
    assert sum(1 for batch in results for result in batch if result.outcome) == 3
    assert [await chain.total(two[0], work.case_id) for work in events] == [1, 1, 1]
    assert await deadlocks(two) == 0
