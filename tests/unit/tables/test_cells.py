"""No cell is run by the program that opens it, and nothing that was entered is lost by that."""

from datetime import date, datetime, time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.tables.cells import DigitsLost, as_text, harmless, original

STARTS = "=+-@\t\r\n＝＋－＠"


@pytest.mark.parametrize("start", STARTS)
def test_what_would_be_run_gets_an_apostrophe(start: str) -> None:
    assert harmless(f"{start}cmd|' /C calc'!A0") == f"'{start}cmd|' /C calc'!A0"


@pytest.mark.parametrize("text", ["", "周小川", "13800000001", "a=b", " =1", "'quoted'", "2026-03-02"])
def test_other_texts_stay_as_they_are(text: str) -> None:
    assert harmless(text) == original(text) == text


@given(st.text(alphabet=f"'{STARTS}a1 ", max_size=6) | st.text())
def test_whatever_was_made_harmless_is_read_back_as_it_was(text: str) -> None:
    assert original(harmless(text)) == text
    assert harmless(text)[:1] not in set(STARTS)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("x", "x"),
        (True, "是"),
        (False, "否"),
        (13800000001.0, "13800000001"),
        (18600.5, "18600.5"),
        (-3, "-3"),
        (0.0000001, "0.0000001"),
        (3.3000000000000003, "3.3"),
        (8.2999999999999989, "8.3"),
        (date(2026, 3, 2), "2026-03-02"),
        (datetime(2026, 3, 2), "2026-03-02"),  # noqa: DTZ001 - a spreadsheet knows no zones
        (datetime(2026, 3, 2, 10, 30), "2026-03-02 10:30:00"),  # noqa: DTZ001
        (time(10, 30), "10:30:00"),
        (None, ""),
    ],
)
def test_a_value_is_read_as_people_see_it(value: object, text: str) -> None:
    assert as_text(value) == text


@pytest.mark.parametrize("value", [1e15, -1e15, 9.90101199001011e17, float("inf"), float("nan")])
def test_a_number_whose_last_digits_are_gone_is_no_text(value: float) -> None:
    with pytest.raises(DigitsLost):
        as_text(value)
