"""How fast the stack catches up: after a broker that was away, from the start of all topics, past held cases.

    python -m faults recover --away 120

Aims: a backlog drains at five times the inflow at least, where the inflow is 15 % of what the stack bears; a
replay of all topics runs at ten times the live rate at least; a case that is held makes the 99th of a hundred
others at most half slower.
"""

import asyncio
import json
import signal
import tempfile
import time
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import asdict
from pathlib import Path

import aiohttp

from bench import chain
from bench.cases import add_organisations
from bench.figures import Row, at_least, at_most, quantile
from faults import evidence, load
from faults.world import World, world
from ops.installation import Installation

Say = Callable[[str], None]

BURST = 400
"""Cases that are sent at once to see what the stack bears."""
SHARE = 0.15
"""The inflow's part of that."""
DRAIN, REPLAY, HELD = 5.0, 10.0, 1.5
PATIENCE = 300.0


async def measure(away: float, say: Say) -> list[Row]:
    """All figures, on one stack; `away` in seconds."""
    with tempfile.TemporaryDirectory(prefix="heshi-history-") as folder:
        async with world(short_clocks=False) as stack:
            await load.add_organisations()
            await add_organisations()
            borne = await _burst(stack, Path(folder) / "burst.jsonl")
            inflow = SHARE * borne
            say(f"  {borne:.1f} cases/s in a burst; the inflow is {inflow:.1f}")
            rows = [Row("a burst of cases, start to rest", f"{borne:.1f} cases/s")]
            rows += await _drained(stack, Path(folder) / "away.jsonl", inflow, away)
            rows += await _replayed(stack, inflow)
            return rows + await _held(stack, inflow, say)


async def _burst(stack: World, path: Path) -> float:
    client, begun = load.Client(1, BURST, path, danger=False), time.monotonic()
    asking = asyncio.create_task(client.run())
    while client.sent < BURST:  # noqa: ASYNC110 - the client counts
        await asyncio.sleep(0.02)
    client.stop()
    await asking
    await evidence.at_rest(stack, PATIENCE)
    return client.sent / (time.monotonic() - begun)


async def _drained(stack: World, path: Path, inflow: float, away: float) -> list[Row]:
    """The broker is away while cases come; from its return on, how fast the backlog goes.

    Caught up: no more is left than is read in one second of this inflow.
    """
    reads = inflow * await _read_so_far(stack) / await _cases(stack)
    client = load.Client(2, inflow, path, danger=False)
    asking = asyncio.create_task(client.run())
    await asyncio.sleep(10)
    await asyncio.to_thread(stack.kafka.stop)
    before = client.sent
    await asyncio.sleep(away)
    await stack.restart(stack.kafka)
    begun, backlog = time.monotonic(), client.sent - before
    published = await _until(lambda: _unpublished(stack), inflow) - begun
    took = await _until(lambda: _behind(stack), reads) - begun
    drained = (client.sent - before) / took
    client.stop()
    await asking
    left = await evidence.at_rest(stack, PATIENCE)
    return [
        Row("the broker was away for", f"{away:.0f} s"),
        Row("cases taken meanwhile", f"{backlog}"),
        Row("all published again after", f"{published:.1f} s"),
        Row("all consumers caught up after", f"{took:.1f} s"),
        at_least("the backlog drained at", drained / inflow, DRAIN, "times the inflow"),
        Row("left at rest", str({what: n for what, n in left.items() if n} or "nothing")),
    ]


async def _replayed(stack: World, inflow: float) -> list[Row]:
    """Every consumer of the four services begins at the first record again."""
    records, events = await _read_so_far(stack), await _events(stack)
    for service in evidence.OWNERS:
        async with stack.database(service) as database:
            await database.execute("delete from consumer_offset")
    cases = await _cases(stack)
    for service in evidence.OWNERS:
        stack.send(service, signal.SIGKILL)
    await asyncio.sleep(1)
    await stack.all_ready(60)
    begun, already = time.monotonic(), await _read_so_far(stack)

    async def to_read() -> int:
        return records - await _read_so_far(stack)

    took = await _until(to_read, 0) - begun
    after = await _events(stack)
    rate, live = (records - already) / took, inflow * records / cases
    return [
        Row("records read again by all consumers", f"{records} of {events} events in {took:.1f} s"),
        at_most("events that came of it", after - events, 0, ""),
        at_least("a full replay reads at", rate / live, REPLAY, "times the live rate"),
    ]


async def _held(stack: World, inflow: float, say: Say) -> list[Row]:
    """Runs with and without a case that somebody holds, in turn."""
    free, held = list[float](), list[float]()
    async with aiohttp.ClientSession() as session:
        gateway = chain.Gateway(session, Installation.current().url("simulator"))
        for nth in range(6):
            async with AsyncExitStack() as holding:
                if nth % 2:
                    database = await holding.enter_async_context(stack.database("mediation"))
                    tx = await holding.enter_async_context(database.transaction())
                    await tx.fetch("select from case_head order by random() limit 20 for update")
                run = await chain.at_rate(gateway, inflow, 10, say)
            (held if nth % 2 else free).extend(run.n07)
    slower = quantile(held, 0.99) / quantile(free, 0.99)
    return [
        Row("POST to N07, p99, no case held", f"{quantile(free, 0.99):.3f} s"),
        at_most("with 20 cases held, times that", slower, HELD, "", 2),
    ]


async def _until(count: Callable[[], Awaitable[int]], most: float) -> float:
    """When it is no more than that; or when patience is over."""
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until:
        if await count() <= most:
            break
        await asyncio.sleep(0.2)
    return time.monotonic()


async def _read_so_far(stack: World) -> int:
    """Records that the consumers of the four services have behind them."""
    return await _sum(stack, "select coalesce(sum(next_offset), 0)::bigint from consumer_offset")


async def _cases(stack: World) -> int:
    async with stack.database("intake") as database, database.read() as tx:
        return int(await tx.fetchval("select count(*) from intake_case"))


async def _events(stack: World) -> int:
    return await _sum(stack, "select count(*) from event")


async def _sum(stack: World, sql: str) -> int:
    whole = 0
    for service in evidence.OWNERS:
        async with stack.database(service) as database, database.read() as tx:
            whole += await tx.fetchval(sql)
    return whole


async def _unpublished(stack: World) -> int:
    return sum(n for what, n in (await _waiting(stack)).items() if "not published" in what)


async def _behind(stack: World) -> int:
    return sum(n for what, n in (await _waiting(stack)).items() if what.startswith("lag"))


async def _waiting(stack: World) -> dict[str, int]:
    async with evidence.broker_of(stack) as broker:
        return await evidence.waiting(stack, broker)


def kept(path: Path) -> list[Row]:
    """What `keep` wrote."""
    return [Row(**row) for row in json.loads(path.read_text())]


def keep(path: Path, rows: list[Row]) -> None:
    """Write the figures, for the report."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps([asdict(row) for row in rows], ensure_ascii=False, indent=1))
