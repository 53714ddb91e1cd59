"""Plain-SQL migrations under a lock: `pre` files before the new code rolls out, `post` files after it."""

from pathlib import Path
from typing import Any, Literal

import psycopg
from psycopg import sql
from yoyo import get_backend, read_migrations

Phase = Literal["pre", "post", "all"]

ROOT = Path(__file__).resolve().parents[2]
_LOCK = 0x6865736869  # "heshi"


def create_database(server: str, database: str) -> bool:
    """Create the database if it is not there; True when it was created."""
    with psycopg.connect(server, autocommit=True, connect_timeout=10) as connection:
        connection.execute("select pg_advisory_lock(%s)", (_LOCK,))
        found = connection.execute("select 1 from pg_database where datname = %s", (database,)).fetchone()
        if found:
            return False
        connection.execute(
            sql.SQL("create database {} template template0 encoding 'UTF8'").format(sql.Identifier(database))
        )
        return True


def apply(dsn: str, service: str, phase: Phase = "all") -> list[str]:
    """Apply what is missing of the mechanisms' and the service's migrations; returns the names applied.

    Two callers wait for each other on an advisory lock, which a crash releases. A lock inside a migration is
    waited for at most 5 s, so a roll-out never queues behind a long transaction.
    """
    migrations = read_migrations(
        str(ROOT / "libs" / "db" / "migrations"), str(ROOT / "services" / service / "migrations")
    )
    chosen = migrations.filter(lambda m: phase == "all" or f"_{phase}_" in m.id)
    with psycopg.connect(dsn, autocommit=True, connect_timeout=10) as guard:
        guard.execute("select pg_advisory_lock(%s)", (_LOCK,))
        backend: Any = get_backend(_yoyo_uri(dsn))
        try:
            backend.execute("set lock_timeout = '5s'")
            missing = backend.to_apply(chosen)
            backend.apply_migrations(missing)
            return [migration.id for migration in missing]
        finally:
            backend.connection.close()


def _yoyo_uri(dsn: str) -> str:
    scheme, rest = dsn.split("://", 1)
    return f"{scheme}+psycopg://{rest}"
