"""Which days are worked: Monday to Friday, changed by the State Council's yearly holiday notice.

A year whose notice is not loaded is answered by the plain week. Whoever counts over such a year marks
the result provisional (`known`), and `missing_years` raises the alarm before the new year begins.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import MAXYEAR, MINYEAR, date, datetime, timedelta, timezone
from pathlib import Path
from typing import Final, Self

LOCAL: Final = timezone(timedelta(hours=8), "Asia/Shanghai")
"""The one zone of the law's days. Fixed: China has kept no summer time since 1991."""

DAY: Final = timedelta(days=1)


def instant(at: datetime) -> str:
    """An instant as people here read it, whatever zone it was kept in."""
    return at.astimezone(LOCAL).isoformat()


def in_every_zone(at: datetime) -> bool:
    """Whether an instant can be told in any zone: at both ends of the calendar some have no day for it."""
    return MINYEAR < at.year < MAXYEAR


_SATURDAY = 6
_ALARM_FROM = (12, 15)
"""The notice for the next year is out by then; without it every term across New Year is a guess."""


class CalendarError(ValueError):
    """A holiday table that cannot be trusted: wrong year, unknown kind, a day named twice, no table."""


@dataclass(frozen=True, slots=True)
class SpecialDay:
    """A day that differs from the plain week: a rest day, or a make-up working day (调休上班)."""

    working: bool
    name: str


class Calendar:
    """Working days of the years whose table is loaded, and the plain week for all others."""

    def __init__(self, tables: Mapping[int, Mapping[date, SpecialDay]]) -> None:
        self._tables = {year: dict(days) for year, days in tables.items()}

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read every `holidays_YYYY.json` of `folder`; raise CalendarError if none or one is unsound."""
        tables = dict(_read(path) for path in sorted(folder.glob("holidays_*.json")))
        if not tables:
            raise CalendarError(f"no holidays_YYYY.json in {folder.name}")
        return cls(tables)

    @property
    def years(self) -> list[int]:
        """The years whose table is loaded."""
        return sorted(self._tables)

    def known(self, year: int) -> bool:
        """Whether the notice for `year` is loaded."""
        return year in self._tables

    def is_working(self, day: date) -> bool:
        """Whether `day` is worked; in a year that is not `known`, whether it is Monday to Friday."""
        special = self._special(day)
        return special.working if special else day.isoweekday() < _SATURDAY

    def is_holiday(self, day: date) -> bool:
        """Whether the notice names `day` a rest day; a plain weekend is none."""
        special = self._special(day)
        return special is not None and not special.working

    def why(self, day: date) -> str:
        """Why `day` is worked or not, in Chinese, the same words for all days of one break."""
        special = self._special(day)
        if special:
            return special.name
        plain = "工作日" if day.isoweekday() < _SATURDAY else "周末"
        return plain if self.known(day.year) else f"{plain}(暂按平常周推算)"

    def next_working(self, day: date) -> date:
        """The first working day from `day` on, itself included."""
        while not self.is_working(day):
            day += DAY
        return day

    def previous_working(self, day: date) -> date:
        """The last working day up to `day`, itself included."""
        while not self.is_working(day):
            day -= DAY
        return day

    def missing_years(self, today: date) -> list[int]:
        """Years whose table is due and not here: this one, and from 15 December the next."""
        due = [today.year]
        if (today.month, today.day) >= _ALARM_FROM:
            due.append(today.year + 1)
        return [year for year in due if not self.known(year)]

    def _special(self, day: date) -> SpecialDay | None:
        table = self._tables.get(day.year)
        return table.get(day) if table else None


def _read(path: Path) -> tuple[int, dict[date, SpecialDay]]:
    try:
        table = json.loads(path.read_text(encoding="utf-8"))
        year = int(table["year"])
        return year, dict(_days(year, table["days"]))
    except (KeyError, TypeError, ValueError) as error:
        raise CalendarError(f"{path.name}: {error}") from error


def _days(year: int, rows: list[dict[str, str]]) -> Iterator[tuple[date, SpecialDay]]:
    seen: set[date] = set()
    for row in rows:
        day, kind = date.fromisoformat(row["date"]), row["kind"]
        if day.year != year or day in seen or kind not in ("holiday", "workday"):
            raise CalendarError(f"{day} as {kind} does not fit the table of {year}")
        seen.add(day)
        yield day, SpecialDay(working=kind == "workday", name=row["name"])
