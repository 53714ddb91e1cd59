"""What a service still holds of the people in a case: whether an erasure has reached it (G13)."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from libs.db.pool import Database


@dataclass(frozen=True, slots=True)
class Holdings:
    """Where a service keeps something of people, by case.

    `erased`: a query that tells of case $1 whether it is known to be erased; no row: nothing is known of it.
    `tables`: per table the condition under which a row holds something of a person of case $1.
    """

    erased: str
    tables: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Erasure:
    """How far the erasure of a case has come in one service: `left` counts rows by table."""

    service: str
    case_id: UUID
    erased: bool
    left: Mapping[str, int]

    @property
    def complete(self) -> bool:
        """Whether nothing of a person is left, and nothing older can bring it back."""
        return self.erased and not any(self.left.values())

    def told(self) -> dict[str, Any]:
        """As the door answers it."""
        state = "erased" if self.complete else "pending"
        return {
            "case_id": str(self.case_id),
            "service": self.service,
            "state": state,
            "left": dict(self.left),
        }


@dataclass(frozen=True, slots=True)
class Erasures:
    """Reads how far erasures have come in the database of `service`."""

    service: str
    database: Database
    holdings: Holdings

    async def read(self, case_id: UUID, districts: frozenset[str]) -> Erasure:
        """Of one case. One that is not erased, or of a district that is none of these, is told like one that
        there is not."""
        counts = ", ".join(
            f"(select count(*) from {table} where {holds}) as {table}"  # noqa: S608 - our own names
            for table, holds in self.holdings.tables.items()
        )
        sql = f"""
            select (select district from case_head where case_id = $1) as district,
                coalesce(({self.holdings.erased}), false) as erased, {counts}
        """  # noqa: S608 - our own names
        async with self.database.read() as tx:
            row = await tx.fetchrow(sql, case_id)
        told = row["erased"] and (row["district"] is None or row["district"] in districts)
        left = {table: row[table] if told else 0 for table in self.holdings.tables}
        return Erasure(self.service, case_id, told, left)
