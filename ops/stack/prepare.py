"""What databases and broker need before the services start: schemas and topics."""

import os
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor

import psycopg

from libs.db import migrate
from libs.db.dsn import of_database
from libs.events import topics as declared
from libs.messaging import topics
from ops.stack.errors import StackError


def database_name(service: str) -> str:
    """The name of a service's own database."""
    return f"{os.environ.get('HESHI_DATABASE_PREFIX', 'heshi_')}{service}"


def migrate_services(
    server: str, services: Iterable[str], phase: migrate.Phase = "all"
) -> dict[str, list[str]]:
    """Make each service's database on `server`, apply what is missing; the applied names per service."""

    def one(service: str) -> tuple[str, list[str]]:
        migrate.create_database(server, database_name(service))
        return service, migrate.apply(of_database(server, database_name(service)), service, phase)

    try:
        with ThreadPoolExecutor(5) as pool:
            return dict(pool.map(one, services))
    except psycopg.OperationalError as error:
        raise StackError(
            f"PostgreSQL does not answer ({reason_of(error)}): start it or put HESHI_POSTGRES right."
        ) from error


async def apply_topics(bootstrap: str) -> list[str]:
    """Create the topics of `topics.yaml` that are missing, check the others; the names created."""
    try:
        return await topics.apply(bootstrap, declared.load(), os.environ.get("HESHI_TOPIC_PREFIX", ""))
    except topics.TopicFault as fault:
        raise StackError(
            f"A topic is not as topics.yaml declares it ({fault}): put one of the two right."
        ) from fault
    except Exception as error:  # the client's own kinds of silence
        raise StackError(
            f"Kafka does not answer at {bootstrap} ({reason_of(error)}): start it or put HESHI_KAFKA right."
        ) from error


def reason_of(error: Exception) -> str:
    """What a driver said, on one line."""
    return " ".join(str(error).split())[:200] or type(error).__name__
