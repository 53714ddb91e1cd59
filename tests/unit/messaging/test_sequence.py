"""Row 21: events out of order and holes are seen, whatever else comes."""

from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.messaging import sequence
from libs.messaging.sequence import TOLD, CaseSequence


def record(number: object, case: bytes | None = b"a") -> SimpleNamespace:
    return SimpleNamespace(key=case, headers=[("ce_type", b"x"), ("ce_caseversion", str(number).encode())])


def seen(*numbers: object, case: bytes = b"a") -> CaseSequence:
    made = CaseSequence("test")
    made.note([record(number, case) for number in numbers])
    return made


@pytest.mark.parametrize(
    ("numbers", "missing"),
    [
        ([], 0),
        ([1, 2, 3], 0),
        ([7, 8], 0),  # what came before its beginning is not missing
        ([1, 3], 1),
        ([1, 3, 2], 0),
        ([1, 3, 3, 1], 1),  # repeats fill no hole
        ([1, 5, 2, 9], 5),
        ([1, 3, 5, 4], 1),
    ],
)
def test_numbers_that_were_passed_over_are_missing_until_they_come(numbers: list[int], missing: int) -> None:
    assert seen(*numbers).missing == missing


@given(st.permutations(range(2, 12)), st.sets(st.integers(2, 11)))
def test_in_any_order_exactly_what_never_came_is_missing(order: list[int], lost: set[int]) -> None:
    came = [number for number in order if number not in lost]
    highest = max(came, default=1)
    assert seen(1, *came).missing == sum(number < highest for number in lost)


def test_each_case_is_counted_by_itself() -> None:
    made = CaseSequence("test")
    made.note([record(1, b"a"), record(2, b"b"), record(3, b"a"), record(3, b"b")])
    assert made.missing == 1


@pytest.mark.parametrize("number", ["", "x", "-1", "1.5", "²"])
def test_what_bears_no_number_is_passed_over(number: str) -> None:
    assert seen(1, number, 2).missing == 0


def test_a_record_without_a_key_is_passed_over() -> None:
    made = CaseSequence("test")
    made.note([record(1), record(9, None), SimpleNamespace(key=b"a", headers=[]), record(2)])
    assert made.missing == 0


def test_a_forged_number_fills_no_memory() -> None:
    assert seen(1, 10**17, 10**30).missing <= 2 * TOLD


def test_what_is_remembered_is_bounded_and_the_silent_go_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sequence, "REMEMBERED", 2)
    made = CaseSequence("test")
    made.note([record(1, b"a"), record(1, b"b"), record(2, b"a"), record(1, b"c")])  # b is forgotten
    made.note([record(9, b"b")])
    assert made.missing == 0
    made.note([record(3, b"c")])
    assert made.missing == 1
