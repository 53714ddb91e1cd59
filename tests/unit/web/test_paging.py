"""Opaque marks of where the next page begins."""

from base64 import urlsafe_b64encode
from datetime import UTC, datetime
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.web.errors import Invalid
from libs.web.paging import decode, encode, page

AT = datetime(2026, 3, 2, 10, 0, 0, 123456, tzinfo=UTC)
CASE = UUID(int=9)


def test_a_mark_comes_back_as_it_was_made() -> None:
    mark = encode("cases", AT, CASE, 7, "李")
    assert decode("cases", mark, datetime, UUID, int, str) == (AT, CASE, 7, "李")
    assert mark.isascii()
    assert "=" not in mark


def test_the_first_page_has_no_mark() -> None:
    assert decode("cases", None, datetime, UUID) is None
    assert page([1], None) == {"items": [1], "next": None}


def raw(text: bytes) -> str:
    return urlsafe_b64encode(text).decode()


@pytest.mark.parametrize(
    "mark",
    [
        "",
        "x",
        "!!!!",
        "é",
        "\ud800",
        raw(b"null"),
        raw(b"[]"),
        raw(b"{}"),
        raw(b"[1]"),
        raw(b'[1,"cases"]'),
        raw(b'[1,"cases",5,5]'),
        raw(b'[1,"cases","2026-03-02T10:00:00","00000000-0000-0000-0000-000000000009"]'),
        raw(b'[1,"cases","2026-03-02T10:00:00+00:00","nine"]'),
        raw(b'[1,"cases","2026-03-02T10:00:00+00:00",null]'),
        raw(b'[2,"cases","2026-03-02T10:00:00+00:00","00000000-0000-0000-0000-000000000009"]'),
        raw(b"[" * 5_000),
        encode("messages", AT, CASE),
        encode("cases", AT, CASE, 1),
        encode("cases", CASE, AT),
    ],
)
def test_garbage_or_another_lists_mark_is_422(mark: str) -> None:
    with pytest.raises(Invalid) as caught:
        decode("cases", mark, datetime, UUID)
    (error,) = caught.value.errors
    assert (error.pointer, error.code) == ("/query/after", "malformed_cursor")


@pytest.mark.parametrize("value", [True, 1.5, 2**63, "1", None])
def test_a_number_is_a_whole_number_that_a_column_holds(value: object) -> None:
    with pytest.raises(Invalid):
        decode("cases", encode("cases", value), int)  # type: ignore[arg-type]


def test_a_text_without_null_characters() -> None:
    with pytest.raises(Invalid):
        decode("cases", encode("cases", "a\0"), str)


@given(st.text(max_size=300))
def test_nothing_a_caller_can_write_is_anything_but_422(mark: str) -> None:
    with pytest.raises(Invalid):
        decode("cases", mark, datetime, UUID)
