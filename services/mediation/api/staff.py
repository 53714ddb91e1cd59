"""HTTP in for people of the district (interfaces.md 5): cases and clocks."""

from typing import Annotated, Final
from uuid import UUID

from fastapi import APIRouter, Depends, Query
from starlette.requests import Request
from starlette.responses import Response

from libs.clocks import CountingError, PreviewRequest, preview
from libs.web import paging
from libs.web.answers import answer, json
from libs.web.auth import staff
from libs.web.errors import FieldError, Invalid, NotFound
from libs.web.etag import etag
from libs.web.paging import After, Limit
from libs.web.principal import Principal
from services.mediation.api import bodies, shapes
from services.mediation.api.container import acting, container
from services.mediation.domain.case import SEALED_OFFICER
from services.mediation.handlers.desk import Wanted

READERS: Final = ("operator", "dispatcher", "supervisor", "duty_officer")
CLOSERS: Final = ("dispatcher", "supervisor", "duty_officer")

CASES: Final = "mediation-cases"

Reader = Annotated[Principal, Depends(staff(*READERS, SEALED_OFFICER))]
Closer = Annotated[Principal, Depends(staff(*CLOSERS, SEALED_OFFICER))]
Anybody = Annotated[Principal, Depends(staff())]
State = Annotated[str | None, Query(pattern=r"^[a-z_]{1,40}$")]

router = APIRouter(prefix="/v1", tags=["staff"])


@router.get("/cases")
async def cases(
    request: Request,
    caller: Reader,
    state: State = None,
    limit: Limit = paging.DEFAULT_LIMIT,
    after: After = None,
) -> Response:
    """The newest cases of the caller's districts."""
    begin = paging.decode(CASES, after, UUID)
    wanted = Wanted(limit + 1, state, begin[0] if begin else None)
    found = await container(request).lists.of_districts(caller.actor(), wanted)
    items = [shapes.summary(seen) for seen in found[:limit]]
    last = paging.encode(CASES, found[limit - 1].case.case_id) if len(found) > limit else None
    return json(paging.page(items, last))


@router.get("/cases/{case_id}")
async def case(request: Request, case_id: UUID, caller: Reader) -> Response:
    """One case: its state, its clocks with the working shown, and all that was told of it."""
    lists = container(request).lists
    seen = await lists.one(case_id, caller.actor())
    if seen is None:
        raise NotFound
    return json(shapes.for_staff(seen, await lists.timeline(case_id)), etag=etag(seen.version))


@router.post("/cases/{case_id}/reply")
async def reply(request: Request, case_id: UUID, said: bodies.Reply, caller: Closer) -> Response:
    """Answer a petition or a suggestion."""
    asked = acting(request, caller, moves=True)
    return answer(await container(request).desk.act_for_district("reply", case_id, said, asked))


@router.post("/cases/{case_id}/close")
async def close(request: Request, case_id: UUID, said: bodies.Close, caller: Closer) -> Response:
    """Close a case that no organisation holds: a petition once it was answered."""
    asked = acting(request, caller, moves=True)
    return answer(await container(request).desk.act_for_district("close", case_id, said, asked))


@router.post("/deadlines/preview")
async def preview_deadline(request: Request, said: PreviewRequest, caller: Anybody) -> Response:
    """Until when a term would run, counted day by day; nothing is stored."""
    behind = container(request)
    try:
        return json(preview(said, behind.book, behind.calendar))
    except CountingError as error:
        raise Invalid(errors=[FieldError(error.pointer, error.code)]) from error
