"""HTTP in for organisations (interfaces.md 5): what they hold, what they may do with it, what was told."""

from dataclasses import dataclass
from typing import Annotated, Final
from uuid import UUID

from fastapi import APIRouter, Depends, Query
from starlette.requests import Request
from starlette.responses import Response

from libs.web import paging
from libs.web.answers import answer, json
from libs.web.auth import partner
from libs.web.etag import etag
from libs.web.paging import After, Limit
from libs.web.principal import Principal
from services.mediation.api import bodies, shapes
from services.mediation.api.container import acting, container, reading
from services.mediation.handlers.desk import Wanted

CASES: Final = "partner-cases"
FEED: Final = "partner-events"

Caller = Annotated[Principal, Depends(partner())]
State = Annotated[str | None, Query(pattern=r"^[a-z_]{1,40}$")]

router = APIRouter(prefix="/partner/v1", tags=["organisations"])


@dataclass(frozen=True, slots=True)
class Action:
    """An act: its name, its body, and whether it moves the case to another state, so needs `If-Match`."""

    name: str
    body: type[bodies.Body]
    moves: bool = False


ACTIONS: Final = (
    Action("take-up", bodies.TakeUp, moves=True),
    Action("return", bodies.Return, moves=True),
    Action("contact-attempts", bodies.ContactAttempt),
    Action("consents", bodies.Consent),
    Action("mediators", bodies.Mediator),
    Action("sessions", bodies.Session),
    Action("agreement", bodies.Agreement, moves=True),
    Action("performance", bodies.Performance),
    Action("end", bodies.End, moves=True),
    Action("hand-back", bodies.HandBack, moves=True),
    Action("extend", bodies.Extend),
    Action("close", bodies.Close, moves=True),
)


@router.get("/cases")
async def cases(
    request: Request,
    caller: Caller,
    state: State = None,
    limit: Limit = paging.DEFAULT_LIMIT,
    after: After = None,
) -> Response:
    """The cases and offers that the organisation holds, the newest first."""
    begin = paging.decode(CASES, after, UUID)
    wanted = Wanted(limit + 1, state, begin[0] if begin else None)
    found = await container(request).lists.of_holder(caller.org_id or "", wanted)
    items = [shapes.summary(seen) for seen in found[:limit]]
    last = paging.encode(CASES, found[limit - 1].case.case_id) if len(found) > limit else None
    return json(paging.page(items, last))


@router.get("/cases/{case_id}")
async def case(request: Request, case_id: UUID, caller: Caller) -> Response:
    """One case, with what its holder may read of the people in it; that reading is audited."""
    file = await container(request).desk.open_file(case_id, reading(request, caller))
    return json(shapes.for_holder(file), etag=etag(file.seen.version))


@router.get("/events")
async def events(
    request: Request, caller: Caller, limit: Limit = paging.DEFAULT_LIMIT, after: After = None
) -> Response:
    """What was told to the organisation, in order; `next` is always there: ask again from it."""
    begin = paging.decode(FEED, after, int, int, int)
    told, place = await container(request).desk.feed(caller.org_id or "", begin, limit)
    return json(paging.page([shapes.thin(event) for event in told], paging.encode(FEED, *place)))


@router.post("/cases/{case_id}/sessions/{session_id}/outcome")
async def session_outcome(
    request: Request, case_id: UUID, session_id: UUID, said: bodies.SessionOutcome, caller: Caller
) -> Response:
    """Whether a session took place, and what comes next."""
    asked = acting(request, caller, moves=False)
    desk = container(request).desk
    return answer(await desk.act("session-outcome", case_id, said.of(session_id), asked))


def _open(action: Action) -> None:
    body = action.body

    async def act(request: Request, case_id: UUID, said: body, caller: Caller) -> Response:  # type: ignore[valid-type]
        asked = acting(request, caller, moves=action.moves)
        return answer(await container(request).desk.act(action.name, case_id, said, asked))

    router.add_api_route(
        f"/cases/{{case_id}}/{action.name}",
        act,
        methods=["POST"],
        name=action.name,
        description=body.__doc__,
    )


for _action in ACTIONS:
    _open(_action)
