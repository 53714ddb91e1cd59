"""Fixtures of all tests. Infrastructure starts once per run, and only if a selected test may need it."""

import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from libs.db.pool import Database
from libs.events import topics as declared
from libs.messaging import topics
from libs.messaging.reader import KafkaPlace
from tests.support import infrastructure

_RUNNING = ExitStack()
_ON_THEIR_OWN = tuple(Path(__file__).parent / name for name in ("unit", "e2e"))
"""Tests that need no infrastructure, or bring theirs along."""


def pytest_sessionstart(session: pytest.Session) -> None:
    """Start the infrastructure before any worker is born, so that workers inherit its addresses."""
    config = session.config
    places = [Path(arg.split("::")[0]).resolve() for arg in config.args]
    alone = all(any(place.is_relative_to(folder) for folder in _ON_THEIR_OWN) for place in places)
    if alone or config.option.collectonly:
        return
    of_worker = hasattr(config, "workerinput")
    _RUNNING.enter_context(infrastructure.own_postgres() if of_worker else infrastructure.running())


def pytest_sessionfinish() -> None:
    """Stop what this process started."""
    _RUNNING.close()


@pytest.fixture(scope="session")
def worker(request: pytest.FixtureRequest) -> str:
    """The name of this test process, unique in the run."""
    workerinput = getattr(request.config, "workerinput", {})
    return f"{workerinput.get('workerid', 'main')}{secrets.token_hex(2)}"


@pytest.fixture(scope="session")
def all_databases(worker: str) -> infrastructure.Databases:
    """The maker of databases of this process."""
    return infrastructure.Databases(worker)


@pytest.fixture
def databases(all_databases: infrastructure.Databases) -> Iterator[infrastructure.Databases]:
    """Fresh databases for one test, removed after it."""
    yield all_databases
    all_databases.drop()


@pytest.fixture
async def database(
    databases: infrastructure.Databases,
) -> AsyncIterator[Callable[[str], Awaitable[Database]]]:
    """Opens a fresh database of a service: `await database("intake")`."""
    opened: list[Database] = []

    async def open_one(service: str, size: int = 10) -> Database:
        made = await Database.open(databases.fresh(service), name=f"test-{service}", size=size)
        opened.append(made)
        return made

    yield open_one
    for one in opened:
        await one.close()


@pytest.fixture
async def kafka() -> Callable[..., Awaitable[KafkaPlace]]:
    """Makes topics under a prefix of the test's own: `await kafka("intake.case.v1", partitions=2)`."""

    async def make(*names: str, partitions: int = 2) -> KafkaPlace:
        place = KafkaPlace(infrastructure.bootstrap(), f"t{secrets.token_hex(4)}.")
        all_topics = declared.load()
        chosen = {
            name: topic.model_copy(update={"partitions": partitions, "readers": ()})
            for name, topic in all_topics.all.items()
            if not names or name in names
        }
        picked = declared.Topics(durability=all_topics.durability, topics=chosen)
        await topics.apply(place.bootstrap, picked, place.prefix)
        return place

    return make
