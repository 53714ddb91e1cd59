"""Everything that can be known afterwards: the client's history, tables, topics, the gateway's ledger, logs.

Gathered once the stack has come to rest; the checker judges it and touches nothing."""

import asyncio
import json
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final
from urllib.parse import parse_qs, urlsplit

from aiokafka import AIOKafkaConsumer, TopicPartition

from faults.history import Line
from faults.world import ROOT, World
from libs.db import auditlog
from libs.db.pool import Tx
from libs.events import topics as declared
from libs.events.envelope import Undecodable, from_headers
from libs.messaging import heads
from libs.messaging.reader import KafkaPlace
from libs.privacy.audit import Head, verify
from ops.stack.parts import SERVICES
from services.mediation import consumers as mediation
from services.mediation.domain.codes import Codes
from services.mediation.handlers.cases import use_cases
from services.notify import consumers as notify
from services.routing import consumers as routing

OWNERS: Final = {
    "intake": "intake.case.v1",
    "routing": "routing.assignment.v1",
    "mediation": "mediation.case.v1",
    "notify": "notify.message.v1",
}
"""The topic of events that each service owns."""


_NEVER: Final = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Event:
    """An event as its service keeps it, or as a topic has it."""

    event_id: str
    case_id: str
    topic: str
    type: str
    version: int
    at: datetime
    payload: Mapping[str, Any] = field(default_factory=dict)
    place: tuple[int, int] = (0, 0)
    """Partition and offset, on a topic."""


@dataclass(frozen=True, slots=True)
class Inbox:
    """What became of an event at a consumer."""

    consumer: str
    event_id: str
    status: str


@dataclass(frozen=True, slots=True)
class Case:
    """A case as intake keeps it."""

    case_id: str
    ref: str | None
    state: str


@dataclass(frozen=True, slots=True)
class Message:
    """A message as notify keeps it; `unsure`: an attempt of it had no answer."""

    message_id: str
    case_id: str
    template: str
    party: str
    trigger: str
    version: int
    state: str
    unsure: bool


@dataclass(frozen=True, slots=True)
class Clock:
    """A clock that ran: what became of it."""

    service: str
    case_id: str
    rule: str
    due_at: datetime
    status: str


@dataclass
class Evidence:
    """All of it."""

    history: Sequence[Line] = ()
    cases: list[Case] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    """Of the services' tables."""
    records: list[Event] = field(default_factory=list)
    """Of the topics, in the order of partition and offset."""
    heads: dict[tuple[str, str], int] = field(default_factory=dict)
    """(service, case) → version."""
    registrations_audited: dict[str, int] = field(default_factory=dict)
    """How often the audit says that a case was registered, by case."""
    inbox: list[Inbox] = field(default_factory=list)
    handled: Mapping[str, frozenset[tuple[str, str]]] = field(default_factory=dict)
    """Consumer → `(topic, type)` of the events that it handles."""
    messages: list[Message] = field(default_factory=list)
    ledger: Sequence[str] = ()
    """The message ids of the SMS that the gateway took, one for each SMS."""
    clocks: list[Clock] = field(default_factory=list)
    counted: Mapping[str, int] = field(default_factory=dict)
    """Organisation → cases that routing counts it as carrying."""
    held: Mapping[str, int] = field(default_factory=dict)
    """Organisation → cases that mediation says it holds."""
    broken_chains: list[str] = field(default_factory=list)
    secrets: Sequence[str] = ()
    """Patterns of what citizens told: it may stand nowhere in the clear."""
    texts: dict[str, bytes] = field(default_factory=dict)
    """Place → bytes that were written there."""
    left: Mapping[str, int] = field(default_factory=dict)
    """What still waits: pointers, parked and dead rows, unsent messages; 0 where all is done."""
    now: datetime = _NEVER
    """When it was gathered, by the database's clock."""
    peaks: Mapping[str, float] = field(default_factory=dict)
    """The highest figures of the run: `MiB of PART`, `sessions of PostgreSQL`."""
    standstills: Sequence[tuple[float, float]] = ()
    """When (seconds since the epoch) the process that takes cases could not run at all."""
    recoveries: Sequence[tuple[str, float]] = ()
    """What had happened, and seconds until all was in service again."""

    def story(self, case_id: str) -> list[str]:
        """The whole story of a case, for whoever reads a finding."""
        told = [
            (line.at, f"client: {line.outcome} {line.status or ''} {line.ref}")
            for line in self.history
            if line.case_id == case_id
        ]
        told += [
            (e.at.timestamp(), f"{e.topic} {e.version} {e.type}") for e in self.events if e.case_id == case_id
        ]
        told += [
            (r.at.timestamp(), f"record {r.topic} {r.version} {r.type} at {r.place}")
            for r in self.records
            if r.case_id == case_id
        ]
        lines = [text for _, text in sorted(told, key=lambda entry: entry[0])]
        lines += [f"message {m.template} {m.party} {m.state}" for m in self.messages if m.case_id == case_id]
        return lines


