"""What is done to the stack: each fault by its name and the row of the matrix, and a schedule from a seed.

A fault begins, holds for a while, and ends with the stack healed of it; how long everything then takes to be
in service again is measured.
"""

import asyncio
import os
import random
import signal
import sys
import time
from collections.abc import Awaitable, Callable, Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final

import psutil
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

from faults.evidence import OWNERS
from faults.points import POINTS
from faults.proxy import Wire
from faults.world import ROOT, World
from libs.db.pool import Database
from ops.demo.stage import free_base
from ops.installation import Installation
from ops.stack.child import launched
from ops.stack.parts import SERVICES

WORKERS: Final = ("routing", "mediation", "notify")
LONGEST_WAIT: Final = 120.0
"""Seconds that are waited for everything to be in service; what lasts longer is a finding anyhow."""


@dataclass
class Hand:
    """What a fault works with: the stack, and its own draws from the seed."""

    world: World
    draw: random.Random
    notes: list[str] = field(default_factory=list)

    def seconds(self, least: float, most: float) -> float:
        """How long something lasts."""
        return self.draw.uniform(least, most)

    def service(self, among: Sequence[str] = SERVICES) -> str:
        """Whom it hits."""
        hit = self.draw.choice(list(among))
        self.notes.append(hit)
        return hit


Fault = Callable[[Hand], Awaitable[None]]


async def kill(hand: Hand) -> None:
    """Rows 1, 3, 5: SIGKILL at any moment."""
    hand.world.send(hand.service(), signal.SIGKILL)


async def kill_at_point(hand: Hand) -> None:
    """Rows 1, 3, 5: SIGKILL at a named point, on one of the next passes."""
    point = hand.draw.choice([p for p in POINTS if p.when != "now"])
    part = point.part or hand.draw.choice(PARTS_OF[point.name.partition(".")[0]])
    hand.notes.append(f"{part} {point.name}")
    await _fired(hand.world, hand.world.arm(part, point.name, "kill", hand.draw.randint(1, 20)))


async def raise_at_point(hand: Hand) -> None:
    """Row 13: a lost connection at a named point."""
    point = hand.draw.choice([p for p in POINTS if p.when in ("before", "after") and p.part is None])
    part = hand.draw.choice(PARTS_OF[point.name.partition(".")[0]])
    hand.notes.append(f"{part} {point.name}")
    await _fired(hand.world, hand.world.arm(part, point.name, "raise", hand.draw.randint(1, 10)))


async def freeze(hand: Hand) -> None:
    """Rows 4, 6: a whole process stands still and goes on, so its relay and its consumers are late ones."""
    part = hand.service()
    hand.world.send(part, signal.SIGSTOP)
    await asyncio.sleep(hand.seconds(2, 40))
    hand.world.send(part, signal.SIGCONT)


async def slow_handlers(hand: Hand) -> None:
    """Row 6: batches take seconds."""
    part = hand.service(WORKERS)
    for _ in range(5):
        hand.world.arm(part, "consumer.before_handler", f"sleep={hand.draw.randint(500, 5000)}")
    await asyncio.sleep(15)
    hand.world.disarm()


async def block_event_loop(hand: Hand) -> None:
    """Row 25: one process gets no processor for a while."""
    hand.world.arm(hand.service(), "pool.before_transaction", f"block={hand.draw.randint(1000, 12000)}")
    await asyncio.sleep(13)
    hand.world.disarm()


async def rebalance(hand: Hand) -> None:
    """Row 6: members come and go, every five seconds."""
    part = hand.service(WORKERS)
    for _ in range(hand.draw.randint(2, 4)):
        worker = await another_worker(hand.world, part)
        await asyncio.sleep(5)
        with suppress(ProcessLookupError):
            worker.send_signal(hand.draw.choice([signal.SIGKILL, signal.SIGTERM]))
    await asyncio.sleep(1)


async def term(hand: Hand) -> None:
    """Row 26: an orderly end, as a new version brings it."""
    hand.world.send(hand.service(), signal.SIGTERM)


