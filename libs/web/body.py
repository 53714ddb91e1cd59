"""The guard of request bodies: size, media type and soundness, before anything else looks at them."""

import asyncio
import json
import re
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Final
from urllib.parse import unquote_to_bytes

import orjson
from fastapi import params
from starlette.requests import ClientDisconnect, Request
from starlette.types import Message, Receive, Scope

from libs.web.errors import FieldError, Invalid, TooLarge
from libs.web.fieldfaults import pointer, twice
from libs.web.problems import Refused
from libs.web.refusals import BadRequest, MalformedForm, MalformedJson, SlowRequest, UnsupportedMedia

JSON = "application/json"
URL_ENCODED = "application/x-www-form-urlencoded"
FORMS = (URL_ENCODED, "multipart/form-data")

MAX_BODY = 256 * 1024
"""Bytes of a body, unless its route says otherwise."""

MAX_DEPTH = 64
"""Nested lists and objects; deeper ones serve nobody but those who want a stack to overflow."""

LONGEST_UPLOAD = 600.0
"""Seconds in which a body that streams has come to its end."""

BODY = "heshi.body"
"""The scope's name for the raw bytes, once they were read (their SHA-256 where they streamed); idempotency
keys are bound to them."""

UTF8 = ("utf-8", "utf8")

_PARAMETER: Final = re.compile(r';\s*([^\s;="]+)\s*=\s*("[^"]*"|[^\s;"]*)')
_MAX_BYTES, _CHARSETS = "x-max-bytes", "x-charsets"


def accepts(*media: str, max_bytes: int = MAX_BODY, charsets: tuple[str, ...] = UTF8) -> dict[str, Any]:
    """`openapi_extra` of a route that takes other media types or charsets than JSON, or larger bodies.

    What exceeds `MAX_BODY` streams to the route instead of being collected, outside the request's deadline:
    read it by `uploaded`.
    """
    described = {"requestBody": {"content": {kind: {} for kind in media}}, _MAX_BYTES: max_bytes}
    return described if charsets == UTF8 else {**described, _CHARSETS: charsets}


@dataclass(frozen=True, slots=True)
class Rule:
    """What a route takes."""

    media: tuple[str, ...] = (JSON,)
    max_bytes: int = MAX_BODY
    charsets: tuple[str, ...] = UTF8

    @property
    def streams(self) -> bool:
        return self.max_bytes > MAX_BODY


_JSON_RULE = Rule()


def rule_of(route: Any) -> Rule:
    """The rule that a route declares: by `accepts`, else forms for form parameters, else JSON."""
    extra: Mapping[str, Any] = getattr(route, "openapi_extra", None) or {}
    if _MAX_BYTES in extra:
        return Rule(tuple(extra["requestBody"]["content"]), extra[_MAX_BYTES], extra.get(_CHARSETS, UTF8))
    field = getattr(route, "body_field", None)
    return Rule(FORMS) if field is not None and isinstance(field.field_info, params.Form) else _JSON_RULE


def takes_json(route: Any) -> bool:
    """Whether a route takes a JSON body of the usual size and nothing else."""
    return rule_of(route) == _JSON_RULE


class Guard:
    """Stands between the server and a route that reads its body.

    A body that breaks the rule raises `Refused` out of the read: 413 (by its declared length before a byte of
    it was read, else as soon as it is too long), 415, 400 for what is no JSON or no form in UTF-8, 422 for
    null characters, which no text column holds, for too deep nesting and for a name that stands twice in an
    object. A body nobody reads is not looked at.
    """

    __slots__ = ("_receive", "_rule", "_scope", "_size", "_stream_begins", "reading")

    def __init__(self, scope: Scope, receive: Receive, stream_begins: Callable[[], None]) -> None:
        self._scope = scope
        self._receive = receive
        self._stream_begins = stream_begins
        self._rule: Rule | None = None
        self._size = 0
        self.reading = False

    async def __call__(self) -> Message:
        """The next message from the server, as ASGI's `receive`."""
        if self._rule is None:
            self._rule = rule_of(self._scope.get("route"))
            media = self._checked_headers(self._rule)
            if not self._rule.streams:
                return await self._whole(media)
            self._stream_begins()
        message = await self._receive()
        self._count(message)
        return message

    def _checked_headers(self, rule: Rule) -> str | None:
        """The body's media type, None when there is no body."""
        headers: dict[bytes, bytes] = dict(self._scope["headers"])
        length = headers.get(b"content-length", b"")
        if length.isdigit() and int(length) > rule.max_bytes:
            raise Refused(TooLarge(f"at most {rule.max_bytes} bytes"))
        if length in (b"", b"0") and b"transfer-encoding" not in headers:
            return None
        kind, charset = _media(headers.get(b"content-type", b"").decode("latin-1"))
        if kind not in rule.media or charset not in ("", *rule.charsets) or b"content-encoding" in headers:
            known = "UTF-8" if rule.charsets == UTF8 else " or ".join(rule.charsets)
            raise Refused(UnsupportedMedia(f"send {' or '.join(rule.media)} in {known} without a coding"))
        return kind

    async def _whole(self, media: str | None) -> Message:
        self.reading = True
        message = await self._receive()
        self._count(message)
        parts = [message.get("body", b"")]
        while message.get("more_body"):
            message = await self._receive()
            self._count(message)
            parts.append(message.get("body", b""))
        self.reading = False
        if message["type"] != "http.request":
            return message
        whole = b"".join(parts)
        if whole and media == JSON:
            check_json(whole)
        elif media in FORMS:
            check_form(whole, media)
        self._scope[BODY] = whole
        return {"type": "http.request", "body": whole, "more_body": False}

    def _count(self, message: Message) -> None:
        self._size += len(message.get("body", b""))
        if self._rule is not None and self._size > self._rule.max_bytes:
            raise Refused(TooLarge(f"at most {self._rule.max_bytes} bytes"))


