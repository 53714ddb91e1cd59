"""Open311 GeoReport v2 over the same registration and the same lists as every other door."""

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from typing import Any

from libs.web.errors import NotFound
from libs.web.principal import Principal
from services.intake.domain.case import first_id
from services.intake.domain.georeport import (
    MOST,
    NOTICE,
    WINDOW_DAYS,
    Report,
    Status,
    is_service,
    statement_of,
    told_as_request,
)
from services.intake.handlers.desk import Asked, Desk, Query
from services.intake.handlers.registering import register


async def report(desk: Desk, said: Report, asked: Asked) -> dict[str, Any]:
    """Register a report; its number, and what was not kept of it."""
    if not is_service(said.service_code, desk.known):
        raise NotFound("service_code")
    outcome = await register(desk, statement_of(said, desk.known), asked)
    dropped = said.dropped()
    return {
        "service_request_id": outcome.body["query_code"],
        "service_notice": NOTICE + "、".join(dropped) if dropped else None,
        "account_id": None,
    }


async def requests(
    desk: Desk,
    caller: Principal,
    now: datetime,
    *,
    ids: Sequence[str] = (),
    service_codes: Sequence[str] = (),
    start: datetime | None = None,
    end: datetime | None = None,
    statuses: Collection[Status] = (),
) -> list[dict[str, Any]]:
    """The caller's own requests, the newest first, at most `MOST`; without dates those of `WINDOW_DAYS`."""
    if not ids and start is None:
        start = (end or now) - timedelta(days=WINDOW_DAYS)
    found = await desk.views.find(
        Query.of(
            caller,
            limit=MOST,
            query_codes=tuple(ids) or None,
            categories=tuple(service_codes) or None,
            since=first_id(start) if start else None,
            after=first_id(end, timedelta(milliseconds=1)) if end else None,
            finished="closed" in statuses if len(set(statuses)) == 1 else None,
        )
    )
    return [told_as_request(case, desk.known) for case, _ in found[:MOST]]
