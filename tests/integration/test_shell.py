"""The batch shell on real PostgreSQL: one transaction, one effect, and each failure its own case's alone."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from uuid_utils.compat import uuid7

from libs.db.pool import Database
from libs.db.shell import Shell
from libs.runtime.loops import Pulse
from libs.web.errors import Busy, KeyReused, Refusal, Stale
from tests.support import toy


@pytest.fixture
async def base(database) -> Database:
    made = await database("intake")
    async with made.transaction() as tx:
        await tx.execute(toy.SCHEMA)
    return made


@pytest.fixture
async def shell(base: Database) -> AsyncIterator[Shell[toy.Counter]]:
    made = Shell(base, toy.CounterStore(), toy.surroundings(), budget=5)
    pulse = Pulse(lambda: None)
    flushing = asyncio.create_task(made.flush(pulse))
    yield made
    pulse.stop()
    await flushing


async def count(base: Database, table: str) -> int:
    async with base.read() as tx:
        return int(await tx.fetchval(f"select count(*) from {table}"))


async def total(base: Database, case_id) -> int | None:
    async with base.read() as tx:
        return await tx.fetchval("select total from counter where case_id = $1", case_id)


async def test_case_event_pointer_key_and_audit_are_one_transaction(base, shell):
    case_id = uuid7()
    outcome = await shell.submit(toy.work(case_id, 5, key=b"k" * 32))
    assert (outcome.status, outcome.body, outcome.version) == (201, {"total": 5}, 1)
    for table in ("counter", "case_head", "event", "outbox", "idempotency", "audit"):
        assert await count(base, table) == 1, table


async def test_g6_versions_count_events_without_gap(base, shell):
    case_id = uuid7()
    for _ in range(5):
        await shell.submit(toy.work(case_id, 1))
    async with base.read() as tx:
        rows = await tx.fetch("select version from event where case_id = $1 order by id", case_id)
    assert [row["version"] for row in rows] == [1, 2, 3, 4, 5]


async def test_a_repeated_key_gets_the_first_answer_and_no_second_effect(base, shell):
    case_id = uuid7()
    first = await shell.submit(toy.work(case_id, 5, key=b"a" * 32))
    again = await shell.submit(toy.work(case_id, 5, key=b"a" * 32))
    assert (again.status, again.body, again.version) == (first.status, first.body, first.version)
    assert (first.replayed, again.replayed) == (False, True)
    assert await total(base, case_id) == 5


async def test_g4_fifty_at_once_with_one_key_are_one_effect(base, shell):
    case_id = uuid7()
    outcomes = await asyncio.gather(*(shell.submit(toy.work(case_id, 1, key=b"c" * 32)) for _ in range(50)))
    assert sum(not outcome.replayed for outcome in outcomes) == 1
    assert await total(base, case_id) == 1


async def test_a_key_with_another_body_is_refused(shell):
    case_id = uuid7()
    await shell.submit(toy.work(case_id, 5, key=b"b" * 32))
    with pytest.raises(KeyReused):
        await shell.submit(toy.work(case_id, 5, key=b"b" * 32, body=b"other"))


async def test_a_refusal_is_stored_and_given_again(base, shell):
    case_id = uuid7()
    for _ in range(2):
        with pytest.raises(Refusal) as refused:
            await shell.submit(toy.work(case_id, -1, key=b"d" * 32))
        assert (refused.value.code, refused.value.status) == (toy.NEGATIVE, 422)
    assert await count(base, "idempotency") == 1
    assert await count(base, "counter") == 0


async def test_g2_a_bug_and_a_refusal_in_a_batch_leave_the_others_alone(base):
    shell = Shell(base, toy.CounterStore(), toy.surroundings())
    good, bug, refused = uuid7(), uuid7(), uuid7()
    results = await shell.run([toy.work(good, 1), toy.work(bug, toy.BUG), toy.work(refused, -1)])
    assert results[0].outcome is not None
    assert isinstance(results[1].error, toy.Boom)
    assert isinstance(results[2].error, Refusal)
    assert await total(base, good) == 1


async def test_g2_a_sick_row_is_found_by_halving(base):
    """The row violates a CHECK in `save`; its 15 neighbours are saved, each once."""
    shell = Shell(base, toy.CounterStore(), toy.surroundings())
    cases = [uuid7() for _ in range(16)]
    works = [toy.work(case_id, 5000 if n == 11 else n) for n, case_id in enumerate(cases)]
    results = await shell.run(works)
    assert [n for n, result in enumerate(results) if result.error] == [11]
    assert [await total(base, c) for c in cases] == [None if n == 11 else n for n in range(16)]


async def test_commands_of_one_case_in_one_batch_run_in_sequence(base):
    shell = Shell(base, toy.CounterStore(), toy.surroundings())
    case_id = uuid7()
    results = await shell.run([toy.work(case_id, n) for n in (1, 2, 3)])
    assert [r.outcome.body["total"] for r in results if r.outcome] == [1, 3, 6]
    assert [r.outcome.version for r in results if r.outcome] == [1, 2, 3]


async def test_a_stale_version_is_refused(shell):
    case_id = uuid7()
    await shell.submit(toy.work(case_id, 1))
    await shell.submit(toy.work(case_id, 1, expected=1))
    with pytest.raises(Stale):
        await shell.submit(toy.work(case_id, 1, expected=1))


async def test_a_locked_case_does_not_hold_up_the_others(base, shell):
    locked, free = uuid7(), uuid7()
    await shell.submit(toy.work(locked, 1))
    async with base.transaction() as tx:
        await tx.fetch("select * from case_head where case_id = $1 for update", locked)
        waiting = asyncio.create_task(shell.submit(toy.work(locked, 1)))
        outcome = await asyncio.wait_for(shell.submit(toy.work(free, 1)), 1)
        assert outcome.status == 201
        with pytest.raises(Busy):
            await waiting


async def test_g1_writers_of_the_same_cases_in_any_order_do_not_deadlock(base):
    """Four writers, the same cases in other orders: every addition counts, and nothing deadlocks."""
    shells = [Shell(base, toy.CounterStore(), toy.surroundings()) for _ in range(4)]
    cases = [uuid7() for _ in range(20)]
    await shells[0].run([toy.work(case_id, 0) for case_id in cases])

    async def write(shell: Shell[toy.Counter], turn: int) -> int:
        done = 0
        for round_number in range(5):
            order = cases[turn + round_number :] + cases[: turn + round_number]
            results = await shell.run([toy.work(case_id, 1) for case_id in order])
            assert all(r.outcome or isinstance(r.error, Busy) for r in results)
            done += sum(1 for r in results if r.outcome)
        return done

    done = await asyncio.gather(*(write(shell, n) for n, shell in enumerate(shells)))
    totals = [await total(base, case_id) for case_id in cases]
    assert sum(t or 0 for t in totals) == sum(done)
    async with base.read() as tx:
        assert (
            await tx.fetchval("select deadlocks from pg_stat_database where datname = current_database()")
            == 0
        )


async def test_g4_a_cancelled_caller_does_not_cancel_the_work(base, shell):
    case_id = uuid7()
    task = asyncio.create_task(shell.submit(toy.work(case_id, 7, key=b"z" * 32)))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    again = await shell.submit(toy.work(case_id, 7, key=b"z" * 32))
    assert again.body == {"total": 7}
    assert await total(base, case_id) == 7