CALM: Final = 3
"""Looks in a row at which nothing waits."""

WAITING: Final = {
    "not published": "select count(*) from outbox",
    "parked": "select count(*) from parked",
    "dead": "select count(*) from dead_letter where status = 'dead'",
    "clocks about to run out": """
        select count(*) from deadline where status = 'open'
            and least(due_at, case when not warned then warn_at end) < now() + interval '30 s'
        """,
}
"""What may wait in any service. Nothing is at rest while a clock will run out so soon that it might do so in
the middle of the gathering."""


async def at_rest(world: World, seconds: float) -> Mapping[str, int]:
    """Wait until nothing waits anywhere; what still waits when the time is over (all 0: nothing)."""
    until, calm = time.monotonic() + seconds, 0
    left: Mapping[str, int] = {"nobody could tell": 1}
    while time.monotonic() < until and calm < CALM:
        with suppress(Exception):
            async with broker_of(world) as broker:
                while time.monotonic() < until and calm < CALM:
                    left = await waiting(world, broker)
                    calm = calm + 1 if not any(left.values()) else 0
                    await asyncio.sleep(0.3)
    return left


@asynccontextmanager
async def broker_of(world: World) -> AsyncIterator[AIOKafkaConsumer]:
    """A client of the broker, past the proxy's faults; in no group."""
    client = AIOKafkaConsumer(bootstrap_servers=world.kafka.advertised)
    await client.start()
    try:
        yield client
    finally:
        with suppress(asyncio.CancelledError):
            await client.stop()


async def waiting(world: World, broker: AIOKafkaConsumer) -> dict[str, int]:
    """How much waits where, now."""
    left: dict[str, int] = {}
    places: dict[TopicPartition, list[tuple[str, int]]] = defaultdict(list)
    for service in SERVICES:
        async with world.database(service) as database, database.read() as tx:
            for what, sql in WAITING.items():
                left[f"{service}: {what}"] = await tx.fetchval(sql)
            if service == "notify":
                left["messages that are not sent"] = await tx.fetchval(
                    "select count(*) from message where state in ('planned', 'deferred', 'sending')"
                )
            for row in await tx.fetch("select * from consumer_offset"):
                place = TopicPartition(row["topic"], row["partition"])
                places[place].append((row["consumer"], row["next_offset"]))
    ends = await broker.end_offsets(list(places))
    for place, readers in places.items():
        for consumer, next_offset in readers:
            left[f"lag of {consumer}"] = left.get(f"lag of {consumer}", 0) + max(0, ends[place] - next_offset)
    return left


async def gather(world: World, history: Sequence[Line]) -> Evidence:
    """Everything, from a stack that is at rest."""
    evidence = Evidence(history=history, handled=handled())
    # Before the chains: one that is published meanwhile would be ahead of them.
    signed = await heads.published(KafkaPlace(world.kafka.advertised))
    for service, topic in OWNERS.items():
        async with world.database(service) as database, database.transaction() as tx:
            await auditlog.one_snapshot(tx)
            await _of_mechanisms(evidence, service, topic, tx)
            await _of_audit(evidence, service, [said.head for said in signed if said.service == service], tx)
            await _OF_SERVICE[service](evidence, tx)
    for name in declared.load().topics:
        for record in await _dump(world, name):
            place = f"{name}/{record.partition}/{record.offset}"
            written = [record.key or b"", record.value or b"", *(value for _, value in record.headers)]
            evidence.texts[place] = b" ".join(written)
            if name in OWNERS.values():
                evidence.records.append(_record(name, record))
    for path in sorted((world.home.root / "log").glob("*")):
        evidence.texts[f"log {path.name}"] = path.read_bytes()
    evidence.ledger = _ledger(world)
    return evidence


async def _of_mechanisms(evidence: Evidence, service: str, topic: str, tx: Tx) -> None:
    """What every service keeps in the same tables."""
    evidence.events += [
        Event(
            str(row["event_id"]),
            str(row["case_id"]),
            row["topic"],
            row["type"],
            row["version"],
            row["occurred_at"],
            json.loads(row["payload"]),
        )
        for row in await tx.fetch("select * from event where topic = $1", topic)
    ]
    evidence.heads |= {
        (service, str(row["case_id"])): row["version"]
        for row in await tx.fetch("select case_id, version from case_head")
    }
    evidence.inbox += [
        Inbox(row["consumer"], str(row["event_id"]), row["status"])
        for row in await tx.fetch("select consumer, event_id, status from inbox")
    ]
    evidence.clocks += [
        Clock(service, str(row["case_id"]), row["rule"], row["due_at"], row["status"])
        for row in await tx.fetch("select case_id, rule, due_at, status from deadline")
    ]


