"""Appending to the audit chains, in the transaction of what the entries tell of."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import orjson

from libs.db.pool import Tx
from libs.privacy import audit
from libs.privacy.audit import AuditRecord, AuditRow, Head


@dataclass(frozen=True, slots=True)
class Entry:
    """Who did what to which case; ids and codes only, since it can never be erased (G25)."""

    at: datetime
    actor: str
    action: str
    case_id: UUID | None
    detail: Mapping[str, object]


async def append(tx: Tx, service: str, entries: Sequence[Entry]) -> None:
    """Link the entries to any free chain. The last lock of a transaction (G1): heads are held shortly.

    One head for all writers would be a queue; sixteen, taken with SKIP LOCKED, are not.
    """
    if not entries:
        return
    row = await tx.fetchrow(
        "select chain, seq, hash from audit_head order by random() for update skip locked limit 1"
    ) or await tx.fetchrow("select chain, seq, hash from audit_head order by chain for update limit 1")
    records = [
        AuditRecord(
            at=entry.at,
            actor=entry.actor,
            action=entry.action,
            case_id=entry.case_id,
            service=service,
            detail=entry.detail,
        )
        for entry in entries
    ]
    head, links = audit.chain(Head(row["chain"], row["seq"], row["hash"]), records)
    await tx.execute(
        """
        with moved as (update audit_head set seq = $10, hash = $11 where chain = $12)
        insert into audit (chain, seq, at, actor, action, case_id, detail, prev, hash)
        select * from unnest($1::smallint[], $2::bigint[], $3::timestamptz[], $4::text[], $5::text[],
            $6::uuid[], $7::json[], $8::bytea[], $9::bytea[])
        """,
        [head.chain] * len(links),
        [link.seq for link in links],
        [entry.at for entry in entries],
        [entry.actor for entry in entries],
        [entry.action for entry in entries],
        [entry.case_id for entry in entries],
        [orjson.dumps(dict(entry.detail)).decode() for entry in entries],
        [link.prev for link in links],
        [link.hash for link in links],
        head.seq,
        head.hash,
        head.chain,
    )


async def one_snapshot(tx: Tx) -> None:
    """Make all that follows in this transaction see the same state. Only as its first statement."""
    await tx.execute("set transaction isolation level repeatable read, read only")


async def heads(tx: Tx) -> list[Head]:
    """Where every chain stands."""
    found = await tx.fetch("select chain, seq, hash from audit_head order by chain")
    return [Head(row["chain"], row["seq"], row["hash"]) for row in found]


async def rows(tx: Tx, service: str, chain: int) -> list[AuditRow]:
    """One chain as it is stored, in order, for `libs.privacy.audit.verify`."""
    return [row_of(row, service) for row in await tx.fetch(f"{_ROWS} chain = $1 order by seq", chain)]


async def of_case(tx: Tx, service: str, case_id: UUID) -> list[AuditRow]:
    """All that was done to a case and who read it, in the order of time."""
    found = await tx.fetch(f"{_ROWS} case_id = $1 order by at, chain, seq", case_id)
    return [row_of(row, service) for row in found]


_ROWS = "select * from audit where"


def row_of(row: Any, service: str) -> AuditRow:
    """A row of `audit`, as `libs.privacy.audit` knows it."""
    return AuditRow(
        chain=row["chain"],
        seq=row["seq"],
        at=row["at"],
        actor=row["actor"],
        action=row["action"],
        case_id=row["case_id"],
        service=service,
        detail=orjson.loads(row["detail"]),
        prev=row["prev"],
        hash=row["hash"],
    )
