"""The two worlds of the contract: the shell in memory, and the real one over PostgreSQL.

Each shows what became of a batch in the same words, so a scenario states its expectations once, by hand.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Protocol
from uuid import UUID

from uuid_utils.compat import uuid7

from libs.db.batch import Offset, Result, Surroundings
from libs.db.pool import Database
from libs.db.shell import Shell
from libs.db.work import Outcome, UseCase, Work
from libs.events.envelope import Envelope
from libs.events.intake import CaseReminded
from libs.messaging.consumer import EventConsumer, EventRunner
from libs.messaging.reader import KafkaPlace
from libs.messaging.unparker import Unparker
from libs.runtime.loops import Pulse
from libs.testing.clock import ManualClock
from libs.testing.shell import FakeShell
from tests.support import toy
from tests.support.chain import TOPIC, counting
from tests.support.stream import Stream

CONSUMER, LENIENT = "routing.intake-case", "notify.intake-case"
START = datetime(2026, 3, 2, 2, 0, tzinfo=UTC)


@dataclass(frozen=True)
class Seen:
    """Everything that a service's database holds after a batch, in a form that both worlds can give.

    `parked` tells event, attempts, kind of error and seconds until the next try; `dead` all but the last.
    """

    totals: dict[UUID, int]
    versions: dict[UUID, int]
    events: list[Envelope]
    outbox: list[UUID | tuple[str, str]]
    states: dict[tuple[str, str], tuple[int, bytes | None]]
    audit: list[tuple[str, UUID | None, str]]
    answers: int
    inbox: dict[tuple[str, UUID], str]
    offsets: dict[tuple[str, str, int], int]
    parked: list[tuple[UUID, int, str, float]]
    dead: list[tuple[UUID, int, str]]


@dataclass
class World:
    """A service with the toy's use cases and the clock that it follows; what it was told is ignored; and what
    its handler of events raises on a count, until a scenario mends it."""

    clock: ManualClock = field(default_factory=lambda: ManualClock(START))
    ignored: list[str] = field(default_factory=list)
    raising: dict[int, Exception] = field(default_factory=dict)

    def around(self) -> Surroundings:
        return Surroundings("intake", self.clock.now, uuid7, lambda work, why: self.ignored.append(why))

    def runner(self, name: str, shell: Any = None) -> EventRunner[toy.Counter]:
        """The consuming side of the toy; a dead event of the lenient consumer does not block its case."""
        declared = EventConsumer(
            name, TOPIC, {CaseReminded: UseCase("count", self._count)}, dead_blocks_case=name != LENIENT
        )
        return EventRunner(declared, shell, None, KafkaPlace(""), "routing", self.clock.now)  # type: ignore[arg-type]

    def stream(self, consumer: str = CONSUMER) -> Stream:
        """Events for one of the consumers."""
        return Stream(self.runner(consumer))

    def _count(self, case: Any, command: CaseReminded, moment: Any) -> Any:
        if command.count in self.raising:
            raise self.raising[command.count]
        return counting(case, command, moment)


class Contract(Protocol):
    """What a scenario may ask of a world."""

    clock: ManualClock
    ignored: list[str]
    raising: dict[int, Exception]

    async def submit(self, work: Work[toy.Counter, Any]) -> Outcome: ...
    async def run(
        self, works: Sequence[Work[toy.Counter, Any]], offsets: Sequence[Offset] = ()
    ) -> list[Result]: ...
    async def retry(self) -> int: ...
    async def seen(self) -> Seen: ...
    def stream(self, consumer: str = CONSUMER) -> Stream: ...


class Memory(World):
    """The fake."""

    def __init__(self) -> None:
        super().__init__()
        self.shell: FakeShell[toy.Counter] = FakeShell(self.around())
        self.submit, self.run, self.retry = self.shell.submit, self.shell.run, self.shell.retry

    async def seen(self) -> Seen:
        shell, now = self.shell, self.clock.now()
        return Seen(
            totals={case_id: case.total for case_id, case in shell.cases.items()},
            versions={case_id: version for case_id, (_, version) in shell.heads.items()},
            events=[event.envelope for event in shell.events],
            outbox=list(shell.outbox),
            states={name: (state.version, state.value) for name, state in shell.states.items()},
            audit=[(entry.action, entry.case_id, entry.actor) for entry in shell.audit],
            answers=len(shell.answers),
            inbox=dict(shell.inbox),
            offsets=dict(shell.offsets),
            parked=[
                (row.event_id, row.attempts, row.error_type, (row.next_at - now).total_seconds())
                for row in sorted(shell.parked, key=lambda row: row.delivery.offset)
            ],
            dead=[(row.event_id, row.attempts, row.error_type) for row in shell.dead],
        )


class Real(World):
    """The real one: its door is served by a loop, its parked events are taken up by the unparker."""

    def __init__(self, database: Database) -> None:
        super().__init__()
        self.database = database
        self.shell = Shell(database, toy.CounterStore(), self.around(), budget=5)
        self.submit, self.run = self.shell.submit, self.shell.run
        runners = [self.runner(name, self.shell) for name in (CONSUMER, LENIENT)]
        self.retry = Unparker(runners, self.shell, database, self.clock.now).once

    async def seen(self) -> Seen:
        async with self.database.read() as tx:
            now = self.clock.now()
            parked = await tx.fetch('select * from parked order by "offset"')
            pointers = await tx.fetch("select event_id, topic, key from outbox order by id")
            return Seen(
                totals=dict(await tx.fetch("select case_id, total from counter")),
                versions=dict(await tx.fetch("select case_id, version from case_head")),
                events=[_envelope(row) for row in await tx.fetch("select * from event order by id")],
                outbox=[row["event_id"] or (row["topic"], row["key"]) for row in pointers],
                states={
                    (row["topic"], row["key"]): (row["version"], row["value"])
                    for row in await tx.fetch("select * from state_record")
                },
                audit=[
                    tuple(row)
                    for row in await tx.fetch("select action, case_id, actor from audit order by at, seq")
                ],
                answers=await tx.fetchval("select count(*) from idempotency"),
                inbox={
                    (row["consumer"], row["event_id"]): row["status"]
                    for row in await tx.fetch("select * from inbox")
                },
                offsets={
                    (row["consumer"], row["topic"], row["partition"]): row["next_offset"]
                    for row in await tx.fetch("select * from consumer_offset")
                },
                parked=[
                    (r["event_id"], r["attempts"], r["error_type"], (r["next_at"] - now).total_seconds())
                    for r in parked
                ],
                dead=[
                    tuple(row)
                    for row in await tx.fetch(
                        "select event_id, attempts, error_type from dead_letter order by id"
                    )
                ],
            )


@asynccontextmanager
async def real(database: Database) -> AsyncIterator[Real]:
    """The real world over a fresh database; its door is closed at the end."""
    async with database.transaction() as tx:
        await tx.execute(toy.SCHEMA)
    world = Real(database)
    pulse = Pulse(lambda: None)
    door = asyncio.create_task(world.shell.flush(pulse))
    try:
        yield world
    finally:
        pulse.stop()
        await door


def _envelope(row: Any) -> Envelope:
    return Envelope(
        event_id=row["event_id"],
        type=row["type"],
        source="/services/intake",
        case_id=row["case_id"],
        caseversion=row["version"],
        time=row["occurred_at"],
        topic=row["topic"],
        version=row["schema_version"],
        causation_id=row["causation_id"],
        correlation_id=row["correlation_id"],
        traceparent=row["traceparent"],
    )
