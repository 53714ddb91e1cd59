"""The short way to the routes that ask for a credential and a JSON body and nothing else.

The framework's own way to them (nested routers, exit stacks, solving of dependencies, its errors' context)
costs more than reading, letting in and answering together. These go round it, with its own declarations:
guard, order, entrance, model and refusals are the same.
"""

import json
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any, get_type_hints

from fastapi.dependencies.models import Dependant
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute, RouteContext
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from libs.web.auth import Entrance
from libs.web.body import takes_json
from libs.web.errors import Refusal
from libs.web.problems import answer_problem
from libs.web.refusals import BadRequest

_MISSING = {"type": "missing", "loc": ("body",), "msg": "Field required", "input": None}


class Shortcuts:
    """Stands before the framework and serves the routes that have a short way."""

    def __init__(self, app: ASGIApp, *, routes: Iterable[RouteContext]) -> None:
        self.app = app
        self.served: Mapping[tuple[str, str], ASGIApp] = {
            (method, route.path): _Served(route.original_route, route.dependant)
            for route in routes
            if isinstance(route.path, str) and _is_short(route)
            for method in route.methods or ()
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        served = self.served.get((scope["method"], scope["path"])) if scope["type"] == "http" else None
        await (served or self.app)(scope, receive, send)


def _is_short(route: RouteContext) -> bool:
    """Whether the route asks for the request, one JSON body and one entrance, and answers by itself."""
    if type(route.original_route) is not APIRoute or not takes_json(route.original_route):
        return False
    asked: Dependant = route.dependant
    others = (asked.path_params, asked.query_params, asked.header_params, asked.cookie_params)
    parts = get_type_hints(asked.call)
    return (
        not any(others)
        and asked.body_params == [route.body_field]
        and [type(part.call) for part in asked.dependencies] == [Entrance]
        and parts.pop("return", None) is Response
        and parts.keys() == {asked.request_param_name, asked.body_params[0].name, asked.dependencies[0].name}
    )


class _Served:
    """One such route as an ASGI application."""

    def __init__(self, route: Any, asked: Dependant) -> None:
        (self._body,) = asked.body_params
        (entrance,) = asked.dependencies
        self._enter: Callable[[Request], Awaitable[Any]] = entrance.call  # type: ignore[assignment]
        self._names = str(asked.request_param_name), self._body.name, str(entrance.name)
        self._endpoint: Callable[..., Awaitable[Response]] = route.endpoint
        self._place = {"route": route, "endpoint": route.endpoint}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        scope.update(self._place)
        request = Request(scope, receive, send)
        try:
            answer = await self._answer(request)
        except (Refusal, HTTPException, RequestValidationError) as error:
            answer = await answer_problem(request, error)
        await answer(scope, receive, send)

    async def _answer(self, request: Request) -> Response:
        try:
            text = await request.body()
        except ClientDisconnect:
            raise BadRequest from None
        caller = await self._enter(request)
        said, faults = self._body.validate(json.loads(text), loc=("body",)) if text else (None, [_MISSING])
        if faults:
            raise RequestValidationError(faults)
        return await self._endpoint(**dict(zip(self._names, (request, said, caller), strict=True)))
