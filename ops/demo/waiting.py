"""Waiting for what the stack does by itself, never for a time."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

T = TypeVar("T")

PATIENCE, PAUSE = 30.0, 0.05  # seconds


class Trouble(Exception):
    """Why a case does not go on, in a sentence."""


async def awaited(look: Callable[[], Awaitable[T | None]], what: str) -> T:
    """The first answer of `look` that is something; Trouble when there is none in time."""
    deadline = time.monotonic() + PATIENCE
    while not (found := await look()):
        if time.monotonic() > deadline:
            raise Trouble(f"{what} did not come within {PATIENCE:.0f} s")
        await asyncio.sleep(PAUSE)
    return found
