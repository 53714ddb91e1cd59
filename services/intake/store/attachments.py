"""Attachments as rows, and which of their objects are to go."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any, Final
from uuid import UUID

from libs.db.pool import Database, Tx
from libs.db.work import Change
from services.intake.domain.attachment import Attachment
from services.intake.domain.case import Case
from services.intake.handlers.desk import Unscanned

_FIELDS: Final = (
    "attachment_id", "media", "size", "state", "received_at", "by", "sealed", "reason", "settled_at",
)  # fmt: skip
"""The fields of an attachment; its columns have their names."""


async def load(tx: Tx, case_ids: Sequence[UUID]) -> Mapping[UUID, tuple[Attachment, ...]]:
    """The files of these cases, in the order in which they came."""
    if not case_ids:
        return {}
    rows = await tx.fetch("select * from attachment where case_id = any($1) order by attachment_id", case_ids)
    found: dict[UUID, tuple[Attachment, ...]] = {}
    for row in rows:
        found[row["case_id"]] = (*found.get(row["case_id"], ()), attachment_of(row))
    return found


def attachment_of(row: Mapping[str, Any]) -> Attachment:
    """The attachment of a row."""
    return Attachment(**{name: row[name] for name in _FIELDS})


async def save(tx: Tx, changes: Sequence[Change[Case]]) -> None:
    """Write the files that changed; the objects of those whose content goes are to be deleted."""
    changed, gone = [], []
    for change in changes:
        before = {file.attachment_id: file for file in change.before.attachments} if change.before else {}
        after = {file.attachment_id: file for file in change.after.attachments} if change.after else {}
        changed += [(change.case_id, file) for key, file in after.items() if before.get(key) != file]
        gone += [
            (key, change.case_id)
            for key, file in before.items()
            if file.kept and not (key in after and after[key].kept)
        ]
    if changed:
        await _write(tx, sorted(changed, key=lambda row: row[1].attachment_id))
    if gone:
        await tx.execute(
            "insert into attachment_gone (attachment_id, case_id)"
            " select * from unnest($1::uuid[], $2::uuid[])",
            *map(list, zip(*sorted(gone), strict=True)),
        )


async def _write(tx: Tx, rows: Sequence[tuple[UUID, Attachment]]) -> None:
    await tx.execute(
        """
        insert into attachment (case_id, attachment_id, media, size, state, received_at, by, sealed, reason,
            settled_at)
        select * from unnest($1::uuid[], $2::uuid[], $3::text[], $4::int[], $5::text[], $6::timestamptz[],
            $7::text[], $8::bytea[], $9::text[], $10::timestamptz[])
        on conflict (attachment_id) do update set state = excluded.state, sealed = excluded.sealed,
            reason = excluded.reason, settled_at = excluded.settled_at
        """,
        [case_id for case_id, _ in rows],
        *([getattr(file, name) for _, file in rows] for name in _FIELDS),
    )


class AttachmentStore:
    """The attachments of this service beside the shell. Whether a caller may know of them is decided on their
    case."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def of(self, case_id: UUID) -> Mapping[UUID, Attachment]:
        """The files of a case by their ids, in the order in which they came."""
        async with self._database.read() as tx:
            found = await load(tx, [case_id])
        return {file.attachment_id: file for file in found.get(case_id, ())}

    async def unscanned(self, again_after: float) -> Unscanned | None:
        """The file that waits longest for the scanner; for so many seconds no other worker gets it."""
        async with self._database.transaction() as tx:
            row = await tx.fetchrow(
                """
                update attachment set next_scan = now() + make_interval(secs => $1)
                where attachment_id = (
                    select attachment_id from attachment
                    where state = 'quarantined' and next_scan <= now()
                    order by next_scan limit 1 for update skip locked
                ) returning *
                """,
                again_after,
            )
        return Unscanned(row["case_id"], attachment_of(row)) if row else None

    async def gone(self, limit: int) -> list[UUID]:
        """Files whose objects are to be deleted."""
        async with self._database.read() as tx:
            rows = await tx.fetch("select attachment_id from attachment_gone limit $1", limit)
        return [row["attachment_id"] for row in rows]

    async def forget(self, attachment_ids: Collection[UUID]) -> None:
        """Their objects are deleted."""
        await self._database.execute(
            "delete from attachment_gone where attachment_id = any($1)", list(attachment_ids)
        )

    async def unknown(self, attachment_ids: Collection[UUID]) -> list[UUID]:
        """Those of which no content belongs to a case."""
        async with self._database.read() as tx:
            rows = await tx.fetch(
                "select id from unnest($1::uuid[]) as t (id) where not exists"
                " (select from attachment where attachment_id = id and sealed is not null)",
                list(attachment_ids),
            )
        return [row["id"] for row in rows]
