"""How a service is put together and run: `main.py` says what it is made of, this file does the rest.

A process has a role: `api` answers people and partners, `worker` reads topics, sweeps clocks and calls
providers, `all` does both in one process (embedded). Whoever writes outbox rows also runs a relay.
"""

import asyncio
import gc
import sys
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import Any, Literal, TypeVar
from uuid import UUID

import structlog
from fastapi import APIRouter, FastAPI
from uuid_utils.compat import uuid7

from libs.clocks.calendar import Calendar
from libs.db.batch import Store, Surroundings
from libs.db.erasure import Erasures, Holdings
from libs.db.pool import Database
from libs.db.shell import Shell
from libs.db.work import Work
from libs.events.asyncapi import document
from libs.events.topics import load
from libs.messaging import figures, heads, housekeeping
from libs.messaging.beats import EVERY as BEAT_EVERY
from libs.messaging.beats import Beats
from libs.messaging.consumer import (
    EventConsumer,
    EventRunner,
    Projection,
    ProjectionRunner,
    StateReader,
    StateRunner,
)
from libs.messaging.deadlines import Fire, Sweep
from libs.messaging.producer import Producer
from libs.messaging.readback import ReadBack
from libs.messaging.reader import KafkaPlace, Reader
from libs.messaging.relay import Relay
from libs.messaging.unparker import Unparker
from libs.privacy.keyring import Keyring
from libs.runtime import lifecycle, telemetry
from libs.runtime.clock import DatabaseClock
from libs.runtime.lifecycle import Lifecycle
from libs.runtime.logging import configure
from libs.runtime.loops import Loop, Pulse
from libs.runtime.metrics import Metrics
from libs.runtime.settings import ServiceSettings
from libs.web import erasures
from libs.web.apikeys import KeyLookup
from libs.web.app import create_app
from libs.web.auth import Edge
from libs.web.tokens import staff_roles

Role = Literal["api", "worker", "all"]
A = TypeVar("A")

log = structlog.get_logger()

FIGURES_EVERY = 5.0


@dataclass(frozen=True)
class Reaction:
    """A state reader, and what is told of the cases whose waiting work may now go on."""

    reader: StateReader
    arrived: Callable[[Sequence[UUID]], Awaitable[None]] | None = None


@dataclass(frozen=True)
class Service:
    """What a service is made of, besides the mechanisms.

    `shell` runs its use cases; `fire` handles clocks that ran out; `owned_states` are the compacted topics
    that it alone writes and therefore reads back (G12).
    """

    api: Any
    shell: Shell[Any] | None = None
    consumers: Sequence[EventConsumer] = ()
    states: Sequence[Reaction] = ()
    projections: Sequence[Projection] = ()
    owned_states: Sequence[str] = ()
    fire: Fire | None = None
    loops: Sequence[Loop] = ()


@dataclass
class Platform:
    """The shared parts, opened for one service in one process."""

    name: str
    role: Role
    settings: Any
    metrics: Metrics
    lifecycle: Lifecycle
    keyring: Keyring
    database: Database
    worker_database: Database
    producer: Producer
    relay: Relay
    clock: DatabaseClock
    place: KafkaPlace
    calendar: Calendar
    on_change: list[Callable[[], None]] = field(default_factory=list)
    """Called after every commit that changed a case."""

    @property
    def now(self) -> Callable[[], datetime]:
        """The service's clock (G17)."""
        return self.clock.now

    def shell(self, store: Store[A]) -> Shell[A]:
        """The shell of the service's use cases over its API pool; `worker_shell` is its twin for batches."""
        return self._shell(store, self.database)

    def worker_shell(self, store: Store[A]) -> Shell[A]:
        """The shell for events and the service's own loops, over the worker's pool."""
        return self._shell(store, self.worker_database)

    def app(
        self,
        routers: Sequence[APIRouter],
        container: Any,
        keys: KeyLookup | None = None,
        holdings: Holdings | None = None,
    ) -> FastAPI:
        """The service's HTTP application; a worker's answers for its health alone. `holdings`: where it keeps
        something of people, for who asks whether an erasure has reached it."""
        if holdings is not None:
            routers = [*routers, erasures.router(Erasures(self.name, self.database, holdings))]
        return create_app(
            self.name,
            routers=() if self.role == "worker" else routers,
            container=container,
            readiness=self.lifecycle.readiness,
            docs=not self.settings.production,
            edge=Edge.of(
                self.settings, clock=self.clock, metrics=self.metrics, keyring=self.keyring, keys=keys
            ),
            roles=staff_roles(self.settings.data),
            asyncapi=partial(document, self.name),
        )

    def _shell(self, store: Store[A], database: Database) -> Shell[A]:
        return Shell(
            database,
            store,
            Surroundings(self.name, self.clock.now, uuid7, self._ignored),
            published=self.relay.wake,
            changed=self._changed,
            observe=self._observe,
            queue_limit=self.settings.batching.queue,
            batch_limit=self.settings.batching.batch,
        )

    def _changed(self) -> None:
        for wake in self.on_change:
            wake()

    def _observe(self, use_case: str, size: int, seconds: float) -> None:
        self.metrics.batch_size.labels(use_case).observe(size)
        self.metrics.handler_seconds.labels(use_case).observe(seconds)

    def _ignored(self, work: Work[Any, Any], reason: str) -> None:
        self.metrics.ignored.labels(reason).inc()
        log.info("event_ignored", use_case=work.use_case.name, case_id=work.case_id, reason=reason)


