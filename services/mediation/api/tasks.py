"""HTTP in for the work of persons (interfaces.md 5): what is to be done, by whom, and that it was done."""

from typing import Annotated, Any, Final, Literal
from uuid import UUID

from fastapi import APIRouter, Depends, Query
from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response

from libs.web import paging
from libs.web.answers import answer, json
from libs.web.auth import staff
from libs.web.errors import Forbidden
from libs.web.paging import After, Limit
from libs.web.principal import Principal
from services.mediation.api.bodies import Body, Code
from services.mediation.api.container import acting, container
from services.mediation.domain import tasks
from services.mediation.domain.case import SEALED_OFFICER
from services.mediation.handlers.desk import Wanted

TASKS: Final = "tasks"

Worker = Annotated[Principal, Depends(staff(*tasks.CALLERS, *tasks.WORKERS, SEALED_OFFICER))]
Name = Annotated[str | None, Query(max_length=64)]

router = APIRouter(prefix="/v1/tasks", tags=["tasks"])


class Done(Body):
    """What came of it: a code, such as REACHED, NOT_REACHED, HANDLED."""

    result: Code


class HandOver(Body):
    """To whom it goes: a queue by its code, or a member of staff by the name they sign in with."""

    to: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")]


@router.get("")
async def page(
    request: Request,
    caller: Worker,
    queue: Name = None,
    owner: Name = None,
    state: Literal["open", "taken", "done"] = "open",
    limit: Limit = paging.DEFAULT_LIMIT,
    after: After = None,
) -> Response:
    """What persons have to do, the longest waiting first; operators see the calls alone."""
    mine = tasks.queues_of(caller.roles)
    if queue is not None and queue in tasks.QUEUES - mine:
        raise Forbidden
    begin = paging.decode(TASKS, after, UUID)
    wanted = Wanted(limit + 1, state, begin[0] if begin else None)
    queues = mine if queue is None else mine & {queue}
    found = await container(request).tasks.lists.page(caller.districts, queues, owner, wanted)
    last = paging.encode(TASKS, UUID(found[limit - 1]["task_id"])) if len(found) > limit else None
    return json(paging.page(found[:limit], last))


@router.post("/{task_id}/take")
async def take(request: Request, task_id: UUID, caller: Worker) -> Response:
    """Take a task for oneself."""
    return await _act(request, caller, "take", task_id, tasks.Take(task_id))


@router.post("/{task_id}/done")
async def done(request: Request, task_id: UUID, said: Done, caller: Worker) -> Response:
    """Say that a task is settled."""
    return await _act(request, caller, "done", task_id, tasks.Done(task_id, said.result))


@router.post("/{task_id}/hand-over")
async def hand_over(request: Request, task_id: UUID, said: HandOver, caller: Worker) -> Response:
    """Give a task to a queue or a person."""
    return await _act(request, caller, "hand-over", task_id, tasks.HandOver(task_id, said.to))


async def _act(request: Request, caller: Principal, act: str, task_id: UUID, command: Any) -> Response:
    asked = acting(request, caller, moves=False)
    return answer(await container(request).tasks.act(act, task_id, command, asked))
