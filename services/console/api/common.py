"""What every door of the console needs: its container, who asks, pages and the token of forms."""

import hmac
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Final
from uuid import UUID

from fastapi import Depends
from fastapi.openapi.models import APIKey, APIKeyIn
from fastapi.security.base import SecurityBase
from starlette.datastructures import FormData
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from libs.web.body import accepts
from libs.web.errors import Forbidden, Refusal, Title, Unauthorised
from libs.web.limits import Turns
from services.console.domain.access import Account, Scope, scope_of
from services.console.handlers.board import Board
from services.console.handlers.casework import Services
from services.console.handlers.door import Door, form_token
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
    services: Services
    pages: Pages
    words: Words
    cookies: Cookies
    turns: Turns
    stopping: Callable[[], bool]


class SignedIn(SecurityBase):
    """Lets in whoever has a live session; 401 otherwise."""

    model = APIKey(**{"in": APIKeyIn.cookie}, name="heshi-session")
    scheme_name = "session"

    async def __call__(self, request: Request) -> Account:
        """The account of the session."""
        account = await person(request)
        if account is None:
            raise Unauthorised
        return account


FORM: Final = accepts("application/x-www-form-urlencoded")
"""`openapi_extra` of a route that reads a whole form by itself."""

UNDECIDED: Final = frozenset({"in_progress", "busy", "too_many_requests", "idempotency_key_reused"})
"""Codes of refusals below 500 after which the request under its key may have taken effect, or still can."""

signed_in = SignedIn()
Person = Annotated[Account, Depends(signed_in)]


async def person(request: Request) -> Account | None:
    """Whoever is signed in."""
    return await container(request).door.person(session_token(request))


def container(request: Request) -> Container:
    """The container of the application that the request came to."""
    found: Container = request.app.state.container
    return found


def session_token(request: Request) -> str:
    """The browser's session, or nothing."""
    return request.cookies.get(container(request).cookies.session, "")


def scope(account: Account) -> Scope:
    """Which cases the account sees; Forbidden where it sees none."""
    found = scope_of(account)
    if found is None:
        raise Forbidden
    return found


async def found_rows(
    request: Request, account: Account, items: Sequence[Mapping[str, Any]]
) -> list[dict[str, Any]]:
    """Cases that intake found as a list shows them, with what the board knows of them."""
    behind = container(request)
    rows = await behind.board.rows(scope(account), [UUID(item["case_id"]) for item in items])
    return [behind.words.found(item, rows.get(UUID(item["case_id"]))) for item in items]


def own_form(request: Request, given: str) -> None:
    """Let pass a form that was made for this session; FormExpired for any other (CSRF)."""
    if not same(form_token(session_token(request)), given):
        raise FormExpired


async def sent_form(request: Request) -> FormData:
    """The form that was sent, if it was made for this session; FormExpired for any other."""
    sent = await request.form()
    own_form(request, str(sent.get("form", "")))
    return sent


def texts(sent: FormData) -> dict[str, str]:
    """The fields of a form that hold text."""
    return {name: value for name, value in sent.items() if isinstance(value, str)}


def key_after(refusal: Refusal, key: str) -> str:
    """The key under which a refused form is sent again.

    After a verdict a new one, since the service keeps its answer under the old. While nobody knows whether
    the request took effect the old one, so that it does so once.
    """
    return key if refusal.status >= 500 or refusal.code in UNDECIDED else str(uuid.uuid4())


def same(expected: str | None, given: str) -> bool:
    """Whether two tokens are the same, in constant time."""
    return bool(expected) and hmac.compare_digest(
        str(expected).encode(), given.encode("utf-8", "surrogatepass")
    )


def page(request: Request, template: str, status: int = 200, **values: object) -> Response:
    """A page as HTML, with the policy that keeps foreign content out."""
    html = container(request).pages.render(template, **values)
    return HTMLResponse(
        html,
        status,
        {
            "content-security-policy": POLICY,
            "cross-origin-opener-policy": "same-origin",
            "cache-control": "no-store",
        },
    )


def in_frame(
    request: Request, account: Account | None, template: str, status: int = 200, **values: object
) -> Response:
    """A page of somebody who is signed in: with their name, and the token of its forms. None: no more."""
    return page(
        request,
        template,
        status,
        name=account.name if account else "",
        form=form_token(session_token(request)) if account else "",
        may_enter=account is not None and account.may_enter,
        sees_cases=account is not None and scope_of(account) is not None,
        **values,
    )
