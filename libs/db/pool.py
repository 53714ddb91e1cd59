"""Connections with a deadline on every wait, and the transaction that the rest of the house sees."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any

import asyncpg

from libs.db.faults import Away, Fault, classify

Row = asyncpg.Record


class Tx:
    """One open transaction (or read) on one connection. Statements use `$1`, `$2`, …"""

    __slots__ = ("_connection",)

    def __init__(self, connection: Any) -> None:
        self._connection = connection

    async def fetch(self, sql: str, *args: object) -> list[Any]:
        """All rows of a statement."""
        rows: list[Any] = await self._connection.fetch(sql, *args)
        return rows

    async def fetchrow(self, sql: str, *args: object) -> Any:
        """The first row, or None."""
        return await self._connection.fetchrow(sql, *args)

    async def fetchval(self, sql: str, *args: object) -> Any:
        """The first column of the first row, or None."""
        return await self._connection.fetchval(sql, *args)

    async def execute(self, sql: str, *args: object) -> int:
        """The number of rows that the statement touched (0 where it says none)."""
        tag: str = await self._connection.execute(sql, *args)
        last = tag.rpartition(" ")[2]
        return int(last) if last.isdigit() else 0

    async def executemany(self, sql: str, rows: Iterable[Sequence[object]]) -> None:
        """One statement for many rows; for rare writes only, hot ones are set-based."""
        await self._connection.executemany(sql, rows)


async def _keep_session(_: Any) -> None:
    """In place of the driver's reset: nothing here leaves session state, and the reset costs a round trip."""


class Database:
    """A pool of one service's database.

    Promise: no wait without an end. Acquiring waits at most `acquire_timeout`, a statement `command_timeout`,
    a lock `lock_timeout` (all seconds); what lasts longer raises `Away`, and the connection in doubt is
    dropped instead of going back to the pool, so a silent server cannot hold it for ever.
    """

    def __init__(self, pool: Any, *, acquire_timeout: float, waited: Callable[[float], None]) -> None:
        self._pool = pool
        self._acquire_timeout = acquire_timeout
        self._waited = waited

    @classmethod
    async def open(
        cls,
        dsn: str,
        *,
        name: str,
        size: int,
        command_timeout: float = 10.0,
        acquire_timeout: float = 3.0,
        lock_timeout: float = 2.0,
        waited: Callable[[float], None] = lambda seconds: None,
    ) -> "Database":
        """A pool of at most `size` connections, opened as they are needed; raises `Away` if there is none."""
        pool = asyncpg.create_pool(
            dsn,
            min_size=0,
            max_size=size,
            command_timeout=command_timeout,
            timeout=acquire_timeout,
            reset=_keep_session,
            server_settings={
                "application_name": name,
                "timezone": "UTC",
                "lock_timeout": f"{int(lock_timeout * 1000)}",
                "statement_timeout": f"{int(command_timeout * 1000)}",
                "idle_in_transaction_session_timeout": "30000",
                "synchronous_commit": "on",
                "jit": "off",
                "plan_cache_mode": "force_generic_plan",
                "enable_seqscan": "off",
            },
        )
        try:
            await asyncio.wait_for(pool, acquire_timeout + 2)
        except Exception as error:
            raise Away(type(error).__name__) from error
        return cls(pool, acquire_timeout=acquire_timeout, waited=waited)

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Tx]:
        """A READ COMMITTED transaction: committed when the block ends, rolled back when it raises."""
        async with self._connection() as connection, connection.transaction():
            yield Tx(connection)

    @asynccontextmanager
    async def read(self) -> AsyncIterator[Tx]:
        """A connection for single reading statements, each with a snapshot of its own."""
        async with self._connection() as connection:
            yield Tx(connection)

    async def execute(self, sql: str, *args: object) -> int:
        """One writing statement, a transaction of its own; the number of rows that it touched."""
        async with self._connection() as connection:
            return await Tx(connection).execute(sql, *args)

    @asynccontextmanager
    async def _connection(self) -> AsyncIterator[Any]:
        begun = time.perf_counter()
        try:
            connection = await self._pool.acquire(timeout=self._acquire_timeout)
        except Exception as error:
            if classify(error) is Fault.INFRASTRUCTURE:
                raise Away(type(error).__name__) from error
            raise
        self._waited(time.perf_counter() - begun)
        try:
            yield connection
        except BaseException as error:
            if isinstance(error, asyncio.CancelledError) or classify(error) is Fault.INFRASTRUCTURE:
                with suppress(asyncpg.InterfaceError):  # it ended by itself
                    connection.terminate()
            raise
        finally:
            await self._pool.release(connection, timeout=self._acquire_timeout)

    async def now(self) -> Any:
        """The database's clock, which every service follows (G17)."""
        async with self.read() as tx:
            return await tx.fetchval("select clock_timestamp()")

    async def close(self, budget: float = 5.0) -> None:
        """Wait at most `budget` seconds for holders, then cut the rest."""
        try:
            await asyncio.wait_for(self._pool.close(), budget)
        except TimeoutError:
            self._pool.terminate()
