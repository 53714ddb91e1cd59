"""A service's HTTP application: its routers behind the guards that all of them share."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Protocol

from fastapi import APIRouter, FastAPI
from fastapi.dependencies.models import Dependant
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute, iter_route_contexts
from fastapi.security.base import SecurityBase
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from libs.web.answers import json
from libs.web.asgi import Door
from libs.web.auth import Edge, Entrance, open_to_all
from libs.web.errors import Refusal
from libs.web.problems import SCHEMA, WordedRoute, answer_problem, problem
from libs.web.shortcut import Shortcuts

_PROBLEM = {
    "description": "Refused or failed (RFC 9457)",
    "content": {"application/problem+json": {"schema": SCHEMA}},
}


class Ready(Protocol):
    """What knows whether the process may be sent work."""

    def missing(self) -> Mapping[str, str]: ...


def create_app(
    service: str,
    *,
    routers: Sequence[APIRouter],
    container: Any,
    readiness: Ready,
    docs: bool,
    edge: Edge,
    roles: frozenset[str] | None = None,
    asyncapi: Callable[[], Mapping[str, Any]] | None = None,
) -> FastAPI:
    """The application of `service`; routes find `container` at `request.app.state.container`.

    Raises `ValueError` at once when a route names no door, or a role that is not among `roles`. `docs` opens
    `/docs` (not in production); `asyncapi` makes the document of `/asyncapi.json`.
    """
    app = FastAPI(
        title=f"Heshi {service}",
        version="1",
        docs_url="/docs" if docs else None,
        redoc_url=None,
        redirect_slashes=False,
        telemetry={"tracing": False, "metrics": False, "logs": False, "operation_spans": False},
        responses={"default": _PROBLEM},
    )
    app.state.container = container
    app.state.edge = edge
    app.state.worded = {
        router.prefix: router.route_class.wording
        for router in routers
        if issubclass(router.route_class, WordedRoute)
    }
    app.state.wording = lambda scope: problem
    for kind in (Refusal, HTTPException, RequestValidationError):
        app.add_exception_handler(kind, answer_problem)
    for router in routers:
        app.include_router(router)
    app.state.parameters = dict(_parameters(app, roles))
    _add_inspection(app, readiness, edge, asyncapi)
    app.add_middleware(Shortcuts, routes=iter_route_contexts(app.routes))
    app.add_middleware(
        Door, clock=edge.clock, metrics=edge.metrics, budget=edge.budget, in_flight=edge.in_flight
    )
    return app


def _parameters(app: FastAPI, roles: frozenset[str] | None) -> Iterator[tuple[Any, frozenset[str]]]:
    """Every endpoint with the query parameters it knows, once its door is found to be in order."""
    for route in iter_route_contexts(app.routes):
        if isinstance(route.original_route, APIRoute):
            _check_door(f"{sorted(route.methods or ())} {route.path}", route.dependant, roles)
            names = (field.alias for part in _flat(route.dependant) for field in part.query_params)
            yield route.endpoint, frozenset(names)


def _check_door(route: str, dependant: Dependant, roles: frozenset[str] | None) -> None:
    calls = [part.call for part in _flat(dependant)]
    if not any(isinstance(call, SecurityBase) or call is open_to_all for call in calls):
        raise ValueError(f"{route} names no door: Depends(staff(...)), Depends(partner()) or open_to_all")
    wanted = {role for call in calls if isinstance(call, Entrance) for role in call.roles or ()}
    if roles is not None and wanted - roles:
        raise ValueError(f"{route} lets in roles that nobody has: {sorted(wanted - roles)}")


def _flat(dependant: Dependant) -> Iterator[Dependant]:
    yield dependant
    for below in dependant.dependencies:
        yield from _flat(below)


def _add_inspection(
    app: FastAPI, readiness: Ready, edge: Edge, asyncapi: Callable[[], Mapping[str, Any]] | None
) -> None:
    async def livez(request: Request) -> Response:
        return json({"live": True})

    async def readyz(request: Request) -> Response:
        missing = readiness.missing()
        return json({"ready": not missing, "missing": missing}, 503 if missing else 200)

    async def metrics(request: Request) -> Response:
        return Response(edge.metrics.text(), media_type="text/plain; version=0.0.4")

    async def events(request: Request) -> Response:
        return json(asyncapi() if asyncapi else {})

    app.add_route("/livez", livez, include_in_schema=False)
    app.add_route("/readyz", readyz, include_in_schema=False)
    app.add_route("/metrics", metrics, include_in_schema=False)
    if asyncapi is not None:
        app.add_route("/asyncapi.json", events, include_in_schema=False)
