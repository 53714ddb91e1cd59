"""Legal counting of terms (CC arts 200-203, CPL art 85), with the working shown.

The first day is not counted; a term ends at 24:00 of its last day; where the rule says so, a last day
that is a rest day moves to the next working day. Clock terms (second, minute, hour) are instants and
know no rest day. Pure throughout: same input, same answer.
"""

from calendar import monthrange
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from functools import lru_cache
from itertools import groupby
from typing import Final, Literal

from libs.clocks.calendar import DAY, LOCAL, Calendar

Measure = Literal["second", "minute", "hour", "day", "month", "year"]
Unit = Literal["calendar", "working"]
Pause = tuple[date, date]
"""First and last day of an interval that is left out, both included."""

Reason = Literal[
    "FIRST_DAY", "CALENDAR_DAYS", "SAME_DAY", "WORKING_DAYS", "REST_DAYS", "PAUSE", "ROLLED_OVER", "CLOCK"
]

WARN_HOUR: Final = time(9)

_CLOCK_MEASURES = ("second", "minute", "hour")
_LONGEST_YEARS = 20  # the longest limitation of the law (CC art 188); bounds the work of one count
_LONGEST_PAUSE = timedelta(days=366 * _LONGEST_YEARS)
_PER_YEAR = {"second": 31_622_400, "minute": 527_040, "hour": 8_784, "day": 366, "month": 12, "year": 1}
_PAUSED = "暂停期间不计入"
_NAMES = {"second": "秒", "minute": "分钟", "hour": "小时", "month": "个月", "year": "年"}


class CountingError(ValueError):
    """A term, start or pause that cannot be counted; `code` and `pointer` name the field for a 422."""

    def __init__(self, code: str, pointer: str, detail: str) -> None:
        super().__init__(detail)
        self.code, self.pointer, self.detail = code, pointer, detail


@dataclass(frozen=True, slots=True)
class Term:
    """A length of time as a rule states it; raises CountingError when it makes no sense.

    Only days can be working days. At most 20 years, the longest limitation of the law (CC art 188).
    """

    length: int
    measure: Measure = "day"
    unit: Unit = "calendar"
    rolls_over_rest_day: bool = False

    def __post_init__(self) -> None:
        if self.measure not in _PER_YEAR:
            raise CountingError("unknown_measure", "/term/measure", f"no such measure: {self.measure}")
        if self.unit not in ("calendar", "working"):
            raise CountingError("unknown_unit", "/term/unit", f"no such unit: {self.unit}")
        if self.unit == "working" and self.measure != "day":
            raise CountingError("unknown_unit", "/term/unit", "only days can be working days")
        if not 0 <= self.length <= _PER_YEAR[self.measure] * _LONGEST_YEARS:
            raise CountingError("length_out_of_range", "/term/length", "a term lasts from 0 to 20 years")

    @property
    def is_clock(self) -> bool:
        """Whether the term ends at an instant instead of at the end of a day."""
        return self.measure in _CLOCK_MEASURES


@dataclass(frozen=True, slots=True)
class WorkingStep:
    """A span of days (of instants in a clock term) that was counted or left out, and why, in Chinese."""

    first: date
    last: date
    counted: bool
    reason: Reason
    why: str

    def as_json(self) -> dict[str, object]:
        """The step as console and API show it; `days` is null for a span of instants."""
        clock = isinstance(self.first, datetime)
        return {
            "from": self.first.isoformat(),
            "to": self.last.isoformat(),
            "days": None if clock else (self.last - self.first).days + 1,
            "counted": self.counted,
            "reason": self.reason,
            "why": self.why,
        }


