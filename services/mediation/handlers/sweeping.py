"""Clocks that ran out, and the pulse by which the service knows that it was missing."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, Literal, Protocol
from uuid import UUID

import structlog

from libs.db.work import Actor, UseCase, Work
from libs.runtime.logging import fault
from libs.runtime.loops import Pulse
from services.mediation.domain.breaches import Outage, RanOut
from services.mediation.domain.case import Case

log = structlog.get_logger()

BEAT_EVERY: Final = 10.0
"""Seconds."""

BY_THE_CLOCK: Final = Actor("service", "mediation")


class Runs(Protocol):
    """The shell, for batches of the service's own."""

    async def run(self, works: Sequence[Work[Case, Any]]) -> Sequence[Any]: ...


@dataclass
class Sweeper:
    """Hands clocks that ran out to the shell; each case decides again on its locked row (G1, G17)."""

    shell: Runs
    use_case: UseCase[Case, RanOut]
    now: Callable[[], datetime]
    beat: Callable[[datetime], Awaitable[Sequence[Outage]]]
    outages: Sequence[Outage] | None = field(default=None)

    async def fire(self, found: Sequence[tuple[UUID, str, str, Literal["due", "warn"]]]) -> None:
        """One batch of candidates; a case that fails stays for the next sweep, and is told of."""
        now = self.now()
        if self.outages is None:  # the first sweep after a start must not forget why it was away
            self.outages = await self.beat(now)
        works = [
            Work(
                use_case=self.use_case,
                case_id=case_id,
                command=RanOut(rule, kind, self.outages),
                actor=BY_THE_CLOCK,
                district=district,
                received_at=now,
            )
            for case_id, district, rule, kind in found
        ]
        for work, result in zip(works, await self.shell.run(works), strict=True):
            if result.error is not None:
                log.error("clock_failed", case_id=work.case_id, rule=work.command.rule, **fault(result.error))

    async def follow(self, pulse: Pulse) -> None:
        """The loop: say that the service lives, and learn when it did not."""
        while not pulse.stopping:
            self.outages = await self.beat(self.now())
            await pulse.pause(BEAT_EVERY)
