"""HTTP in: the pages, sign-in and out, the live stream, a case's timeline."""

import asyncio
import hmac
import secrets
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Annotated
from uuid import UUID

import orjson
from fastapi import APIRouter, Depends, Form
from fastapi.openapi.models import APIKey, APIKeyIn
from fastapi.security.base import SecurityBase
from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response, StreamingResponse

from libs.web.answers import json
from libs.web.auth import open_to_all
from libs.web.errors import Forbidden, NotFound, Refusal, Title, Unauthorised
from services.console.domain.access import LONGEST, Account, Scope, scope_of
from services.console.handlers import Board, Door, Snapshot, Update, follow, form_token
from services.console.pages.files import POLICY, Pages
from services.console.pages.words import Words


class FormExpired(Forbidden):
    """The form was not made for this browser, or long ago."""

    CODE, TITLE = "form_expired", Title("页面已过期，请重新提交", "The form expired, send it again")


@dataclass(frozen=True, slots=True)
class Cookies:
    """The two cookies: the session, and what ties a sign-in form to its browser.

    `secure`: only over HTTPS and never for another host or path (`__Host-`). Without it, plain HTTP on the
    developer's own machine works too.
    """

    secure: bool

    @property
    def session(self) -> str:
        """The session cookie's name."""
        return "__Host-heshi-session" if self.secure else "heshi-session"

    @property
    def form(self) -> str:
        """The form cookie's name."""
        return "__Host-heshi-form" if self.secure else "heshi-form"

    def put(self, response: Response, name: str, value: str, seconds: int) -> None:
        """Set a cookie that no script reads and no other site sends along."""
        response.set_cookie(
            name, value, max_age=seconds, path="/", secure=self.secure, httponly=True, samesite="lax"
        )


@dataclass(frozen=True, slots=True)
class Container:
    """What the routes work with."""

    door: Door
    board: Board
    pages: Pages
    words: Words
    cookies: Cookies
    stopping: Callable[[], bool]


class SignedIn(SecurityBase):
    """Lets in whoever has a live session; 401 otherwise."""

    model = APIKey(**{"in": APIKeyIn.cookie}, name="heshi-session")
    scheme_name = "session"

    async def __call__(self, request: Request) -> Account:
        """The account of the session."""
        account = await _person(request)
        if account is None:
            raise Unauthorised
        return account


class SignIn(BaseModel):
    """The sign-in form; what is missing is simply wrong."""

    user: str = ""
    password: str = ""
    form: str = ""


class SignOut(BaseModel):
    """The sign-out form."""

    form: str = ""


router = APIRouter(include_in_schema=False)
signed_in = SignedIn()


@router.get("/", dependencies=[Depends(open_to_all)])
async def board_page(request: Request) -> Response:
    """The page of cases, or the way to the sign-in."""
    account = await _person(request)
    if account is None:
        return RedirectResponse("/sign-in", 303)
    return _page(
        request,
        "board.html",
        name=account.name,
        sees_cases=scope_of(account) is not None,
        form=form_token(_token(request)),
    )


@router.get("/sign-in", dependencies=[Depends(open_to_all)])
async def sign_in_page(request: Request) -> Response:
    """The sign-in form."""
    if await _person(request) is not None:
        return RedirectResponse("/", 303)
    return _sign_in_form(request)


@router.post("/sign-in", dependencies=[Depends(open_to_all)])
async def sign_in(request: Request, form: Annotated[SignIn, Form()]) -> Response:
    """A session for the right name and password; else the form again with what was wrong."""
    container = _container(request)
    address = request.client.host if request.client else ""
    try:
        if not _same(request.cookies.get(container.cookies.form), form.form):
            raise FormExpired
        token = await container.door.sign_in(form.user, form.password, address)
    except Refusal as refusal:
        return _sign_in_form(request, form.user, refusal)
    response = RedirectResponse("/", 303)
    container.cookies.put(response, container.cookies.session, token, int(LONGEST.total_seconds()))
    container.cookies.put(response, container.cookies.form, "", 0)
    return response


