"""Counting as `data/deadlines.json` words it, on the days where mistakes are made."""

from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.clocks import LOCAL, Calendar, CountingError, Due, Pause, Term, count, warn_at
from libs.clocks.calendar import DAY

CALENDAR = Calendar.load(Path(__file__).parents[3] / "data")
ROLLING = Term(15, rolls_over_rest_day=True)


def on(day: str, term: Term, *pauses: tuple[str, str]) -> str:
    spans = [(date.fromisoformat(first), date.fromisoformat(last)) for first, last in pauses]
    due_on = count(date.fromisoformat(day), term, CALENDAR, spans).due_on
    assert due_on is not None
    return due_on.isoformat()


@pytest.mark.parametrize(
    ("start", "term", "due"),
    [
        pytest.param("2026-02-05", ROLLING, "2026-02-24", id="last day in the Spring Festival rolls past it"),
        pytest.param("2026-02-05", Term(15), "2026-02-20", id="without roll-over it stays on the rest day"),
        pytest.param("2026-01-30", ROLLING, "2026-02-14", id="a make-up Saturday is a working day: no roll"),
        pytest.param("2026-09-05", ROLLING, "2026-09-20", id="a make-up Sunday is a working day: no roll"),
        pytest.param("2026-01-29", Term(15, rolls_over_rest_day=True), "2026-02-13", id="plain Friday"),
        pytest.param(
            "2026-12-25", Term(7, rolls_over_rest_day=True), "2027-01-01", id="2027 by weekdays only"
        ),
        pytest.param("2026-02-13", Term(1, unit="working"), "2026-02-14", id="make-up day counts"),
        pytest.param("2026-02-14", Term(1, unit="working"), "2026-02-24", id="the whole break is left out"),
        pytest.param("2026-02-16", Term(5, unit="working"), "2026-02-28", id="start inside the break"),
        pytest.param("2026-01-31", Term(1, "month"), "2026-02-28", id="no 31 February: month end"),
        pytest.param("2024-01-31", Term(1, "month"), "2024-02-29", id="month end of a leap year"),
        pytest.param("2024-02-29", Term(1, "year"), "2025-02-28", id="29 February, a year on"),
        pytest.param("2024-02-29", Term(4, "year"), "2028-02-29", id="29 February, four years on"),
        pytest.param("2026-02-28", Term(1, "month"), "2026-03-28", id="the month end does not stick"),
        pytest.param("2025-12-31", Term(2, "month"), "2026-02-28", id="over New Year"),
        pytest.param("2024-02-28", Term(2), "2024-03-01", id="days cross the leap day"),
        pytest.param(
            "2026-01-15", Term(1, "month", rolls_over_rest_day=True), "2026-02-24", id="month rolls"
        ),
        pytest.param("2026-03-07", Term(0), "2026-03-07", id="length 0 ends on the day itself"),
        pytest.param("2026-03-07", Term(0, rolls_over_rest_day=True), "2026-03-09", id="length 0 rolls too"),
    ],
)
def test_the_last_day(start: str, term: Term, due: str) -> None:
    assert on(start, term) == due


@pytest.mark.parametrize(
    ("start", "term", "pauses", "due"),
    [
        pytest.param(
            "2026-02-24", Term(10), [("2026-03-01", "2026-03-05")], "2026-03-11", id="five days out"
        ),
        pytest.param(
            "2026-02-24", Term(10), [("2026-03-06", "2026-03-06")], "2026-03-07", id="on the last day"
        ),
        pytest.param(
            "2026-02-24", Term(10), [("2026-03-07", "2026-03-09")], "2026-03-06", id="after the end"
        ),
        pytest.param(
            "2026-02-24", Term(10), [("2026-02-01", "2026-02-24")], "2026-03-06", id="before the start"
        ),
        pytest.param(
            "2026-02-24", Term(10), [("2026-02-20", "2026-02-26")], "2026-03-08", id="over the start"
        ),
        pytest.param(
            "2026-02-24",
            Term(10),
            [("2026-03-03", "2026-03-05"), ("2026-03-01", "2026-03-04"), ("2026-03-02", "2026-03-02")],
            "2026-03-11",
            id="overlapping pauses are left out once, in any order",
        ),
        pytest.param(
            "2026-03-02",
            Term(5, unit="working"),
            [("2026-03-05", "2026-03-09")],
            "2026-03-12",
            id="working days",
        ),
        pytest.param(
            "2026-02-24",
            Term(10, rolls_over_rest_day=True),
            [("2026-03-01", "2026-03-03")],
            "2026-03-09",
            id="rolls after the pause",
        ),
        pytest.param(
            "2026-03-06",
            Term(1, rolls_over_rest_day=True),
            [("2026-03-09", "2026-03-10")],
            "2026-03-09",
            id="a pause that begins once all days are counted leaves nothing out",
        ),
        pytest.param(
            "2026-01-10", Term(1, "month"), [("2026-01-20", "2026-01-29")], "2026-02-20", id="month"
        ),
    ],
)
def test_days_of_a_pause_are_left_out(
    start: str, term: Term, pauses: list[tuple[str, str]], due: str
) -> None:
    assert on(start, term, *pauses) == due


