"""Clocks that ran out: the sweep names candidates, the domain decides each again on the case as it stands."""

from collections.abc import Sequence
from typing import Final, Literal
from uuid import UUID

import structlog

from libs.db.work import Actor, UseCase
from services.intake.domain.clocks import Alarm, ring
from services.intake.handlers.desk import Asked, Desk, work

RING: Final = UseCase("ring", ring)

log = structlog.get_logger()

Candidate = tuple[UUID, str, str, Literal["due", "warn"]]
"""Case, district, rule, and whether it ran out or comes near."""


async def fire(desk: Desk, found: Sequence[Candidate]) -> None:
    """Tell of each clock once. One case's failure is logged and tried again by the next sweep."""
    asked = Asked(Actor("service", "intake"), desk.now())
    works = [
        work(RING, case_id, Alarm(desk.known, rule, kind), asked, district=district)
        for case_id, district, rule, kind in found
    ]
    for (case_id, _, rule, _), result in zip(found, await desk.shell.run(works), strict=True):
        if result.error is not None:
            log.error("alarm_failed", case_id=case_id, rule=rule, error=type(result.error).__name__)
