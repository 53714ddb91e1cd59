"""Named jobs that run as long as the process. No driver and no framework in here: services declare loops."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass


def was_cancelled() -> bool:
    """Whether the running task was told to end.

    A driver that cancels waiters of its own raises the same error in whoever waits for them: that is a
    failure like any other, and must not end a loop in silence.
    """
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


class Pulse:
    """A loop's thread of life: it says when to stop, and the loop says by it that it gets on."""

    def __init__(self, beat: Callable[[], None]) -> None:
        self._stop = asyncio.Event()
        self._resting: set[asyncio.Event] = set()
        self._beat = beat

    @property
    def stopping(self) -> bool:
        """Whether to finish what is in hand and return."""
        return self._stop.is_set()

    def beat(self) -> None:
        """The loop made a round, with work or idle."""
        self._beat()

    def stop(self) -> None:
        """Ask the loop to finish."""
        self._stop.set()
        for woken in self._resting:
            woken.set()

    async def pause(self, seconds: float) -> bool:
        """Beat, then wait; returns `stopping`."""
        self._beat()
        return await self.wait(seconds)

    async def rest(self, woken: asyncio.Event, seconds: float) -> None:
        """Beat, then wait until `woken` is set, which a stop does too, or that many seconds."""
        self._beat()
        if self.stopping:
            return
        self._resting.add(woken)
        try:
            async with asyncio.timeout(seconds):
                await woken.wait()
        except TimeoutError:
            return
        finally:
            self._resting.discard(woken)

    async def wait(self, seconds: float) -> bool:
        """Wait that long or until a stop, without a sign of life; returns `stopping`."""
        try:
            async with asyncio.timeout(seconds):
                await self._stop.wait()
        except TimeoutError:
            return False
        return True


@dataclass(frozen=True, slots=True)
class Loop:
    """A named job that runs until its pulse stops.

    `drain` is the budget (seconds) to finish after a stop. Stages start upwards and stop downwards: the
    relay (stage 0) outlives those who write its rows (stage 1). Silence of `stalled_after` seconds gives
    the process up. A `needed` loop holds readiness back until its first beat, after a crash until its next.
    """

    name: str
    run: Callable[[Pulse], Awaitable[None]]
    drain: float = 30.0
    stage: int = 1
    stalled_after: float = 120.0
    needed: bool = True