@router.post("/sign-out")
async def sign_out(
    request: Request, form: Annotated[SignOut, Form()], account: Annotated[Account, Depends(signed_in)]
) -> Response:
    """The end of the session."""
    container, token = _container(request), _token(request)
    if not _same(form_token(token), form.form):
        raise FormExpired
    await container.door.sign_out(token, account.user)
    response = RedirectResponse("/sign-in", 303)
    container.cookies.put(response, container.cookies.session, "", 0)
    return response


@router.get("/session", dependencies=[Depends(signed_in)])
async def session() -> Response:
    """Whether one is still signed in."""
    return Response(status_code=204)


@router.get("/events")
async def events(request: Request, account: Annotated[Account, Depends(signed_in)]) -> Response:
    """The board and its changes as server-sent events: `board`, `change`, and `bye` when the session ends."""
    scope = _scope(account)
    return StreamingResponse(
        _stream(_container(request), _token(request), scope), 200, None, "text/event-stream"
    )


@router.get("/cases/{case_id}/timeline")
async def timeline(
    request: Request, case_id: UUID, account: Annotated[Account, Depends(signed_in)]
) -> Response:
    """What happened to a case, in the order of time."""
    container = _container(request)
    moments = await container.board.timeline(_scope(account), case_id)
    if moments is None:
        raise NotFound
    return json({"items": [container.words.moment(moment) for moment in moments]})


@router.get("/assets/{name}", dependencies=[Depends(open_to_all)])
async def asset(request: Request, name: str) -> Response:
    """A file that a page loads; its name holds the digest of its content."""
    found = _container(request).pages.assets.get(name)
    if found is None:
        raise NotFound
    headers = {"cache-control": "public, max-age=31536000, immutable"}
    return Response(found.content, 200, headers, found.media_type)


async def _stream(container: Container, token: str, scope: Scope) -> AsyncIterator[bytes]:
    async def pause(seconds: float) -> bool:
        await asyncio.sleep(seconds)
        return container.stopping()

    words = container.words
    async for change in follow(container.board, scope, pause):
        match change:
            case Snapshot(rows):
                yield _event("board", [words.row(row) for row in rows])
            case Update([], []):
                if await container.door.person(token, touch=False) is None:
                    yield _event("bye", {})
                    return
                yield b": still here\n\n"
            case Update(rows, gone):
                yield _event("change", {"rows": [words.row(row) for row in rows], "gone": gone})


def _event(name: str, data: object) -> bytes:
    return b"event: %s\ndata: %s\n\n" % (name.encode(), orjson.dumps(data))


def _sign_in_form(request: Request, user: str = "", refusal: Refusal | None = None) -> Response:
    cookies, form = _container(request).cookies, secrets.token_urlsafe(16)
    fault = refusal.title.zh if refusal else ""
    response = _page(request, "sign_in.html", form=form, user=user, fault=fault)
    if refusal is not None:
        response.status_code = refusal.status
        if refusal.retry_after is not None:
            response.headers["retry-after"] = str(refusal.retry_after)
    cookies.put(response, cookies.form, form, 3600)
    return response


def _page(request: Request, template: str, **values: object) -> Response:
    html = _container(request).pages.render(template, **values)
    return HTMLResponse(
        html, headers={"content-security-policy": POLICY, "cross-origin-opener-policy": "same-origin"}
    )


def _scope(account: Account) -> Scope:
    scope = scope_of(account)
    if scope is None:
        raise Forbidden
    return scope


async def _person(request: Request) -> Account | None:
    return await _container(request).door.person(_token(request))


def _token(request: Request) -> str:
    return request.cookies.get(_container(request).cookies.session, "")


def _container(request: Request) -> Container:
    container: Container = request.app.state.container
    return container


def _same(expected: str | None, given: str) -> bool:
    return bool(expected) and hmac.compare_digest(
        str(expected).encode(), given.encode("utf-8", "surrogatepass")
    )
