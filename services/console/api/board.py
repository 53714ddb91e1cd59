"""HTTP in: the page of cases with its live stream, a case's timeline, and the search."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Annotated, Final
from urllib.parse import urlencode
from uuid import UUID

import orjson
from fastapi import APIRouter, Depends, Form, Query
from pydantic import AwareDatetime, BaseModel
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response, StreamingResponse

from libs.web.answers import json
from libs.web.auth import open_to_all
from libs.web.errors import NotFound, Refusal
from services.console.api.common import (
    Container,
    Person,
    container,
    found_rows,
    in_frame,
    own_form,
    person,
    scope,
    session_token,
)
from services.console.domain.access import Scope
from services.console.handlers.board import Snapshot, Update, follow
from services.console.handlers.casework import search

PAGE: Final = 50
"""Rows of a page of a list."""

_FIRST: Final = datetime(2000, 1, 1, tzinfo=UTC)
_LAST: Final = datetime(9999, 1, 1, tzinfo=UTC)

At = Annotated[AwareDatetime, Query(ge=_FIRST, lt=_LAST)]

NOTHING_TO_SEARCH: Final = (
    "没有可查的内容：请输入查询码、电话号码或其后四位，或诉求里相连的两个汉字；最常用的词不算"
)


class Search(BaseModel):
    """The search form: a query code, a phone number or its last four digits, or words of what was said."""

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
    return in_frame(request, account, "board.html")


@router.get("/cases/pressing")
async def pressing_page(
    request: Request, account: Person, at: At | None = None, case_id: UUID | None = None
) -> Response:
    """Cases by what presses most: missed duties, then what is due next. `at` and `case_id`: the place of the
    last one that was shown."""
    behind = container(request)
    after = (at, case_id) if at is not None and case_id is not None else None
    rows = await behind.board.pressing(scope(account), after, PAGE + 1)
    shown, more = [behind.words.row(row) for row in rows[:PAGE]], len(rows) > PAGE
    last = urlencode({"at": rows[PAGE - 1].pressing_at, "case_id": rows[PAGE - 1].case_id}) if more else ""
    return in_frame(request, account, "pressing.html", rows=shown, next=last)


@router.post("/search")
async def find(request: Request, form: Annotated[Search, Form()], account: Person) -> Response:
    """Cases by number, phone or words, as intake finds them; none of it stands in an address (G21)."""
    own_form(request, form.form)
    behind = container(request)
    try:
        found = await search(behind.services, account, form.sought.strip(), form.after or None)
        rows, after, fault = await found_rows(request, account, found.items), found.next, ""
    except Refusal as refusal:
        rows, after = [], None
        # Intake's own words name the fields of its door, which this page does not have.
        texts = [
            NOTHING_TO_SEARCH if error.code == "nothing_to_search" else error.detail
            for error in refusal.errors
        ]
        fault = "；".join(texts) or refusal.title.zh
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
