"""The whole stack with a proxy on every wire, its servers in hand and its services armed.

PostgreSQL and Kafka are this process's own, so that it can end, freeze and start them. The services run under
the real supervisor, which is what has to bring them back.
"""

import asyncio
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import psutil

from faults.points import VARIABLE, Order
from faults.proxy import Proxy, to_port, to_socket
from libs.db.pool import Database
from ops.demo.stage import own_home
from ops.installation import Installation
from ops.stack.child import launched
from ops.stack.errors import StackError
from ops.stack.home import Home, free_port
from ops.stack.kafka import EmbeddedKafka
from ops.stack.parts import PORT_OFFSETS, SERVICES, answers_ready, port_base
from ops.stack.postgres import EmbeddedPostgres

ROOT: Final = Path(__file__).parents[1]
PROGRAMS: Final = (*SERVICES, "simulator")

SHORT_CLOCKS: Final = {
    "PROD-OFFER": 45,
    "PROD-TRIAGE-RED": 60,
    "PROD-TRIAGE-YELLOW": 60,
    "PROD-TRIAGE-BLUE": 60,
    "PROD-CONTACT": 90,
}
"""Seconds: these clocks run out while the faults happen, so that what they do is seen."""

ENVIRONMENT: Final = {
    # One credential sends all: the limit that protects the door from it is not what is examined.
    "INTAKE_SERVING__RATE_PER_SECOND": "1000000",
    "INTAKE_SERVING__BURST": "1000000",
    "MEDIATION_SERVING__RATE_PER_SECOND": "1000000",
    "MEDIATION_SERVING__BURST": "1000000",
    "MEDIATION_SERVING__KEY_RATE_PER_SECOND": "1000000",
    "MEDIATION_SERVING__KEY_BURST": "1000000",
}


@dataclass
class World:
    """What a fault takes hold of."""

    home: Home
    postgres: EmbeddedPostgres
    kafka: EmbeddedKafka
    wires: Mapping[str, Proxy]
    """`postgres`, `kafka` and `gateway`."""
    points: Path
    extra: list[asyncio.subprocess.Process] = field(default_factory=list)
    _armed: int = 0

    def arm(self, part: str, point: str, action: str, nth: int = 1) -> str:
        """Order an act at a point; the order's id."""
        self._armed += 1
        order = Order.of(f"{self._armed} {part} {point} {action} {nth}")
        self._write([*self._orders(), order])
        return order.id

    def disarm(self) -> None:
        """No act is ordered any more."""
        self._write([])

    def fired(self) -> set[str]:
        """The ids of the orders that were carried out."""
        noted = self.points.with_name(self.points.name + ".fired")
        return set(noted.read_text().split()) if noted.exists() else set()

    def process(self, part: str) -> psutil.Process | None:
        """A part's process as the supervisor knows it; None while it has none."""
        state = self.home.read_state()
        for known in state.parts if state else ():
            if known.name == part and known.pid is not None:
                with suppress(psutil.Error):
                    return psutil.Process(known.pid)
        return None

    def send(self, part: str, number: signal.Signals) -> bool:
        """Send a part a signal; whether there was one to take it."""
        process = self.process(part)
        if process is None:
            return False
        with suppress(psutil.Error):
            process.send_signal(number)
            return True
        return False

    def wake_all(self) -> None:
        """Let everything run on that stands still."""
        for part in (*SERVICES, "simulator"):
            process = self.process(part)
            with suppress(psutil.Error):
                if process is not None and process.status() == psutil.STATUS_STOPPED:
                    process.send_signal(signal.SIGCONT)

    async def heal(self) -> None:
        """No fault holds any more: wires, servers, points, stopped processes, extra workers."""
        self.disarm()
        self.wake_all()
        for wire in self.wires.values():
            await wire.heal()
        for worker in self.extra:
            with suppress(ProcessLookupError):
                worker.kill()
            await worker.wait()
        self.extra.clear()
        await self.restart(self.postgres)
        await self.restart(self.kafka)

    async def restart(self, server: EmbeddedPostgres | EmbeddedKafka) -> None:
        """Start a server that does not run; wait until it answers."""
        child = server.child
        if child is not None and child.exit_code() is None:
            with suppress(ProcessLookupError):
                os.kill(child.pid, signal.SIGCONT)
            return
        await asyncio.to_thread(server.prepare)
        server.launch()
        await asyncio.to_thread(server.wait_ready)

    def ready(self) -> list[str]:
        """The parts that say of themselves that they are ready."""
        base = port_base()
        return [part for part in (*SERVICES, "simulator") if answers_ready(base + PORT_OFFSETS[part])]

    async def all_ready(self, seconds: float) -> bool:
        """Whether all parts are ready within the time."""
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            if len(await asyncio.to_thread(self.ready)) == len(SERVICES) + 1:
                return True
            await asyncio.sleep(0.2)
        return False

    @asynccontextmanager
    async def database(self, service: str) -> AsyncIterator[Database]:
        """A service's database, past the proxy."""
        here = Installation(self.home, {"HESHI_POSTGRES": self.postgres.dsn})
        async with here.database(service) as database:
            yield database

    def _orders(self) -> list[Order]:
        fired = self.fired()
        lines = self.points.read_text().splitlines() if self.points.exists() else []
        return [order for order in map(Order.of, lines) if order.id not in fired]

    def _write(self, orders: Sequence[Order]) -> None:
        fresh = self.points.with_suffix(".new")
        fresh.write_text("".join(f"{order}\n" for order in orders))
        fresh.rename(self.points)


