"""The short way answers as the framework's own way does: the same requests, both ways."""

import asyncio
from collections.abc import Mapping
from typing import Annotated, Any

import orjson
import pytest
from fastapi import APIRouter, Depends
from fastapi.routing import iter_route_contexts
from pydantic import BaseModel, ConfigDict
from starlette.requests import Request
from starlette.responses import Response

from libs.runtime.clock import DatabaseClock
from libs.runtime.metrics import Metrics
from libs.web.answers import json
from libs.web.app import create_app
from libs.web.auth import Edge, staff
from libs.web.body import BODY
from libs.web.errors import NotFound, Unauthorised
from libs.web.limits import RateLimit
from libs.web.principal import Principal
from libs.web.shortcut import Shortcuts


class Said(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    count: int = 1


Caller = Annotated[Principal, Depends(staff("operator"))]
router = APIRouter()


@router.post("/short")
async def short(request: Request, said: Said, caller: Caller) -> Response:
    if said.name == "gone":
        raise NotFound
    if said.name == "broken":
        raise ZeroDivisionError
    kept = request.scope[BODY] == await request.body()
    return json({"name": said.name, "count": said.count, "by": caller.id, "kept": kept}, 201)


@router.post("/long")
async def long(request: Request, said: Said, caller: Caller, asked: str | None = None) -> Response:
    return await short(request, said, caller)


class Tokens:
    def verify(self, token: str) -> Principal:
        if token not in ("operator", "auditor"):
            raise Unauthorised
        return Principal("staff", token, frozenset({token}))


async def _away() -> Any:
    raise OSError


class Nothing:
    def missing(self) -> Mapping[str, str]:
        return {}


EDGE = Edge(
    clock=DatabaseClock(_away),
    metrics=Metrics(),
    tokens=Tokens(),  # type: ignore[arg-type]
    mac=lambda text: text,
    rate=RateLimit(1_000, 1_000),
)
APP = create_app("toy", routers=[router], container=None, readiness=Nothing(), docs=False, edge=EDGE)

GOOD = b'{"name": "\xe5\xbc\xa0", "count": 2}'
HEADERS = {"authorization": "Bearer operator", "content-type": "application/json"}


async def asked(path: str, body: bytes | None, headers: Mapping[str, str], query: bytes = b"") -> Any:
    """Status, headers and body of the answer; without a body the caller goes away."""
    given = {**headers, "content-length": str(len(body or b"x"))}
    scope = {
        "type": "http",
        "method": "POST",
        "path": path,
        "query_string": query,
        "root_path": "",
        "headers": [(name.encode(), value.encode()) for name, value in given.items()],
        "client": ("127.0.0.1", 1),
    }
    told: list[Any] = []

    async def receive() -> Any:
        if body is None:
            return {"type": "http.disconnect"}
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message: Any) -> None:
        told.append(message)

    await APP(scope, receive, send)
    answer = orjson.loads(told[1]["body"])
    answer.pop("trace_id", None)
    return told[0]["status"], sorted(told[0]["headers"]), answer


@pytest.mark.parametrize(
    ("body", "headers", "status"),
    [
        (GOOD, HEADERS, 201),
        (b'{"name": "a", "count": "2"}', HEADERS, 201),
        (b"", HEADERS, 422),
        (b"null", HEADERS, 422),
        (b"[]", HEADERS, 422),
        (b"{", HEADERS, 400),
        (b'{"count": 10000000000000000000000, "other": "x"}', HEADERS, 422),
        (b'{"name": "\\u0000"}', HEADERS, 422),
        (b'{"name": "a", "name": "b"}', HEADERS, 422),
        (b'{"name": "gone"}', HEADERS, 404),
        (b'{"name": "broken"}', HEADERS, 500),
        (GOOD, HEADERS | {"authorization": "Bearer auditor"}, 403),
        (GOOD, HEADERS | {"authorization": "Bearer nobody"}, 401),
        (b"{", HEADERS | {"authorization": "Bearer nobody"}, 400),
        (b"{}", HEADERS | {"authorization": "Bearer nobody"}, 401),
        (GOOD, HEADERS | {"content-type": "text/plain"}, 415),
        (GOOD, {"authorization": "Bearer operator"}, 415),
        (b"{}", HEADERS | {"accept-language": "en"}, 422),
        (b" " * 300_000, HEADERS, 413),
        (None, HEADERS, 400),
    ],
)
def test_both_ways_answer_alike(body: bytes | None, headers: Mapping[str, str], status: int) -> None:
    answered = asyncio.run(asked("/short", body, headers))
    assert answered[0] == status
    assert answered == asyncio.run(asked("/long", body, headers))


def test_an_unknown_parameter_is_refused_on_the_short_way_too() -> None:
    status, _, answer = asyncio.run(asked("/short", GOOD, HEADERS, b"asked=1"))
    assert (status, answer["errors"][0]["code"]) == (422, "unknown_parameter")


def test_a_parameter_stands_once() -> None:
    status, _, answer = asyncio.run(asked("/long", GOOD, HEADERS, b"asked=1&asked=2"))
    assert (status, answer["errors"][0]["pointer"]) == (422, "/query/asked")


def test_only_what_asks_for_no_more_goes_the_short_way() -> None:
    assert list(Shortcuts(APP, routes=iter_route_contexts(APP.routes)).served) == [("POST", "/short")]
