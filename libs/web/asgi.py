"""Everything around a request that is no business of its route.

Plain ASGI: the framework's middleware class costs a task group per request and cancels work when the caller
goes away.
"""

import asyncio
import time
from collections.abc import MutableSequence
from datetime import datetime
from typing import Any

import structlog
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from libs.runtime.clock import Clock
from libs.runtime.logging import fault
from libs.runtime.metrics import Metrics
from libs.runtime.telemetry import span
from libs.web.body import Guard
from libs.web.errors import FieldError, Invalid, Overloaded, Refusal
from libs.web.problems import language_of, refusal_of, wording_of
from libs.web.refusals import InternalError, SlowRequest, TooLate

log = structlog.get_logger()

RECEIVED_AT = "heshi.received_at"

QUIET = frozenset({"/livez", "/readyz", "/metrics"})
"""Paths that are asked all the time by machines and not worth a line."""

_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})

_HEADERS = {
    b"x-content-type-options": b"nosniff",
    b"cache-control": b"no-store",
    b"referrer-policy": b"no-referrer",
}


def received_at(request: Request) -> datetime:
    """When the request came, aware UTC: a command counts at that time (G17)."""
    moment: datetime = request.scope[RECEIVED_AT]
    return moment


class Door:
    """The outermost layer of a service's application.

    Promise: every request is answered within `budget` seconds (503 with `Retry-After`, 408 when its body
    does not come), while its work goes on uncancelled, since others may share its transaction; answers that
    have begun (streams) are exempt. At most `in_flight` requests are worked on at once. No answer tells of
    an inner fault. The log line and the span name the route, never the path or the query string, which may
    hold anything (G21).
    """

    def __init__(
        self, app: ASGIApp, *, clock: Clock, metrics: Metrics, budget: float = 9.0, in_flight: int = 2_000
    ) -> None:
        self._app = app
        self._clock = clock
        self._metrics = metrics
        self._budget = budget
        self._free = in_flight

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        begun = time.perf_counter()
        scope[RECEIVED_AT] = self._clock.now()
        method = scope["method"] if scope["method"] in _METHODS else "OTHER"
        with span(method, kind="server", parent=_header(scope, b"traceparent")) as here:
            exchange = Exchange(scope, receive, send)
            self._free -= 1
            try:
                await exchange.run(self._app, self._budget, full=self._free < 0)
            finally:
                self._free += 1
            path = getattr(scope.get("route"), "path", "unmatched")
            here.rename(f"{method} {path}")
            here.set(**{"http.response.status_code": exchange.status})
            seconds = time.perf_counter() - begun
            self._metrics.http_seconds.labels(method, path, str(exchange.status)).observe(seconds)
            if scope["path"] not in QUIET:
                _tell(method, path, exchange.status, seconds)


class Exchange:
    """One request and its one answer."""

    __slots__ = ("_guard", "_late", "_scope", "_send", "_speaking", "_started", "_timer", "status")

    def __init__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self._scope = scope
        self._send = send
        self._guard = Guard(scope, receive, self._end_budget)
        self._timer: asyncio.TimerHandle | None = None
        self._started = False
        self._late = False
        self._speaking: asyncio.Task[None] | None = None
        self.status = 0

    async def run(self, app: ASGIApp, budget: float, *, full: bool) -> None:
        """Let the application answer, or answer in its place."""
        self._timer = asyncio.get_running_loop().call_later(budget, self._answer_late)
        try:
            if full:
                raise Overloaded
            _check_address(self._scope)
            await app(self._scope, self._guard, self._pass_on)
        except Exception as error:
            await self._refuse(error)
        finally:
            self._end_budget()
            if self._speaking is not None:
                await self._speaking

    async def _refuse(self, error: Exception) -> None:
        refusal = refusal_of(error)
        if isinstance(refusal, InternalError):
            log.error("request_failed", status=refusal.status, **fault(error))
        elif not isinstance(error, Refusal):
            log.warning("request_refused", status=refusal.status, code=refusal.code, **fault(error))
        if not self._started:
            await self._say(refusal)
        elif not self._late:
            raise error  # the answer broke off: the server cuts the connection, so that the caller sees it

    async def _pass_on(self, message: Message) -> None:
        """The application's `send`; what it still says after a late answer is dropped."""
        if self._late:
            return
        if message["type"] == "http.response.start":
            self._started = True
            self._end_budget()
            self.status = message["status"]
            _add_headers(message)
        await self._send(message)

    def _end_budget(self) -> None:
        if self._timer is not None:
            self._timer.cancel()

    def _answer_late(self) -> None:
        self._late = True
        refusal = SlowRequest() if self._guard.reading else TooLate(retry_after=1)
        log.warning("request_late", code=refusal.code, status=refusal.status)
        self._speaking = asyncio.ensure_future(self._say(refusal))

    async def _say(self, refusal: Refusal) -> None:
        self._started = True
        self.status = refusal.status
        answer = wording_of(self._scope)(refusal, language_of(self._scope), None)
        if refusal.status == 408:
            answer.headers["connection"] = "close"
        start: Any = {
            "type": "http.response.start",
            "status": answer.status_code,
            "headers": answer.raw_headers,
        }
        _add_headers(start)
        await self._send(start)
        await self._send({"type": "http.response.body", "body": bytes(answer.body)})


def _tell(method: str, route: str, status: int, seconds: float) -> None:
    log.info("http_request", method=method, route=route, status=status, duration_ms=round(seconds * 1000, 1))


def _check_address(scope: Scope) -> None:
    """No null character in path or query: no text column could be asked for it."""
    if "\0" in scope["path"] or b"%00" in scope["query_string"]:
        raise Invalid(errors=[FieldError("", "null_byte")])


def _add_headers(start: Message) -> None:
    headers: MutableSequence[tuple[bytes, bytes]] = list(start.get("headers", ()))
    given = {name for name, _ in headers}
    headers.extend(item for item in _HEADERS.items() if item[0] not in given)
    start["headers"] = headers


def _header(scope: Scope, name: bytes) -> str | None:
    for given, value in scope["headers"]:
        if given == name:
            return bytes(value).decode("latin-1")
    return None
