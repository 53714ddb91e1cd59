"""How fast the relay empties a filled outbox."""

import time

import psutil

from bench import processes
from bench.figures import Row, Say, Section, at_least
from libs.db.dsn import of_database
from libs.db.pool import Database
from libs.messaging import outbox
from libs.messaging.producer import Producer
from libs.messaging.reader import KafkaPlace
from libs.messaging.relay import Relay
from libs.runtime.settings import Relaying
from ops.installation import Installation
from ops.stack.prepare import database_name

LEAST = 20_000
"""Rows in the outbox at the start."""


async def measure(say: Say) -> Section:
    """Point the outbox to intake's stored events and records, then let one relay bring them all to Kafka."""
    here = Installation.current()
    dsn = of_database(here.postgres, database_name("intake"))
    database = await Database.open(dsn, name="bench", size=2, command_timeout=60)
    producer = Producer(here.kafka, client_id="bench")
    relay = Relay(database, producer, KafkaPlace(here.kafka).physical, limit=Relaying().batch)
    try:
        filled = await _fill(database)
        await relay.once()  # connects
        before, own, begun = processes.cpu(), _own_cpu(), time.perf_counter()
        sent = 0
        while published := await relay.once():
            sent += published
        took, own = time.perf_counter() - begun, _own_cpu() - own
        cpu = processes.spent(before, processes.cpu())
    finally:
        await producer.close()
        await database.close()
    say(f"  {sent} records in {took:.1f} s")
    return Section(
        "relay",
        "Relay",
        [
            at_least("one relay, filled outbox", sent / took, 10_000, "events/s"),
            Row("rows in the outbox at the start", f"{filled:,}"),
            Row(
                "processor per event: relay / PostgreSQL / Kafka",
                f"{own / sent * 1e6:.0f} / {cpu['postgres'] / sent * 1e6:.0f} / "
                f"{cpu['kafka'] / sent * 1e6:.0f} µs",
            ),
        ],
    )


async def _fill(database: Database) -> int:
    filled = 0
    while filled < LEAST:
        async with database.transaction() as tx:
            filled += await outbox.republish(tx)
        assert filled, "intake has no events that could be published"
    return filled


def _own_cpu() -> float:
    return sum(psutil.Process().cpu_times()[:2])
