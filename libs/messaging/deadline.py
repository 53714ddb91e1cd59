"""A running clock of a case: the value that domains hold. No driver in here; rows are in `deadlines.py`."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Any, Literal

from libs.clocks.counting import Due
from libs.clocks.rules import Rule
from libs.events.base import DueDate

Status = Literal["open", "met", "missed", "ended"]


@dataclass(frozen=True, slots=True)
class Deadline:
    """One rule's clock for one case.

    `due_at` is the instant after the last day of a day term. `met`: the act was done in time or late;
    `missed`: it fired; `ended`: the clock no longer matters. `working` shows how the date was counted.
    """

    rule: str
    due_at: datetime
    started_at: datetime
    due_on: date | None = None
    warn_at: datetime | None = None
    provisional: bool = False
    status: Status = "open"
    warned: bool = False
    working: tuple[Mapping[str, Any], ...] = ()

    @property
    def open(self) -> bool:
        """Whether the clock still runs."""
        return self.status == "open"

    def closed(self, status: Status) -> "Deadline":
        """The same clock, stopped; one that already stopped stays as it is."""
        return replace(self, status=status) if self.open else self

    def public(self) -> DueDate:
        """The form in which due dates travel (G18)."""
        return DueDate(rule=self.rule, due_on=self.due_on, due_at=self.due_at, provisional=self.provisional)


def of_due(rule: Rule, due: Due, started_at: datetime) -> Deadline:
    """A clock from a counted term."""
    return Deadline(
        rule=rule.id,
        due_at=due.due_at,
        started_at=started_at,
        due_on=due.due_on,
        warn_at=due.warn_at,
        provisional=due.provisional,
        working=tuple(step.as_json() for step in due.working),
    )


def open_dates(deadlines: Mapping[str, Deadline]) -> tuple[DueDate, ...]:
    """The open deadlines in the order of their due instants, as events carry them (G18)."""
    running = sorted((d for d in deadlines.values() if d.open), key=lambda d: (d.due_at, d.rule))
    return tuple(deadline.public() for deadline in running)


def next_due(deadlines: Mapping[str, Deadline]) -> Deadline | None:
    """The open deadline that comes first."""
    return min((d for d in deadlines.values() if d.open), key=lambda d: (d.due_at, d.rule), default=None)
