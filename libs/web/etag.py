"""Versions as entity tags: `ETag: "7"` out, `If-Match: "7"` in."""

import re

from starlette.requests import Request

from libs.web.errors import PreconditionRequired, Stale

_STRONG = re.compile(r'"([0-9]{1,9})"')


def etag(version: int) -> str:
    """The tag of a version."""
    return f'"{version}"'


def if_match(request: Request) -> int:
    """The version on which the caller decided; 428 without the header, 412 for what is no version of ours.

    One strong tag only: `*` and lists would let a caller overwrite what they never saw.
    """
    given = request.headers.get("if-match")
    if given is None:
        raise PreconditionRequired
    found = _STRONG.fullmatch(given.strip())
    if found is None:
        raise Stale('If-Match is one tag like "7"')
    return int(found[1])