@asynccontextmanager
async def world(
    *, only: Sequence[str] = PROGRAMS, short_clocks: bool = True, settings: Mapping[str, str] | None = None
) -> AsyncIterator[World]:
    """Everything up and ready in folders of its own, which go with the block. From the main thread alone."""
    folder = Path(tempfile.mkdtemp(prefix="heshi-faults-"))
    postgres, kafka = EmbeddedPostgres(Home(folder)), EmbeddedKafka(Home(folder), free_port())
    broker_port = kafka.port
    wires = {
        "postgres": Proxy(to_socket(str(postgres.sockets / ".s.PGSQL.5432"))),
        "kafka": Proxy(to_port(lambda: broker_port)),
        "gateway": Proxy(to_port(lambda: port_base() + PORT_OFFSETS["simulator"])),
    }
    try:
        for wire in wires.values():
            await wire.start()
        kafka.advertised = f"127.0.0.1:{wires['kafka'].port}"
        for server in (postgres, kafka):
            await asyncio.to_thread(server.prepare)
            server.launch()
        for server in (postgres, kafka):
            await asyncio.to_thread(server.wait_ready)
        with own_home():
            points = folder / "points"
            points.touch()
            given = {
                **ENVIRONMENT,
                **(settings or {}),
                "HESHI_POSTGRES": f"postgresql://heshi@127.0.0.1:{wires['postgres'].port}/postgres",
                "HESHI_KAFKA": kafka.advertised,
                "HESHI_SMS_URL": f"http://127.0.0.1:{wires['gateway'].port}/cgi-bin/sendsms",
                "HESHI_RUN_WITH": "faults.points",
                "PYTHONPATH": str(ROOT),
                VARIABLE: str(points),
            }
            if short_clocks:
                given["HESHI_DATA"] = str(_data(folder))
            with _environment(given):
                async with _supervised(only):
                    yield World(Home.from_environment(), postgres, kafka, wires, points)
    finally:
        for wire in wires.values():
            await wire.down()
        for server in (kafka, postgres):
            if server.child is not None and server.child.exit_code() is None:
                os.kill(server.child.pid, signal.SIGCONT)
            await asyncio.to_thread(server.stop)
        shutil.rmtree(folder, ignore_errors=True)


@asynccontextmanager
async def _supervised(only: Sequence[str]) -> AsyncIterator[None]:
    """`heshi up` until the block ends. Nothing here blocks: the wires are this event loop's."""
    options = ["up", "--no-welcome", f"--only={','.join(only)}"]
    command = launched([sys.executable, "-m", "ops", *options], signal.SIGTERM)
    supervisor = await asyncio.create_subprocess_exec(
        *command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, start_new_session=True
    )
    try:
        home = Home.from_environment()
        while not ((state := home.read_state()) and state.complete):
            if supervisor.returncode is not None:
                raise StackError("The stack did not start.")
            await asyncio.sleep(0.1)
        yield
    finally:
        if supervisor.returncode is None:
            supervisor.terminate()
            await supervisor.wait()


class _environment:
    """Variables of this process while the block runs: its children and its doors read them."""

    def __init__(self, given: Mapping[str, str]) -> None:
        self._given = given
        self._before: dict[str, str | None] = {}

    def __enter__(self) -> None:
        self._before = {name: os.environ.get(name) for name in self._given}
        os.environ.update(self._given)

    def __exit__(self, *_: Any) -> None:
        for name, value in self._before.items():
            os.environ.pop(name, None)
            if value is not None:
                os.environ[name] = value


def _data(folder: Path) -> Path:
    """The reference data with short clocks."""
    copy = folder / "reference"
    shutil.copytree(ROOT / "data", copy)
    path = copy / "deadlines.json"
    told = json.loads(path.read_text(encoding="utf-8"))
    for rule in told["rules"]:
        if rule["id"] in SHORT_CLOCKS:
            rule |= {"length": SHORT_CLOCKS[rule["id"]], "measure": "second", "unit": "calendar"}
    path.write_text(json.dumps(told, ensure_ascii=False), encoding="utf-8")
    return copy
