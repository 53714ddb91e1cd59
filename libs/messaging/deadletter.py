"""Dead letters by a person's hand: list, show, replay, waive. A replay keeps the event id, so the inbox row
decides: it can take over a dead row, never one that is done, and cannot double an effect."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from libs.db import auditlog
from libs.db.pool import Tx
from libs.events.envelope import Undecodable, from_headers
from libs.events.registry import decode
from libs.messaging.parking import headers_of
from libs.web.errors import NotFound, Refusal, Title


class EarlierDead(Refusal):
    """An earlier event of the case is dead too; replaying this one first would break the case's order."""

    STATUS, CODE = 409, "earlier_event_dead"
    TITLE = Title("该案件更早的事件尚未处理", "An earlier event of the case is dead too")


class StillUndecodable(Refusal):
    """The record still cannot be read, so there is nothing to replay."""

    STATUS, CODE = 409, "still_undecodable"
    TITLE = Title("消息仍无法解析", "The record still cannot be read")


class Settled(Refusal):
    """The letter was replayed or waived already."""

    STATUS, CODE = 409, "already_settled"
    TITLE = Title("该死信已处理", "The letter is settled already")


async def listing(tx: Tx, *, consumer: str | None = None, limit: int = 100) -> list[Mapping[str, Any]]:
    """Letters that wait for a person, oldest first; ids, places and reasons, never values."""
    return await tx.fetch(
        """
        select id, consumer, case_id, event_id, version, topic, partition, "offset", attempts,
            first_failed_at, dead_at, error_type, error
        from dead_letter where status = 'dead' and ($1::text is null or consumer = $1) order by id limit $2
        """,
        consumer,
        limit,
    )


async def show(tx: Tx, letter_id: int) -> Mapping[str, Any]:
    """One letter with its headers and the size of its value; raises `NotFound`."""
    row = await tx.fetchrow(
        """
        select id, consumer, case_id, event_id, version, topic, partition, "offset", headers,
            octet_length(value) as value_bytes, attempts, first_failed_at, dead_at, error_type, error, status,
            settled_at, settled_by, settled_why
        from dead_letter where id = $1
        """,
        letter_id,
    )
    if row is None:
        raise NotFound
    found: Mapping[str, Any] = row
    return found


async def replay(tx: Tx, service: str, letter_id: int, *, by: str, why: str, now: datetime) -> None:
    """Put the event back at its place in its case's order, to be handled at once.

    Raises `NotFound`, `Settled`, `EarlierDead` or `StillUndecodable`; who and when are in the audit chain.
    """
    row = await _locked(tx, letter_id)
    earlier = await tx.fetchval(
        """
        select exists (select from dead_letter where consumer = $1 and case_id = $2 and status = 'dead'
                       and topic = $3 and "offset" < $4)
        """,
        row["consumer"],
        row["case_id"],
        row["topic"],
        row["offset"],
    )
    if earlier:
        raise EarlierDead(case_id=str(row["case_id"]))
    try:
        envelope = from_headers(headers_of(row["headers"]), row["topic"])
        decode(envelope, row["value"])
    except Undecodable as error:
        raise StillUndecodable(str(error.reason_code)) from None
    await tx.execute(
        """
        insert into inbox (consumer, event_id, status) values ($1, $2, 'parked')
        on conflict (consumer, event_id) do update set status = 'parked' where inbox.status = 'dead'
        """,
        row["consumer"],
        envelope.event_id,
    )
    await tx.execute(
        """
        insert into parked (consumer, case_id, event_id, topic, partition, "offset", key, value, headers,
            attempts, next_at, first_failed_at, error_type, error)
        select consumer, $2, $3, topic, partition, "offset", key, value, headers, 0, $4, first_failed_at,
            error_type, error
        from dead_letter where id = $1
        """,
        letter_id,
        envelope.case_id,
        envelope.event_id,
        now,
    )
    await _settle(tx, service, row, "replayed", by, why, now)


async def waive(tx: Tx, service: str, letter_id: int, *, by: str, why: str, now: datetime) -> None:
    """Give the event up for good; later events of its case go on. Raises `NotFound` or `Settled`."""
    row = await _locked(tx, letter_id)
    await _settle(tx, service, row, "waived", by, why, now)


async def _locked(tx: Tx, letter_id: int) -> Mapping[str, Any]:
    row = await tx.fetchrow("select * from dead_letter where id = $1 for update", letter_id)
    if row is None:
        raise NotFound
    if row["status"] != "dead":
        raise Settled(state=row["status"])
    found: Mapping[str, Any] = row
    return found


async def _settle(
    tx: Tx, service: str, row: Mapping[str, Any], status: str, by: str, why: str, now: datetime
) -> None:
    await tx.execute(
        """
        update dead_letter set status = $2, settled_at = $3, settled_by = $4, settled_why = $5 where id = $1
        """,
        row["id"],
        status,
        now,
        by,
        why,
    )
    detail = {"letter": row["id"], "consumer": row["consumer"], "event_id": str(row["event_id"])}
    entries: Sequence[auditlog.Entry] = [
        auditlog.Entry(now, by, f"deadletter.{status}", row["case_id"], detail)
    ]
    await auditlog.append(tx, service, entries)
