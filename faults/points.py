"""Failpoints: named places in a service where it is killed, stopped, delayed or made to fail from outside.

    HESHI_FAILPOINTS=FILE python -m faults.points services.notify.main all

starts a service with its points armed by FILE, a line each: `ID PART POINT ACTION [NTH]`. ACTION is `kill`
(SIGKILL to itself), `stop` (SIGSTOP), `sleep=MS`, `block=MS` (the whole event loop), `raise` (a lost
connection) or, at a point that tells the time, `offset=SECONDS`. The file is read again when it changes; all
but `offset` happen once, at the NTH time the point is passed, and are noted in FILE.fired before.

The points wrap the real functions when the process starts. A service that is started without them has no
code for any of this, so nothing has to be switched off in production.
"""

import asyncio
import functools
import importlib
import os
import runpy
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, Final, Literal

from libs.messaging import reader

VARIABLE: Final = "HESHI_FAILPOINTS"


@dataclass(frozen=True, slots=True)
class Point:
    """A place: around which function, of which parts (all, where none is named), for which calls."""

    name: str
    target: str
    when: Literal["before", "after", "halves", "now"]
    part: str | None = None
    applies: Callable[..., bool] = lambda *args: True


def _of_requests(batch: Any, *_: Any) -> bool:
    return not batch._offsets and all(work.delivery is None for work in batch._deciding.works)


def _of_events(batch: Any, *_: Any) -> bool:
    return bool(batch._offsets)


POINTS: Final = (
    Point("api.before_transaction", "libs.db.shell:Shell._serve", "before"),
    Point("api.in_transaction", "libs.db.batch:Batch.run", "after", applies=_of_requests),
    Point("api.after_commit", "libs.db.shell:Shell._serve", "after"),
    Point("relay.after_claim", "libs.messaging.relay:_pointed", "after"),
    Point("relay.in_mid_batch", "libs.messaging.producer:Producer.publish", "halves"),
    Point("relay.after_acknowledgement", "libs.messaging.relay:Relay._publish", "after"),
    Point("consumer.poll", "aiokafka:AIOKafkaConsumer.getmany", "before"),
    Point("consumer.before_handler", "libs.messaging.consumer:EventRunner.handle", "before"),
    Point("consumer.in_transaction", "libs.db.batch:Batch.run", "after", applies=_of_events),
    Point("consumer.after_commit", "libs.messaging.consumer:EventRunner.handle", "after"),
    Point("consumer.before_offset_commit", "libs.messaging.reader:Reader._commit", "before"),
    Point("copy.after_commit", "libs.messaging.consumer:StateRunner.handle", "after"),
    Point("projection.after_commit", "libs.messaging.consumer:ProjectionRunner.handle", "after"),
    Point("pool.before_transaction", "libs.db.pool:Database.transaction", "before"),
    Point("provider.before_call", "services.notify.providers:KannelGateway.send", "before", part="notify"),
    Point("provider.after_call", "services.notify.providers:KannelGateway.send", "after", part="notify"),
    Point("deadlines.before_sweep", "libs.messaging.deadlines:Sweep.once", "before"),
    Point("deadlines.after_sweep", "libs.messaging.deadlines:Sweep.once", "after"),
    Point("deadlines.now", "libs.messaging.deadlines:candidates", "now"),
)
BY_NAME: Final = {point.name: point for point in POINTS}


@dataclass(frozen=True, slots=True)
class Order:
    """One line of the file."""

    id: str
    part: str
    point: str
    action: str
    nth: int = 1

    @classmethod
    def of(cls, line: str) -> "Order":
        """Read a line; `ValueError` for a point or an action that there is not."""
        number, part, point, action, *nth = line.split()
        if point not in BY_NAME or action.partition("=")[0] not in _ACTIONS:
            raise ValueError(f"there is no point or action like this: {line}")
        return cls(number, part, point, action, int(nth[0]) if nth else 1)

    def __str__(self) -> str:
        return f"{self.id} {self.part} {self.point} {self.action} {self.nth}"


