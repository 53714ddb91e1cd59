"""What is read without deciding: lists, a case, a partner's file, timelines, the feed."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import orjson

from libs.db import auditlog
from libs.db.pool import Database, Tx
from libs.db.work import Actor
from libs.events.mediation import MediationEvent
from libs.messaging import deadlines
from libs.privacy.casekey import CaseKey
from services.mediation.domain.case import SEALED_OFFICER, Case
from services.mediation.domain.disclosure import Part
from services.mediation.handlers.desk import File, Said, Seen, Told, Wanted
from services.mediation.handlers.sealing import Vault
from services.mediation.store.cases import CASE
from services.mediation.store.copies import case_keys
from services.mediation.store.tasks import unfinished

SERVICE: Final = "mediation"
NOTES: Final = 200
"""Words that a file shows at most, the newest; an organisation that wrote more reads them case by case."""

_SEEN = """
    select m.case_id, m.data, h.version from mediation_case m join case_head h using (case_id)
"""


class Views:
    """The reading side of mediation's tables."""

    def __init__(self, database: Database, vault: Vault) -> None:
        self._database = database
        self._vault = vault

    # --- organisations --------------------------------------------------------------------------------------

    async def of_holder(self, org_id: str, wanted: Wanted) -> list[Seen]:
        """The newest cases that the organisation holds; never one in which it is complained about."""
        return await self._page(
            """
            where m.org_id = $1 and m.complained_org is distinct from $1
              and ($2::text is null or m.state = $2) and ($3::uuid is null or m.case_id < $3)
            order by m.case_id desc limit $4
            """,
            org_id,
            wanted,
        )

    async def file(
        self,
        case_id: UUID,
        reader: Actor,
        at: datetime,
        parts: Callable[[Case, str | None], Collection[Part]],
    ) -> File | None:
        """A case with what its holder may read of people; the reading stands in the audit chain with it."""
        org_id = reader.org_id
        async with self._database.transaction() as tx:
            seen = await _one(tx, "where m.case_id = $1", case_id)
            if seen is None or org_id is None or seen.case.hidden_from(org_id):
                return None
            view = await tx.fetchval("select data_view from organisation where org_id = $1", org_id)
            opened = await self._opened(tx, seen, org_id, parts(seen.case, view))
            shown = sorted({part for part in ("story", "contact") if getattr(opened, part) is not None})
            if shown or opened.notes:
                detail = {"parts": [*shown, *(["notes"] if opened.notes else [])], "org_id": org_id}
                entry = auditlog.Entry(at, reader.label(), "file-read", case_id, detail)
                await auditlog.append(tx, SERVICE, [entry])
        return opened

    async def _opened(self, tx: Tx, seen: Seen, org_id: str, parts: Collection[Part]) -> File:
        case_id = seen.case.case_id
        row = await tx.fetchrow(
            """
            select k.key_version, k.wrapped, d.contact, d.story
            from data_key k left join dossier d using (case_id) where k.case_id = $1
            """,
            case_id,
        )
        if row is None:
            return File(seen, arrived=False)
        key = self._vault.of(row["key_version"], row["wrapped"])
        contents = {
            part: key.open("dossier", part, case_id, row[part]) for part in parts if row[part] is not None
        }
        arrived = await tx.fetchval("select exists (select from dossier where case_id = $1)", case_id)
        return File(seen, arrived=arrived, notes=await _notes(tx, key, case_id, org_id), **contents)

    async def key_of(self, case_id: UUID) -> CaseKey:
        """The key for words about a case; of a case that is not here or erased, one that opens nothing."""
        async with self._database.read() as tx:
            row = await tx.fetchrow(
                """
                select k.key_version, k.wrapped
                from mediation_case m left join data_key k using (case_id) where m.case_id = $1
                """,
                case_id,
            )
        if row is None:
            return self._vault.new()
        if row["wrapped"] is not None:
            return self._vault.of(row["key_version"], row["wrapped"])
        async with self._database.transaction() as tx:
            keys = await case_keys(tx, self._vault, [case_id])
        return keys.get(case_id) or self._vault.new()

    async def epoch(self) -> int:
        """The number that a restore raises: cursors of an older one are void."""
        async with self._database.read() as tx:
            number: int = await tx.fetchval("select epoch from feed_epoch")
        return number

    async def feed(self, org_id: str, after: tuple[int, int], limit: int) -> list[Told]:
        """What was told to the organisation after a place, in the order of commits.

        Only transactions older than every running one: an event that commits later never stands before one
        that was read (G9).
        """
        async with self._database.read() as tx:
            rows = await tx.fetch(
                """
                select e.tx::text::bigint as tx, e.id, e.event_id, e.type, e.occurred_at, e.payload
                from event e join mediation_case m using (case_id)
                where e.payload ->> 'org_id' = $1 and m.complained_org is distinct from $1
                  and (e.tx, e.id) > ($2::bigint::text::xid8, $3::bigint)
                  and e.tx < pg_snapshot_xmin(pg_current_snapshot()) and e.topic = $5
                order by e.tx, e.id limit $4
                """,
                org_id,
                *after,
                limit,
                MediationEvent.TOPIC,
            )
        return [_told(row) for row in rows]

    # --- staff ----------------------------------------------------------------------------------------------

    async def of_districts(self, reader: Actor, wanted: Wanted) -> list[Seen]:
        """The newest cases that a person may know of."""
        return await self._page(
            """
            where m.district = any($1) and (case when m.track = 'SEALED' then $5::bool else $6::bool end)
              and ($2::text is null or m.state = $2) and ($3::uuid is null or m.case_id < $3)
            order by m.case_id desc limit $4
            """,
            sorted(reader.districts),
            wanted,
            SEALED_OFFICER in reader.roles,
            bool(reader.roles - {SEALED_OFFICER}),
        )

    async def one(self, case_id: UUID, reader: Actor) -> Seen | None:
        """A case that a person may know of, with all its clocks."""
        async with self._database.read() as tx:
            seen = await _one(tx, "where m.case_id = $1", case_id)
        return seen if seen and seen.case.for_staff(reader.districts, reader.roles) else None

    async def timeline(self, case_id: UUID) -> list[Told]:
        """Everything that mediation told of a case, in order."""
        async with self._database.read() as tx:
            rows = await tx.fetch(
                """
                select 0 as tx, id, event_id, type, occurred_at, payload from event
                where case_id = $1 and topic = $2 order by version
                """,
                case_id,
                MediationEvent.TOPIC,
            )
        return [_told(row) for row in rows]

    async def _page(self, where: str, whose: object, wanted: Wanted, *more: object) -> list[Seen]:
        async with self._database.read() as tx:
            rows = await tx.fetch(_SEEN + where, whose, wanted.state, wanted.after, wanted.limit, *more)
            return await _with_clocks(tx, rows)


