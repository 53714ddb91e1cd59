"""Refusals and faults as `application/problem+json` (RFC 9457), titled in the caller's language."""

from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any

import orjson
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute, iter_route_contexts
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Match
from starlette.types import Scope

from libs.db.faults import Fault, classify
from libs.runtime import telemetry
from libs.web import fieldtexts
from libs.web.errors import Busy, FieldError, Invalid, NotFound, Refusal, TooLarge, Unavailable
from libs.web.fieldfaults import Language, field_error
from libs.web.refusals import BadRequest, InternalError, MalformedJson, MethodNotAllowed, UnsupportedMedia

MOST_ERRORS = 50
"""Entries of `errors[]`; a body with more faults than that is not read to its end by anybody."""

_UNASKED = (0.0, 0)

_BY_STATUS: dict[int, type[Refusal]] = {
    404: NotFound,
    405: MethodNotAllowed,
    413: TooLarge,
    415: UnsupportedMedia,
}

SCHEMA: dict[str, Any] = {
    "type": "object",
    "required": ["type", "title", "status", "detail", "code", "trace_id"],
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "code": {"type": "string"},
        "trace_id": {"type": ["string", "null"]},
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["pointer", "code", "detail"],
                "properties": {name: {"type": "string"} for name in ("pointer", "code", "detail")},
            },
        },
    },
}
"""Of a problem, for the OpenAPI document."""


class Refused(HTTPException):
    """Carries a refusal through code of the framework that lets only its own exceptions pass."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(refusal.status)
        self.refusal = refusal


@lru_cache(maxsize=256)
def language(accepted: str) -> Language:
    """`en` when the `Accept-Language` header puts English before Chinese, else `zh`."""
    best: dict[str, tuple[float, int]] = {}
    for place, entry in enumerate(accepted.split(",")):
        tag, _, parameter = entry.partition(";")
        try:
            quality = float(parameter.partition("=")[2]) if parameter else 1.0
        except ValueError:
            continue
        primary = tag.strip().lower().partition("-")[0]
        if quality > 0:
            best[primary] = max(best.get(primary, _UNASKED), (quality, -place))
    return "en" if best.get("en", _UNASKED) > best.get("zh", _UNASKED) else "zh"


def language_of(scope: Scope) -> Language:
    """The language that a request asks for."""
    for name, value in scope["headers"]:
        if name == b"accept-language":
            return language(value.decode("latin-1")[:200])
    return "zh"


def refusal_of(error: Exception, spoken: Language = "zh") -> Refusal:
    """The refusal that an exception means to the caller.

    Infrastructure that is away is 503 with `Retry-After`, a lost race 409; what nobody foresaw is 500 and
    says nothing of itself.
    """
    if isinstance(error, Refusal):
        return error
    if isinstance(error, Refused):
        return error.refusal
    if isinstance(error, RequestValidationError):
        return _invalid(error.errors(), spoken)
    if isinstance(error, HTTPException):
        kind = _BY_STATUS.get(error.status_code, BadRequest if error.status_code < 500 else InternalError)
        return kind(status=error.status_code)
    fault = classify(error)
    if fault is Fault.INFRASTRUCTURE:
        return Unavailable()
    return Busy(retry_after=1) if fault is Fault.CONFLICT else InternalError()


def problem(refusal: Refusal, spoken: Language, headers: Mapping[str, str] | None = None) -> Response:
    """The answer to a refusal: its members, and what the standard's headers ask for."""
    body: dict[str, object] = {
        "type": f"/problems/{refusal.code}",
        "title": refusal.title.en if spoken == "en" else refusal.title.zh,
        "status": refusal.status,
        "detail": fieldtexts.worded(refusal.detail, spoken),
        "code": refusal.code,
        "trace_id": telemetry.trace_id(),
    }
    if refusal.errors:
        body["errors"] = [entry(error, spoken) for error in refusal.errors[:MOST_ERRORS]]
    answer = Response(
        orjson.dumps(body | refusal.extra, default=_codes),
        refusal.status,
        {"content-language": spoken, **(headers or {})},
        "application/problem+json",
    )
    if refusal.retry_after is not None:
        answer.headers["retry-after"] = str(refusal.retry_after)
    if refusal.status == 401:
        answer.headers["www-authenticate"] = "Bearer"
    return answer


Wording = Callable[[Refusal, Language, Mapping[str, str] | None], Response]
"""How a refusal is answered; `problem` unless a router words its own."""


class WordedRoute(APIRoute):
    """The `route_class` of a router that words refusals as another standard has it: of all that is asked
    under its prefix, whether there is a route for it or not."""

    @staticmethod
    @abstractmethod
    def wording(refusal: Refusal, spoken: Language, headers: Mapping[str, str] | None = None) -> Response:
        """As `problem`."""


def wording_of(scope: Scope) -> Wording:
    """How refusals are worded where a request goes, and to whom: by its router, else by the application."""
    if "app" not in scope:
        return problem
    state = scope["app"].state
    by_router: Mapping[str, Wording] = state.worded
    of_all: Callable[[Scope], Wording] = state.wording
    found = (word for prefix, word in by_router.items() if scope["path"].startswith(f"{prefix}/"))
    return next(found, None) or of_all(scope)


async def answer_problem(request: Request, error: Exception) -> Response:
    """The exception handler of the application."""
    spoken = language_of(request.scope)
    headers = error.headers if isinstance(error, HTTPException) else None
    refusal = refusal_of(error, spoken)
    if refusal.status == 429:
        request.app.state.edge.metrics.rate_refusals.labels(refusal.code).inc()
    if refusal.status == 405:
        headers = {"allow": ", ".join(sorted(_methods(request)))}
    return wording_of(request.scope)(refusal, spoken, headers)


def _methods(request: Request) -> set[str]:
    """All methods of a path: the framework's own answer names those of its first route."""
    routes = iter_route_contexts(request.app.routes)
    found = (route.methods or () for route in routes if route.matches(request.scope)[0] is not Match.NONE)
    return set().union(*found)


def entry(error: FieldError, spoken: Language) -> dict[str, str]:
    """A fault as it is told."""
    detail = fieldtexts.worded(error.detail, spoken) or fieldtexts.text(error.code, spoken)
    return {"pointer": error.pointer, "code": error.code, "detail": detail}


def _invalid(errors: Sequence[Any], spoken: Language) -> Refusal:
    if any(error["type"] == "json_invalid" for error in errors):
        return MalformedJson()
    return Invalid(errors=[field_error(error, spoken) for error in errors[:MOST_ERRORS]])


def _codes(value: object) -> object:
    if isinstance(value, set | frozenset):
        return sorted(value)
    return str(value)
