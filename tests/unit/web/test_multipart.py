"""A file in a form, as senders make them and as they should not."""

import asyncio

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from starlette.requests import Request
from starlette.types import Message

from libs.web.body import BODY
from libs.web.errors import Invalid, Refusal, TooLarge
from libs.web.multipart import Sent, one_file

MOST = 1_000
KIND = b"multipart/form-data; boundary=b"


def part(name: str, content: bytes, *headers: str, filename: str | None = None) -> bytes:
    """A part of a form; `headers` stand before the one that names it."""
    named = f'content-disposition: form-data; name="{name}"'
    lines = [*headers, named + ("" if filename is None else f'; filename="{filename}"')]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + content


def form(*parts: bytes, boundary: bytes = b"b") -> bytes:
    return b"".join(b"--%b\r\n%b\r\n" % (boundary, each) for each in parts) + b"--%b--\r\n" % boundary


def received(
    body: bytes, *beside: str, kind: bytes = b"multipart/form-data; boundary=b"
) -> tuple[Sent, bytes]:
    """What is read of a body that comes in pieces, and what the idempotency key is bound to."""
    pieces = [body[n : n + 7] for n in range(0, len(body), 7)]

    async def receive() -> Message:
        piece = pieces.pop(0) if pieces else b""
        return {"type": "http.request", "body": piece, "more_body": bool(pieces)}

    scope = {"type": "http", "method": "PUT", "path": "/", "headers": [(b"content-type", kind)]}
    request = Request(scope, receive)
    sent = asyncio.run(one_file(request, MOST, 5.0, beside))
    return sent, request.scope[BODY]


def test_a_file_with_name_and_type_whatever_stands_first() -> None:
    kind = "content-type: image/jpeg; charset=binary"
    sent, _ = received(form(part("file", b"\r\n--\x00b", kind, filename="照片.jpg")))
    assert sent == Sent("照片.jpg", "image/jpeg", b"\r\n--\x00b", {})


def test_fields_beside_it_are_taken_where_they_are_asked_for() -> None:
    body = form(part("key", "键".encode()), part("file", b"x"), part("key", b"2"))
    assert received(body, "key", "form")[0] == Sent("", "", b"x", {"key": "键2"})
    with pytest.raises(Invalid):
        received(body)


def test_the_key_is_bound_to_the_file_and_not_to_the_form() -> None:
    first = received(form(part("file", b"x", filename="a")))[1]
    other = form(part("file", b"x", filename="a"), boundary=b"other")
    assert received(other, kind=b"multipart/form-data; boundary=other")[1] == first
    assert received(form(part("file", b"y", filename="a")))[1] != first
    assert received(form(part("file", b"x", filename="b")))[1] != first


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (form(), "invalid"),
        (form(part("key", b"1")), "invalid"),
        (form(part("file", b"1"), part("file", b"2")), "invalid"),
        (form(part("file", b"x"))[:-6], "bad_request"),
        (b"", "bad_request"),
        (form(b"no header\r\n\r\nx"), "bad_request"),
        (form(part("file", b"x", "x: " + "y" * 9_000)), "bad_request"),
    ],
)
def test_what_is_no_form_of_one_file(body: bytes, code: str) -> None:
    with pytest.raises(Refusal) as refused:
        received(body, "key")
    assert refused.value.code == code


def test_a_file_has_its_limit_and_the_form_more() -> None:
    assert len(received(form(part("file", bytes(MOST))))[0].content) == MOST
    with pytest.raises(TooLarge):
        received(form(part("file", bytes(MOST + 1))))


def outcome(body: bytes, kind: bytes) -> Sent | Refusal:
    """What becomes of a body: read, or refused."""
    try:
        return received(body, "key", kind=kind)[0]
    except Refusal as refusal:
        return refusal


SOUND = form(part("key", b"1"), part("file", b"content", "content-type: text/plain", filename="a"))


@settings(max_examples=200, deadline=None)
@given(
    place=st.integers(0, len(SOUND)),
    length=st.integers(0, 20),
    put=st.binary(max_size=20),
    kind=st.just(KIND) | st.binary(max_size=40),
)
def test_whatever_comes_is_read_or_refused(place: int, length: int, put: bytes, kind: bytes) -> None:
    found = outcome(SOUND[:place] + put + SOUND[place + length :], kind)
    assert isinstance(found, Sent) or 400 <= found.status < 500
