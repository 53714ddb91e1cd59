"""Daily chores of a service's database, and the alarm about a missing holiday table."""

from collections.abc import Awaitable, Callable
from datetime import datetime

import structlog

from libs.clocks.calendar import Calendar
from libs.clocks.counting import start_day
from libs.db.pool import Database, Tx
from libs.runtime.loops import Pulse

log = structlog.get_logger()

EVERY = 3600.0
KEEP_ANSWERS = "7 days"
"""Interfaces promise at least 24 h for idempotency keys."""
KEEP_INBOX = "120 days"
"""Longer than topics keep records (30 days) and dead letters may wait for a replay."""
AT_ONCE = 5_000


async def tidy(tx: Tx) -> None:
    """Make the partitions of the months ahead, and drop what nobody can ask for any more, a bit at a time."""
    await tx.execute(
        """
        select event_partition((date_trunc('month', now()) + make_interval(months => n))::date)
        from generate_series(0, 2) n
        """
    )
    await tx.execute(
        "delete from idempotency where ctid = any(array(select ctid from idempotency"
        " where created_at < now() - $1::text::interval limit $2))",
        KEEP_ANSWERS,
        AT_ONCE,
    )
    await tx.execute(
        "delete from inbox where ctid = any(array(select ctid from inbox"
        " where at < now() - $1::text::interval and status = 'done' limit $2))",
        KEEP_INBOX,
        AT_ONCE,
    )


def loop(
    database: Database, calendar: Calendar, now: Callable[[], datetime]
) -> Callable[[Pulse], Awaitable[None]]:
    """The hourly loop over `tidy`; it also raises the alarm for a year without a holiday table (G17)."""

    async def run(pulse: Pulse) -> None:
        while not pulse.stopping:
            async with database.transaction() as tx:
                await tidy(tx)
            for year in calendar.missing_years(start_day(now())):
                log.error("holiday_table_missing", year=year)
            await pulse.pause(EVERY)

    return run