Build = Callable[[Platform], Awaitable[Service]]


def run(name: str, settings: Callable[[], ServiceSettings], build: Build) -> None:
    """Run the service until SIGTERM; the process ends with the lifecycle's code. For `main.py` alone."""
    role = sys.argv[1] if len(sys.argv) > 1 else "all"
    if role not in ("api", "worker", "all"):
        sys.exit(f"{name}: the role is api, worker or all, not {role}")
    metrics = Metrics()
    configure(name, role=role, dropped=metrics.log_fields_dropped.inc)
    sys.exit(lifecycle.run(_main(name, role, settings(), build, metrics)))  # type: ignore[arg-type]


async def _main(name: str, role: Role, settings: ServiceSettings, build: Build, metrics: Metrics) -> int:
    life = Lifecycle(metrics, settings.stopping)
    platform = await _open(name, role, settings, metrics, life)
    life.close_last("spans", _async(telemetry.export(name, partial(_count_spans, metrics))))
    service = await build(platform)
    _settle_memory()
    for loop in _loops(platform, service):
        life.add(loop)
    life.serve(service.api, settings.host, settings.port(name))
    return await life.run()


async def _open(
    name: str, role: Role, settings: ServiceSettings, metrics: Metrics, life: Lifecycle
) -> Platform:
    pools = settings.pools

    async def pool(kind: str, size: int, command_timeout: float) -> Database:
        opened = await Database.open(
            settings.dsn(name),
            name=f"{name}-{kind}",
            size=size,
            command_timeout=command_timeout,
            acquire_timeout=pools.acquire_timeout,
            lock_timeout=pools.lock_timeout,
            waited=metrics.pool_wait_seconds.labels(kind).observe,
        )
        life.close_last(f"{kind} pool", opened.close, settings.stopping.pool_s)
        return opened

    api = await pool("api", pools.api, pools.api_command_timeout)
    worker = await pool("worker", pools.worker, pools.worker_command_timeout)
    relaying = await pool("relay", pools.relay, pools.worker_command_timeout * 3)
    place = KafkaPlace(settings.kafka, settings.topic_prefix)
    producer = Producer(
        settings.kafka,
        client_id=name,
        timeout=settings.producing.outer_timeout_s,
        linger_ms=settings.producing.linger_ms,
    )
    life.close_last("producer", producer.close)
    return Platform(
        name=name,
        role=role,
        settings=settings,
        metrics=metrics,
        lifecycle=life,
        keyring=Keyring.open(settings.keys_folder),
        database=api,
        worker_database=worker,
        producer=producer,
        relay=Relay(relaying, producer, place.physical, limit=settings.relaying.batch),
        clock=DatabaseClock(worker.now),
        place=place,
        calendar=Calendar.load(settings.data),
    )


