"""Working days come from the yearly notices; what is missing or unsound never passes in silence."""

import json
from datetime import date
from pathlib import Path

import pytest

from libs.clocks import Calendar, CalendarError


@pytest.mark.parametrize(
    ("day", "working", "why"),
    [
        (date(2026, 2, 13), True, "工作日"),
        (date(2026, 2, 14), True, "春节调休上班"),
        (date(2026, 2, 17), False, "春节"),
        (date(2026, 3, 7), False, "周末"),
        (date(2025, 10, 6), False, "中秋节"),
    ],
)
def test_a_day_follows_the_notice_before_the_plain_week(
    calendar: Calendar, day: date, working: bool, why: str
) -> None:
    assert calendar.is_working(day) is working
    assert calendar.why(day) == why


def test_a_year_without_table_is_the_plain_week_and_says_so(calendar: Calendar) -> None:
    assert not calendar.known(2027)
    assert calendar.is_working(date(2027, 1, 1))
    assert not calendar.is_working(date(2027, 1, 2))
    assert "推算" in calendar.why(date(2027, 1, 1))


def test_the_next_and_the_previous_working_day_include_the_day_itself(calendar: Calendar) -> None:
    assert calendar.next_working(date(2026, 2, 15)) == date(2026, 2, 24)
    assert calendar.previous_working(date(2026, 2, 23)) == date(2026, 2, 14)
    assert calendar.next_working(date(2026, 2, 24)) == date(2026, 2, 24)
    assert calendar.previous_working(date(2026, 2, 14)) == date(2026, 2, 14)


@pytest.mark.parametrize(
    ("today", "missing"),
    [
        (date(2026, 12, 14), []),
        (date(2026, 12, 15), [2027]),
        (date(2025, 12, 31), []),
        (date(2027, 1, 1), [2027]),
        (date(2027, 12, 15), [2027, 2028]),
    ],
)
def test_the_alarm_for_next_years_table_begins_on_15_december(
    calendar: Calendar, today: date, missing: list[int]
) -> None:
    assert calendar.missing_years(today) == missing


@pytest.mark.parametrize(
    "days",
    [
        [{"date": "2027-01-01", "name": "元旦", "kind": "holiday"}],
        [{"date": "2026-01-01", "name": "元旦", "kind": "feast"}],
        [{"date": "2026-13-01", "name": "元旦", "kind": "holiday"}],
        [{"date": "2026-01-01", "name": "元旦", "kind": "holiday"}] * 2,
        [{"date": "2026-01-01", "kind": "holiday"}],
    ],
    ids=["other year", "unknown kind", "no such date", "named twice", "no name"],
)
def test_an_unsound_table_is_refused(tmp_path: Path, days: list[dict[str, str]]) -> None:
    (tmp_path / "holidays_2026.json").write_text(json.dumps({"year": 2026, "days": days}), encoding="utf-8")
    with pytest.raises(CalendarError, match=r"holidays_2026\.json"):
        Calendar.load(tmp_path)


def test_a_folder_without_any_table_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CalendarError):
        Calendar.load(tmp_path)
