"""When an organisation is open, and whether it opens in time to answer an offer."""

from collections.abc import Sequence
from datetime import date, datetime, time
from functools import lru_cache
from math import inf

from libs.clocks import LOCAL, Calendar, Term, count
from libs.clocks.calendar import DAY
from libs.events.organisation import Hours, Leave

_MONDAY, _SATURDAY = 1, 6


class Opening:
    """Opening hours over the holiday table, in local time (data/README.md, organisations).

    An organisation that is closed on holidays has no hours on a holiday and its Monday hours on a make-up
    working day (调休上班); a day of leave has no hours.
    """

    def __init__(
        self,
        hours: Sequence[Hours],
        leave: Sequence[Leave],
        calendar: Calendar,
        *,
        closed_on_holidays: bool,
        acceptance_working_days: int,
    ) -> None:
        self._closing = {
            weekday: max((window.to for window in hours if weekday in window.days), default=None)
            for weekday in range(_MONDAY, 8)
        }
        self._leave = leave
        self._calendar = calendar
        self._closed_on_holidays = closed_on_holidays
        self._term = Term(acceptance_working_days, "day", "working")
        self._last_close_from = lru_cache(maxsize=8)(self._find_last_close)

    def opens_in_time(self, instant: float, day: date) -> bool:
        """Whether it is open at the instant (a timestamp, on local `day`), or opens before an offer made
        then would expire."""
        return instant < self._last_close_from(day)

    def on_leave(self, day: date) -> bool:
        """Whether `day` is one of its days of leave."""
        return bool(self._leave) and any(leave.from_ <= day <= leave.to for leave in self._leave)

    def _find_last_close(self, offered_on: date) -> float:
        """The last instant at which it is open between the day of an offer and the last day to answer it."""
        day = count(offered_on, self._term, self._calendar).due_on
        while day is not None and day >= offered_on:
            closing = self._closing_on(day)
            if closing is not None:
                return _moment(day, closing).timestamp()
            day -= DAY
        return -inf

    def _closing_on(self, day: date) -> str | None:
        if self.on_leave(day):
            return None
        weekday = day.isoweekday()
        if self._closed_on_holidays:
            if self._calendar.is_holiday(day):
                return None
            if weekday >= _SATURDAY and self._calendar.is_working(day):
                weekday = _MONDAY
        return self._closing[weekday]


def _moment(day: date, clock: str) -> datetime:
    if clock == "24:00":
        return datetime.combine(day + DAY, time.min, LOCAL)
    return datetime.combine(day, time.fromisoformat(clock), LOCAL)
