"""Processes that are killed or frozen at the worst moment: one effect per event, and the order of each case.

Each test loses a real process by SIGKILL (or SIGSTOP) at a named point and starts another in its place.
"""

import asyncio
import signal
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import psutil
import pytest
from uuid_utils.compat import uuid7

from libs.db.pool import Database
from libs.db.work import State
from libs.messaging import outbox
from libs.messaging.consumer import StateReader, StateRecord, StateRunner
from libs.messaging.readback import ReadBack
from libs.messaging.reader import KafkaPlace, Reader
from tests.support import chain, toy
from tests.support.infrastructure import Databases
from tests.support.process import Order, started
from tests.support.wait import until

CASES, ROUNDS = 10, 5
DOSSIER = "intake.dossier.v1"


@dataclass
class Ground:
    """Two databases with the toy and one broker, and what the processes on them need to know."""

    source: Database
    sink: Database
    place: KafkaPlace
    dsn: dict[str, str]
    cases: tuple[UUID, ...]

    def order(self, role: str, **more: Any) -> Order:
        return Order(role, self.dsn[role], self.place.bootstrap, self.place.prefix, **more)

    def committing(self, **more: Any) -> Order:
        """The source's order: every case is added to in every round."""
        return self.order("source", cases=tuple(map(str, self.cases)), rounds=ROUNDS, **more)

    async def committed(self) -> dict[UUID, int]:
        """How many events each case has at the source."""
        async with self.source.read() as tx:
            return dict(await tx.fetch("select case_id, max(version) from event group by case_id"))

    async def unpublished(self) -> int:
        return int(await chain.scalar(self.source, "select count(*) from outbox"))


@pytest.fixture
async def ground(databases: Databases, kafka: Callable[..., Awaitable[KafkaPlace]]) -> AsyncIterator[Ground]:
    dsn = {"source": databases.fresh("intake"), "sink": databases.fresh("routing")}
    opened = {role: await Database.open(dsn[role], name=f"test-{role}", size=6) for role in dsn}
    for database in opened.values():
        async with database.transaction() as tx:
            await tx.execute(toy.SCHEMA)
    place = await kafka(chain.TOPIC, DOSSIER, partitions=2)
    yield Ground(opened["source"], opened["sink"], place, dsn, tuple(uuid7() for _ in range(CASES)))
    for database in opened.values():
        await database.close()


@pytest.fixture
async def running() -> AsyncIterator[chain.Running]:
    loops = chain.Running()
    yield loops
    await loops.stop()


@pytest.fixture
async def stack() -> AsyncIterator[AsyncExitStack]:
    async with AsyncExitStack() as made:
        yield made


async def ended(process: psutil.Popen) -> int:
    """The code with which the process ends, negative for a signal."""
    return int(await asyncio.to_thread(process.wait, 60))


async def frozen(process: psutil.Popen) -> None:
    """Return when the process stands still."""

    async def stands() -> bool:
        return process.status() == psutil.STATUS_STOPPED

    await until(stands, seconds=60)


