"""HTTP in: the page of cases with its live stream, a case's timeline, and the search."""

import asyncio
from collections.abc import AsyncIterator
from typing import Annotated
from uuid import UUID

import orjson
from fastapi import APIRouter, Depends, Form
from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response, StreamingResponse

from libs.web.answers import json
from libs.web.auth import open_to_all
from libs.web.errors import NotFound, Refusal
from services.console.api.common import (
    Container,
    Person,
    container,
    in_frame,
    own_form,
    person,
    scope,
    session_token,
)
from services.console.domain.access import Scope, scope_of
from services.console.handlers.board import Snapshot, Update, follow
from services.console.handlers.casework import search


class Search(BaseModel):
    """The search form: a query code, or a phone number or its last four digits."""

    form: str = ""
    sought: str = ""
    after: str = ""


router = APIRouter(include_in_schema=False)


@router.get("/", dependencies=[Depends(open_to_all)])
async def board_page(request: Request) -> Response:
    """The page of cases, or the way to the sign-in."""
    account = await person(request)
    if account is None:
        return RedirectResponse("/sign-in", 303)
    return in_frame(request, account, "board.html", sees_cases=scope_of(account) is not None)


@router.post("/search")
async def find(request: Request, form: Annotated[Search, Form()], account: Person) -> Response:
    """Cases by number or phone, as intake finds them; a number never stands in an address (G21)."""
    own_form(request, form.form)
    behind = container(request)
    try:
        found = await search(behind.services, account, form.sought.strip(), form.after or None)
        rows, after, fault = [behind.words.found(item) for item in found.items], found.next, ""
    except Refusal as refusal:
        rows, after, fault = [], None, refusal.title.zh
    return in_frame(request, account, "search.html", rows=rows, sought=form.sought, after=after, fault=fault)


@router.get("/events")
async def events(request: Request, account: Person) -> Response:
    """The board and its changes as server-sent events: `board`, `change`, and `bye` when the session ends."""
    seen = scope(account)
    return StreamingResponse(
        _stream(container(request), session_token(request), seen), 200, None, "text/event-stream"
    )


@router.get("/cases/{case_id}/timeline")
async def timeline(request: Request, case_id: UUID, account: Person) -> Response:
    """What happened to a case, in the order of time."""
    behind = container(request)
    moments = await behind.board.timeline(scope(account), case_id)
    if moments is None:
        raise NotFound
    return json({"items": [behind.words.moment(moment) for moment in moments]})


async def _stream(behind: Container, token: str, seen: Scope) -> AsyncIterator[bytes]:
    async def pause(seconds: float) -> bool:
        await asyncio.sleep(seconds)
        return behind.stopping()

    words = behind.words
    async for change in follow(behind.board, seen, pause):
        match change:
            case Snapshot(rows):
                yield _event("board", [words.row(row) for row in rows])
            case Update([], []):
                if await behind.door.person(token, touch=False) is None:
                    yield _event("bye", {})
                    return
                yield b": still here\n\n"
            case Update(rows, gone):
                yield _event("change", {"rows": [words.row(row) for row in rows], "gone": gone})


def _event(name: str, data: object) -> bytes:
    return b"event: %s\ndata: %s\n\n" % (name.encode(), orjson.dumps(data))