def _settle_memory() -> None:
    """What was built by now stays: the collector need not walk through it again, nor come for every few
    hundred objects of a batch."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 50)


def _loops(platform: Platform, service: Service) -> list[Loop]:
    loops = [
        Loop("relay", platform.relay.run, drain=platform.settings.stopping.relay_s, stage=0),
        Loop("clock", platform.clock.follow, drain=2),
    ]
    if service.shell is not None and platform.role != "worker":
        loops.append(Loop("commands", service.shell.flush, drain=10))
    if platform.role != "api":
        loops += _worker_loops(platform, service)
    return loops


def _worker_loops(platform: Platform, service: Service) -> list[Loop]:
    database, place, now = platform.worker_database, platform.place, platform.clock.now
    drain = platform.settings.stopping.work_s
    readers: list[Reader] = []
    runners: list[EventRunner[Any]] = []
    loops: list[Loop] = []
    shell = service.shell.on(database) if service.shell else None

    def reads(name: str, topics: Sequence[str], handle: Any, gather: float, **more: Any) -> None:
        how, instance = platform.settings.consuming, platform.settings.instance
        most, silent = how.max_poll_records, how.session_timeout_ms
        readers.append(Reader(name, topics, place, database, handle, most, silent, gather, instance, **more))

    for consumer in service.consumers:
        assert shell is not None  # noqa: S101 - a service with event consumers has use cases
        runner = EventRunner(consumer, shell, database, place, platform.name, now)
        runners.append(runner)
        reads(consumer.name, [consumer.topic], runner.handle, consumer.gather, numbered=True)
    for reaction in service.states:
        copy = reaction.reader
        state = StateRunner(copy, database, place, now, reaction.arrived)
        reads(copy.name, [copy.topic], state.handle, copy.gather, before=state.forget_outdated)
    for projection in service.projections:
        runs = ProjectionRunner(projection, database, place, now)
        reads(projection.name, projection.topics, runs.handle, projection.gather, numbered=True)
    if service.owned_states:
        back = ReadBack(database, place, platform.relay.wake)
        reads(f"{platform.name}.readback", list(service.owned_states), back.handle, 0.25)
        topics = load().topics
        partitions = {name: topics[name].partitions for name in service.owned_states}
        beats = Beats(platform.producer, place, partitions)
        loops.append(Loop("beats", beats.run, drain=2, needed=False, stalled_after=BEAT_EVERY * 2))

    loops += [Loop(reader.name, reader.run, drain=drain, stage=2) for reader in readers]
    if runners and shell is not None:
        loops.append(Loop("unparker", Unparker(runners, shell, database, now).run, drain=drain))
    if service.fire is not None:
        loops.append(Loop("deadlines", Sweep(database, now, service.fire).run, drain=drain))
    loops.append(Loop("figures", _figures(platform, readers), drain=2, needed=False))
    loops.append(
        Loop(
            "housekeeping",
            housekeeping.loop(database, platform.calendar, now),
            drain=2,
            needed=False,
            stalled_after=housekeeping.EVERY * 2,
        )
    )
    signing = heads.HeadPublisher(platform.name, database, platform.producer, place, platform.keyring)
    loops.append(Loop("heads", signing.run, drain=2, needed=False, stalled_after=heads.EVERY * 2))
    loops += service.loops
    return loops


def _figures(platform: Platform, readers: Sequence[Reader]) -> Callable[[Pulse], Awaitable[None]]:
    async def follow(pulse: Pulse) -> None:
        metrics = platform.metrics
        while not pulse.stopping:
            async with platform.worker_database.read() as tx:
                current = await figures.read(tx)
            metrics.outbox_oldest_seconds.set(current.outbox_oldest_s)
            metrics.parked.labels("all").set(current.parked)
            metrics.dead_letters.labels("all").set(current.dead_letters)
            metrics.clock_offset_seconds.set(platform.clock.ahead().total_seconds())
            for reader in readers:
                metrics.events_missing.labels(reader.name).set(reader.missing())
                for (topic, partition), position in reader.positions.items():
                    metrics.consumer_lag.labels(reader.name, topic, str(partition)).set(position.behind)
            await pulse.pause(FIGURES_EVERY)

    return follow


def _count_spans(metrics: Metrics, outcome: str, number: int) -> None:
    metrics.spans.labels(outcome).inc(number)


def _async(call: Callable[[], None]) -> Callable[[], Awaitable[None]]:
    async def later() -> None:
        await asyncio.to_thread(call)

    return later
