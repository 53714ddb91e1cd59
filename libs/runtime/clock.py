"""The one clock of a process: it follows the database's, so that all services agree (G17)."""

import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Protocol

from libs.runtime.loops import Pulse

MEASURE_EVERY = 10.0
"""Seconds between two looks at the database's clock."""

HELD_STILL = 5.0
"""Seconds. A step back of at most this lets time stand until it is caught up; a greater one is followed."""

SLOWEST_ANSWER = 2.0
"""Seconds. A measurement that took longer says too little about the moment it was read."""


class Clock(Protocol):
    """What gives `now`: aware, UTC."""

    def now(self) -> datetime: ...


class DatabaseClock:
    """Monotonic time plus an offset to the database's clock.

    Promise: a change of this machine's wall clock changes nothing; between two corrections time runs
    steadily, and it never goes back by less than `HELD_STILL` seconds (it stands still instead). Before the
    first measurement the machine's own clock counts.
    """

    def __init__(
        self,
        read: Callable[[], Awaitable[datetime]],
        *,
        monotonic: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self._read = read
        self._monotonic = monotonic
        self._wall = wall
        self._offset = wall() - monotonic()
        self._latest = 0.0
        self.measured = False

    def now(self) -> datetime:
        """The present, aware UTC."""
        present = self._monotonic() + self._offset
        if 0.0 <= self._latest - present <= HELD_STILL:
            present = self._latest
        self._latest = present
        return datetime.fromtimestamp(present, UTC)

    async def measure(self) -> bool:
        """Take the offset anew from one look at the database's clock; whatever the look raises is raised.

        The answer is taken as read in the middle of the round trip. False, and nothing changed, when that
        took too long.
        """
        asked = self._monotonic()
        answer = await self._read()
        answered = self._monotonic()
        if answered - asked > SLOWEST_ANSWER:
            return False
        self._offset = answer.timestamp() - (asked + answered) / 2
        self.measured = True
        return True

    async def follow(self, pulse: Pulse) -> None:
        """The loop that measures every `MEASURE_EVERY` seconds."""
        while not pulse.stopping:
            await self.measure()
            await pulse.pause(MEASURE_EVERY)

    def ahead(self) -> timedelta:
        """The database's clock minus this machine's wall clock, as far as is known."""
        return timedelta(seconds=self._monotonic() + self._offset - self._wall())
