"""Who did and saw what of a case, for auditors."""

from datetime import datetime
from typing import Final
from uuid import UUID

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from libs.web import paging
from libs.web.answers import json
from libs.web.paging import After, Limit
from services.intake.api.common import Auditor, desk_of
from services.intake.handlers import auditing

TRAIL: Final = "audit"

router = APIRouter(prefix="/v1/audit", tags=["audit"])


@router.get("")
async def trail(
    request: Request,
    case_id: UUID,
    caller: Auditor,
    limit: Limit = paging.DEFAULT_LIMIT,
    after: After = None,
) -> Response:
    """Every act on a case and every look at it, the oldest first; `seen` says what of a person's data was
    shown: all of it masked, all in plain, or the name alone. Empty for a case of another district, and for
    an accusation unless the auditor is a sealed officer too."""
    begin = paging.decode(TRAIL, after, datetime, int, int)
    items, last = await auditing.trail(desk_of(request), case_id, caller, begin, limit)
    return json(paging.page(items, paging.encode(TRAIL, *last) if last else None))
