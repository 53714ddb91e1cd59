"""What leaves a service: events and states are written with the change they tell of, in its transaction."""

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b
from uuid import UUID

import orjson

from libs.db.pool import Tx
from libs.db.work import State
from libs.events.envelope import Envelope
from libs.events.registry import MAX_VALUE_BYTES
from libs.web.errors import TooLarge

BUCKETS = 16


@dataclass(frozen=True, slots=True)
class Outgoing:
    """An event ready to be stored: its envelope, district and encoded payload."""

    envelope: Envelope
    district: str
    payload: bytes


def bucket_of(key: str) -> int:
    """The relay bucket of a message key; a digest, since Python's own hash differs per process."""
    return blake2b(key.encode(), digest_size=1).digest()[0] % BUCKETS


def check_size(payload: bytes) -> None:
    """Raise `TooLarge` for a record that the broker would refuse: a relay would fail on it for ever (G11)."""
    if len(payload) > MAX_VALUE_BYTES:
        raise TooLarge(f"a record of {len(payload)} bytes; {MAX_VALUE_BYTES} are allowed")


async def append_events(tx: Tx, events: Sequence[Outgoing]) -> None:
    """Store events and their outbox pointers, in the given order per case.

    Called after the cases were written under their locks, so that the identity values of one case follow its
    versions; the caller holds the case rows (G6, G7).
    """
    if not events:
        return
    envelopes = [event.envelope for event in events]
    await tx.execute(
        """
        with fresh as (
            select * from unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[], $5::text[],
                $6::smallint[], $7::int[], $8::timestamptz[], $9::uuid[], $10::uuid[], $11::text[],
                $12::json[], $13::smallint[])
            with ordinality as t (event_id, case_id, district, topic, type, schema_version, version,
                occurred_at, causation_id, correlation_id, traceparent, payload, bucket, n)
        ), stored as (
            insert into event (event_id, case_id, district, topic, type, schema_version, version, occurred_at,
                causation_id, correlation_id, traceparent, payload)
            select event_id, case_id, district, topic, type, schema_version, version, occurred_at,
                causation_id, correlation_id, traceparent, payload
            from fresh order by n
        )
        insert into outbox (bucket, kind, event_id, occurred_at)
        select bucket, 'event', event_id, occurred_at from fresh order by n
        """,
        [e.event_id for e in envelopes],
        [e.case_id for e in envelopes],
        [event.district for event in events],
        [e.topic for e in envelopes],
        [e.type for e in envelopes],
        [e.version for e in envelopes],
        [e.caseversion for e in envelopes],
        [e.time for e in envelopes],
        [e.causation_id for e in envelopes],
        [e.correlation_id for e in envelopes],
        [e.traceparent for e in envelopes],
        [event.payload.decode() for event in events],
        [bucket_of(str(e.case_id)) for e in envelopes],
    )


async def append_states(tx: Tx, states: Sequence[State]) -> None:
    """Set the current records of compacted topics and point the relay to them.

    A record with a version not above the stored one changes nothing: state only moves forward (G12).
    """
    if not states:
        return
    newest = {(state.topic, state.key): state for state in sorted(states, key=lambda s: s.version)}
    ordered = [newest[name] for name in sorted(newest)]
    for state in ordered:
        check_size(state.value or b"")
    await tx.execute(
        """
        with fresh as (
            select * from unnest($1::text[], $2::text[], $3::bigint[], $4::bytea[], $5::json[],
                $6::smallint[]) as t (topic, key, version, value, headers, bucket)
        ), stored as (
            insert into state_record (topic, key, version, value, headers)
            select topic, key, version, value, headers from fresh order by topic, key
            on conflict (topic, key) do update set
                version = excluded.version, value = excluded.value, headers = excluded.headers,
                changed_at = now()
            where state_record.version < excluded.version
            returning topic, key
        )
        insert into outbox (bucket, kind, topic, key)
        select f.bucket, 'state', f.topic, f.key from fresh f join stored using (topic, key) order by 3, 4
        """,
        [state.topic for state in ordered],
        [state.key for state in ordered],
        [state.version for state in ordered],
        [state.value for state in ordered],
        [orjson.dumps(dict(state.headers)).decode() for state in ordered],
        [bucket_of(state.key) for state in ordered],
    )


async def point_to_states(tx: Tx, topic: str, keys: Sequence[str]) -> int:
    """Publish the current records of these keys again; the number of records pointed to."""
    return await tx.execute(
        """
        insert into outbox (bucket, kind, topic, key)
        select b, 'state', $1, s.key from unnest($2::text[], $3::smallint[]) as k (key, b)
        join state_record s on s.topic = $1 and s.key = k.key order by s.key
        """,
        topic,
        list(keys),
        [bucket_of(key) for key in keys],
    )


async def republish(tx: Tx, *, since: object = None, case_id: UUID | None = None, states: bool = True) -> int:
    """Point the relay to stored events and current states again; ids stay, inboxes absorb repeats (G7)."""
    events = await tx.fetch(
        """
        select event_id, occurred_at, case_id from event
        where ($1::timestamptz is null or occurred_at >= $1) and ($2::uuid is null or case_id = $2)
        order by id
        """,
        since,
        case_id,
    )
    await tx.execute(
        """
        insert into outbox (bucket, kind, event_id, occurred_at)
        select * from unnest($1::smallint[], $2::text[], $3::uuid[], $4::timestamptz[])
        """,
        [bucket_of(str(row["case_id"])) for row in events],
        ["event"] * len(events),
        [row["event_id"] for row in events],
        [row["occurred_at"] for row in events],
    )
    if not states:
        return len(events)
    rows = await tx.fetch(
        "select topic, key from state_record where ($1::text is null or key = $1) order by topic, key",
        str(case_id) if case_id else None,
    )
    for topic in sorted({row["topic"] for row in rows}):
        await point_to_states(tx, topic, [row["key"] for row in rows if row["topic"] == topic])
    return len(events) + len(rows)


async def is_published(tx: Tx, topic: str, key: str) -> bool:
    """Whether the broker has the current record of this key; false while a pointer to it waits."""
    waits = await tx.fetchval(
        "select exists (select from outbox where kind = 'state' and topic = $1 and key = $2)", topic, key
    )
    return not waits