@dataclass(frozen=True, slots=True)
class Due:
    """When a term ends.

    `due_on` is the last day of a day term (None for a clock term), `due_at` the instant after it or the
    instant itself. `before_roll` is the last day before any roll-over, from which an extension is counted.
    `provisional` says that a holiday table or the rule's own validity was missing; `notes` say which, in
    Chinese. `warn_at` is filled where a rule is known (`rules.due_for`).
    """

    due_on: date | None
    due_at: datetime
    provisional: bool = False
    working: tuple[WorkingStep, ...] = ()
    before_roll: date | None = None
    notes: tuple[str, ...] = ()
    warn_at: datetime | None = None

    def as_json(self) -> dict[str, object]:
        """Dates as ISO 8601, instants as RFC 3339 with offset."""
        return {
            "due_on": self.due_on.isoformat() if self.due_on else None,
            "due_at": self.due_at.isoformat(),
            "warn_at": self.warn_at.isoformat() if self.warn_at else None,
            "provisional": self.provisional,
            "working": [step.as_json() for step in self.working],
            "notes": list(self.notes),
        }


def count(start: date, term: Term, calendar: Calendar, pauses: Sequence[Pause] = ()) -> Due:
    """When `term` ends that begins at `start` (a date, or an instant with offset).

    Days of `pauses` are left out of the count. The roll-over comes after the count: a pause that begins
    once all days are counted has nothing left to leave out. Raises CountingError for an instant without
    offset, a pause that ends before it begins, or an end beyond the calendar.
    """
    try:
        if term.is_clock:
            return _count_clock(start_instant(start), term, _sorted(pauses))
        return _count_days(start_day(start), term, calendar, _sorted(pauses))
    except OverflowError as error:
        raise CountingError("start_out_of_range", "/start", "the term ends beyond the calendar") from error