async def broker_killed(hand: Hand) -> None:
    """Rows 7, 8: the broker is away for a while."""
    child = hand.world.kafka.child
    if child is not None:
        os.kill(child.pid, signal.SIGKILL)
    await asyncio.sleep(hand.seconds(1, 20))
    await hand.world.restart(hand.world.kafka)


async def broker_away(hand: Hand) -> None:
    """Row 8: the broker is away for two minutes; cases are taken meanwhile."""
    await asyncio.to_thread(hand.world.kafka.stop)
    await asyncio.sleep(120)
    await hand.world.restart(hand.world.kafka)


async def stuck_client(hand: Hand) -> None:
    """Row 6: a client's poll does not return although the broker answers."""
    await _fired(hand.world, hand.world.arm(hand.service(WORKERS), "consumer.poll", "sleep=600000"))
    await asyncio.sleep(30)


async def broker_restarted(hand: Hand) -> None:
    """Row 7: an orderly restart of the broker."""
    await asyncio.to_thread(hand.world.kafka.stop)
    await hand.world.restart(hand.world.kafka)


async def broker_frozen(hand: Hand) -> None:
    """Row 7: the broker stands still with its connections open."""
    child = hand.world.kafka.child
    if child is not None:
        os.kill(child.pid, signal.SIGSTOP)
        await asyncio.sleep(hand.seconds(5, 45))
        os.kill(child.pid, signal.SIGCONT)


async def postgres_stopped(hand: Hand) -> None:
    """Row 10: an immediate stop, then recovery from the log."""
    child = hand.world.postgres.child
    if child is not None:
        # Killed before it has ended its sessions, it may leave one that waits for a dead one's lock for ever
        await asyncio.to_thread(child.stop, (signal.SIGQUIT, 15.0))
    await asyncio.sleep(hand.seconds(0, 10))
    await hand.world.restart(hand.world.postgres)


async def postgres_backend_killed(hand: Hand) -> None:
    """Row 10: one session is ended by SIGKILL; the server throws all others out and recovers."""
    child = hand.world.postgres.child
    if child is not None:
        sessions = [p for p in psutil.Process(child.pid).children() if "heshi_" in " ".join(p.cmdline())]
        if sessions:
            with suppress(psutil.Error):
                hand.draw.choice(sessions).kill()
            await asyncio.to_thread(psutil.wait_procs, sessions, 30)  # the server has noticed: nobody is left
            await asyncio.to_thread(hand.world.postgres.wait_ready)


async def postgres_sessions_ended(hand: Hand) -> None:
    """Row 10: sessions are ended one by one, as an administrator does it."""
    service = hand.service(("intake", "routing", "mediation", "notify"))
    async with hand.world.database(service) as database:
        await database.execute(
            "select pg_terminate_backend(pid) from pg_stat_activity"
            " where datname = current_database() and pid <> pg_backend_pid() and random() < 0.5"
        )


async def postgres_locked(hand: Hand) -> None:
    """Row 12: somebody holds a lock on every case for a while."""
    service = hand.service(("intake", "routing", "mediation", "notify"))
    async with hand.world.database(service) as database, database.transaction() as tx:
        await tx.execute("lock table case_head in share row exclusive mode")
        await asyncio.sleep(hand.seconds(1, 8))


async def row_conflicts(hand: Hand) -> None:
    """Row 13: single cases are held by somebody else, again and again."""
    service = hand.service(("intake", "routing", "mediation", "notify"))
    async with hand.world.database(service) as database:
        until = time.monotonic() + 4
        while time.monotonic() < until:
            await _hold_some(database, hand.seconds(0.05, 0.6))


async def wire(hand: Hand) -> None:
    """Rows 11, 12, 14: latency, little bandwidth, silence in one or both directions, on one wire."""
    name = hand.draw.choice(["postgres", "kafka"])
    kind = hand.draw.choice(["latency", "narrow", "silent", "one way", "reset", "down", "cut"])
    hand.notes.append(f"{name} {kind}")
    proxy = hand.world.wires[name]
    match kind:
        case "latency":
            proxy.wire = Wire(latency=hand.seconds(0.02, 0.3), jitter=0.02)
        case "narrow":
            proxy.wire = Wire(rate=200_000)
        case "silent":
            proxy.wire = Wire(silent=frozenset(("up", "down")))
        case "one way":
            proxy.wire = Wire(silent=frozenset((hand.draw.choice(["up", "down"]),)))
        case "cut":
            proxy.wire = Wire(cut_after=hand.draw.randint(1_000, 100_000))
        case "down":
            await proxy.down()
        case _:
            for _ in range(5):
                proxy.reset()
                await asyncio.sleep(1)
    await asyncio.sleep(hand.seconds(3, 20))
    if kind in ("silent", "one way"):  # what was dropped stays dropped: the connections are dead, not late
        hand.draw.choice([proxy.reset, proxy.lose])()
    await proxy.heal()


