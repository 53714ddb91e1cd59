"""What the tests of the mechanisms share."""

from contextlib import AsyncExitStack

import pytest

from tests.support import chain


@pytest.fixture
async def stack():
    async with AsyncExitStack() as made:
        yield made


@pytest.fixture
async def running():
    loops = chain.Running()
    yield loops
    await loops.stop()
