"""The shell around every use case: load → decide → save, over a batch.

HTTP commands share a transaction by natural batching: what arrives while one transaction runs goes together
in the next, and nobody waits for company. Batches from Kafka are one transaction each. What concerns one case
stays with it (G1, G2): see `libs.db.batch`.
"""

import asyncio
import random
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import structlog

from libs.db.batch import LATER, Batch, Offset, Result, Store, Surroundings
from libs.db.faults import Away, Fault, classify
from libs.db.pool import Database
from libs.db.work import Outcome, Work
from libs.runtime.loops import Pulse
from libs.web.errors import Busy, KeyReused, Overloaded, Unavailable

A = TypeVar("A")

log = structlog.get_logger()

ROUNDS = 3
"""How often a work whose case is locked is taken again before it is given up for now."""
CONFLICTS = 5
"""How often a batch that lost a race is decided again at once."""


@dataclass(slots=True)
class _Waiting(Generic[A]):
    """A command at the door, with the future that its request waits on."""

    work: Work[A, Any]
    future: "asyncio.Future[Outcome]"
    deadline: float
    rounds: int = 0


class Shell(Generic[A]):
    """Runs a service's use cases. One per process.

    After a commit `published` is called when something waits in the outbox, `changed` when a case changed.
    """

    def __init__(
        self,
        database: Database,
        store: Store[A],
        around: Surroundings,
        *,
        published: Callable[[], None] = lambda: None,
        changed: Callable[[], None] = lambda: None,
        observe: Callable[[str, int, float], None] = lambda use_case, size, seconds: None,
        queue_limit: int = 1000,
        batch_limit: int = 100,
        budget: float = 8.0,
        flushers: int = 1,
    ) -> None:
        self._database = database
        self._store = store
        self._around = around
        self._published = published
        self._changed = changed
        self._observe = observe
        self._queue: deque[_Waiting[A]] = deque()
        self._queue_limit = queue_limit
        self._batch_limit = batch_limit
        self._budget = budget
        self._wake = asyncio.Event()
        self._by_key: dict[bytes, _Waiting[A]] = {}
        self._flushers = flushers
        self._closing = False

    def on(self, database: Database, *, quiet: bool = False) -> "Shell[A]":
        """The same use cases over another pool: batches of events do not wait for the door's connections.
        `quiet`: nobody is told of changes, for a loop that would only wake itself."""
        return Shell(
            database,
            self._store,
            self._around,
            published=self._published,
            changed=(lambda: None) if quiet else self._changed,
            observe=self._observe,
        )

    # --- commands at the door -------------------------------------------------------------------------------

    async def submit(self, work: Work[A, Any]) -> Outcome:
        """Do one command; its answer, or the `Refusal` that says why not.

        A second request with the same key in this process gets the first one's answer. A caller that goes
        away does not cancel the work. Raises `Overloaded` when the queue is full, `Unavailable` when the
        database stayed away for the whole budget (the work may still have been done: the key decides).
        """
        if self._closing:
            raise Unavailable("stopping")
        first = self._by_key.get(work.key.scope) if work.key else None
        if first is not None:
            if work.key and first.work.key and work.key.body != first.work.key.body:
                raise KeyReused
            outcome = await asyncio.shield(first.future)
            return Outcome(outcome.status, outcome.body, outcome.version, True, outcome.location)
        if len(self._queue) >= self._queue_limit:
            raise Overloaded
        future = asyncio.get_running_loop().create_future()
        future.add_done_callback(_retrieve)
        waiting = _Waiting(work, future, time.monotonic() + self._budget)
        if work.key:
            self._by_key[work.key.scope] = waiting
        self._queue.append(waiting)
        self._wake.set()
        return await asyncio.shield(future)

    async def flush(self, pulse: Pulse) -> None:
        """Serve the queue until told to stop and it is empty; run as a loop of the service."""
        await asyncio.gather(*(self._flush(pulse) for _ in range(self._flushers)))
        self._closing = True

    async def _flush(self, pulse: Pulse) -> None:
        while not (pulse.stopping and not self._queue):
            if self._queue:
                await self._serve(self._take())
                continue
            self._wake.clear()
            await pulse.rest(self._wake, 1.0)

    def _take(self) -> list[_Waiting[A]]:
        """The next batch: in order of arrival, but at most a quarter of it for one credential while others
        wait, so that a flood of one does not delay the rest (G4)."""
        if len(self._queue) <= self._batch_limit:
            batch = list(self._queue)
            self._queue.clear()
            return batch
        share, taken, skipped = self._batch_limit // 4, dict[str, int](), list[_Waiting[A]]()
        batch = []
        while self._queue and len(batch) < self._batch_limit:
            waiting = self._queue.popleft()
            name = waiting.work.actor.label()
            if taken.get(name, 0) >= share:
                skipped.append(waiting)
                continue
            taken[name] = taken.get(name, 0) + 1
            batch.append(waiting)
        room = self._batch_limit - len(batch)
        batch.extend(skipped[:room])
        self._queue.extendleft(reversed(skipped[room:]))
        return batch

    async def _serve(self, batch: list[_Waiting[A]]) -> None:
        wait = 0.05
        while batch := self._still_wanted(batch):
            try:
                results = await self._settle([waiting.work for waiting in batch], (), last_round=False)
            except Exception as error:
                if classify(error) is Fault.DATA:
                    for waiting in batch:
                        self._answer(waiting, Result(error=error))
                    return
                log.warning("batch_put_off", error=type(error).__name__, size=len(batch))
                await asyncio.sleep(wait)
                wait = min(wait * 2, 1.0)
                continue
            for waiting, result in zip(batch, results, strict=True):
                if result is LATER:
                    self._put_back(waiting)
                else:
                    self._answer(waiting, result)
            return

    def _put_back(self, waiting: _Waiting[A]) -> None:
        """A locked case is tried again after a moment, without holding up the queue."""
        waiting.rounds += 1
        if waiting.rounds >= ROUNDS:
            self._answer(waiting, Result(error=Busy(retry_after=1)))
            return
        delay = 0.02 * 4**waiting.rounds
        asyncio.get_running_loop().call_later(delay, self._requeue, waiting)

    def _requeue(self, waiting: _Waiting[A]) -> None:
        self._queue.appendleft(waiting)
        self._wake.set()

    def _still_wanted(self, batch: list[_Waiting[A]]) -> list[_Waiting[A]]:
        now = time.monotonic()
        for waiting in batch:
            if waiting.deadline < now:
                self._answer(waiting, Result(error=Unavailable("the database did not answer in time")))
        return [waiting for waiting in batch if not waiting.future.done()]

    def _answer(self, waiting: _Waiting[A], result: Result) -> None:
        if waiting.work.key:
            self._by_key.pop(waiting.work.key.scope, None)
        if waiting.future.done():
            return
        if result.outcome is not None:
            waiting.future.set_result(result.outcome)
        else:
            waiting.future.set_exception(result.error or Busy(retry_after=1))

    # --- batches of events and of the service's own loops ---------------------------------------------------

    async def run(self, works: Sequence[Work[A, Any]], offsets: Sequence[Offset] = ()) -> list[Result]:
        """Do a batch; the results in order. The offsets are stored with the last of its effects.

        A work whose case is locked is taken again after a moment, `ROUNDS` times; then an event is parked and
        a command refused. Raises only infrastructure faults: the caller repeats the whole batch.
        """
        results: list[Result] = [LATER] * len(works)
        open_works = list(range(len(works)))
        for round_number in range(ROUNDS):
            last = round_number == ROUNDS - 1
            settled = await self._settle([works[n] for n in open_works], offsets, last_round=last)
            for index, result in zip(open_works, settled, strict=True):
                results[index] = result
            open_works = [n for n in open_works if results[n] is LATER]
            if not open_works:
                break
            await asyncio.sleep(0.02 * 4**round_number)
        return results

    async def _settle(
        self, works: Sequence[Work[A, Any]], offsets: Sequence[Offset], *, last_round: bool
    ) -> list[Result]:
        """One transaction; when a row makes it fail, two halves, down to the sick one (G2)."""
        try:
            return await self._transact(works, offsets, last_round=last_round)
        except Exception as error:
            if classify(error) is not Fault.DATA:
                raise
            log.warning("batch_halved", error=type(error).__name__, size=len(works))
            if len(works) > 1:
                middle = len(works) // 2
                left = await self._settle(works[:middle], (), last_round=last_round)
                rest = () if LATER in left else offsets
                return left + await self._settle(works[middle:], rest, last_round=last_round)
            if not works:
                raise
            if works[0].delivery is None:
                return [Result(error=error)]
            return await self._transact(works, offsets, last_round=last_round, sick=error)

    async def _transact(
        self,
        works: Sequence[Work[A, Any]],
        offsets: Sequence[Offset],
        *,
        last_round: bool,
        sick: BaseException | None = None,
    ) -> list[Result]:
        """One transaction, decided again at once when it lost a race."""
        begun = time.perf_counter()
        for attempt in range(CONFLICTS):
            batch = Batch(self._store, self._around, works, offsets, last_round=last_round, sick=sick)
            try:
                async with self._database.transaction() as tx:
                    results = await batch.run(tx)
            except Exception as error:
                if classify(error) is not Fault.CONFLICT:
                    raise
                await asyncio.sleep(random.uniform(0.002, 0.02) * (attempt + 1))  # noqa: S311 - jitter
                continue
            if works:
                self._observe(works[0].use_case.name, len(works), time.perf_counter() - begun)
            if batch.publishes:
                self._published()
            if batch.changes:
                self._changed()
            return results
        raise Away("conflicts")


def _retrieve(future: "asyncio.Future[Outcome]") -> None:
    """Mark the error as seen: the caller may have gone away."""
    if not future.cancelled():
        future.exception()