async def consumed(ground: Ground) -> None:
    """Return when every committed event had its effect; fail when one had two."""
    expected = await ground.committed()

    async def all_there() -> bool:
        return await chain.scalar(ground.sink, "select count(*) from event") >= sum(expected.values())

    await until(all_there, seconds=60)
    assert await chain.scalar(ground.sink, "select count(*) from event") == sum(expected.values())
    # Event n of a case says n, the source's total: 1 + 2 + … + n when each counted once.
    totals = {case_id: await chain.total(ground.sink, case_id) for case_id in expected}
    assert totals == {case_id: n * (n + 1) // 2 for case_id, n in expected.items()}


async def published_in_order(ground: Ground) -> dict[UUID, list[int]]:
    """What the topic holds of each case; fails unless it is 1, 2, … n once repeats are left out."""
    expected, found = await ground.committed(), defaultdict(list)
    for envelope in await chain.envelopes(ground.place):
        found[envelope.case_id].append(envelope.caseversion)
    in_order = {case_id: list(dict.fromkeys(versions)) for case_id, versions in found.items()}
    assert in_order == {case_id: list(range(1, n + 1)) for case_id, n in expected.items()}
    return dict(found)


@pytest.mark.parametrize("nth", [1, 4])
async def test_killed_after_commit_before_publish(ground: Ground, running, nth: int):
    with started(ground.committing(point="committed, not published", nth=nth)) as process:
        assert await ended(process) == -signal.SIGKILL
    assert await ground.unpublished() > 0
    with started(ground.order("source")) as process:
        assert await ended(process) == 0
    assert await ground.unpublished() == 0
    await published_in_order(ground)
    running.start(chain.consumer(ground.sink, ground.place)[0].run)
    await consumed(ground)


@pytest.mark.parametrize("nth", [1, 4])
async def test_killed_after_publish_before_the_pointer_is_deleted(ground: Ground, running, nth: int):
    """The successor publishes the same events once more; the inbox knows them."""
    with started(ground.committing(point="published, pointer not deleted", nth=nth)) as process:
        assert await ended(process) == -signal.SIGKILL
    assert await ground.unpublished() > 0
    with started(ground.order("source")) as process:
        assert await ended(process) == 0
    found = await published_in_order(ground)
    assert sum(map(len, found.values())) > sum((await ground.committed()).values())
    running.start(chain.consumer(ground.sink, ground.place)[0].run)
    await consumed(ground)


@pytest.mark.parametrize("point", ["saved, not committed", "committed, Kafka not told"])
async def test_killed_in_the_middle_of_a_topic(ground: Ground, point: str):
    """Inside a batch's transaction: nothing of it is there. After it: all of it is, though Kafka never
    learnt so. Either way the successor reads on exactly there."""
    with started(ground.committing()) as process:
        assert await ended(process) == 0
    with started(ground.order("sink", point=point, nth=1)) as process:
        assert await ended(process) == -signal.SIGKILL
    done = await chain.scalar(ground.sink, "select count(*) from event")
    stored = await chain.scalar(ground.sink, "select coalesce(sum(next_offset), 0) from consumer_offset")
    assert stored == done
    assert done == 0 if point == "saved, not committed" else 0 < done < CASES * ROUNDS
    with started(ground.order("sink")):
        await consumed(ground)
    assert await chain.scalar(ground.sink, "select count(*) from parked") == 0


async def test_killed_at_every_point_in_turn(ground: Ground):
    """The same chain loses a process at each point, one after another, and comes to the same end."""
    for point in ("committed, not published", "published, pointer not deleted"):
        with started(ground.committing(point=point, nth=2)) as process:
            assert await ended(process) == -signal.SIGKILL
    with started(ground.committing()) as process:
        assert await ended(process) == 0
    for point in ("saved, not committed", "committed, Kafka not told"):
        with started(ground.order("sink", point=point)) as process:
            assert await ended(process) == -signal.SIGKILL
    with started(ground.order("sink")):
        await consumed(ground)
    await published_in_order(ground)


async def cut_off(ground: Ground) -> None:
    """End the frozen relay's session, as the server does with one that idles in its transaction (30 s)."""
    async with ground.source.read() as tx:
        cut = await tx.fetchval(
            "select count(pg_terminate_backend(pid)) from pg_stat_activity"
            " where datname = current_database() and application_name = 'source' and state like 'idle in%'"
        )
    assert cut == 1


async def test_a_relay_that_stalls_and_wakes_late_breaks_no_order(ground: Ground, stack, running):
    """While it stalls its buckets are nobody else's; once its session is cut another takes over; what it
    publishes late comes behind, as repeats."""
    writer = chain.shell(ground.source)
    for _ in range(2):
        await writer.run([toy.work(case_id, 1) for case_id in ground.cases])
    stalling = ground.order("source", point="committed, not published", at_once=15, signal=signal.SIGSTOP)
    with started(stalling) as process:
        await frozen(process)
        for _ in range(2):
            await writer.run([toy.work(case_id, 1) for case_id in ground.cases])
        other = chain.relay(ground.source, ground.place, stack)
        await other.once()
        assert await chain.envelopes(ground.place) == []
        await cut_off(ground)

        async def taken_over() -> bool:
            await other.once()
            return await ground.unpublished() == 0

        await until(taken_over)
        before = len(await chain.envelopes(ground.place))
        process.resume()
        assert await ended(process) == 0
    found = await published_in_order(ground)
    assert sum(map(len, found.values())) > before  # it did publish late
    running.start(chain.consumer(ground.sink, ground.place)[0].run)
    await consumed(ground)


COPY = "create table copy (key text primary key, version bigint not null, value bytea)"


async def keep_copy(tx: Any, records: Sequence[StateRecord]) -> Sequence[UUID]:
    """A reader's copy, as services keep it: a record with a version not above the known changes nothing."""
    for record in records:
        await tx.execute(
            """
            insert into copy values ($1, $2, $3) on conflict (key) do update
                set version = excluded.version, value = excluded.value where copy.version < excluded.version
            """,
            record.key,
            record.version,
            record.value,
        )
    return []


@pytest.mark.parametrize("now", [None, b"revoked"], ids=["erasure", "revocation"])
async def test_g12_a_relay_frozen_across_a_newer_state_does_not_bring_the_older_back(
    ground: Ground, stack, running, now: bytes | None
):
    """G12: judged by what compaction leaves, and by a reader that starts empty and sees only that."""
    key = str(uuid7())
    async with ground.source.transaction() as tx:
        await outbox.append_states(tx, [State(DOSSIER, key, 1, b"sealed")])
    with started(ground.order("source", point="committed, not published", signal=signal.SIGSTOP)) as process:
        await frozen(process)
        await cut_off(ground)
        async with ground.source.transaction() as tx:
            await outbox.append_states(tx, [State(DOSSIER, key, 2, now)])
        relay = chain.relay(ground.source, ground.place, stack)
        running.start(relay.run)
        back = ReadBack(ground.source, ground.place, relay.wake)
        running.start(Reader("intake.readback", [DOSSIER], ground.place, ground.source, back.handle).run)

        async def newer() -> bool:
            return [record.value for record in await chain.dump(ground.place, DOSSIER)][-1:] == [now]

        await until(newer)
        process.resume()
        assert await ended(process) == 0

    async def mended() -> bool:
        values = [record.value for record in await chain.dump(ground.place, DOSSIER)]
        return b"sealed" in values and values[-1] == now

    await until(mended)
    async with ground.sink.transaction() as tx:
        await tx.execute(COPY)
    runner = StateRunner(
        StateReader("notify.intake-dossier", DOSSIER, keep_copy), ground.sink, ground.place, chain.now
    )
    records = await chain.dump(ground.place, DOSSIER)
    late = max(n for n, record in enumerate(records) if record.value == b"sealed")
    await runner.handle(records[late:], [])  # what compaction may have left of the topic
    assert await chain.scalar(ground.sink, "select value from copy where key = $1", key) == now
