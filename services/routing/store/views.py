"""What people look at: organisations, areas, and the attempts of a case with everything they rest on."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

import orjson

from libs.db import auditlog
from libs.db.pool import Database
from libs.privacy.keyring import Keyring
from services.routing.domain.area import Area
from services.routing.domain.board import Board
from services.routing.domain.organisation import Organisation
from services.routing.domain.wording import in_words
from services.routing.handlers.registry import Act
from services.routing.handlers.views import CaseHeader
from services.routing.store.boards import Boards
from services.routing.store.registry import SERVICE, organisation_of, read_areas
from services.routing.store.sealing import Sealed, open_field


class RoutingViews:
    """Reads for the doors (`services.routing.handlers.views.Views`)."""

    def __init__(self, database: Database, boards: Boards, keyring: Keyring) -> None:
        self._database = database
        self._boards = boards
        self._keyring = keyring

    async def organisation(self, org_id: str) -> Organisation | None:
        """The organisation of this id."""
        async with self._database.read() as tx:
            row = await tx.fetchrow("select * from organisation where org_id = $1", org_id)
        return organisation_of(row) if row else None

    async def organisations(
        self, districts: Sequence[str], types: Sequence[str], after: str, limit: int
    ) -> list[Organisation]:
        """The organisations of the districts by id, those after a given one."""
        async with self._database.read() as tx:
            rows = await tx.fetch(
                """
                select * from organisation
                where district = any($1) and org_id > $3 and profile ->> 'type' = any($2)
                order by org_id limit $4
                """,
                districts,
                types,
                after,
                limit,
            )
        return [organisation_of(row) for row in rows]

    async def areas(self, district: str) -> tuple[int, Mapping[str, Area]]:
        """The version of a district's tree, 0 for none, and its areas in the order of their codes."""
        async with self._database.read() as tx:
            version = await tx.fetchval("select version from area_tree where district = $1", district)
            return version or 0, await read_areas(tx, district)

    async def board(self, district: str) -> Board:
        """What a case of the district would be decided on now."""
        async with self._database.read() as tx:
            return await self._boards.read(tx, [district])

    async def header(self, case_id: UUID) -> CaseHeader | None:
        """The header of a case that routing knows."""
        async with self._database.read() as tx:
            row = await tx.fetchrow(
                """
                select c.case_id, c.district, c.facts ->> 'kind' as kind, c.status, h.version
                from routing_case c join case_head h using (case_id) where c.case_id = $1
                """,
                case_id,
            )
        return CaseHeader(**row) if row else None

    async def attempts(self, case_id: UUID, act: Act) -> list[dict[str, Any]]:
        """Every attempt of a case with all that it rests on; reading a person's words is audited."""
        async with self._database.transaction() as tx:
            rows = await tx.fetch("select * from assignment where case_id = $1 order by number", case_id)
            if any(row["note"] for row in rows):
                entry = auditlog.Entry(act.at, act.actor.label(), act.name, case_id, {})
                await auditlog.append(tx, SERVICE, [entry])
        return [_attempt(row, self._keyring) for row in rows]


def _attempt(row: Mapping[str, Any], keyring: Keyring) -> dict[str, Any]:
    sealed = Sealed(row["note"], row["note_key"], row["note_key_version"])
    referral = {"type": row["referral_type"], "org_id": row["referral_org"]} if row["referral_type"] else None
    return {
        "attempt": row["number"],
        "assignment_id": str(row["assignment_id"]),
        "at": row["at"],
        "state": row["result"],
        "org_id": row["org_id"],
        "org_type": row["org_type"],
        "target_type": row["target_type"],
        "reason": row["reason"],
        "referral": referral,
        "because": {"code": row["because"], **in_words(row["because"], row["target_type"])},
        "by_person": row["by_person"],
        "note": open_field(keyring, "assignment", "note", row["assignment_id"], sealed),
        "candidates": orjson.loads(row["candidates"]),
        "out": orjson.loads(row["out"]),
        "co_mediators": orjson.loads(row["co_mediators"]),
        "rule_version": row["rule_version"],
    }