class Armed:
    """What one process does at its points. `pass_by` is called each time one is passed."""

    def __init__(self, file: Path, part: str) -> None:
        self._file, self._fired = file, file.with_name(file.name + ".fired")
        self._part = part
        self._read_at = -1
        self._orders: list[Order] = []
        self._passed: Counter[str] = Counter()

    def due(self, point: str) -> Order | None:
        """What is to happen here now; it is noted as done."""
        for order in self._current():
            if order.point != point:
                continue
            self._passed[order.id] += 1
            if self._passed[order.id] >= order.nth:
                self._note(order)
                return order
        return None

    async def pass_by(self, point: str) -> None:
        """Do what is due at the point."""
        if (order := self.due(point)) is not None:
            kind, _, value = order.action.partition("=")
            await _ACTIONS[kind](value)

    def offset(self) -> timedelta:
        """By how much the time is off that a point tells."""
        orders = [order for order in self._current() if order.action.startswith("offset=")]
        return timedelta(seconds=float(orders[-1].action.partition("=")[2])) if orders else timedelta()

    def _current(self) -> list[Order]:
        try:
            changed_at = os.stat(self._file).st_mtime_ns
        except FileNotFoundError:
            return []
        if changed_at != self._read_at:
            fired = set(self._fired.read_text().split()) if self._fired.exists() else set()
            lines = self._file.read_text().splitlines()
            orders = [Order.of(line) for line in lines if line.strip()]
            self._orders = [o for o in orders if o.part == self._part and o.id not in fired]
            self._read_at = changed_at
        return self._orders

    def _note(self, order: Order) -> None:
        self._orders = [other for other in self._orders if other.id != order.id]
        with self._fired.open("a") as file:
            file.write(order.id + "\n")
            file.flush()
            os.fsync(file.fileno())


async def _kill(_: str) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


async def _stop(_: str) -> None:
    os.kill(os.getpid(), signal.SIGSTOP)


async def _sleep(milliseconds: str) -> None:
    await asyncio.sleep(float(milliseconds) / 1000)


async def _block(milliseconds: str) -> None:
    time.sleep(float(milliseconds) / 1000)  # noqa: ASYNC251 - the whole event loop is what is to stand still


async def _raise(_: str) -> None:
    raise ConnectionResetError("a failpoint took the connection")


async def _nothing(_: str) -> None:
    """An offset is no act: it is asked for where the time is told."""


_ACTIONS: Final = {
    "kill": _kill,
    "stop": _stop,
    "sleep": _sleep,
    "block": _block,
    "raise": _raise,
    "offset": _nothing,
}


def arm(armed: Armed, part: str) -> None:
    """Wrap the functions of all points that the part has."""
    for point in POINTS:
        if point.part in (None, part):
            owner, name = _place(point.target)
            setattr(owner, name, _wrapped(point, getattr(owner, name), armed))


def _place(target: str) -> tuple[Any, str]:
    module, _, path = target.partition(":")
    owner: Any = importlib.import_module(module)
    *outer, name = path.split(".")
    for step in outer:
        owner = getattr(owner, step)
    return owner, name


def _wrapped(point: Point, real: Any, armed: Armed) -> Any:
    if point.name == "pool.before_transaction":
        return _around_context(point, real, armed)

    @functools.wraps(real)
    async def wrapped(*args: Any, **kwargs: Any) -> Any:
        if point.when == "now":
            tx, now, *rest = args
            return await real(tx, now + armed.offset(), *rest, **kwargs)
        if point.when == "halves":
            owner, records = args
            middle = (len(records) + 1) // 2
            if middle:
                await real(owner, records[:middle])
            await armed.pass_by(point.name)
            return await real(owner, records[middle:])
        if point.when == "before" and point.applies(*args):
            await armed.pass_by(point.name)
        result = await real(*args, **kwargs)
        if point.when == "after" and point.applies(*args):
            await armed.pass_by(point.name)
        return result

    return wrapped


def _around_context(point: Point, real: Any, armed: Armed) -> Any:
    @asynccontextmanager
    @functools.wraps(real)
    async def wrapped(*args: Any, **kwargs: Any) -> Any:
        await armed.pass_by(point.name)
        async with real(*args, **kwargs) as tx:
            yield tx

    return wrapped


def main() -> None:
    """Arm the points, then be the service."""
    _, module, *arguments = sys.argv
    part = os.environ["HESHI_PART"]
    reader.AS_OF_EVERY = reader.AS_OF_FIRST  # whoever waits for rest wants to know soon how far each has read
    arm(Armed(Path(os.environ[VARIABLE]), part), part)
    sys.argv = [module, *arguments]
    runpy.run_module(module, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
