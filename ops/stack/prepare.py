"""What databases and broker need before the services start: schemas and topics."""

import os
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor

from libs.db import migrate
from libs.db.dsn import of_database


def migrate_services(
    server: str, services: Iterable[str], phase: migrate.Phase = "all"
) -> dict[str, list[str]]:
    """Make each service's database on `server`, apply what is missing; the applied names per service."""
    prefix = os.environ.get("HESHI_DATABASE_PREFIX", "heshi_")

    def one(service: str) -> tuple[str, list[str]]:
        database = f"{prefix}{service}"
        migrate.create_database(server, database)
        return service, migrate.apply(of_database(server, database), service, phase)

    with ThreadPoolExecutor(5) as pool:
        return dict(pool.map(one, services))


async def apply_topics(bootstrap: str) -> None: ...
