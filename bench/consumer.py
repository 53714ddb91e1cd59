"""How fast one process works off a backlog of events, with every effect in its database and on Kafka."""

import asyncio
import sys
import time
from contextlib import suppress
from signal import SIGTERM

import psutil

from bench.figures import Row, Say, Section, at_least
from ops.installation import Installation
from ops.stack.child import Child
from ops.stack.parts import port_base

CONSUMER = "routing.intake-case"
PATIENCE = 120.0


async def measure(say: Say) -> Section:
    """Routing alone: it reads every accepted case that waits, chooses an organisation, and tells of it."""
    here = Installation.current()
    environment = {
        "HESHI_POSTGRES": here.postgres,
        "HESHI_KAFKA": here.kafka,
        "HESHI_KEYS": str(here.home.keys),
        "HESHI_PORT_BASE": str(port_base()),
    }
    command = [sys.executable, "-m", "services.routing.main", "worker"]
    begin = await _handled()
    child = Child(here.home, "routing", command, environment=environment)
    try:
        seen, cpu = await _worked_off(begin, child)
    finally:
        await asyncio.to_thread(child.stop, (SIGTERM, 20.0))
    events, took = seen[-1][1] - seen[0][1], seen[-1][0] - seen[0][0]
    say(f"  {events} events in {took:.1f} s")
    return Section(
        "consumer",
        "One consumer process with its database effect",
        [
            at_least("routing: accepted cases decided, one process", events / took, 2_000, "events/s"),
            Row("of these measured", f"{events} events in {took:.1f} s"),
            Row("processor of the process per event", f"{cpu / max(seen[-1][1] - begin, 1) * 1e3:.2f} ms"),
        ],
        [
            "The backlog is what intake alone left: per case a registration, which routing passes over, and "
            "an acceptance, which counts. Each is ranked, stored with its reasons, reserved and published; "
            "the dossiers of the same cases are read beside them.",
        ],
    )


async def _worked_off(begin: int, child: Child) -> tuple[list[tuple[float, int]], float]:
    """(time, events handled) from the first progress until there is none any more, and the processor time."""
    seen: list[tuple[float, int]] = []
    process, cpu = psutil.Process(child.pid), 0.0
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        now, handled = time.perf_counter(), await _handled()
        if handled > (seen[-1][1] if seen else begin):
            seen.append((now, handled))
            with suppress(psutil.Error):
                cpu = sum(process.cpu_times()[:2])
        elif seen and now - seen[-1][0] > 3:
            break
        await asyncio.sleep(0.05)
    assert len(seen) > 1, "routing worked nothing off"
    return seen, cpu


async def _handled() -> int:
    async with Installation.current().database("routing") as database, database.read() as tx:
        count: int = await tx.fetchval("select count(*) from inbox where consumer = $1", CONSUMER)
    return count