def test_a_day_term_ends_at_the_midnight_after_its_last_day() -> None:
    due = count(date(2026, 3, 2), Term(1), CALENDAR)
    assert due.due_at.isoformat() == "2026-03-04T00:00:00+08:00"


def test_an_instant_starts_on_its_local_day() -> None:
    evening = datetime(2026, 3, 1, 17, 0, tzinfo=UTC)  # 01:00 of 2 March in Shanghai
    assert count(evening, Term(1), CALENDAR).due_on == date(2026, 3, 3)


@pytest.mark.parametrize(
    ("term", "due_at"),
    [
        (Term(15, "second"), "2026-02-16T23:59:55+08:00"),
        (Term(3, "minute"), "2026-02-17T00:02:40+08:00"),
        (Term(24, "hour"), "2026-02-17T23:59:40+08:00"),
        (Term(0, "minute"), "2026-02-16T23:59:40+08:00"),
    ],
)
def test_a_clock_term_is_an_instant_and_knows_no_rest_day(term: Term, due_at: str) -> None:
    due = count(datetime(2026, 2, 16, 23, 59, 40, tzinfo=LOCAL), term, CALENDAR)
    assert due.due_on is None
    assert due.due_at.isoformat() == due_at
    assert not due.provisional


def test_a_clock_term_stands_still_on_the_days_of_a_pause() -> None:
    due = count(
        datetime(2026, 3, 2, 20, tzinfo=LOCAL),
        Term(6, "hour"),
        CALENDAR,
        [(date(2026, 3, 3), date(2026, 3, 4))],
    )
    assert due.due_at == datetime(2026, 3, 5, 2, tzinfo=LOCAL)


@pytest.mark.parametrize(
    ("start", "term", "provisional"),
    [
        pytest.param(date(2026, 3, 10), Term(1, "year", rolls_over_rest_day=True), True, id="rolls in 2027"),
        pytest.param(date(2026, 3, 10), Term(1, "year"), False, id="no question of rest days"),
        pytest.param(date(2026, 12, 30), Term(2, unit="working"), True, id="counts a day of 2027"),
        pytest.param(date(2026, 12, 30), Term(1, unit="working"), False, id="ends in 2026"),
        pytest.param(
            date(2024, 12, 31), Term(3, unit="working"), False, id="the start itself is not counted"
        ),
        pytest.param(
            date(2024, 6, 3), Term(1, "year", rolls_over_rest_day=True), False, id="ends in a known year"
        ),
    ],
)
def test_a_day_asked_of_a_year_without_table_makes_the_result_provisional(
    start: date, term: Term, provisional: bool
) -> None:
    due = count(start, term, CALENDAR)
    assert due.provisional is provisional
    assert bool(due.notes) is provisional


def test_the_working_names_each_span_and_why() -> None:
    steps = count(date(2026, 2, 12), Term(2, unit="working"), CALENDAR).as_json()["working"]
    assert steps == [
        step("2026-02-12", "2026-02-12", 1, False, "FIRST_DAY", "起算当日不计入"),
        step("2026-02-13", "2026-02-13", 1, True, "WORKING_DAYS", "工作日"),
        step("2026-02-14", "2026-02-14", 1, True, "WORKING_DAYS", "春节调休上班"),
    ]


