"""HTTP in: a case's page, its live part, and the acts of staff."""

import asyncio
import time
import uuid
from collections.abc import Mapping
from typing import Annotated, Any, Final
from uuid import UUID

from fastapi import APIRouter, Query
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from libs.web.errors import NotFound, Refusal, Stale
from services.console.api.common import FORM, Person, container, in_frame, own_form, page, scope
from services.console.domain.access import Account
from services.console.domain.acts import ACTS, offered
from services.console.handlers.casework import File, act, open_file
from services.console.pages.casefile import casefile

READ_YOUR_WRITE: Final = 1.0
"""Seconds that a page waits for the read model to have what its reader just did (G26)."""
LOOK: Final = 0.05
INTAKE: Final = "intake.case.v1"

Version = Annotated[int | None, Query(ge=0, le=2**31)]

router = APIRouter(include_in_schema=False)


@router.get("/cases/{case_id}")
async def case_page(
    request: Request, case_id: UUID, account: Person, new: Version = None, done: Version = None
) -> Response:
    """A case: what it is, why it is where it is, until when, and what happened. `new` and `done` are the
    versions that the reader's own act made: they are waited for."""
    return await _case(request, account, case_id, new=new is not None, written=new or done or 0)


@router.get("/cases/{case_id}/panel")
async def panel(request: Request, case_id: UUID, account: Person) -> Response:
    """The live part of a case's page alone."""
    behind = container(request)
    file = await open_file(behind.services, account, case_id)
    lines, _ = await _lines(request, account, case_id, 0)
    return page(request, "case_panel.html", **casefile(file, behind.words), moments=lines)


@router.post("/cases/{case_id}/acts/{name}", openapi_extra=FORM)
async def do(request: Request, case_id: UUID, name: str, account: Person) -> Response:
    """Do an act on the version that its form was made for. Somebody was faster: what changed is shown beside
    what was typed, to be sent again."""
    sent = await request.form()
    form = {field: value for field, value in sent.items() if isinstance(value, str)}
    own_form(request, form.get("form", ""))
    what = ACTS.get(name)
    if what is None:
        raise NotFound
    version = int(form.get("version", "0")) if form.get("version", "").isdecimal() else 0
    try:
        answer = await act(
            container(request).services, account, case_id, what, form, form.get("key", ""), version
        )
    except Stale:
        return await _merge(request, account, case_id, name, form, version)
    except Refusal as refusal:
        return await _case(request, account, case_id, said=form, refused=(name, refusal))
    return RedirectResponse(f"/cases/{case_id}?done={answer.body['version']}", 303)


async def _case(
    request: Request,
    account: Account,
    case_id: UUID,
    *,
    new: bool = False,
    written: int = 0,
    said: Mapping[str, str] | None = None,
    refused: tuple[str, Refusal] | None = None,
) -> Response:
    behind = container(request)
    file = await open_file(behind.services, account, case_id)
    lines, behindhand = await _lines(request, account, case_id, written)
    return in_frame(
        request,
        account,
        "case.html",
        refused[1].status if refused else 200,
        **casefile(file, behind.words),
        moments=lines,
        **_acts(request, account, file, said or {}, refused),
        new=new,
        behindhand=behindhand,
    )


async def _merge(
    request: Request, account: Account, case_id: UUID, name: str, form: Mapping[str, str], version: int
) -> Response:
    """412: what others did since, the case as it stands, and the reader's own words."""
    behind = container(request)
    file = await open_file(behind.services, account, case_id)
    moments = await behind.board.timeline(scope(account), case_id) or []
    since = [behind.words.moment(each) for each in moments if each.topic == INTAKE and each.version > version]
    shown = casefile(file, behind.words)
    values = _acts(request, account, file, form, None, only=name)
    return in_frame(request, account, "merge.html", 412, **shown, since=since, **values)


def _acts(
    request: Request,
    account: Account,
    file: File,
    said: Mapping[str, str],
    refused: tuple[str, Refusal] | None,
    only: str | None = None,
) -> dict[str, Any]:
    words = container(request).words.vocabularies
    last = (file.attempts or [{}])[-1]
    held = last.get("reason") == "DUTY_DESK" and not file.intake["released"]
    acts = offered(account.roles, file.intake["state"], held)
    fault = ""
    if refused is not None:
        told = [error.detail or error.code for error in refused[1].errors]
        fault = "：".join(filter(None, (refused[1].title.zh, "；".join(told))))
    return {
        "acts": [each for each in acts if only in (None, each.name)],
        "said": said,
        "failed": refused[0] if refused else only or "",
        "fault": fault,
        "version": file.version,
        "keys": {each.name: str(uuid.uuid4()) for each in acts},
        "options": {
            "lawful_route": words["lawful_routes"] if file.intake["track"] == "PETITION" else {},
            "reason_code": words["refusals"],
            "directed_to": words["bodies"],
            "flag": words["flags"],
        },
    }


async def _lines(
    request: Request, account: Account, case_id: UUID, written: int
) -> tuple[list[dict[str, Any]], bool]:
    """The timeline, and whether it still lacks the reader's own act after a moment of waiting."""
    behind, until = container(request), time.monotonic() + READ_YOUR_WRITE
    while True:
        moments = await behind.board.timeline(scope(account), case_id) or []
        known = max((each.version for each in moments if each.topic == INTAKE), default=0)
        if known >= written or time.monotonic() > until:
            return [behind.words.moment(each) for each in moments], known < written
        await asyncio.sleep(LOOK)
