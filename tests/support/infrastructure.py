"""PostgreSQL and Kafka for the tests: embedded (default), containers or external, started once per run.

The controlling process starts them and tells its workers by the environment; each worker has databases and
topic prefixes of its own, so that tests run side by side.
"""

import os
import secrets
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from libs.db.dsn import of_database
from libs.db.migrate import apply, create_database

POSTGRES, KAFKA = "HESHI_TEST_POSTGRES", "HESHI_TEST_KAFKA"


@contextmanager
def running() -> Iterator[None]:
    """The infrastructure that `HESHI_STACK` names, addresses in the environment while it runs."""
    kind = os.environ.get("HESHI_STACK", "embedded")
    with _KINDS[kind]() as (postgres, kafka):
        os.environ[POSTGRES], os.environ[KAFKA] = postgres, kafka
        try:
            yield
        finally:
            del os.environ[POSTGRES], os.environ[KAFKA]


@contextmanager
def own_postgres() -> Iterator[None]:
    """A server of this worker's own, where servers are embedded: what a reader in commit order may see (G9)
    hangs on the oldest transaction of the whole server, so another worker's test would hold it back."""
    if os.environ.get("HESHI_STACK", "embedded") != "embedded":
        yield
        return
    from ops.stack.home import Home
    from ops.stack.postgres import EmbeddedPostgres

    folder = Path(tempfile.mkdtemp(prefix="heshi-test-"))
    postgres = EmbeddedPostgres(Home(folder))
    try:
        postgres.start()
        _hurry(postgres.dsn)
        os.environ[POSTGRES] = postgres.dsn
        yield
    finally:
        postgres.stop()
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _embedded() -> Iterator[tuple[str, str]]:
    from ops.stack.home import Home
    from ops.stack.kafka import EmbeddedKafka
    from ops.stack.postgres import EmbeddedPostgres

    folder = Path(tempfile.mkdtemp(prefix="heshi-test-"))
    home = Home(folder)
    postgres, kafka = EmbeddedPostgres(home), EmbeddedKafka(home)
    try:
        for part in (postgres, kafka):
            part.prepare()
            part.launch()
        postgres.wait_ready()
        _hurry(postgres.dsn)
        kafka.wait_ready()
        yield postgres.dsn, kafka.bootstrap
    finally:
        kafka.stop()
        postgres.stop()
        shutil.rmtree(folder, ignore_errors=True)


def _hurry(dsn: str) -> None:
    """Let the server not wait for the disk: each test has a database of its own, made and dropped again. No
    test cuts the power off, and what the system holds for the disk outlives a killed server."""
    import psycopg

    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute("alter system set fsync = off")
        connection.execute("select pg_reload_conf()")


@contextmanager
def _containers() -> Iterator[tuple[str, str]]:
    from testcontainers.community.postgres import PostgresContainer
    from testcontainers.core.container import DockerContainer
    from testcontainers.core.wait_strategies import LogMessageWaitStrategy

    from ops.stack.home import free_port

    # Its port is chosen before it starts: it has to tell its clients where it is.
    port = free_port()
    broker = DockerContainer("apache/kafka:4.3.1").with_bind_ports(9092, port)
    for name, value in {
        "NODE_ID": "1",
        "PROCESS_ROLES": "broker,controller",
        "CONTROLLER_QUORUM_VOTERS": "1@localhost:9093",
        "CONTROLLER_LISTENER_NAMES": "CONTROLLER",
        "LISTENERS": "PLAINTEXT://:9092,CONTROLLER://:9093",
        "ADVERTISED_LISTENERS": f"PLAINTEXT://localhost:{port}",
        "LISTENER_SECURITY_PROTOCOL_MAP": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
        "AUTO_CREATE_TOPICS_ENABLE": "false",
        "LOG_FLUSH_INTERVAL_MESSAGES": "1",
        "OFFSETS_TOPIC_REPLICATION_FACTOR": "1",
        "TRANSACTION_STATE_LOG_REPLICATION_FACTOR": "1",
        "TRANSACTION_STATE_LOG_MIN_ISR": "1",
        "SHARE_COORDINATOR_STATE_TOPIC_REPLICATION_FACTOR": "1",
        "SHARE_COORDINATOR_STATE_TOPIC_MIN_ISR": "1",
        "GROUP_INITIAL_REBALANCE_DELAY_MS": "0",
    }.items():
        broker = broker.with_env(f"KAFKA_{name}", value)
    broker = broker.waiting_for(LogMessageWaitStrategy("Kafka Server started"))
    server = PostgresContainer("postgres:18", driver=None).with_command("postgres -c max_connections=150")
    with server as postgres, broker:
        yield postgres.get_connection_url(), f"localhost:{port}"


@contextmanager
def _external() -> Iterator[tuple[str, str]]:
    yield os.environ["HESHI_POSTGRES"], os.environ["HESHI_KAFKA"]


_KINDS: dict[str, Callable[[], "contextmanager"]] = {  # type: ignore[type-arg,valid-type]
    "embedded": _embedded,
    "containers": _containers,
    "external": _external,
}


def server() -> str:
    """The DSN of the server that tests may make databases on."""
    return os.environ[POSTGRES]


def bootstrap() -> str:
    """The broker's address."""
    return os.environ[KAFKA]


class Databases:
    """Fresh, migrated databases: each service is migrated once per worker, then copied per test."""

    def __init__(self, worker: str) -> None:
        self._worker = worker
        self._templates: dict[str, str] = {}
        self._made: list[str] = []

    def fresh(self, service: str) -> str:
        """The DSN of a new database of the service."""
        import psycopg

        template = self._template(service)
        name = f"t_{self._worker}_{service}_{secrets.token_hex(4)}"
        with psycopg.connect(server(), autocommit=True) as connection:
            connection.execute(f'create database "{name}" template "{template}"')
        self._made.append(name)
        return of_database(server(), name)

    def set_of(self, services: tuple[str, ...]) -> str:
        """A prefix under which each of the services has a fresh database."""
        import psycopg

        prefix = f"s_{self._worker}_{secrets.token_hex(4)}_"
        with psycopg.connect(server(), autocommit=True) as connection:
            for service in services:
                connection.execute(
                    f'create database "{prefix}{service}" template "{self._template(service)}"'
                )
                self._made.append(prefix + service)
        return prefix

    def drop(self) -> None:
        """Remove what the last tests made."""
        import psycopg

        with psycopg.connect(server(), autocommit=True) as connection:
            while self._made:
                connection.execute(f'drop database if exists "{self._made.pop()}" with (force)')

    def _template(self, service: str) -> str:
        if service not in self._templates:
            name = f"template_{self._worker}_{service}_{secrets.token_hex(4)}"
            create_database(server(), name)
            apply(of_database(server(), name), service)
            self._templates[service] = name
        return self._templates[service]
