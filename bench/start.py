"""How long the stack takes to start, and what it costs while nobody asks anything of it."""

import asyncio
import time
from contextlib import ExitStack

from bench import processes
from bench.figures import Row, Section, at_most
from ops.demo.stage import supervised

SETTLE, LOOK = 15.0, 20.0
"""Seconds after readiness before the idle stack is looked at, and for how long."""


def timed(life: ExitStack, *options: str) -> float:
    """Seconds from the command to all parts ready; the stack stays until `life` ends."""
    begun = time.monotonic()
    life.enter_context(supervised(*options))
    return time.monotonic() - begun


async def measure(cold: float, warm: float) -> Section:
    """The figures of a stack that is up and idle."""
    await asyncio.sleep(SETTLE)
    memory, before, begun = processes.pss(), processes.cpu(), time.monotonic()
    await asyncio.sleep(LOOK)
    took = time.monotonic() - begun
    shares = {
        part: seconds / took * 100 for part, seconds in processes.spent(before, processes.cpu()).items()
    }
    return Section(
        "start",
        "Start, memory, idle",
        [
            Row("first start on an empty folder (set-up done), to all ready", f"{cold:.1f} s"),
            at_most("warm start, to all ready", warm, 25, "s"),
            at_most("memory of the whole stack, idle (sum of PSS)", sum(memory.values()), 1536, "MiB", 0),
            at_most(f"processor, idle, {LOOK:.0f} s (of one core)", sum(shares.values()), 8, "%"),
        ],
        [
            "MiB by part: " + _listed({part: f"{size:.0f}" for part, size in memory.items()}),
            "% of a core by part: " + _listed({part: f"{share:.1f}" for part, share in shares.items()}),
        ],
    )


def _listed(values: dict[str, str]) -> str:
    return ", ".join(f"{part} {value}" for part, value in values.items())
