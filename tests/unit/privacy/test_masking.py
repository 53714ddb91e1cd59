"""Masked fields are recognisable to who knows them, and useless to who does not."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.privacy.masking import mask_address, mask_id_number, mask_name, mask_phone


@pytest.mark.parametrize(
    ("number", "shown"),
    [
        ("+8613800000001", "138****0001"),
        ("13800000001", "138****0001"),
        ("+8657187654321", "****21"),
        ("+85291234567", "****67"),
        ("12345", "****"),
        ("问我女儿", "****"),
        ("", "****"),
    ],
)
def test_phone(number: str, shown: str) -> None:
    assert mask_phone(number) == shown


@pytest.mark.parametrize(
    ("name", "shown"),
    [("周小川", "周**"), ("周川", "周**"), (" 欧阳明日 ", "欧**"), ("John Smith", "J**"), ("", "**")],
)
def test_name(name: str, shown: str) -> None:
    assert mask_name(name) == shown


@pytest.mark.parametrize(
    ("number", "shown"),
    [("11010119900307001X", "1****X"), ("E12345678", "E****8"), ("12", "****"), ("", "****")],
)
def test_id_number(number: str, shown: str) -> None:
    assert mask_id_number(number) == shown


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("云桥街道锦苑小区3幢", "云桥街道****"),
        ("临江区南塘街道东渠工业区示例五金厂", "临江区南塘街道****"),
        ("锦苑一期3幢", "****"),
        ("锦苑小区3幢", "****"),
        ("", "****"),
    ],
)
def test_address(address: str, shown: str) -> None:
    assert mask_address(address) == shown


@given(st.from_regex(r"1[3-9]\d{9}", fullmatch=True))
def test_the_middle_of_a_mobile_number_is_never_told(number: str) -> None:
    assert mask_phone(number) == mask_phone(number[:3] + "9999" + number[7:])


@given(st.text(min_size=8, max_size=30))
def test_no_mask_gives_the_whole_away(text: str) -> None:
    assert text not in (mask_phone(text), mask_id_number(text), mask_name(text), mask_address(text))
