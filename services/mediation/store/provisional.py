"""Cases whose clocks were counted without a holiday table that is there now (G17)."""

from collections.abc import Sequence
from uuid import UUID

from libs.db.pool import Database


async def provisional(
    database: Database, years: Sequence[int], after: UUID | None, limit: int
) -> list[tuple[UUID, str]]:
    """`(case_id, district)` of cases with an open provisional clock that ends in one of the years, by id."""
    async with database.read() as tx:
        rows = await tx.fetch(
            """
            select distinct case_id, district from deadline
            where status = 'open' and provisional and ($2::uuid is null or case_id > $2)
              and extract(year from coalesce(due_on, due_at::date)) = any($1::int[])
            order by case_id limit $3
            """,
            list(years),
            after,
            limit,
        )
    return [(row["case_id"], row["district"]) for row in rows]
