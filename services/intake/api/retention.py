"""What is erased by itself, and when: to be looked at before it goes."""

from datetime import timedelta
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query
from starlette.requests import Request
from starlette.responses import Response

from libs.web import paging
from libs.web.answers import json
from libs.web.paging import After, Limit
from services.intake.api.common import Supervisor, desk_of
from services.intake.handlers import retaining
from services.intake.handlers.desk import Query as Wanted

ENDING = "retention"

router = APIRouter(prefix="/v1/retention", tags=["cases"])


@router.get("")
async def ending(
    request: Request,
    caller: Supervisor,
    within_days: Annotated[int, Query(ge=0, le=366)] = 30,
    limit: Limit = paging.DEFAULT_LIMIT,
    after: After = None,
) -> Response:
    """The cases whose period of retention is over within so many days, with the day on which each is erased;
    those that are held have none. A page may be short and still have a next one."""
    begin = paging.decode(ENDING, after, UUID)
    query = Wanted.of(caller, limit=limit, after=begin[0] if begin else None)
    items, last = await retaining.ending(desk_of(request), query, timedelta(days=within_days))
    return json(paging.page(items, paging.encode(ENDING, str(last)) if last else None))
