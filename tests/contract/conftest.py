"""The two worlds that every scenario of this folder runs in. The real one never skips."""

from collections.abc import AsyncIterator

import pytest

from libs.db.pool import Database
from tests.contract import worlds


@pytest.fixture(params=["memory", "postgres"])
async def world(request: pytest.FixtureRequest) -> AsyncIterator[worlds.Contract]:
    """The shell in memory, and the real one over a fresh database."""
    if request.param == "memory":
        yield worlds.Memory()
        return
    dsn = request.getfixturevalue("databases").fresh("intake")
    database = await Database.open(dsn, name="contract", size=4)
    async with worlds.real(database) as real:
        yield real
    await database.close()
