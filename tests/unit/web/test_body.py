"""What a body must be before anything else looks at it."""

import asyncio
import json
from collections.abc import Iterable
from hashlib import sha256
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.requests import Request
from starlette.types import Message

from libs.web.body import (
    BODY,
    FORMS,
    JSON,
    MAX_BODY,
    MAX_DEPTH,
    Guard,
    accepts,
    check_json,
    rule_of,
    uploaded,
)
from libs.web.errors import Refusal
from libs.web.problems import Refused
from libs.web.refusals import BadRequest, SlowRequest

Headers = dict[str, str]


class Reading:
    """A route that reads the body which arrives in the given pieces."""

    def __init__(self, pieces: Iterable[bytes], headers: Headers, route: Any = None) -> None:
        *some, last = list(pieces) or [b""]
        self.messages: list[Message] = [
            {"type": "http.request", "body": piece, "more_body": True} for piece in some
        ]
        self.messages.append({"type": "http.request", "body": last, "more_body": False})
        self.taken = 0
        self.streaming = False
        self.scope: dict[str, Any] = {
            "headers": [(name.encode(), value.encode()) for name, value in headers.items()],
            "route": route,
        }
        self.guard = Guard(self.scope, self.receive, self.begin)

    def begin(self) -> None:
        self.streaming = True

    async def receive(self) -> Message:
        self.taken += 1
        return self.messages.pop(0)

    async def refusal(self) -> Refusal:
        with pytest.raises(Refused) as caught:
            await self.guard()
        return caught.value.refusal


def sent(body: bytes, media: str = JSON, **more: str) -> Headers:
    return {"content-type": media, "content-length": str(len(body)), **more}


CHUNKED = {"content-type": JSON, "transfer-encoding": "chunked"}


async def test_a_body_is_handed_on_whole_and_kept_for_the_idempotency_key() -> None:
    reading = Reading([b'{"a"', b":1", b"}"], CHUNKED)
    assert await reading.guard() == {"type": "http.request", "body": b'{"a":1}', "more_body": False}
    assert reading.scope[BODY] == b'{"a":1}'


async def test_no_body_needs_no_media_type() -> None:
    for headers in ({}, {"content-length": "0"}, {"content-length": "0", "content-type": "text/plain"}):
        reading = Reading([], headers)
        assert (await reading.guard())["body"] == b""


async def test_a_declared_length_beyond_the_limit_is_refused_before_reading() -> None:
    reading = Reading([b"x"], {"content-type": JSON, "content-length": str(MAX_BODY + 1)})
    refusal = await reading.refusal()
    assert (refusal.status, refusal.code) == (413, "too_large")
    assert reading.taken == 0