def warn_at(
    due: Due, start: date, term: Term, percent: int, calendar: Calendar, pauses: Sequence[Pause] = ()
) -> datetime | None:
    """When to warn of `due`: at `percent` of the length; None for a term of length 0.

    Day terms: 09:00 of day ceil(length x percent / 100) in the term's own unit, one unit earlier if that
    is the last day of several, and on a rest day the working day before. Month and year terms: the same
    with the number of their days. Clock terms: at that part of the length.
    """
    if not term.length:
        return None
    if term.is_clock:
        begun = start_instant(start)
        return begun + (due.due_at - begun) * percent / 100
    begun_on = start_day(start)
    length = _length_in_days(begun_on, term)
    nth = -(-length * percent // 100)
    if nth >= length > 1:
        nth = length - 1
    day = count(begun_on, Term(nth, "day", term.unit), calendar, pauses).due_on
    assert day is not None  # noqa: S101 - a day term has a last day
    return datetime.combine(calendar.previous_working(day), WARN_HOUR, LOCAL)


def start_day(start: date) -> date:
    """The local day on which a term starts; an instant must carry its offset."""
    return start_instant(start).date() if isinstance(start, datetime) else start


def start_instant(start: date) -> datetime:
    """The instant at which a term starts, in local time; a bare date means its first moment."""
    if not isinstance(start, datetime):
        return _midnight(start)
    if start.tzinfo is None:
        raise CountingError("offset_missing", "/start", "an instant must carry its offset")
    return start.astimezone(LOCAL)


def _count_clock(start: datetime, term: Term, pauses: Sequence[Pause]) -> Due:
    spans = list(_run(start, timedelta(**{f"{term.measure}s": term.length}), pauses))
    why = f"{term.length}{_NAMES[term.measure]},休息日照计"
    steps = (_step(*span, "CLOCK", why) for span in spans)
    return Due(due_on=None, due_at=spans[-1][1], working=tuple(steps))


@lru_cache(maxsize=4096)  # the cases of one day ask the same few questions
def _count_days(start: date, term: Term, calendar: Calendar, pauses: tuple[Pause, ...]) -> Due:
    counted = (
        _working_days(start, term, calendar, pauses) if term.unit == "working" else _days(start, term, pauses)
    )
    steps = [WorkingStep(start, start, False, "FIRST_DAY", "起算当日不计入"), *counted]
    last = due_on = steps[-1].last
    if term.rolls_over_rest_day and not calendar.is_working(last):
        due_on = calendar.next_working(last)
        why = f"末日{last}为休息日({calendar.why(last)}),顺延至下一工作日"
        steps.append(WorkingStep(last + DAY, due_on, False, "ROLLED_OVER", why))
    missing = _missing(start + DAY if term.unit == "working" else last, due_on, term, calendar)
    return Due(
        due_on=due_on,
        due_at=_midnight(due_on + DAY),
        provisional=bool(missing),
        working=tuple(steps),
        before_roll=last,
        notes=tuple(f"缺{year}年放假安排,暂按周末推算" for year in missing),
    )


def _missing(first: date, last: date, term: Term, calendar: Calendar) -> list[int]:
    """Years without a table that the count asked for working days."""
    if term.unit == "calendar" and not term.rolls_over_rest_day:
        return []
    return [year for year in range(first.year, last.year + 1) if not calendar.known(year)]


def _days(start: date, term: Term, pauses: Sequence[Pause]) -> Iterator[WorkingStep]:
    """Every day counts. A month or year is as many days as lead to its same day number."""
    reason: Reason = "CALENDAR_DAYS" if term.measure == "day" else "SAME_DAY"
    why = (
        "自然日"
        if term.measure == "day"
        else f"{term.length}{_NAMES[term.measure]},至对应日,无对应日的至月末"
    )
    length = timedelta(days=_length_in_days(start, term))
    for begins, ends, counted in _run(_midnight(start + DAY), length, pauses):
        if ends > begins:
            yield _step(begins.date(), (ends - DAY).date(), counted, reason, why)


def _working_days(
    start: date, term: Term, calendar: Calendar, pauses: Sequence[Pause]
) -> Iterator[WorkingStep]:
    """Only working days count, the make-up days among them."""

    def judged() -> Iterator[tuple[date, bool, Reason, str]]:
        day, left = start, term.length
        while left:
            day += DAY
            paused_until = next((last for first, last in pauses if first <= day <= last), None)
            if paused_until:
                yield day, False, "PAUSE", _PAUSED
                day = paused_until
                yield day, False, "PAUSE", _PAUSED
            elif calendar.is_working(day):
                left -= 1
                yield day, True, "WORKING_DAYS", calendar.why(day)
            else:
                yield day, False, "REST_DAYS", calendar.why(day)

    for (counted, reason, why), days in groupby(judged(), key=lambda judgement: judgement[1:]):
        span = [day for day, *_ in days]
        yield WorkingStep(span[0], span[-1], counted, reason, why)


def _run(
    moment: datetime, left: timedelta, pauses: Sequence[Pause]
) -> Iterator[tuple[datetime, datetime, bool]]:
    """Spans from `moment` until `left` is used up, True where counted; the last one always is."""
    for first, last in pauses:
        opens, ends = _midnight(first), _midnight(last + DAY)
        if not left or moment + left <= opens:
            break
        if moment < opens:
            yield moment, opens, True
            left -= opens - moment
            moment = opens
        if moment < ends:
            yield moment, ends, False
            moment = ends
    yield moment, moment + left, True


def _step(first: date, last: date, counted: bool, reason: Reason, why: str) -> WorkingStep:
    return (
        WorkingStep(first, last, counted, reason, why)
        if counted
        else WorkingStep(first, last, False, "PAUSE", _PAUSED)
    )


def _length_in_days(start: date, term: Term) -> int:
    if term.measure == "day":
        return term.length
    return (months_later(start, term.length * (12 if term.measure == "year" else 1)) - start).days


def months_later(start: date, later: int) -> date:
    """The same day number `later` months on, else the last day of that month (CC art 202).

    Raises OverflowError beyond the calendar.
    """
    year, month = divmod(start.year * 12 + start.month - 1 + later, 12)
    if year > date.max.year:
        raise OverflowError("beyond the calendar")
    return date(year, month + 1, min(start.day, monthrange(year, month + 1)[1]))


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time.min, LOCAL)


def _sorted(pauses: Sequence[Pause]) -> tuple[Pause, ...]:
    for nth, (first, last) in enumerate(pauses):
        if first > last:
            raise CountingError("pause_reversed", f"/pauses/{nth}", "a pause ends before it begins")
        if last - first > _LONGEST_PAUSE:
            raise CountingError("pause_too_long", f"/pauses/{nth}", "a pause lasts at most 20 years")
    return tuple(sorted(pauses))
