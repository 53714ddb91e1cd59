"""Erasing what is kept for no reason any more: the worker looks once a day, and people see beforehand."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import date, timedelta
from typing import Any, Final
from uuid import UUID

import structlog

from libs.clocks.calendar import LOCAL
from libs.db.work import Actor
from libs.runtime.loops import Pulse
from libs.web.errors import Refusal
from services.intake.domain.case import SEALED_OFFICERS, SUPERVISORS, Case
from services.intake.domain.erasing import Erase
from services.intake.domain.retention import ended_before, erased_on, told
from services.intake.handlers.acting import ERASE, took_in
from services.intake.handlers.desk import Asked, Desk, Query, paged, work

OVER: Final = "RETENTION_OVER"
"""The reason of reasons.json for what the worker erases."""
AT_ONCE: Final = 100
EVERY: Final = timedelta(days=1)
LOOK: Final = timedelta(seconds=30)
"""The longest silence of the loop while it waits for the next day."""

log = structlog.get_logger()


async def follow(desk: Desk, pulse: Pulse) -> None:
    """Erase at the start and then once a day, until told to stop."""
    due = desk.now()
    while not pulse.stopping:
        if desk.now() >= due:
            await erase_over(desk, pulse)
            due = desk.now() + EVERY
        await pulse.pause(LOOK.total_seconds())


async def erase_over(desk: Desk, pulse: Pulse) -> int:
    """Erase every case whose period is over and that nothing holds; how many were. One that cannot be erased
    yet is logged, and tried again the next day."""
    today, erased, after = desk.now().astimezone(LOCAL).date(), 0, None
    districts = frozenset(await desk.places.current())
    while not pulse.stopping:
        query = Query(
            districts=districts,
            sealed=True,
            open_kinds=True,
            limit=AT_ONCE,
            after=after,
            ended=ended_before(desk.known.retention, today),
            held=False,
        )
        page, last = paged(await desk.views.find(query), AT_ONCE)
        erased += await _erase(desk, [case for case, _ in page if _is_over(desk, case, today)])
        pulse.beat()
        if last is None:
            break
        after = last[0].case_id
    return erased


def _is_over(desk: Desk, case: Case, by: date) -> bool:
    day = erased_on(case, desk.known.retention)
    return day is not None and day <= by


async def _erase(desk: Desk, cases: Sequence[Case]) -> int:
    works = [
        work(
            ERASE,
            case.case_id,
            Erase(desk.known, OVER),
            Asked(_keeper(case.district), desk.now()),
            also=await took_in(desk, case.case_id) if case.merged_into else (),
        )
        for case in cases
    ]
    results = await desk.shell.run(works)
    for case, result in zip(cases, results, strict=True):
        if result.error is not None:
            code = result.error.CODE if isinstance(result.error, Refusal) else type(result.error).__name__
            log.warning("not_erased", case_id=str(case.case_id), error=code)
    return sum(result.error is None for result in results)


def _keeper(district: str) -> Actor:
    """The service itself, with the right to erase every case of a district."""
    return Actor("service", "intake", SUPERVISORS | SEALED_OFFICERS, districts=frozenset({district}))


async def ending(desk: Desk, query: Query, within: timedelta) -> tuple[Sequence[dict[str, Any]], UUID | None]:
    """A page of the cases whose period is over by then, held ones too, the newest first, and the one after
    which the next page begins. A page may be short and still have a next one."""
    by = (desk.now() + within).astimezone(LOCAL).date()
    periods = desk.known.retention
    page, last = paged(await desk.views.find(replace(query, ended=ended_before(periods, by))), query.limit)
    items = [told(case, periods, version) for case, version in page if _is_over(desk, case, by)]
    return items, last[0].case_id if last else None