def test_the_working_shows_a_pause_and_the_roll_over() -> None:
    due = count(
        date(2026, 2, 5),
        Term(12, rolls_over_rest_day=True),
        CALENDAR,
        [(date(2026, 2, 8), date(2026, 2, 9))],
    )
    assert due.before_roll == date(2026, 2, 19)
    assert [tuple(s.values()) for s in due.as_json()["working"]][1:] == [  # type: ignore[attr-defined]
        ("2026-02-06", "2026-02-07", 2, True, "CALENDAR_DAYS", "自然日"),
        ("2026-02-08", "2026-02-09", 2, False, "PAUSE", "暂停期间不计入"),
        ("2026-02-10", "2026-02-19", 10, True, "CALENDAR_DAYS", "自然日"),
        (
            "2026-02-20",
            "2026-02-24",
            5,
            False,
            "ROLLED_OVER",
            "末日2026-02-19为休息日(春节),顺延至下一工作日",
        ),
    ]


def step(first: str, last: str, days: int, counted: bool, reason: str, why: str) -> dict[str, object]:
    return {"from": first, "to": last, "days": days, "counted": counted, "reason": reason, "why": why}


@pytest.mark.parametrize(
    ("term", "code"),
    [
        ({"length": -1}, "length_out_of_range"),
        ({"length": 7_321}, "length_out_of_range"),
        ({"length": 21, "measure": "year"}, "length_out_of_range"),
        ({"length": 1, "measure": "fortnight"}, "unknown_measure"),
        ({"length": 1, "unit": "lunar"}, "unknown_unit"),
        ({"length": 1, "measure": "month", "unit": "working"}, "unknown_unit"),
    ],
)
def test_a_term_that_makes_no_sense_is_refused(term: dict[str, Any], code: str) -> None:
    with pytest.raises(CountingError) as refused:
        Term(**term)
    assert refused.value.code == code


@pytest.mark.parametrize(
    ("start", "pauses", "code", "pointer"),
    [
        (datetime(2026, 3, 1, 9), [], "offset_missing", "/start"),  # noqa: DTZ001 - the mistake itself
        (date(9999, 12, 30), [], "start_out_of_range", "/start"),
        (
            date(2026, 3, 1),
            [(date(2026, 3, 2), date(2026, 3, 2)), (date(2026, 3, 4), date(2026, 3, 3))],
            "pause_reversed",
            "/pauses/1",
        ),
        (date(2026, 3, 1), [(date(2026, 3, 2), date(9000, 1, 1))], "pause_too_long", "/pauses/0"),
    ],
)
@pytest.mark.parametrize("term", [Term(2), Term(2, unit="working"), Term(2, "month"), Term(48, "hour")])
def test_what_cannot_be_counted_names_the_field(
    start: date, pauses: list[Pause], code: str, pointer: str, term: Term
) -> None:
    with pytest.raises(CountingError) as refused:
        count(start, term, CALENDAR, pauses)
    assert (refused.value.code, refused.value.pointer) == (code, pointer)


@pytest.mark.parametrize(
    ("start", "term", "warning"),
    [
        pytest.param("2026-03-02", Term(15), "2026-03-13T09:00:00+08:00", id="day 12 is a Saturday: Friday"),
        pytest.param(
            "2026-02-05", ROLLING, "2026-02-14T09:00:00+08:00", id="in the break: the day before it"
        ),
        pytest.param("2026-03-02", Term(10), "2026-03-10T09:00:00+08:00", id="day 8 of 10"),
        pytest.param("2026-03-02", Term(5, unit="working"), "2026-03-06T09:00:00+08:00", id="day 4 of 5"),
        pytest.param(
            "2026-03-02", Term(2, unit="working"), "2026-03-03T09:00:00+08:00", id="last day: one earlier"
        ),
        pytest.param(
            "2026-03-02", Term(1, unit="working"), "2026-03-03T09:00:00+08:00", id="one day: on that day"
        ),
        pytest.param("2026-01-22", Term(1, "year"), "2026-11-10T09:00:00+08:00", id="day 292 of 365"),
        pytest.param("2026-03-02", Term(0), None, id="length 0: no warning"),
    ],
)
def test_a_day_term_warns_at_nine_of_its_eightieth_percent(
    start: str, term: Term, warning: str | None
) -> None:
    begun = date.fromisoformat(start)
    at = warn_at(count(begun, term, CALENDAR), begun, term, 80, CALENDAR)
    assert (at.isoformat() if at else None) == warning


