"""The figures that tell whether the chain moves; `heshi status` and the metrics show them."""

from dataclasses import dataclass

from libs.db.pool import Tx


@dataclass(frozen=True, slots=True)
class Figures:
    """Of one service: age of the oldest unpublished row (seconds), parked and dead events, overdue clocks."""

    outbox_oldest_s: float
    parked: int
    dead_letters: int
    overdue: int


SQL = """
    select coalesce(extract(epoch from clock_timestamp() - (select min(created_at) from outbox)), 0)::float8
            as outbox_oldest_s,
        (select count(*) from parked) as parked,
        (select count(*) from dead_letter where status = 'dead') as dead_letters,
        (select count(*) from deadline where status = 'open' and due_at < now()) as overdue
"""


async def read(tx: Tx) -> Figures:
    """The figures now."""
    row = await tx.fetchrow(SQL)
    return Figures(row["outbox_oldest_s"], row["parked"], row["dead_letters"], row["overdue"])
