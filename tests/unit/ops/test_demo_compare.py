"""The demo's verdict: every compared value, altered in turn, makes a case fail."""

from collections.abc import Iterator
from io import StringIO
from typing import Any

import pytest
from rich.console import Console

from ops.demo import report, samples
from ops.demo.compare import COMPARED, IN_ANY_ORDER, Difference, differences
from ops.demo.findings import Findings

ALL = range(1, 14)
PLAYED = (1, 5, 12)


def altered(value: Any) -> Iterator[Any]:
    """Values that are not this one."""
    match value:
        case bool():
            yield not value
        case list():
            yield [*value, "X"]
            if value:
                yield value[1:]
        case None:
            yield "X"
        case _:
            yield f"{value}X"
            yield None


def found(number: int, **changes: Any) -> dict[str, Any]:
    """What services would tell of a case that came out as expected, but for the changes."""
    return {name: samples.expected(number)[name] for name in COMPARED} | changes


def told(number: int, values: dict[str, Any], trouble: str | None = None) -> tuple[bool, str]:
    """The verdict on a case, and what is printed of it."""
    findings = Findings(values, "K7M2P9QX", (), {}, (), (), ())
    console = Console(file=StringIO(), width=200)
    sample = samples.inputs([number])[-1]
    met = report.tell(console, report.Story(sample, findings, trouble))
    assert isinstance(console.file, StringIO)
    return met, console.file.getvalue()


@pytest.mark.parametrize("number", ALL)
def test_case_that_came_out_as_expected_differs_in_nothing(number: int) -> None:
    assert differences(samples.expected(number), found(number)) == ()


@pytest.mark.parametrize("name", COMPARED)
@pytest.mark.parametrize("number", ALL)
def test_each_altered_value_is_the_one_difference(number: int, name: str) -> None:
    wanted = samples.expected(number)[name]
    others = list(altered(wanted))
    assert others
    for other in others:
        expected_difference = Difference(name, wanted, other)
        assert differences(samples.expected(number), found(number, **{name: other})) == (expected_difference,)


@pytest.mark.parametrize("name", COMPARED)
@pytest.mark.parametrize("number", PLAYED)
def test_each_altered_value_makes_the_case_fail_and_is_named(number: int, name: str) -> None:
    assert told(number, found(number))[0]
    for other in altered(samples.expected(number)[name]):
        met, printed = told(number, found(number, **{name: other}))
        assert not met
        assert "NOT MET" in printed
        assert f"{name}: expected {samples.expected(number)[name]}, found {other}" in printed


def test_messages_in_another_order_are_a_difference() -> None:
    swapped = found(1, first_messages=["N07", "N01"])
    assert [difference.name for difference in differences(samples.expected(1), swapped)] == ["first_messages"]


@pytest.mark.parametrize("name", sorted(IN_ANY_ORDER))
def test_lists_that_are_sets_may_come_in_another_order(name: str) -> None:
    turned = found(10, **{name: list(reversed(samples.expected(10)[name]))})
    assert turned[name] != samples.expected(10)[name]
    assert differences(samples.expected(10), turned) == ()


@pytest.mark.parametrize("name", COMPARED)
def test_value_that_nobody_told_is_not_taken_for_as_expected(name: str) -> None:
    values = found(1)
    del values[name]
    with pytest.raises(KeyError):
        differences(samples.expected(1), values)


def test_case_that_stopped_on_its_way_fails_with_its_reason() -> None:
    met, printed = told(4, found(4), trouble="case.rated did not come within 30 s")
    assert not met
    assert "case.rated did not come within 30 s" in printed


def test_case_of_which_nothing_is_known_fails() -> None:
    console = Console(file=StringIO())
    [sample] = samples.inputs([1])
    assert not report.tell(console, report.Story(sample, None, "POST /v1/cases was answered 503"))
