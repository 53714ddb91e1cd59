"""The relay brings what the outbox points to onto Kafka, in order per key, at least once."""

import asyncio
import random
import time
from collections.abc import Callable, Sequence
from typing import Any

import orjson
import structlog

from libs.db.faults import Fault, classify
from libs.db.pool import Database, Tx
from libs.events.envelope import Envelope, to_headers
from libs.messaging.outbox import BUCKETS
from libs.messaging.parking import headers_of
from libs.messaging.producer import BrokerAway, Producer, Record
from libs.runtime.loops import Pulse

log = structlog.get_logger()

LOCK_CLASS = 7_411
POLL = 0.2
GATHER = 0.05
"""After a pass it rests for as long as the pass took, at most these seconds, as readers do."""
VERSION_HEADER = "heshi_version"
"""Header of a compacted record: the version of the state it carries, also on a tombstone (G12)."""


class Relay:
    """One per process. Several may run: each bucket has one relay at a time, by an advisory lock that is held
    until the rows are deleted, so two never publish a case's events in turn (V: 321 of 400 out of order)."""

    def __init__(
        self,
        database: Database,
        producer: Producer,
        physical: Callable[[str], str],
        *,
        limit: int = 500,
        published: Callable[[int], None] = lambda n: None,
    ) -> None:
        self._database = database
        self._producer = producer
        self._physical = physical
        self._limit = limit
        self._published = published
        self._woken = asyncio.Event()

    def wake(self) -> None:
        """Something was committed: look now. Only a shortcut; polling is the guarantee."""
        self._woken.set()

    async def run(self, pulse: Pulse) -> None:
        """Publish until told to stop, then once more what the last commits left."""
        wait = POLL
        while True:
            stopping, woken = pulse.stopping, self._woken.is_set()
            self._woken.clear()
            begun = time.monotonic()
            try:
                published = await self.once() if woken or await self._waits() else 0
                wait = POLL
            except Exception as error:
                if not isinstance(error, BrokerAway) and classify(error) is Fault.DATA:
                    raise
                log.warning("relay_put_off", error=type(error).__name__)
                published, wait = 0, min(wait * 2, 5.0)
            if stopping and not published:
                return
            if published < self._limit and not stopping:
                if published:
                    await pulse.wait(min(time.monotonic() - begun, GATHER))
                await self._pause(pulse, wait)

    async def _pause(self, pulse: Pulse, wait: float) -> None:
        """Until woken or for the jittered poll interval; while the broker is away no wake-up helps."""
        seconds = wait * random.uniform(0.9, 1.1)  # noqa: S311 - jitter
        if wait == POLL:
            await pulse.rest(self._woken, seconds)
        else:
            await pulse.pause(seconds)

    async def _waits(self) -> bool:
        """Whether anything waits: asked five times a second, it costs a tenth of a pass."""
        async with self._database.read() as tx:
            return bool(await tx.fetchval("select exists (select from outbox)"))

    async def once(self) -> int:
        """One pass over all buckets that no other relay holds; the number of records published."""
        async with self._database.transaction() as tx:
            # Lock first, read in a later statement: a snapshot from before the lock shows rows that the
            # previous holder has already published and deleted.
            held = await tx.fetch(
                "select b from unnest($1::int[]) b where pg_try_advisory_xact_lock($2, b)",
                list(range(BUCKETS)),
                LOCK_CLASS,
            )
            rows = await _pointed(tx, [row["b"] for row in held], self._limit)
            if not rows:
                return 0
            states = [row for row in rows if row["kind"] == "state"]
            await self._publish(states)  # acknowledged before the events that may need them (G8)
            await self._publish([row for row in rows if row["kind"] != "state"])
            await tx.execute("delete from outbox where id = any($1)", [row["id"] for row in rows])
        self._published(len(rows))
        return len(rows)

    async def _publish(self, rows: Sequence[Any]) -> None:
        records = [_RECORD[row["kind"]](row, self._physical) for row in rows]
        if records:
            await self._producer.publish(records)


async def _pointed(tx: Tx, buckets: Sequence[int], limit: int) -> list[Any]:
    """The oldest pointers of the buckets with what they point to. Each look-up stands behind a LIMIT, so the
    plan stays a nested loop over indexes however large the tables grow."""
    return await tx.fetch(
        """
        select o.id, o.kind, o.topic as state_topic, o.key as state_key, e.*, s.*, d.*
        from (select * from outbox where bucket = any($1) order by id limit $2) o
        left join lateral (
            select event_id, case_id, topic, type, schema_version, version, occurred_at, causation_id,
                correlation_id, traceparent, payload, split_part(topic, '.', 1) as service
            from event where event_id = o.event_id and occurred_at = o.occurred_at limit 1
        ) e on true
        left join lateral (
            select version as state_version, value as state_value, headers as state_headers
            from state_record where topic = o.topic and key = o.key limit 1
        ) s on true
        left join lateral (
            select consumer, topic as dead_topic, partition, "offset", key as dead_key, value as dead_value,
                headers as dead_headers, attempts, first_failed_at, error_type, error
            from dead_letter where id = o.dead_id limit 1
        ) d on true
        order by o.id
        """,
        buckets,
        limit,
    )


def _event(row: Any, physical: Callable[[str], str]) -> Record:
    envelope = Envelope(
        event_id=row["event_id"],
        type=row["type"],
        source=f"/services/{row['service']}",
        case_id=row["case_id"],
        caseversion=row["version"],
        time=row["occurred_at"],
        topic=row["topic"],
        version=row["schema_version"],
        causation_id=row["causation_id"],
        correlation_id=row["correlation_id"],
        traceparent=row["traceparent"],
    )
    key = str(row["case_id"]).encode()
    return Record(physical(row["topic"]), key, row["payload"].encode(), to_headers(envelope))


def _state(row: Any, physical: Callable[[str], str]) -> Record:
    headers = [(VERSION_HEADER, str(row["state_version"]).encode())]
    headers += [(name, str(value).encode()) for name, value in orjson.loads(row["state_headers"]).items()]
    return Record(physical(row["state_topic"]), row["state_key"].encode(), row["state_value"], headers)


def _dead(row: Any, physical: Callable[[str], str]) -> Record:
    headers = [
        *headers_of(row["dead_headers"]),
        ("dlt_source_topic", row["dead_topic"].encode()),
        ("dlt_source_partition", str(row["partition"]).encode()),
        ("dlt_source_offset", str(row["offset"]).encode()),
        ("dlt_error_type", row["error_type"].encode()),
        ("dlt_error", row["error"].encode()),
        ("dlt_attempts", str(row["attempts"]).encode()),
        ("dlt_first_failed_at", row["first_failed_at"].isoformat().encode()),
    ]
    return Record(physical(f"{row['consumer']}.dlt"), row["dead_key"], row["dead_value"], headers)


_RECORD = {"event": _event, "state": _state, "dead": _dead}
