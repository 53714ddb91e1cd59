"""Lists by keyset: a page, and an opaque mark of where the next begins."""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

import orjson
from fastapi import Query

from libs.clocks.calendar import in_every_zone
from libs.web.errors import FieldError, Invalid

Limit = Annotated[int, Query(ge=1, le=100)]
"""`limit: Limit = 50`"""

After = Annotated[str | None, Query(max_length=512)]
"""`after: After = None`"""

DEFAULT_LIMIT = 50
_VERSION = 1


def page(items: Sequence[Any], next: str | None) -> dict[str, Any]:
    """The shape of every list."""
    return {"items": items, "next": next}


def encode(name: str, *place: str | int | UUID | datetime) -> str:
    """The mark after a row: the list's `name` and the row's sorting columns, in order."""
    return urlsafe_b64encode(orjson.dumps([_VERSION, name, *place])).rstrip(b"=").decode()


def decode(name: str, after: str | None, *types: type, at: str = "/query/after") -> tuple[Any, ...] | None:
    """The columns of a mark, of the given types (`str`, `int`, `UUID`, `datetime`); None for the first page.

    A mark of another list, another version or other types is 422; `at` is where it stands. It is not signed:
    it only moves within what the caller may see anyway, since every query carries that predicate itself.
    """
    if after is None:
        return None
    try:
        version, of, *place = orjson.loads(urlsafe_b64decode(after + "=" * (-len(after) % 4)))
        if (version, of, len(place)) == (_VERSION, name, len(types)):
            return tuple(_typed(value, kind) for value, kind in zip(place, types, strict=True))
    except (ValueError, TypeError):
        pass  # told below, the same for every kind of garbage
    raise Invalid(errors=[FieldError(at, "malformed_cursor")])


def _typed(value: Any, kind: type) -> Any:
    if kind is UUID:
        return UUID(value)
    if kind is datetime:
        moment = datetime.fromisoformat(value)
        if moment.tzinfo is None or not in_every_zone(moment):
            raise ValueError("no instant")
        return moment
    if type(value) is not kind:
        raise TypeError(kind)
    if (isinstance(value, int) and abs(value) >= 2**63) or (isinstance(value, str) and "\0" in value):
        raise ValueError("no column holds it")
    return value
