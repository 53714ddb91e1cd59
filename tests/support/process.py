"""A process that a test may lose: the toy over the real mechanisms, ended or frozen at a named point.

    python -m tests.support.process ORDER      (ORDER: an `Order` as JSON)

The points wrap real methods from outside; production code knows nothing of them.
"""

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import AsyncExitStack, contextmanager
from dataclasses import asdict, dataclass
from itertools import count
from pathlib import Path
from typing import Any
from uuid import UUID

import psutil

from libs.db.pool import Database
from libs.db.shell import Shell
from libs.messaging.producer import Producer
from libs.messaging.reader import KafkaPlace, Reader
from libs.runtime.loops import Pulse
from ops.stack.child import launched
from tests.support import chain, toy

ROOT = Path(__file__).parents[2]

POINTS: dict[str, tuple[type, str, bool]] = {
    "committed, not published": (Producer, "publish", False),
    "published, pointer not deleted": (Producer, "publish", True),
    "saved, not committed": (toy.CounterStore, "save", True),
    "committed, Kafka not told": (Reader, "_commit", False),
}
"""Where a process may be hit: around which method, and whether after it."""


SHORTEST_SESSION_MS = 6_000
"""What the broker allows at least: so long the successor of a killed consumer waits for its partitions."""


@dataclass(frozen=True)
class Order:
    """What a process is to do. `source` adds 1 to each case, `rounds` times, publishes, and ends when all is
    out; `sink` consumes until it is ended. At the `nth` time at `point` it sends itself `signal`."""

    role: str
    dsn: str
    bootstrap: str
    prefix: str
    cases: tuple[str, ...] = ()
    rounds: int = 0
    at_once: int = 7
    point: str = ""
    nth: int = 1
    signal: int = signal.SIGKILL


@contextmanager
def started(order: Order) -> Iterator[psutil.Popen]:
    """The running process; it ends with the block, however it stands, and with this process too."""
    command = [sys.executable, "-m", "tests.support.process", json.dumps(asdict(order))]
    with psutil.Popen(launched(command, signal.SIGKILL), cwd=ROOT, stdout=subprocess.DEVNULL) as process:
        try:
            yield process
        finally:
            if process.poll() is None:
                process.kill()


def hit(point: str, nth: int, number: int) -> None:
    """Send this process the signal when it comes to the point for the nth time."""
    owner, name, after = POINTS[point]
    real, calls = getattr(owner, name), count(1)

    async def wrapped(*args: Any) -> Any:
        now = next(calls) == nth
        if now and not after:
            os.kill(os.getpid(), number)
        result = await real(*args)
        if now and after:
            os.kill(os.getpid(), number)
        return result

    setattr(owner, name, wrapped)


async def source(order: Order) -> None:
    """Commit and publish; a stopped relay publishes what is left before it returns."""
    async with AsyncExitStack() as stack:
        database = await Database.open(order.dsn, name="source", size=4)
        stack.push_async_callback(database.close)
        place = KafkaPlace(order.bootstrap, order.prefix)
        relay = chain.relay(database, place, stack, limit=order.at_once)
        shell = Shell(database, toy.CounterStore(), toy.surroundings(), published=relay.wake)
        pulse = Pulse(lambda: None)
        relaying = asyncio.create_task(relay.run(pulse))
        for _ in range(order.rounds):
            await shell.run([toy.work(UUID(case_id), 1) for case_id in order.cases])
        pulse.stop()
        await relaying


async def sink(order: Order) -> None:
    """Consume, a few records at a time."""
    database = await Database.open(order.dsn, name="sink", size=4)
    reader, _, _ = chain.consumer(database, KafkaPlace(order.bootstrap, order.prefix))
    reader.max_records, reader.session_timeout_ms = order.at_once, SHORTEST_SESSION_MS
    await reader.run(Pulse(lambda: None))


def main() -> None:
    order = Order(**json.loads(sys.argv[1]))
    if order.point:
        hit(order.point, order.nth, order.signal)
    asyncio.run({"source": source, "sink": sink}[order.role](order))


if __name__ == "__main__":
    main()