def test_a_clock_term_warns_at_its_eightieth_percent() -> None:
    begun, term = datetime(2026, 3, 2, 10, tzinfo=LOCAL), Term(1, "hour")
    assert warn_at(count(begun, term, CALENDAR), begun, term, 80, CALENDAR) == begun + timedelta(minutes=48)


def test_a_pause_moves_the_warning_too() -> None:
    begun, term, pauses = date(2026, 3, 2), Term(10), [(date(2026, 3, 4), date(2026, 3, 6))]
    at = warn_at(count(begun, term, CALENDAR, pauses), begun, term, 80, CALENDAR, pauses)
    assert at == datetime(2026, 3, 13, 9, tzinfo=LOCAL)


days = st.dates(date(2024, 6, 1), date(2027, 12, 31))
pauses_of_days = st.lists(
    st.tuples(days, st.integers(0, 40)).map(lambda p: (p[0], p[0] + p[1] * DAY)), max_size=4
)
day_terms = st.builds(
    Term,
    length=st.integers(0, 90),
    measure=st.just("day"),
    unit=st.sampled_from(["calendar", "working"]),
    rolls_over_rest_day=st.booleans(),
)


def day_by_day(start: date, term: Term, pauses: list[Pause]) -> date:
    """The count as a clerk with a wall calendar does it."""
    day, left = start, term.length
    while left:
        day += DAY
        paused = any(first <= day <= last for first, last in pauses)
        if not paused and (term.unit == "calendar" or CALENDAR.is_working(day)):
            left -= 1
    while term.rolls_over_rest_day and not CALENDAR.is_working(day):
        day += DAY
    return day


@given(days, day_terms, pauses_of_days)
def test_counting_agrees_with_a_wall_calendar(start: date, term: Term, pauses: list[Pause]) -> None:
    assert count(start, term, CALENDAR, pauses).due_on == day_by_day(start, term, pauses)


@given(days, day_terms, pauses_of_days)
def test_the_working_covers_every_day_once_and_adds_up(start: date, term: Term, pauses: list[Pause]) -> None:
    due = count(start, term, CALENDAR, pauses)
    assert [span_start for span_start, _ in spans(due)] == [
        start,
        *(last + DAY for _, last in spans(due)[:-1]),
    ]
    assert spans(due)[-1][1] == due.due_on
    assert sum((s.last - s.first).days + 1 for s in due.working if s.counted) == term.length


def spans(due: Due) -> list[tuple[date, date]]:
    return [(s.first, s.last) for s in due.working]


@given(days, day_terms, pauses_of_days)
def test_a_rolled_term_never_ends_on_a_rest_day(start: date, term: Term, pauses: list[Pause]) -> None:
    due_on = count(start, term, CALENDAR, pauses).due_on
    assert due_on is not None
    assert CALENDAR.is_working(due_on) or not (
        term.rolls_over_rest_day or (term.unit == "working" and term.length)
    )


@given(days, st.integers(0, 60), st.integers(1, 20), pauses_of_days)
def test_more_working_days_end_later(start: date, length: int, more: int, pauses: list[Pause]) -> None:
    shorter = count(start, Term(length, unit="working"), CALENDAR, pauses).due_at
    assert count(start, Term(length + more, unit="working"), CALENDAR, pauses).due_at > shorter


@given(days, day_terms, pauses_of_days, days)
def test_a_pause_never_shortens_a_term(start: date, term: Term, pauses: list[Pause], day: date) -> None:
    assert (
        count(start, term, CALENDAR, [*pauses, (day, day)]).due_at
        >= count(start, term, CALENDAR, pauses).due_at
    )


@given(days, day_terms, st.integers(1, 100), pauses_of_days)
def test_a_warning_comes_on_a_working_day_before_the_end(
    start: date, term: Term, percent: int, pauses: list[Pause]
) -> None:
    due = count(start, term, CALENDAR, pauses)
    at = warn_at(due, start, term, percent, CALENDAR, pauses)
    assert (at is None) == (term.length == 0)
    assert at is None or (at < due.due_at and CALENDAR.is_working(at.date()))
