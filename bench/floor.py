"""What PostgreSQL and Kafka alone can do with the same rows and records on the same machine.

The rows that the services wrote are read back and written again as they lie, in transactions of a hundred
cases each, by plain asyncpg `COPY` into tables of the same definition; the records are sent again by plain
aiokafka to topics of the same definition. No decisions, no encryption, no reading, no message. What the chain
writes and removes again (outbox) or updates is not in it.
"""

import asyncio
import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import asyncpg
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from bench.figures import Say
from libs.db.dsn import of_database
from libs.events import topics as declared
from libs.messaging import topics
from ops.installation import Installation
from ops.stack.prepare import database_name

CASES, PER_TRANSACTION, CONNECTIONS = 2_000, 100, 4
SCHEMA, PREFIX = "floor", "floor."

Rows = Mapping[str, Sequence[Any]]
"""The rows of each table."""


@dataclass(frozen=True, slots=True)
class Floor:
    """`rate` cases per second, and what was written per case."""

    rate: float
    rows: float
    records: float

    @property
    def told(self) -> str:
        return (
            f"Raw floor: per case {self.rows:.0f} rows by asyncpg COPY, {PER_TRANSACTION} cases a "
            f"transaction, and {self.records:.1f} records by aiokafka, {CASES} cases, all at once."
        )


async def measure(services: Collection[str], say: Say) -> Floor:
    """The floor under what these services wrote since their databases were made."""
    here = Installation.current()
    servers = {service: of_database(here.postgres, database_name(service)) for service in services}
    total = await _cases(servers["intake"])
    share = min(1.0, CASES / total)
    kept = {service: await _read_rows(dsn, share) for service, dsn in servers.items()}
    records = await _read_records(here.kafka, services, share)
    await topics.apply(here.kafka, declared.load(), PREFIX)
    async with AIOKafkaProducer(
        bootstrap_servers=here.kafka, enable_idempotence=True, linger_ms=1, max_batch_size=131_072
    ) as producer:
        await _write_records(
            producer, list({record.topic: record for record in records}.values())
        )  # leaders are found
        begun = time.perf_counter()
        async with asyncio.TaskGroup() as group:
            group.create_task(_write_records(producer, records))
            for service, tables in kept.items():
                group.create_task(_write_rows(servers[service], tables, round(total * share)))
        took = time.perf_counter() - begun
    rows = sum(len(rows) for tables in kept.values() for rows in tables.values())
    cases = total * share
    found = Floor(cases / took, rows / cases, len(records) / cases)
    say(f"  raw floor: {found.rate:,.0f} cases/s")
    return found


async def _cases(dsn: str) -> int:
    connection = await asyncpg.connect(dsn)
    try:
        count: int = await connection.fetchval("select count(*) from case_head")
    finally:
        await connection.close()
    return count


async def _read_rows(dsn: str, share: float) -> Rows:
    """This share of every table, with an empty twin for each."""
    connection = await asyncpg.connect(dsn)
    try:
        await connection.execute(f"drop schema if exists {SCHEMA} cascade; create schema {SCHEMA}")
        tables = await connection.fetch(
            """
            select c.relname as name, string_agg(quote_ident(a.attname), ', ' order by a.attnum) as columns
            from pg_class c join pg_attribute a on a.attrelid = c.oid
            where c.relkind = 'r' and c.relnamespace = 'public'::regnamespace
                and a.attnum > 0 and not a.attisdropped and a.attgenerated = ''
            group by c.relname
            """
        )
        rows = {}
        for name, columns in tables:
            await connection.execute(f'create table {SCHEMA}."{name}" (like public."{name}" including all)')
            count = await connection.fetchval(f'select count(*) from public."{name}"')  # noqa: S608
            wanted = f'select {columns} from public."{name}" limit {round(count * share)}'  # noqa: S608
            rows[name] = await connection.fetch(wanted)
    finally:
        await connection.close()
    return rows


async def _write_rows(dsn: str, tables: Rows, cases: int) -> None:
    """All rows, those of a hundred cases together in a transaction, over a few connections."""
    batches = max(1, cases // PER_TRANSACTION)
    waiting = iter(range(batches))

    async def write() -> None:
        connection = await asyncpg.connect(dsn)
        try:
            for number in waiting:
                async with connection.transaction():
                    for name, rows in tables.items():
                        begin, end = (len(rows) * n // batches for n in (number, number + 1))
                        if begin < end:
                            columns = list(rows[begin].keys())
                            await connection.copy_records_to_table(
                                name, schema_name=SCHEMA, columns=columns, records=rows[begin:end]
                            )
        finally:
            await connection.close()

    async with asyncio.TaskGroup() as group:
        for _ in range(CONNECTIONS):
            group.create_task(write())


async def _read_records(bootstrap: str, services: Collection[str], share: float) -> list[Any]:
    """This share of the records of each topic that these services write."""
    records: list[Any] = []
    async with AIOKafkaConsumer(bootstrap_servers=bootstrap, max_poll_records=2_000) as consumer:
        for name, topic in declared.load().topics.items():
            if topic.owner not in services:
                continue
            parts = [TopicPartition(name, number) for number in range(topic.partitions)]
            consumer.assign(parts)
            await consumer.seek_to_beginning(*parts)
            first = sum((await consumer.beginning_offsets(parts)).values())
            wanted = round((sum((await consumer.end_offsets(parts)).values()) - first) * share)
            found: list[Any] = []
            while len(found) < wanted:
                found += [one for rows in (await consumer.getmany(timeout_ms=1_000)).values() for one in rows]
            records += found[:wanted]
    return records


async def _write_records(producer: Any, records: Sequence[Any]) -> None:
    sent = [
        await producer.send(PREFIX + record.topic, record.value, key=record.key, headers=list(record.headers))
        for record in records
    ]
    await asyncio.gather(*sent)
