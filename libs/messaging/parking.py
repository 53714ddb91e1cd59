"""Events that could not be handled wait in PostgreSQL, in order per case; the last resort is a dead letter.

Everything in here runs inside the batch's transaction: an event is done, parked or dead together with the
offset that passed it, so none can be lost in between.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import orjson

from libs.db.pool import Tx
from libs.db.work import Delivery
from libs.messaging.outbox import bucket_of
from libs.web.errors import NotYet, Refusal

BACKOFF = tuple(timedelta(seconds=s) for s in (1, 10, 60, 300, 1800, 7200, 43200))
"""Waits after the first, second, … failure; the failure after the last makes a dead letter."""
NOT_YET = (timedelta(milliseconds=100), timedelta(milliseconds=500), timedelta(seconds=2))
LOCKED = timedelta(seconds=1)


@dataclass(frozen=True, slots=True)
class Failure:
    """An event that was not handled: the delivery, and why. `error` None: it waits behind another."""

    delivery: Delivery
    case_id: UUID
    event_id: UUID
    version: int | None
    error: BaseException | None


def describe(error: BaseException | None) -> tuple[str, str]:
    """Type and reason as a closed vocabulary; never the text of an exception, which may quote a person."""
    match error:
        case None:
            return "behind", "an earlier event of the case is parked"
        case Refusal():
            return "refused", error.code
        case NotYet():
            return "not_yet", "it waits for another event"
        case TimeoutError():
            return "locked", "the case stayed locked"
        case _:
            place = error.__traceback__
            while place is not None and place.tb_next is not None:
                place = place.tb_next
            where = f"{place.tb_frame.f_code.co_name}:{place.tb_lineno}" if place else ""
            return type(error).__name__[:80], f"at {where}"[:200]


def next_try(error: BaseException | None, attempts: int, now: datetime) -> datetime | None:
    """When to try again after the attempt that made `attempts`; None: never, it is dead."""
    match error:
        case None:
            return now
        case NotYet():
            # Never a dead letter by time alone: what it waits for may be days behind (G8).
            waits = (*NOT_YET, *BACKOFF)
            return now + waits[min(attempts, len(waits)) - 1]
        case TimeoutError():
            return now + LOCKED
        case _:
            return now + BACKOFF[attempts - 1] if attempts <= len(BACKOFF) else None


async def waiting_cases(tx: Tx, consumer: str, case_ids: Sequence[UUID], dead_blocks: bool) -> set[UUID]:
    """The cases whose later events must wait: one is parked, or dead where a dead one blocks its case."""
    rows = await tx.fetch(
        """
        select case_id from parked where consumer = $1 and case_id = any($2)
        union
        select case_id from dead_letter
        where $3 and consumer = $1 and status = 'dead' and case_id = any($2)
        """,
        consumer,
        case_ids,
        dead_blocks,
    )
    return {row["case_id"] for row in rows}


async def park(tx: Tx, failures: Sequence[Failure], now: datetime) -> None:
    """Park events that failed for the first time, in the given order; their inbox rows say `parked`."""
    if not failures:
        return
    described = [describe(failure.error) for failure in failures]
    deliveries = [failure.delivery for failure in failures]
    await tx.execute(
        """
        insert into parked (consumer, case_id, event_id, topic, partition, "offset", key, value, headers,
            attempts, next_at, error_type, error)
        select consumer, case_id, event_id, topic, partition, place, key, value, headers, attempts, next_at,
            error_type, error
        from unnest($1::text[], $2::uuid[], $3::uuid[], $4::text[], $5::int[], $6::bigint[], $7::bytea[],
            $8::bytea[], $9::json[], $10::int[], $11::timestamptz[], $12::text[], $13::text[])
            with ordinality as t (consumer, case_id, event_id, topic, partition, place, key, value, headers,
                attempts, next_at, error_type, error, n)
        order by n
        """,
        [d.consumer for d in deliveries],
        [failure.case_id for failure in failures],
        [failure.event_id for failure in failures],
        [d.topic for d in deliveries],
        [d.partition for d in deliveries],
        [d.offset for d in deliveries],
        [d.key for d in deliveries],
        [d.value for d in deliveries],
        [headers_json(d.headers) for d in deliveries],
        [0 if failure.error is None else 1 for failure in failures],
        [next_try(failure.error, 1, now) or now for failure in failures],
        [kind for kind, _ in described],
        [reason for _, reason in described],
    )
    await _mark(tx, failures, "parked")


async def fail_again(tx: Tx, failure: Failure, now: datetime) -> bool:
    """A parked event failed once more: it gets its next time, or becomes a dead letter. True: it is dead."""
    row = await tx.fetchrow("select attempts from parked where id = $1", failure.delivery.parked_id)
    attempts = (row["attempts"] if row else 0) + 1
    kind, reason = describe(failure.error)
    at = next_try(failure.error, attempts, now)
    if at is not None:
        await tx.execute(
            "update parked set attempts = $2, next_at = $3, error_type = $4, error = $5 where id = $1",
            failure.delivery.parked_id,
            attempts,
            at,
            kind,
            reason,
        )
        await _mark(tx, [failure], "parked")
        return False
    await tx.execute("delete from parked where id = $1", failure.delivery.parked_id)
    await bury(tx, failure, attempts, now)
    return True


async def unpark(tx: Tx, parked_ids: Sequence[int]) -> None:
    """Remove parked rows whose events were handled in this transaction."""
    if parked_ids:
        await tx.execute("delete from parked where id = any($1)", list(parked_ids))


async def bury(tx: Tx, failure: Failure, attempts: int, now: datetime) -> None:
    """Move an event to the dead letters, and point the relay to it for `<consumer>.dlt`."""
    kind, reason = describe(failure.error)
    await bury_record(
        tx,
        failure.delivery,
        failure.event_id,
        case_id=failure.case_id,
        version=failure.version,
        attempts=attempts,
        reason=(kind, reason),
        now=now,
    )
    await _mark(tx, [failure], "dead")


async def bury_record(
    tx: Tx,
    delivery: Delivery,
    event_id: UUID,
    *,
    case_id: UUID | None,
    version: int | None,
    attempts: int,
    reason: tuple[str, str],
    now: datetime,
) -> None:
    """Write one dead letter and its outbox pointer; both or none."""
    await tx.execute(
        """
        with dead as (
            insert into dead_letter (consumer, case_id, event_id, version, topic, partition, "offset", key,
                value, headers, attempts, first_failed_at, error_type, error)
            values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10::json, $11, $12, $13, $14)
            returning id
        )
        insert into outbox (bucket, kind, dead_id) select $15, 'dead', id from dead
        """,
        delivery.consumer,
        case_id,
        event_id,
        version,
        delivery.topic,
        delivery.partition,
        delivery.offset,
        delivery.key,
        delivery.value,
        headers_json(delivery.headers),
        attempts,
        now,
        *reason,
        bucket_of(str(case_id or event_id)),
    )


async def heads_due(tx: Tx, consumer: str, dead_blocks: bool, now: datetime, limit: int) -> list[Any]:
    """The first parked event of each case whose time has come; none of a case that a dead one blocks.

    A consumer reads one topic and a case has one partition, so offsets are the order of a case, also for an
    event that comes back from the dead letters.
    """
    return await tx.fetch(
        """
        select p.* from parked p
        where p.consumer = $1 and p.next_at <= $2
          and not exists (select from parked e
                          where e.consumer = p.consumer and e.case_id = p.case_id
                            and e."offset" < p."offset")
          and not ($4 and exists (select from dead_letter d
                          where d.consumer = p.consumer and d.case_id = p.case_id and d.status = 'dead'))
        order by p.id limit $3
        """,
        consumer,
        now,
        limit,
        dead_blocks,
    )


def delivery_of(row: Mapping[str, Any], *, blocks_case: bool) -> Delivery:
    """The delivery that a parked row keeps."""
    return Delivery(
        consumer=row["consumer"],
        topic=row["topic"],
        partition=row["partition"],
        offset=row["offset"],
        key=row["key"],
        value=row["value"],
        headers=headers_of(row["headers"]),
        parked_id=row["id"],
        blocks_case=blocks_case,
    )


def headers_json(headers: Sequence[tuple[str, bytes]]) -> str:
    """Kafka headers as JSON text; bytes that are no UTF-8 are replaced, the value keeps the original."""
    return orjson.dumps([[name, value.decode("utf-8", "replace")] for name, value in headers]).decode()


def headers_of(text: str) -> tuple[tuple[str, bytes], ...]:
    """Headers as they were, from `headers_json`."""
    return tuple((name, value.encode()) for name, value in orjson.loads(text))


async def _mark(tx: Tx, failures: Sequence[Failure], status: str) -> None:
    await tx.execute(
        """
        insert into inbox (consumer, event_id, status)
        select consumer, event_id, $3 from unnest($1::text[], $2::uuid[]) as t (consumer, event_id)
        order by 1, 2
        on conflict (consumer, event_id) do update set status = excluded.status
        """,
        [failure.delivery.consumer for failure in failures],
        [failure.event_id for failure in failures],
        status,
    )