async def gateway_wire(hand: Hand) -> None:
    """Rows 14, 15: the gateway is silent, away, or the connection ends before its answer."""
    kind = hand.draw.choice(["silent", "no answer", "down", "cut", "reset"])
    hand.notes.append(kind)
    proxy = hand.world.wires["gateway"]
    match kind:
        case "silent":
            proxy.wire = Wire(silent=frozenset(("up", "down")))
        case "no answer":
            proxy.wire = Wire(silent=frozenset(("down",)))
        case "down":
            await proxy.down()
        case "cut":
            proxy.wire = Wire(cut_after=hand.draw.randint(50, 900))
        case _:
            proxy.reset()
    await asyncio.sleep(hand.seconds(3, 15))
    proxy.reset()
    await proxy.heal()


async def duplicates(hand: Hand) -> None:
    """Row 20: a fifth of a topic's records comes again."""
    topic = hand.draw.choice(list(OWNERS.values()))
    hand.notes.append(topic)
    consumer = AIOKafkaConsumer(
        topic, bootstrap_servers=hand.world.kafka.advertised, auto_offset_reset="earliest"
    )
    producer = AIOKafkaProducer(bootstrap_servers=hand.world.kafka.advertised)
    await consumer.start()
    await producer.start()
    try:
        records = [
            record
            for _ in range(5)
            for rows in (await consumer.getmany(timeout_ms=300)).values()
            for record in rows
        ]
        for record in records:
            if hand.draw.random() < 0.2:
                await producer.send(topic, record.value, key=record.key, headers=list(record.headers))
        await producer.flush()
        hand.notes.append(f"{len(records)} read")
    finally:
        await producer.stop()
        with suppress(asyncio.CancelledError):
            await consumer.stop()


async def clock_off(hand: Hand) -> None:
    """Row 23: what the sweep of a service takes as now is minutes ahead, or an hour or a day behind."""
    part, seconds = hand.service(("intake", "mediation")), hand.draw.choice([600, 86_400, -600, -3_600])
    hand.notes.append(f"{seconds} s")
    hand.world.arm(part, "deadlines.now", f"offset={seconds}")
    await asyncio.sleep(hand.seconds(5, 20))
    hand.world.disarm()


async def starved(hand: Hand) -> None:
    """Row 25: two programs take what processor they can get."""
    burners = [
        await asyncio.create_subprocess_exec(sys.executable, "-c", "while True: pass") for _ in range(2)
    ]
    try:
        await asyncio.sleep(hand.seconds(5, 15))
    finally:
        for burner in burners:
            burner.kill()
            await burner.wait()


FAULTS: Final[dict[str, Fault]] = {
    fault.__name__: fault
    for fault in (
        kill,
        kill_at_point,
        raise_at_point,
        freeze,
        slow_handlers,
        block_event_loop,
        rebalance,
        term,
        stuck_client,
        broker_killed,
        broker_away,
        broker_restarted,
        broker_frozen,
        postgres_stopped,
        postgres_backend_killed,
        postgres_sessions_ended,
        postgres_locked,
        row_conflicts,
        wire,
        gateway_wire,
        duplicates,
        clock_off,
        starved,
    )
}
"""Every fault by its name."""

PARTS_OF: Final[dict[str, Sequence[str]]] = {
    "api": ("intake", "mediation"),
    "relay": ("intake", "routing", "mediation", "notify"),
    "consumer": WORKERS,
    "copy": WORKERS,
    "projection": ("console", "intake", "mediation"),
    "pool": SERVICES,
    "deadlines": ("intake", "mediation"),
}
"""Which services pass the points of a family."""


