"""What the texts of cases without a kind suggest, as the worker made it and people read it."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import orjson

from libs.db.pool import Database
from services.intake.domain.suggesting import Suggestion


class SuggestedStore:
    """Suggestions by case; one is made once, and goes with what was said of people."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def lacking(self, limit: int) -> Sequence[UUID]:
        """The oldest cases without a kind that have no suggestion yet."""
        async with self._database.read() as tx:
            rows = await tx.fetch(
                """
                select case_id from intake_case c
                where state = 'registered' and kind is null
                  and not exists (select from suggested s where s.case_id = c.case_id)
                order by case_id limit $1
                """,
                limit,
            )
        return [row["case_id"] for row in rows]

    async def keep(self, made: Mapping[UUID, Any], at: datetime) -> None:
        """Keep what was made; of a case that was erased meanwhile nothing."""
        await self._database.execute(
            """
            insert into suggested (case_id, at, lists)
            select case_id, $3, lists from unnest($1::uuid[], $2::jsonb[]) as t (case_id, lists)
            where exists (select from vault v where v.case_id = t.case_id for key share)
            order by 1
            on conflict (case_id) do nothing
            """,
            list(made),
            [orjson.dumps(lists).decode() for lists in made.values()],
            at,
        )

    async def of(self, case_id: UUID) -> Mapping[str, Sequence[Suggestion]] | None:
        """The suggestion of a case; None where there is none."""
        async with self._database.read() as tx:
            lists = await tx.fetchval("select lists from suggested where case_id = $1", case_id)
        if lists is None:
            return None
        return {name: [Suggestion(**one) for one in some] for name, some in orjson.loads(lists).items()}
