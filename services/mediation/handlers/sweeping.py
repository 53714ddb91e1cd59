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


LOOK_EVERY: Final = 3600.0
AT_ONCE: Final = 200


@dataclass
class Recount:
    """Counts provisional clocks again once the table of their year is there (G17)."""

    shell: Runs
    use_case: UseCase[Case, None]
    now: Callable[[], datetime]
    provisional: Callable[[UUID | None, int], Awaitable[Sequence[tuple[UUID, str]]]]

    async def follow(self, pulse: Pulse) -> None:
        """The loop: tables come with a start, so the first round finds them; later ones take what is left."""
        while not pulse.stopping:
            await self.once()
            await pulse.pause(LOOK_EVERY)

    async def once(self) -> None:
        """One round over all cases with a provisional clock whose year has a table, in order of id."""
        last: UUID | None = None
        while found := await self.provisional(last, AT_ONCE):
            now = self.now()
            works = [
                Work(self.use_case, case_id, None, BY_THE_CLOCK, district, now) for case_id, district in found
            ]
            await self.shell.run(works)
            last = found[-1][0]
