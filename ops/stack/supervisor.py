"""Starts the parts in order, watches them, restarts what crashed, stops all in order."""

import asyncio
import os
import signal
import time
from collections.abc import Callable

from ops.stack.child import Child, running
from ops.stack.errors import StackError
from ops.stack.home import Home, PartState, StackState
from ops.stack.keys import ensure_accounts, ensure_keys
from ops.stack.parts import Part, Stack
from ops.stack.prepare import apply_topics, migrate_services

FIRST_PAUSE, LONGEST_PAUSE, CALM = 0.5, 30.0, 5.0
"""Seconds before a part is started again: doubled while it keeps ending, from the first again for one that
was ready and ran calmly before it ended."""
LOG_CHECK = 30.0

Say = Callable[[str], None]


class Supervisor:
    """Owns every part's life between `run` and its return. To be made and run in the main thread."""

    def __init__(self, stack: Stack, say: Say) -> None:
        self.stack, self.home, self.say = stack, stack.home, say
        self.state = StackState(supervisor=os.getpid(), postgres=stack.dsn, kafka=stack.bootstrap)
        self.parts: list[Part] = []
        self._stop = asyncio.Event()

    async def run(self, on_complete: Callable[[], None]) -> None:
        """Start all, call `on_complete`, keep all running until a signal, stop all.

        StackError when a part does not come up; what had started is stopped before that is raised.
        """
        self._listen_to_signals()
        began = time.monotonic()
        stopping = asyncio.create_task(self._stop.wait())
        starting = asyncio.create_task(self._start())
        watching: list[asyncio.Task[None]] = []
        try:
            await asyncio.wait({starting, stopping}, return_when=asyncio.FIRST_COMPLETED)
            if starting.done():
                starting.result()
                watching = [asyncio.create_task(self._watch(part)) for part in self.parts]
                watching.append(asyncio.create_task(self._keep_logs_small()))
                self.say(f"All parts are ready after {time.monotonic() - began:.1f} s.")
                on_complete()
                self.state.complete = True
                self.home.write_state(self.state)
                done, _ = await asyncio.wait({stopping, *watching}, return_when=asyncio.FIRST_COMPLETED)
                for task in done:
                    task.result()
        finally:
            for task in (starting, stopping, *watching):
                task.cancel()
            await self._stop_all()

    async def _start(self) -> None:
        await asyncio.to_thread(wait_for_leftovers, self.home)
        self.home.need_space()
        for name in self.stack.programs:
            self.stack.program(name).prepare()  # a taken port is told before anything else has started
        self.home.write_state(self.state)
        await asyncio.gather(self._keys(), self._databases(), self._broker())
        await asyncio.gather(*(self._bring_up(self.stack.program(name)) for name in self.stack.programs))

    async def _keys(self) -> None:
        await asyncio.to_thread(ensure_keys, self.home, os.environ.get("HESHI_MODE", "demo"))
        if "console" in self.stack.programs:
            await asyncio.to_thread(ensure_accounts, self.home)

    async def _databases(self) -> None:
        if self.stack.postgres:
            await self._bring_up(self.stack.postgres)
        applied = await asyncio.to_thread(migrate_services, self.stack.dsn, self.stack.services)
        if count := sum(map(len, applied.values())):
            self.say(f"  {'migrations':<11} {count} applied")

    async def _broker(self) -> None:
        if self.stack.kafka:
            await self._bring_up(self.stack.kafka)
            self.state.kafka = self.stack.bootstrap
        if self.stack.services and (created := await apply_topics(self.stack.bootstrap)):
            self.say(f"  {'topics':<11} {len(created)} created")

    async def _bring_up(self, part: Part) -> None:
        began = time.monotonic()
        await asyncio.to_thread(part.prepare)
        # Launched here and not in a helper thread: the children live as long as the thread that made them.
        part.launch()
        self.parts.append(part)
        self._note(part, ready=False)
        await asyncio.to_thread(part.wait_ready)
        self._note(part, ready=True)
        place = f"port {part.port}" if part.port else "Unix socket"
        self.say(f"  {part.name:<11} ready after {time.monotonic() - began:4.1f} s, {place}")

    async def _watch(self, part: Part) -> None:
        """Start the part again whenever it ends, after a pause that doubles while it keeps ending."""
        pause = FIRST_PAUSE
        while True:
            began = time.monotonic()
            await ended(part.child)
            self._note(part, ready=False)
            pause = FIRST_PAUSE if time.monotonic() - began > CALM else pause
            self.say(f"  {part.name} ended unexpectedly; it starts again in {pause:.1f} s, see its log")
            await asyncio.sleep(pause)
            pause = min(2 * pause, LONGEST_PAUSE)
            try:
                await asyncio.to_thread(part.prepare)
                part.launch()
                self._note(part, ready=False)
                await asyncio.to_thread(part.wait_ready)
            except StackError as error:
                self.say(f"  {error}")
                await asyncio.to_thread(part.stop)
                continue
            self._note(part, ready=True)
            self.say(f"  {part.name} is ready again")

    async def _keep_logs_small(self) -> None:
        while True:
            await asyncio.sleep(LOG_CHECK)
            for part in self.parts:
                if part.child:
                    part.child.cap_log()

    async def _stop_all(self) -> None:
        """Those that use a part go before it; what shares no order goes at once."""
        order = {"simulator": 1, "kafka": 2, "postgres": 3}
        for step in range(4):
            leaving = [part for part in self.parts if order.get(part.name, 0) == step]
            await asyncio.gather(*(self._bring_down(part) for part in leaving))

    async def _bring_down(self, part: Part) -> None:
        began = time.monotonic()
        await asyncio.to_thread(part.stop)
        self._note(part, ready=False)
        self.say(f"  {part.name:<11} stopped after {time.monotonic() - began:4.1f} s")

    def _note(self, part: Part, *, ready: bool) -> None:
        pid = part.child.pid if part.child and part.child.exit_code() is None else None
        others = [known for known in self.state.parts if known.name != part.name]
        self.state.parts = [*others, PartState(part.name, pid, part.port, ready)]
        self.home.write_state(self.state)

    def _listen_to_signals(self) -> None:
        loop = asyncio.get_running_loop()
        for wish in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            loop.add_signal_handler(wish, self._asked_to_stop)

    def _asked_to_stop(self) -> None:
        if self._stop.is_set():
            self.say("Ending at once; what was accepted is kept.")
            os._exit(1)  # every child follows by its parent-death signal
        self.say("Stopping; once more to end at once.")
        self._stop.set()


async def ended(child: Child | None) -> None:
    """Return when the program has ended."""
    if child is None or child.exit_code() is not None:
        return
    over = asyncio.Event()
    loop = asyncio.get_running_loop()
    handle = os.pidfd_open(child.pid)
    try:
        loop.add_reader(handle, over.set)
        await over.wait()
    finally:
        loop.remove_reader(handle)
        os.close(handle)
    child.exit_code()  # take its leave, so that no zombie stays


def wait_for_leftovers(home: Home, seconds: float = 15) -> None:
    """After a killed supervisor its parts need a moment to go; StackError when one does not."""
    deadline = time.monotonic() + seconds
    while left := [process for process in running(home) if process.pid != os.getpid()]:
        if time.monotonic() > deadline:
            numbers = ", ".join(str(process.pid) for process in left)
            raise StackError(
                f"Parts of an earlier start still run (process {numbers}): end them and start again."
            )
        time.sleep(0.1)
