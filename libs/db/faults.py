"""What went wrong below, classified once: it decides whether work is repeated, split or given up (G2)."""

import asyncio
from enum import Enum

import asyncpg


class Fault(Enum):
    """INFRASTRUCTURE: a part below is away, repeat everything. CONFLICT: lost a race, repeat from the load.
    DATA: one row is sick, find it by halving."""

    INFRASTRUCTURE = "infrastructure"
    CONFLICT = "conflict"
    DATA = "data"


class Conflict(Exception):
    """A case changed between load and save; the batch is decided again."""


class Away(Exception):
    """The database did not answer in time or is gone; nothing is known to be lost."""


_CONFLICT_STATES = frozenset({"40001", "40P01", "55P03"})
_CONNECTION_ERRORS = (
    Away,
    OSError,
    EOFError,
    TimeoutError,
    asyncio.TimeoutError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,  # the driver, used between the server's last word and the end of the line
    asyncpg.PostgresConnectionError,
    asyncpg.exceptions.InvalidCachedStatementError,
)


def classify(error: BaseException) -> Fault:
    """The class of an error that came out of a transaction.

    Connection loss, timeouts, shutdowns (57P0x), full disks and out-of-memory (53xxx) are infrastructure;
    serialisation failures, deadlocks and lock timeouts are conflicts; everything else blames a row.
    """
    if isinstance(error, Conflict):
        return Fault.CONFLICT
    if isinstance(error, asyncpg.PostgresError):
        state = str(error.sqlstate or "")
        if state in _CONFLICT_STATES:
            return Fault.CONFLICT
        if state.startswith(("08", "53", "57", "58", "XX")) or isinstance(error, _CONNECTION_ERRORS):
            return Fault.INFRASTRUCTURE
        return Fault.DATA
    if isinstance(error, _CONNECTION_ERRORS):
        return Fault.INFRASTRUCTURE
    return Fault.DATA
