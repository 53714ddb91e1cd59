"""When the service did not run, so that nobody's offer expires by our own absence (G17)."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

from libs.db.pool import Database
from services.mediation.domain.breaches import Outage

MISSING_FROM: Final = timedelta(seconds=60)
"""A shorter silence is a restart, which nobody notices."""
REMEMBERED: Final = timedelta(days=30)


async def beat(database: Database, now: datetime) -> Sequence[Outage]:
    """Say that the service lives, note a silence since the last time, and answer the silences remembered."""
    async with database.transaction() as tx:
        last = await tx.fetchval("select at from pulse for update")
        if last is None:
            await tx.execute("insert into pulse values ($1)", now)
        else:
            await tx.execute("update pulse set at = greatest(at, $1)", now)
            if now - last > MISSING_FROM:
                await tx.execute(
                    "insert into outage (since, until) values ($1, $2) on conflict do nothing", last, now
                )
        await tx.execute("delete from outage where until < $1", now - REMEMBERED)
        rows = await tx.fetch("select since, until from outage order by since")
    return [(row["since"], row["until"]) for row in rows]
