"""Whether an organisation opens before an offer to it expires, over the real holiday tables."""

from datetime import date, datetime
from typing import Any

import pytest

from libs.events.organisation import Hours, Leave
from services.routing.domain.opening import Opening
from tests.unit.routing.build import CALENDAR

WEEK = [
    {"days": [1, 2, 3, 4, 5], "from": "09:00", "to": "11:30"},
    {"days": [1, 2, 3, 4, 5], "from": "13:30", "to": "17:00"},
]
SATURDAYS = [{"days": [6], "from": "09:00", "to": "11:30"}]
ALWAYS = [{"days": [1, 2, 3, 4, 5, 6, 7], "from": "00:00", "to": "24:00"}]
MONDAYS = [{"days": [1], "from": "09:00", "to": "12:00"}]


def opens(
    at: str,
    hours: list[dict[str, Any]],
    *,
    term: int = 2,
    holidays: bool = True,
    leave: tuple[str, str] | None = None,
) -> bool:
    moment = datetime.fromisoformat(at)
    opening = Opening(
        [Hours.model_validate(row) for row in hours],
        [Leave.model_validate({"from": leave[0], "to": leave[1]})] if leave else [],
        CALENDAR,
        closed_on_holidays=holidays,
        acceptance_working_days=term,
    )
    return opening.opens_in_time(moment.timestamp(), moment.date())


@pytest.mark.parametrize(
    ("at", "hours", "term", "answer"),
    [
        ("2026-03-02T10:00:00+08:00", WEEK, 1, True),
        ("2026-03-02T12:00:00+08:00", WEEK, 1, True),
        ("2026-03-06T23:00:00+08:00", WEEK, 1, True),
        ("2026-03-02T13:00:00+08:00", MONDAYS, 1, False),
        ("2026-03-02T13:00:00+08:00", MONDAYS, 4, False),
        ("2026-03-02T13:00:00+08:00", MONDAYS, 5, True),
        ("2026-03-02T11:59:59+08:00", MONDAYS, 1, True),
        ("2026-03-02T12:00:00+08:00", MONDAYS, 1, False),
        ("2026-03-05T13:00:00+08:00", SATURDAYS, 1, False),
        ("2026-03-05T13:00:00+08:00", SATURDAYS, 2, True),
        ("2026-03-07T12:00:00+08:00", SATURDAYS, 2, False),
        ("2026-03-02T23:59:59+08:00", ALWAYS, 1, True),
        ("2026-03-02T10:00:00+08:00", [], 5, False),
    ],
)
def test_it_is_open_or_opens_before_the_offer_expires(
    at: str, hours: list[dict[str, Any]], term: int, answer: bool
) -> None:
    assert opens(at, hours, term=term) is answer


def test_a_holiday_has_no_hours_but_the_term_is_longer_by_it() -> None:
    # Tuesday 17 February 2026 lies in the Spring Festival break of 15 to 23 February.
    tuesdays = [{"days": [2], "from": "09:00", "to": "17:00"}]
    assert not opens("2026-02-16T10:00:00+08:00", tuesdays, term=0)
    assert not opens("2026-02-13T18:00:00+08:00", tuesdays, term=1)
    assert opens("2026-02-13T18:00:00+08:00", tuesdays, term=2)


def test_a_weekend_inside_a_break_is_a_holiday() -> None:
    assert not opens("2026-02-20T10:00:00+08:00", SATURDAYS, term=1)
    assert opens("2026-02-20T10:00:00+08:00", SATURDAYS, term=1, holidays=False)


def test_a_make_up_working_day_has_the_hours_of_a_monday() -> None:
    # Saturday 9 May 2026 is worked.
    assert opens("2026-05-09T10:00:00+08:00", MONDAYS, term=0)
    assert not opens("2026-05-09T10:00:00+08:00", MONDAYS, term=0, holidays=False)
    assert not opens("2026-05-09T10:00:00+08:00", SATURDAYS, term=0)


def test_who_works_on_holidays_has_its_plain_week() -> None:
    assert opens("2026-02-17T10:00:00+08:00", ALWAYS, term=0, holidays=False)


@pytest.mark.parametrize(
    ("leave", "answer"),
    [
        (("2026-03-03", "2026-03-04"), True),
        (("2026-03-02", "2026-03-03"), True),
        (("2026-03-02", "2026-03-04"), False),
        (("2026-03-05", "2026-03-20"), True),
    ],
)
def test_a_day_of_leave_has_no_hours(leave: tuple[str, str], answer: bool) -> None:
    assert opens("2026-03-02T10:00:00+08:00", WEEK, term=2, leave=leave) is answer


def test_leave_lasts_from_its_first_to_its_last_day() -> None:
    opening = Opening(
        [],
        [Leave.model_validate({"from": "2026-03-02", "to": "2026-03-04"})],
        CALENDAR,
        closed_on_holidays=True,
        acceptance_working_days=1,
    )
    days = [date(2026, 3, day) for day in (1, 2, 4, 5)]
    assert [opening.on_leave(day) for day in days] == [False, True, True, False]
