"""Start in order, keep loops running, stop in order within budgets.

The order of a stop (each step bounded, errors logged and never raised): readiness turns false → the door
stops accepting and answers what it has → loops are told to stop, the last stage first, and finish their
batch → resources are closed, the last opened first. Work in flight is not cancelled before its budget ends.
"""

import asyncio
import signal
import time
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from itertools import groupby
from typing import Any

import structlog
import uvloop

from libs.runtime.logging import fault
from libs.runtime.loops import Loop, Pulse, was_cancelled
from libs.runtime.metrics import Metrics
from libs.runtime.readiness import Readiness
from libs.runtime.server import HttpServer
from libs.runtime.settings import Stopping
from libs.runtime.watchdog import EXIT_STALLED, Watchdog

log = structlog.get_logger()

FIRST_RESTART, LONGEST_RESTART = 0.2, 5.0
"""Seconds before a crashed loop runs again: doubled each time, from the start again after a calm minute."""

BLOCKED = 30.0
"""Seconds for which the event loop may be blocked before the process is given up."""


class Lifecycle:
    """One process: its door, its loops, what must be closed, and the code it ends with."""

    def __init__(self, metrics: Metrics, budgets: Stopping, *, watchdog: Watchdog | None = None) -> None:
        self.readiness = Readiness()
        self._metrics = metrics
        self._budgets = budgets
        self._watchdog = watchdog or Watchdog()
        self._loops: list[Loop] = []
        self._closers: list[tuple[str, Callable[[], Awaitable[None]], float]] = []
        self._server: HttpServer | None = None
        self._ended = asyncio.Event()
        self._code = 0

    def add(self, loop: Loop) -> None:
        """Run `loop` from the start to the stop of the process."""
        self._loops.append(loop)
        if loop.needed:
            self.readiness.lacks(loop.name, "starting")

    def close_last(self, name: str, close: Callable[[], Awaitable[None]], budget: float = 5.0) -> None:
        """Call `close` at the end, in the reverse order of these calls, for at most `budget` seconds."""
        self._closers.append((name, close, budget))

    def serve(self, app: Any, host: str, port: int) -> int:
        """Open the door on the port now (connections wait until `run`); returns it, since 0 takes a free one.

        Raises `PortTaken`.
        """
        self._server = HttpServer(app, host, port, drain=self._budgets.requests_s)
        return self._server.port

    def stop(self, code: int = 0) -> None:
        """Begin the stop; the first code wins, repeated signals change nothing."""
        if not self._ended.is_set():
            self._code = code
            self._ended.set()

    async def run(self) -> int:
        """Run everything until SIGTERM, SIGINT or `stop`; returns the exit code when all is closed."""
        events = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            events.add_signal_handler(number, self.stop)
        self._watchdog.watch("event_loop", BLOCKED)
        self._watchdog.guard(lambda names: self._give_up(events, names), grace=self._longest_stop())
        heart = asyncio.create_task(self._heartbeat())
        door = asyncio.create_task(self._door()) if self._server else None
        running = [(loop, pulse, self._start(loop, pulse)) for loop, pulse in self._in_order()]
        await self._ended.wait()
        try:
            await self._drain(door, running)
        finally:
            heart.cancel()
            self._watchdog.release()
            for number in (signal.SIGTERM, signal.SIGINT):
                events.remove_signal_handler(number)
        return self._code

    def _in_order(self) -> list[tuple[Loop, Pulse]]:
        loops = sorted(self._loops, key=lambda loop: loop.stage)
        return [(loop, Pulse(self._beat_of(loop))) for loop in loops]

    def _beat_of(self, loop: Loop) -> Callable[[], None]:
        def beat() -> None:
            self._watchdog.beat(loop.name)
            self.readiness.has(loop.name)

        return beat

    def _start(self, loop: Loop, pulse: Pulse) -> asyncio.Task[None]:
        self._watchdog.watch(loop.name, loop.stalled_after)
        return asyncio.create_task(self._keep_running(loop, pulse), name=loop.name)

    async def _keep_running(self, loop: Loop, pulse: Pulse) -> None:
        delay = FIRST_RESTART
        while True:
            begun = time.monotonic()
            try:
                await loop.run(pulse)
                failure: dict[str, str] = {"reason": "returned"}
            except (Exception, asyncio.CancelledError) as error:
                if was_cancelled():
                    raise
                failure = fault(error)
            if pulse.stopping:
                return
            if time.monotonic() - begun > 60:
                delay = FIRST_RESTART
            log.error("loop_crashed", loop=loop.name, seconds=delay, **failure)
            self._metrics.loop_restarts.labels(loop.name).inc()
            if loop.needed:
                self.readiness.lacks(loop.name, "restarting after a crash")
            if await pulse.wait(delay):
                return
            self._watchdog.beat(loop.name)
            delay = min(delay * 2, LONGEST_RESTART)

    async def _door(self) -> None:
        assert self._server is not None  # noqa: S101 -- only started when there is one
        try:
            await self._server.run()
        except Exception as error:
            log.error("door_failed", **fault(error))
        self.stop(70)

    async def _heartbeat(self) -> None:
        while True:
            self._watchdog.beat("event_loop")
            await asyncio.sleep(1.0)

    def _give_up(self, events: asyncio.AbstractEventLoop, names: list[str]) -> None:
        log.error("process_stalled", loop=names)
        events.call_soon_threadsafe(self.stop, EXIT_STALLED)

    def _longest_stop(self) -> float:
        budgets = self._budgets
        loops = max((loop.drain for loop in self._loops), default=0.0)
        return (
            budgets.announce_s + budgets.requests_s + loops + sum(budget for *_, budget in self._closers) + 5
        )

    async def _drain(
        self,
        door: asyncio.Task[None] | None,
        running: Sequence[tuple[Loop, Pulse, asyncio.Task[None]]],
    ) -> None:
        log.info("stop_begun", code=self._code)
        self.readiness.stop()
        for loop, _, _ in running:
            self._watchdog.forget(loop.name)
        if door is not None and self._server is not None:
            await asyncio.sleep(self._budgets.announce_s)
            self._server.stop()
            await _finish("door", door, self._budgets.requests_s + 2)
        for _, stage in groupby(reversed(running), key=lambda entry: entry[0].stage):
            together = list(stage)
            for _, pulse, _ in together:
                pulse.stop()
            await asyncio.gather(*(_finish(loop.name, task, loop.drain) for loop, _, task in together))
        for name, close, budget in reversed(self._closers):
            await _finish(name, asyncio.ensure_future(_called(close)), budget)
        log.info("stopped", code=self._code)


async def _called(close: Callable[[], Awaitable[None]]) -> None:
    await close()


async def _finish(step: str, task: asyncio.Future[None], budget: float) -> None:
    """Wait for a step of the stop; after its budget cut it. Errors are logged: the next step still comes."""
    begun = time.monotonic()
    done, _ = await asyncio.wait({task}, timeout=budget)
    if not done:
        log.warning("stop_step_cut", step=step, budget_s=budget)
        task.cancel()
        await asyncio.wait({task}, timeout=2.0)
    elif not task.cancelled() and (error := task.exception()) is not None:
        log.error("stop_step_failed", step=step, **fault(error))
    else:
        log.debug("stop_step_done", step=step, seconds=round(time.monotonic() - begun, 3))


def run(main: Coroutine[Any, Any, int]) -> int:
    """Run a process's main coroutine on uvloop; returns its exit code."""
    return uvloop.run(main)