async def test_a_chunked_body_is_refused_as_soon_as_it_is_too_long() -> None:
    reading = Reading([b" " * (MAX_BODY // 2)] * 100, CHUNKED)
    assert (await reading.refusal()).status == 413
    assert reading.taken == 3


async def test_a_lying_length_does_not_help() -> None:
    reading = Reading([b" " * MAX_BODY, b"{}"], {"content-type": JSON, "content-length": "2"})
    assert (await reading.refusal()).status == 413


async def test_the_largest_allowed_body_passes() -> None:
    body = b'"' + b"x" * (MAX_BODY - 2) + b'"'
    assert (await Reading([body], sent(body)).guard())["body"] == body


@pytest.mark.parametrize(
    "headers",
    [
        {"content-length": "2"},
        sent(b"{}", "text/plain"),
        sent(b"{}", "application/xml"),
        sent(b"{}", "application/x-www-form-urlencoded"),
        sent(b"{}", "application/jsonp"),
        sent(b"{}", "application/json; charset=gbk"),
        sent(b"{}", "application/json; x=y; charset=gbk"),
        sent(b"{}", **{"content-encoding": "gzip"}),
        {"transfer-encoding": "chunked"},
    ],
)
async def test_another_media_type_charset_or_coding_is_refused(headers: Headers) -> None:
    assert (await Reading([b"{}"], headers).refusal()).status == 415


@pytest.mark.parametrize(
    "media",
    [
        "application/json",
        "Application/JSON ; charset=UTF-8",
        'application/json;charset="utf-8"',
        "application/json; charset=utf-8; x=y",
        'application/json; x="; charset=gbk"; charset=utf-8',
    ],
)
async def test_json_in_utf8_is_taken_however_it_is_written(media: str) -> None:
    assert (await Reading([b"{}"], sent(b"{}", media)).guard())["body"] == b"{}"


async def test_a_caller_who_goes_away_is_passed_on() -> None:
    reading = Reading([b"{", b""], CHUNKED)
    reading.messages[1] = {"type": "http.disconnect"}
    assert await reading.guard() == {"type": "http.disconnect"}
    assert BODY not in reading.scope


async def test_a_route_may_take_other_media_types() -> None:
    route = SimpleNamespace(openapi_extra=accepts("application/x-www-form-urlencoded"))
    form = "application/x-www-form-urlencoded"
    assert (await Reading([b"a=1"], sent(b"a=1", form), route).guard())["body"] == b"a=1"
    assert (await Reading([b"{}"], sent(b"{}"), route).refusal()).status == 415


async def test_a_larger_body_streams_to_its_route_outside_the_deadline_and_is_counted() -> None:
    route = SimpleNamespace(openapi_extra=accepts("text/csv", max_bytes=1_000_000))
    reading = Reading(
        [b"x" * 600_000] * 2, {"content-type": "text/csv", "transfer-encoding": "chunked"}, route
    )
    assert len((await reading.guard())["body"]) == 600_000
    assert reading.streaming
    assert (await reading.refusal()).status == 413


async def test_ordinary_bodies_stay_within_the_deadline() -> None:
    reading = Reading([b"{}"], sent(b"{}"))
    await reading.guard()
    assert not reading.streaming
    assert not reading.guard.reading


def test_without_a_route_json_is_the_rule() -> None:
    assert rule_of(None).media == (JSON,)
    assert FORMS[0] not in rule_of(None).media


def fault(text: bytes) -> tuple[int, str]:
    with pytest.raises(Refused) as caught:
        check_json(text)
    refusal = caught.value.refusal
    return refusal.status, refusal.errors[0].code if refusal.errors else refusal.code


@pytest.mark.parametrize(
    "text",
    [
        b"{",
        b"nonsense",
        b'{"a":NaN}',
        b'{"a":Infinity}',
        b'{"a":1e999}',
        b"9" * 5_000,
        b'"\\ud800"',
        b'"\\udc00\\ud800"',
        b'"\xff"',
        b'"\xed\xa0\x80"',
        b'"raw \x00 null"',
        b"\xef\xbb\xbf{}",
        "{}".encode("utf-16"),
        b"[" * 100_000,
        b'{"a":' * 100_000,
        b"[1,]",
        b"{} {}",
    ],
)
def test_what_is_no_sound_json_is_malformed(text: bytes) -> None:
    assert fault(text) == (400, "malformed_json")


def test_a_malformed_body_is_told_its_place_and_not_its_words() -> None:
    with pytest.raises(Refused) as caught:
        check_json(b'{"phone": 13800000001x}')
    assert caught.value.refusal.detail == "line 1, column 22"


@pytest.mark.parametrize(
    ("text", "place"),
    [
        (b'"\\u0000"', ""),
        (b'{"applicant":{"name":"a\\u0000"}}', "/applicant/name"),
        (b'{"flags":["x","\\u0000"]}', "/flags/1"),
        (b'{"a":{"b\\u0000":1}}', "/a"),
        (b'{"a":"\\\\u0000","b":"\\\\\\u0000"}', "/b"),
    ],
)
def test_a_null_character_is_found_wherever_it_stands(text: bytes, place: str) -> None:
    with pytest.raises(Refused) as caught:
        check_json(text)
    (error,) = caught.value.refusal.errors
    assert (error.pointer, error.code) == (place, "null_byte")


@pytest.mark.parametrize(
    ("text", "place"),
    [
        (b'{"flags":["VIOLENCE"],"flags":[]}', "/flags"),
        (b'{"a":[{}, {"b":1,"\\u0062":1}]}', "/a/1/b"),
        (b'{"a":1,"a":{"b":1,"b":2}}', "/a"),
        (b'{"a/b":1,"a/b":1}', "/a~1b"),
    ],
)
def test_a_name_stands_once_in_an_object(text: bytes, place: str) -> None:
    with pytest.raises(Refused) as caught:
        check_json(text)
    (error,) = caught.value.refusal.errors
    assert (caught.value.refusal.status, error.pointer, error.code) == (422, place, "twice")


def test_a_name_may_stand_in_many_objects() -> None:
    check_json(b'[{"a":{"a":1}},{"a":1}]')


FORM = SimpleNamespace(openapi_extra=accepts(*FORMS))


@pytest.mark.parametrize("text", [b"d=%CF%EB", b"%FF=1", "d=想".encode("gbk"), "d=想".encode()])
async def test_a_form_that_is_no_percent_encoded_utf8_is_refused(text: bytes) -> None:
    refusal = await Reading([text], sent(text, FORMS[0]), FORM).refusal()
    assert (refusal.status, refusal.code) == (400, "malformed_form")


async def test_a_form_in_parts_is_in_utf8() -> None:
    media = f"{FORMS[1]}; boundary=x"
    whole = '--x\r\nContent-Disposition: form-data; name="d"\r\n\r\n想\r\n--x--\r\n'
    body, torn = whole.encode(), whole.encode("gbk")
    assert (await Reading([body], sent(body, media), FORM).guard())["body"] == body
    assert (await Reading([torn], sent(torn, media), FORM).refusal()).code == "malformed_form"


def test_an_escaped_backslash_before_u0000_is_no_null_character() -> None:
    check_json(b'{"a":"\\\\u0000"}')


@pytest.mark.parametrize("opened", ["[", '{"a":'])
def test_nesting_has_a_limit_far_below_the_stacks(opened: str) -> None:
    closed = {"[": "]", '{"a":': "}"}[opened]

    def nested(depth: int) -> bytes:
        return f"{opened * depth}1{closed * depth}".encode()

    check_json(nested(MAX_DEPTH))
    assert fault(nested(MAX_DEPTH + 1)) == (422, "too_deep")
    assert fault(nested(1_000)) == (422, "too_deep")


def test_many_lists_side_by_side_are_not_deep() -> None:
    check_json(b"[" + b",".join([b"[{}]"] * 5_000) + b"]")


def accepted(text: bytes) -> bool:
    try:
        check_json(text)
    except Refused:
        return False
    return True


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.text(), st.lists, max_leaves=20))
def test_every_json_text_is_taken_unless_it_holds_null_characters(value: Any) -> None:
    text = json.dumps(value)
    assert accepted(text.encode()) == ("\\u0000" not in text.replace("\\\\", ""))


@given(st.binary(max_size=200))
def test_any_other_bytes_are_refused_and_nothing_else_happens(text: bytes) -> None:
    try:
        json.loads(text.decode())
    except ValueError:
        assert not accepted(text)


async def test_a_route_may_take_other_charsets() -> None:
    route = SimpleNamespace(openapi_extra=accepts("text/csv", charsets=("utf-8", "gb18030")))
    assert (await Reading([b"a"], sent(b"a", "text/csv; charset=GB18030"), route).guard())["body"] == b"a"
    assert (await Reading([b"a"], sent(b"a", "text/csv; charset=utf-16"), route).refusal()).status == 415
    plain = SimpleNamespace(openapi_extra=accepts("text/csv"))
    assert (await Reading([b"a"], sent(b"a", "text/csv; charset=gb18030"), plain).refusal()).status == 415


def upload(*messages: Message) -> Request:
    waiting = list(messages)

    async def receive() -> Message:
        if not waiting:
            await asyncio.sleep(3_600)
        return waiting.pop(0)

    return Request({"type": "http", "method": "POST", "headers": []}, receive)


def piece(body: bytes, *, more: bool = True) -> Message:
    return {"type": "http.request", "body": body, "more_body": more}


async def test_an_upload_comes_in_pieces_and_binds_its_key_to_them_at_the_end() -> None:
    request = upload(piece(b"ab"), piece(b"c", more=False))
    pieces = uploaded(request)
    assert await anext(pieces) == b"ab"
    assert BODY not in request.scope
    assert [part async for part in pieces if part] == [b"c"]
    assert request.scope[BODY] == sha256(b"abc").digest()


async def test_an_upload_that_stalls_or_breaks_off_is_refused() -> None:
    with pytest.raises(SlowRequest):
        [part async for part in uploaded(upload(piece(b"ab")), seconds=0.01)]
    with pytest.raises(BadRequest):
        [part async for part in uploaded(upload(piece(b"ab"), {"type": "http.disconnect"}))]