@dataclass(frozen=True, slots=True)
class Blow:
    """One fault of a schedule: when it begins (seconds from the start), and its own seed."""

    nth: int
    at: float
    fault: str
    seed: int


def schedule(seed: int, seconds: float, rate: float, names: Collection[str] = ()) -> list[Blow]:
    """The faults of a run: by Poisson, `rate` a minute, the same for the same seed."""
    draw, blows, at = random.Random(seed), list[Blow](), 0.0
    chosen = sorted(names or FAULTS)
    while (at := at + draw.expovariate(rate / 60)) < seconds:
        blows.append(Blow(len(blows), at, draw.choice(chosen), draw.getrandbits(32)))
    return blows


@dataclass(frozen=True, slots=True)
class Struck:
    """What a blow came to.

    `begun`: seconds since the epoch; `recovery`: seconds from its end until everything was in service.
    """

    blow: Blow
    notes: str
    begun: float
    lasted: float
    recovery: float

    @property
    def door_stood_still(self) -> bool:
        """Whether the process that takes cases could not run at all, so that it could answer nobody."""
        return self.blow.fault in (freeze.__name__, block_event_loop.__name__) and "intake" in self.notes

    def __str__(self) -> str:
        return f"{self.blow.nth} {self.blow.fault} ({self.notes})"


async def strike(
    world: World, blows: Sequence[Blow], last_ok: Callable[[], float], say: Callable[[str], None]
) -> list[Struck]:
    """Carry a schedule out, one blow after the other; a late one comes as soon as it can.

    In service again means: every part says that it is ready, and a request was told its number (`last_ok`).
    """
    begun, struck = time.monotonic(), list[Struck]()
    for blow in blows:
        await asyncio.sleep(max(0.0, begun + blow.at - time.monotonic()))
        hand = Hand(world, random.Random(blow.seed))
        started, begun_at = time.monotonic(), time.time()
        try:
            await FAULTS[blow.fault](hand)
        except Exception as error:  # a fault that finds its victim gone has done its work
            hand.notes.append(type(error).__name__)
        ended = time.monotonic()
        await world.heal()
        await back_in_service(world, last_ok, ended)
        one = Struck(blow, ", ".join(hand.notes), begun_at, ended - started, time.monotonic() - ended)
        struck.append(one)
        say(f"  {time.monotonic() - begun:5.0f} s {one}: {one.lasted:.1f} s, back after {one.recovery:.1f} s")
    return struck


async def back_in_service(world: World, last_ok: Callable[[], float], since: float) -> None:
    """Return when everything is in service again, or after `LONGEST_WAIT`."""
    await asyncio.sleep(0.5)  # the supervisor has to see that somebody is gone
    await world.all_ready(LONGEST_WAIT)
    while last_ok() < since and time.monotonic() < since + LONGEST_WAIT:  # noqa: ASYNC110 - nobody tells
        await asyncio.sleep(0.1)


async def _fired(world: World, order: str, within: float = 15.0) -> None:
    """Wait until an order is carried out, or take it back."""
    until = time.monotonic() + within
    while order not in world.fired() and time.monotonic() < until:  # noqa: ASYNC110 - another process
        await asyncio.sleep(0.1)
    world.disarm()


async def another_worker(world: World, part: str) -> asyncio.subprocess.Process:
    """One more worker of a service beside the one that the supervisor runs."""
    own_ports = {
        "HESHI_PORT_BASE": str(free_base()),
        "NOTIFY_PUBLIC_URL": Installation.current().url("notify"),
    }
    worker = await asyncio.create_subprocess_exec(
        *launched([sys.executable, "-m", f"services.{part}.main", "worker"], signal.SIGKILL),
        cwd=ROOT,
        env={**os.environ, **own_ports, "HESHI_KEYS": str(world.home.keys), "HESHI_INSTANCE": "2"},
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )
    world.extra.append(worker)
    return worker


async def _hold_some(database: Database, seconds: float) -> None:
    async with database.transaction() as tx:
        await tx.fetch(
            "select case_id from case_head order by random() limit 20 for update skip locked",
        )
        await asyncio.sleep(seconds)
