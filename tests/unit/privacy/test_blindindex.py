"""Phones are read as people tell them, and found again without being stored."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.privacy.blindindex import Phone, blind_index, last_four_index, read_phone
from libs.privacy.keyring import Key

KEY = Key("index", 1, b"k" * 32)
NUMBER = "+8613800000001"


@pytest.mark.parametrize(
    "told",
    [
        "13800000001",
        "+8613800000001",
        "008613800000001",
        "86 138 0000 0001",
        "138-0000-0001",
        " 138 0000 0001 ",
        "１３８０００００００１",
        "＋８６１３８０００００００１",
        "(138)00000001",
    ],
)
def test_a_mobile_number_is_one_however_it_is_written(told: str) -> None:
    phone = read_phone(told)
    assert (phone.kind, phone.e164) == ("mobile", NUMBER)
    assert phone.takes_sms
    assert phone.warning is None
    assert phone.told == told


@pytest.mark.parametrize(
    ("told", "kind", "e164", "warning"),
    [
        ("0571-87654321", "fixed", "+8657187654321", "PHONE_FIXED"),
        ("4008001234", "fixed", "+864008001234", "PHONE_FIXED"),
        ("+852 9123 4567", "foreign", "+85291234567", "PHONE_FOREIGN"),
        ("+1 202 555 0123", "foreign", "+12025550123", "PHONE_FOREIGN"),
        ("138****0001", "invalid", None, "PHONE_INVALID"),
        ("1380000000", "invalid", None, "PHONE_INVALID"),
        ("138000000012", "invalid", None, "PHONE_INVALID"),
        ("14112345678", "invalid", None, "PHONE_INVALID"),
        ("0000123456", "invalid", None, "PHONE_INVALID"),
        ("110", "invalid", None, "PHONE_INVALID"),
        ("问我女儿", "invalid", None, "PHONE_INVALID"),
        ("", "invalid", None, "PHONE_INVALID"),
        ("1" * 5_000, "invalid", None, "PHONE_INVALID"),
    ],
)
def test_other_numbers_are_kept_as_told_with_a_warning(
    told: str, kind: str, e164: str | None, warning: str
) -> None:
    phone = read_phone(told)
    assert (phone.kind, phone.e164, phone.warning, phone.told) == (kind, e164, warning, told)
    assert not phone.takes_sms


@given(st.text(max_size=60))
def test_any_text_is_answered(told: str) -> None:
    phone = read_phone(told)
    assert (phone.e164 is None) == (phone.kind == "invalid")


def test_a_phone_does_not_show_itself() -> None:
    assert "0001" not in repr(read_phone("13800000001"))
    assert repr(Phone("x", "invalid")) == "Phone(kind='invalid')"


def test_equal_numbers_have_equal_indexes_and_16_bytes() -> None:
    assert blind_index(KEY, "990101", "phone", NUMBER) == blind_index(KEY, "990101", "phone", NUMBER)
    assert len(blind_index(KEY, "990101", "phone", NUMBER)) == 16


def test_an_index_says_nothing_outside_its_key_district_and_column() -> None:
    indexes = {
        blind_index(KEY, "990101", "phone", NUMBER),
        blind_index(KEY, "990102", "phone", NUMBER),
        blind_index(KEY, "990101", "id_number", NUMBER),
        blind_index(KEY, "990101", "phone", "+8613800000002"),
        blind_index(Key("index", 2, b"l" * 32), "990101", "phone", NUMBER),
        last_four_index(KEY, "990101", "phone", NUMBER),
    }
    assert len(indexes) == 6


def test_fields_cannot_run_into_each_other() -> None:
    assert blind_index(KEY, "990101", "phone", "a|b") != blind_index(KEY, "990101", "phonea", "b")
    with pytest.raises(ValueError, match="separator"):
        blind_index(KEY, "990101", "phone|a", "b")


def test_the_last_four_digits_find_all_numbers_that_end_so() -> None:
    assert last_four_index(KEY, "990101", "phone", NUMBER) == last_four_index(
        KEY, "990101", "phone", "+8615900000001"
    )
    assert last_four_index(KEY, "990101", "phone", NUMBER) != last_four_index(
        KEY, "990101", "phone", "+8613800000011"
    )
