"""HTTP in: sign-in and out, and the files that pages load."""

import re
import secrets
from typing import Annotated, Final

from fastapi import APIRouter, Depends, Form
from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from libs.web.auth import open_to_all
from libs.web.errors import NotFound, Refusal
from services.console.api.common import (
    FormExpired,
    Person,
    container,
    own_form,
    page,
    person,
    same,
    session_token,
    signed_in,
)
from services.console.domain.access import LONGEST

HERE: Final = re.compile(r"/(?![/\\])[!-\[\]-~]{0,500}")
"""An address on this site; browsers take `//` and `/\\` for the beginning of another host's."""


class SignIn(BaseModel):
    """The sign-in form; what is missing is simply wrong. `next`: the page that was asked for before."""

    user: str = ""
    password: str = ""
    form: str = ""
    next: str = ""


class SignOut(BaseModel):
    """The sign-out form."""

    form: str = ""


router = APIRouter(include_in_schema=False)


@router.get("/sign-in", dependencies=[Depends(open_to_all)])
async def sign_in_page(request: Request, next: str = "") -> Response:
    """The sign-in form; it leads to `next`."""
    if await person(request) is not None:
        return _onward(next)
    return _sign_in_form(request, next)


@router.post("/sign-in", dependencies=[Depends(open_to_all)])
async def sign_in(request: Request, form: Annotated[SignIn, Form()]) -> Response:
    """A session for the right name and password, always a new one; else the form with what was wrong."""
    behind = container(request)
    address = request.client.host if request.client else ""
    try:
        if not same(request.cookies.get(behind.cookies.form), form.form):
            raise FormExpired
        token = await behind.door.sign_in(form.user, form.password, address)
    except Refusal as refusal:
        return _sign_in_form(request, form.next, form.user, refusal)
    response = _onward(form.next)
    behind.cookies.put(response, behind.cookies.session, token, int(LONGEST.total_seconds()))
    behind.cookies.put(response, behind.cookies.form, "", 0)
    return response


@router.post("/sign-out")
async def sign_out(request: Request, form: Annotated[SignOut, Form()], account: Person) -> Response:
    """The end of the session."""
    behind = container(request)
    own_form(request, form.form)
    await behind.door.sign_out(session_token(request), account.user)
    response = RedirectResponse("/sign-in", 303)
    behind.cookies.put(response, behind.cookies.session, "", 0)
    return response


@router.get("/session", dependencies=[Depends(signed_in)])
async def session() -> Response:
    """Whether one is still signed in."""
    return Response(status_code=204)


@router.get("/assets/{name}", dependencies=[Depends(open_to_all)])
async def asset(request: Request, name: str) -> Response:
    """A file that a page loads; its name holds the digest of its content."""
    found = container(request).pages.assets.get(name)
    if found is None:
        raise NotFound
    headers = {"cache-control": "public, max-age=31536000, immutable"}
    return Response(found.content, 200, headers, found.media_type)


def _onward(address: str) -> Response:
    """The page that was asked for, if it is one of this site."""
    return RedirectResponse(address if HERE.fullmatch(address) else "/", 303)


def _sign_in_form(request: Request, onward: str, user: str = "", refusal: Refusal | None = None) -> Response:
    cookies, form = container(request).cookies, secrets.token_urlsafe(16)
    status = refusal.status if refusal else 200
    fault = refusal.title.zh if refusal else ""
    response = page(request, "sign_in.html", status, form=form, user=user, fault=fault, next=onward)
    if refusal is not None and refusal.retry_after is not None:
        response.headers["retry-after"] = str(refusal.retry_after)
    cookies.put(response, cookies.form, form, 3600)
    return response
