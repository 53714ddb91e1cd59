"""Rows of running clocks, and the sweep that finds the ones that are due."""

from collections import defaultdict
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Literal
from uuid import UUID

import orjson

from libs.clocks.calendar import LOCAL
from libs.db.pool import Database, Tx
from libs.messaging.deadline import Deadline
from libs.runtime.loops import Pulse

Kind = Literal["due", "warn"]
Deadlines = Mapping[str, Deadline]

GRACE = timedelta(seconds=10)
"""A command received before the instant decides first, even when it is handled a little later (G17)."""


async def load(tx: Tx, case_ids: Sequence[UUID]) -> dict[UUID, dict[str, Deadline]]:
    """All clocks of the cases, also those that stopped; a case without any is not in the answer."""
    found: dict[UUID, dict[str, Deadline]] = defaultdict(dict)
    rows = await tx.fetch(
        """
        select case_id, rule, due_at, started_at, due_on, warn_at, provisional, status, warned, working
        from deadline where case_id = any($1)
        """,
        case_ids,
    )
    for row in rows:
        found[row["case_id"]][row["rule"]] = _of_row(row)
    return found


async def save(tx: Tx, changes: Sequence[tuple[UUID, str, Deadlines, Deadlines]]) -> None:
    """Write what differs of `(case_id, district, before, after)`: one statement, sorted by key (G1)."""
    rows = sorted(
        (
            (case_id, district, deadline)
            for case_id, district, before, after in changes
            for rule, deadline in after.items()
            if before.get(rule) != deadline
        ),
        key=lambda row: (row[0], row[2].rule),
    )
    if not rows:
        return
    await tx.execute(
        """
        insert into deadline (case_id, district, rule, due_at, started_at, due_on, warn_at, provisional,
            status, warned, working)
        select * from unnest($1::uuid[], $2::text[], $3::text[], $4::timestamptz[], $5::timestamptz[],
            $6::date[], $7::timestamptz[], $8::bool[], $9::text[], $10::bool[], $11::json[])
        on conflict (case_id, rule) do update set
            due_at = excluded.due_at, started_at = excluded.started_at, due_on = excluded.due_on,
            warn_at = excluded.warn_at, provisional = excluded.provisional, status = excluded.status,
            warned = excluded.warned, working = excluded.working
        """,
        [case_id for case_id, _, _ in rows],
        [district for _, district, _ in rows],
        [d.rule for _, _, d in rows],
        [d.due_at for _, _, d in rows],
        [d.started_at for _, _, d in rows],
        [d.due_on for _, _, d in rows],
        [d.warn_at for _, _, d in rows],
        [d.provisional for _, _, d in rows],
        [d.status for _, _, d in rows],
        [d.warned for _, _, d in rows],
        [orjson.dumps(d.working).decode() for _, _, d in rows],
    )


async def candidates(tx: Tx, now: datetime, limit: int) -> list[tuple[UUID, str, str, Kind]]:
    """Clocks that ran out or whose warning is due, oldest first: `(case_id, district, rule, kind)`.

    Nothing is locked: the list narrows, and whoever handles a candidate decides again on the case (G1, G17).
    """
    rows = await tx.fetch(
        """
        (select case_id, district, rule, 'due' as kind, due_at as at from deadline
          where status = 'open' and due_at <= $1 order by due_at limit $2)
        union all
        (select case_id, district, rule, 'warn', warn_at from deadline
          where status = 'open' and not warned and warn_at <= $1 and due_at > $1 order by warn_at limit $2)
        order by at
        """,
        now - GRACE,
        limit,
    )
    return [(row["case_id"], row["district"], row["rule"], row["kind"]) for row in rows]


Fire = Callable[[Sequence[tuple[UUID, str, str, Kind]]], Awaitable[None]]


class Sweep:
    """Finds clocks that ran out and hands them on as commands, at most `limit` at a time."""

    def __init__(
        self,
        database: Database,
        now: Callable[[], datetime],
        fire: Fire,
        *,
        interval: float = 1.0,
        limit: int = 200,
    ) -> None:
        self._database = database
        self._now = now
        self._fire = fire
        self._interval = interval
        self._limit = limit

    async def run(self, pulse: Pulse) -> None:
        """Sweep until told to stop; a full page is followed by the next at once."""
        while not pulse.stopping:
            if await self.once() < self._limit:
                await pulse.pause(self._interval)

    async def once(self) -> int:
        """One pass; the number of candidates that it found."""
        async with self._database.read() as tx:
            found = await candidates(tx, self._now(), self._limit)
        if found:
            await self._fire(found)
        return len(found)


def _of_row(row: Mapping[str, Any]) -> Deadline:
    fields = dict(row)
    fields.pop("case_id")
    fields["due_at"] = row["due_at"].astimezone(LOCAL)  # the end of a day is told as the midnight it is
    fields["working"] = tuple(orjson.loads(str(fields["working"])))
    return Deadline(**fields)