async def _of_audit(evidence: Evidence, service: str, published: Sequence[Head], tx: Tx) -> None:
    """The chains against their heads and against all that were published before (G25)."""
    for head in await auditlog.heads(tx):
        rows = await auditlog.rows(tx, service, head.chain)
        before = [each for each in published if each.chain == head.chain]
        evidence.broken_chains += [f"{service}: {place}" for place in verify(rows, [head, *before])]


async def _of_intake(evidence: Evidence, tx: Tx) -> None:
    evidence.now = await tx.fetchval("select now()")
    evidence.cases += [
        Case(str(row["case_id"]), row["external_ref"], row["state"])
        for row in await tx.fetch("select case_id, external_ref, state from intake_case")
    ]
    evidence.registrations_audited |= {
        str(row["case_id"]): row["n"]
        for row in await tx.fetch(
            "select case_id, count(*) as n from audit where action = 'case.registered' group by 1"
        )
    }


async def _of_routing(evidence: Evidence, tx: Tx) -> None:
    rows = await tx.fetch("select org_id, open from org_load")
    evidence.counted = {row["org_id"]: row["open"] for row in rows}


async def _of_mediation(evidence: Evidence, tx: Tx) -> None:
    rows = await tx.fetch(
        "select org_id, count(*) as n from mediation_case"
        " where org_id is not null and state <> 'closed' group by 1"
    )
    evidence.held = {row["org_id"]: row["n"] for row in rows}


async def _of_notify(evidence: Evidence, tx: Tx) -> None:
    evidence.messages += [
        Message(
            str(row["message_id"]),
            str(row["case_id"]),
            row["template"],
            row["party"],
            row["trigger"],
            row["trigger_version"],
            row["state"],
            row["unsure"],
        )
        for row in await tx.fetch(
            """
            select m.*, exists (select from attempt a where a.message_id = m.message_id
                and (a.outcome is null or a.outcome = 'indeterminate')) as unsure
            from message m
            """
        )
    ]


_OF_SERVICE: Final = {
    "intake": _of_intake,
    "routing": _of_routing,
    "mediation": _of_mediation,
    "notify": _of_notify,
}


def _record(topic: str, record: Any) -> Event:
    try:
        envelope = from_headers(record.headers, topic)
    except Undecodable:
        return Event("", "", topic, "unreadable", 0, _NEVER, place=(record.partition, record.offset))
    return Event(
        str(envelope.event_id),
        str(envelope.case_id),
        topic,
        envelope.type,
        envelope.caseversion,
        envelope.time,
        place=(record.partition, record.offset),
    )


async def _dump(world: World, topic: str) -> list[Any]:
    partitions = declared.load().topics[topic].partitions
    places = [TopicPartition(topic, n) for n in range(partitions)]
    client = AIOKafkaConsumer(bootstrap_servers=world.kafka.advertised, auto_offset_reset="earliest")
    await client.start()
    try:
        client.assign(places)
        ends = await client.end_offsets(places)
        records: list[Any] = []
        while [tp for tp in places if await client.position(tp) < ends[tp]]:
            for rows in (await client.getmany(timeout_ms=200)).values():
                records.extend(rows)
        return sorted(records, key=lambda record: (record.partition, record.offset))
    finally:
        with suppress(asyncio.CancelledError):
            await client.stop()


def _ledger(world: World) -> list[str]:
    """The gateway's own file: of each SMS that it took the message that the address of its receipt names."""
    found = []
    for line in (world.home.root / "simulator" / "ledger.jsonl").read_bytes().splitlines():
        sms = json.loads(line).get("sms")
        if sms and sms["direction"] == "out":
            told = parse_qs(urlsplit(sms["dlr_url"] or "").query)
            found.append(told.get("id", [""])[0])
    return found


def handled() -> dict[str, frozenset[tuple[str, str]]]:
    """Which events each consumer handles, `(topic, type)`, as the services declare it."""
    uses = use_cases(Codes.load(ROOT / "data"))
    declared_here = (
        routing.INTAKE,
        routing.MEDIATION,
        notify.INTAKE,
        notify.MEDIATION,
        *mediation.events(uses),
    )
    return {
        consumer.name: frozenset((consumer.topic, cls.TYPE) for cls in consumer.handlers)
        for consumer in declared_here
    }
