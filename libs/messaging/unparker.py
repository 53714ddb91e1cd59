"""Takes parked events up again, each case from its head, when their time has come."""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

import structlog

from libs.db.pool import Database
from libs.db.shell import Shell
from libs.events.envelope import Undecodable
from libs.messaging import parking
from libs.messaging.consumer import EventRunner, bury_undecodable
from libs.runtime.loops import Pulse

log = structlog.get_logger()

BUSY_POLL, IDLE_POLL = 0.1, 1.0
"""Seconds between looks: while something is parked, and while nothing is."""


class Unparker:
    """One per worker. Two of them at once do no harm: the inbox row of an event can be taken over once."""

    def __init__(
        self,
        runners: Sequence[EventRunner[Any]],
        shell: Shell[Any],
        database: Database,
        now: Callable[[], datetime],
        *,
        limit: int = 100,
    ) -> None:
        self._runners = {runner.consumer.name: runner for runner in runners}
        self._shell = shell
        self._database = database
        self._now = now
        self._limit = limit

    async def run(self, pulse: Pulse) -> None:
        """Look until told to stop."""
        while not pulse.stopping:
            async with self._database.read() as tx:
                soon = await tx.fetchval("select min(next_at) from parked")
            if soon is not None and soon <= self._now():
                while not pulse.stopping and await self.once():
                    pulse.beat()
            await pulse.pause(IDLE_POLL if soon is None else BUSY_POLL)

    async def once(self) -> int:
        """One round over all consumers; the number of events that were handled and are parked no more."""
        done = 0
        for runner in self._runners.values():
            consumer = runner.consumer
            async with self._database.read() as tx:
                rows = await parking.heads_due(
                    tx, consumer.name, consumer.dead_blocks_case, self._now(), self._limit
                )
            works = []
            for row in rows:
                delivery = parking.delivery_of(row, blocks_case=consumer.dead_blocks_case)
                try:
                    work = runner.work(delivery)
                except Undecodable as error:
                    await bury_undecodable(self._database, delivery, error, self._now())
                    work = None
                if work is not None:
                    works.append(work)
                else:
                    async with self._database.transaction() as tx:
                        await parking.unpark(tx, [row["id"]])
            results = await self._shell.run(works)
            done += sum(1 for result in results if result.outcome is not None or result.repeat)
        return done