def _media(content_type: str) -> tuple[str, str]:
    """Media type and charset of a `Content-Type`, in lower case."""
    content_type = content_type.lower()
    parameters = dict(_PARAMETER.findall(content_type))
    return content_type.partition(";")[0].strip(), parameters.get("charset", "").strip('"')


def media_of(request: Request) -> str:
    """The media type that the caller says the body is of; empty for none."""
    return _media(request.headers.get("content-type", ""))[0]


async def uploaded(request: Request, seconds: float = LONGEST_UPLOAD) -> AsyncIterator[bytes]:
    """The pieces of a body that streams; once they are all read, its idempotency key is bound to them.

    Raises the guard's refusals, 408 for a body that does not end within `seconds`, 400 when the caller goes
    away.
    """
    digest, pieces = sha256(), aiter(request.stream())
    deadline = asyncio.get_running_loop().time() + seconds
    try:
        while True:
            async with asyncio.timeout_at(deadline):
                piece = await anext(pieces, None)
            if piece is None:
                break
            digest.update(piece)
            yield piece
    except TimeoutError:
        raise SlowRequest from None
    except ClientDisconnect:
        raise BadRequest("the body broke off") from None
    request.scope[BODY] = digest.digest()


def check_json(text: bytes) -> None:
    """Raise `Refused` unless the text is sound JSON that every part of the house can hold.

    The strict parser refuses NaN, numbers beyond double, lone surrogates and bad UTF-8; of a name that stands
    twice it takes the last, and so does the framework's: a second one tells of them. Each parse costs a few
    microseconds.
    """
    try:
        value = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise Refused(MalformedJson(f"line {error.lineno}, column {error.colno}")) from None
    if text.count(b"[") + text.count(b"{") > MAX_DEPTH or b"\\u0000" in text:
        _check_value(value)
    try:
        _ONCE.decode(text.decode())
    except _Twice:
        _check_value(json.loads(text, object_pairs_hook=_Members))


class _Twice(Exception):
    """A name stands twice in an object."""


class _Members(dict[str, Any]):
    """An object, and the name that stands twice in it."""

    def __init__(self, pairs: Sequence[tuple[str, Any]]) -> None:
        super().__init__(pairs)
        self.twice = twice(name for name, _ in pairs)


def _once(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) < len(pairs):
        raise _Twice
    return members


_ONCE: Final = json.JSONDecoder(object_pairs_hook=_once)


def check_form(text: bytes, media: str) -> None:
    """Raise `Refused` unless the form is in UTF-8, all beyond ASCII percent-encoded if it is URL-encoded: the
    framework would silently put other signs for what is not."""
    try:
        (unquote_to_bytes(text.decode("ascii")) if media == URL_ENCODED else text).decode()
    except UnicodeDecodeError:
        raise Refused(MalformedForm()) from None


def _check_value(value: Any) -> None:
    waiting: list[tuple[tuple[str | int, ...], Any]] = [((), value)]
    while waiting:
        place, part = waiting.pop()
        if isinstance(part, str) and "\0" in part:
            raise Refused(Invalid(errors=[FieldError(pointer(place), "null_byte")]))
        if isinstance(part, _Members) and part.twice is not None:
            raise Refused(Invalid(errors=[FieldError(pointer((*place, part.twice)), "twice")]))
        if isinstance(part, dict | list):
            if len(place) >= MAX_DEPTH:
                raise Refused(Invalid(errors=[FieldError(pointer(place), "too_deep")]))
            named = part.items() if isinstance(part, dict) else enumerate(part)
            for name, below in named:
                if isinstance(name, str) and "\0" in name:
                    raise Refused(Invalid(errors=[FieldError(pointer(place), "null_byte")]))
                waiting.append(((*place, name), below))
