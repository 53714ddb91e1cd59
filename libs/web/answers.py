"""Answers as JSON, without the framework's own way through models and encoders."""

from typing import Any
from uuid import UUID

import orjson
from pydantic import BaseModel
from starlette.responses import Response

from libs.db.work import Outcome
from libs.web.etag import etag


def json(body: Any, status: int = 200, **headers: str) -> Response:
    """`body` as UTF-8 JSON: times with offset, ids and dates as texts, models by their fields."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Response(orjson.dumps(body, default=_plain), status, named, "application/json")


def answer(outcome: Outcome, **headers: str) -> Response:
    """The answer to a command: its `ETag`, its `Location`, and whether it is a first answer's repetition."""
    if outcome.version:
        headers["etag"] = etag(outcome.version)
    if outcome.location is not None:
        headers["location"] = outcome.location
    if outcome.replayed:
        headers["idempotent_replayed"] = "true"
    if outcome.body is None and outcome.status == 204:
        return Response(status_code=204, headers={n.replace("_", "-"): v for n, v in headers.items()})
    return json(outcome.body, outcome.status, **headers)


def _plain(value: Any) -> Any:
    if isinstance(value, BaseModel):
        return value.model_dump()
    if isinstance(value, UUID):  # the database driver's own subclass
        return str(value)
    if isinstance(value, set | frozenset):
        return sorted(value)
    raise TypeError(type(value).__name__)