async def _one(tx: Tx, where: str, case_id: UUID) -> Seen | None:
    rows = await tx.fetch(_SEEN + where, case_id)
    return next(iter(await _with_clocks(tx, rows)), None)


async def _with_clocks(tx: Tx, rows: Sequence[Any]) -> list[Seen]:
    case_ids = [row["case_id"] for row in rows]
    clocks, tasks = await deadlines.load(tx, case_ids), await unfinished(tx, case_ids)
    return [
        Seen(
            replace(
                CASE.validate_json(row["data"]),
                deadlines=clocks.get(row["case_id"], {}),
                tasks=tasks.get(row["case_id"], ()),
            ),
            row["version"],
        )
        for row in rows
    ]


async def _notes(tx: Tx, key: CaseKey, case_id: UUID, org_id: str) -> list[Said]:
    rows = await tx.fetch(
        """
        select note_id, kind, about, at, words from note
        where case_id = $1 and org_id = $2 order by note_id desc limit $3
        """,
        case_id,
        org_id,
        NOTES,
    )
    return [
        Said(row["kind"], row["about"], row["at"], key.open("note", "words", row["note_id"], row["words"]))
        for row in reversed(rows)
    ]


def _told(row: Any) -> Told:
    at: datetime = row["occurred_at"]
    event_id = UUID(int=row["event_id"].int)
    return Told((row["tx"], row["id"]), event_id, row["type"], at, orjson.loads(row["payload"]))
