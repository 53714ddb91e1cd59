"""How long what is known of people is kept: periods after the end of a matter, and holds that come before
them (PIPL arts 19, 47)."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime, time, timedelta
from typing import Any, Final

from libs.clocks.calendar import LOCAL
from libs.clocks.counting import months_later
from libs.db.work import Decision, Moment
from libs.web.errors import FieldError, Invalid
from services.intake.domain.case import SUPERVISORS, Case, Note, answer, audited, require, visible
from services.intake.domain.flagging import change_faults
from services.intake.domain.reference import Reference

Periods = Mapping[str | None, int | None]
"""Months by kind (`data/retention.json`); None: until a person erases it."""

SHORTEST_MONTH: Final = timedelta(days=3)
"""So many days may lie between a month back and a month on."""


def erased_on(case: Case, periods: Periods) -> date | None:
    """The local day on which a case is erased by itself, its holds aside, and one that was merged at the
    earliest, for it stays as long as the case that took it in. None while it has no end, or its kind no
    period."""
    months = periods.get(case.facts.kind)
    if case.end is None or months is None:
        return None
    return months_later(case.end.astimezone(LOCAL).date(), months)


def ended_before(periods: Periods, day: date) -> dict[str | None, datetime]:
    """By kind the instant before which every case ended that is erased by that day; `erased_on` tells those
    that ended days later apart, for months differ in length. Kinds without a period are not named."""
    return {
        kind: datetime.combine(months_later(day, -months) + SHORTEST_MONTH, time.max, LOCAL)
        for kind, months in periods.items()
        if months is not None
    }


@dataclass(frozen=True, slots=True)
class ChangeHolds:
    """Reasons to keep a case whatever its period (reasons.json, `held`) that come and go."""

    known: Reference
    add: tuple[str, ...]
    remove: tuple[str, ...]
    note: Note | None


def change_holds(case: Case | None, command: ChangeHolds, moment: Moment) -> Decision[Case]:
    """Put holds on a case and lift them, a supervisor's act, with words of why where one is lifted.

    While one is left nobody erases the case. Nobody else goes by it, so it is no event.
    """
    case = visible(case, moment.actor)
    require(moment.actor, SUPERVISORS, case)
    if faults := list(_misfits(case, command)):
        raise Invalid(errors=faults)
    holds = tuple(sorted({*case.holds, *command.add} - set(command.remove)))
    changed = replace(case, holds=holds)
    return Decision(
        changed.noted(command.note),
        reply=told(changed, command.known.retention, moment.version),
        audit=audited("case.holds_changed", case, added=list(command.add), removed=list(command.remove)),
    )


def _misfits(case: Case, command: ChangeHolds) -> Iterator[FieldError]:
    for nth, code in enumerate(command.add):
        if code not in command.known.hold_reasons:
            yield FieldError(f"/add/{nth}", "unknown_code")
    why = "lifted_with_reason"
    yield from change_faults(command.add, command.remove, case.holds, command.note, "not_held", why)


def told(case: Case, periods: Periods, version: int) -> dict[str, Any]:
    """The case with its holds and the day on which it is erased by itself; none while another act or case
    decides on it."""
    day = None if case.holds or case.stage == "merged" else erased_on(case, periods)
    return {
        **answer(case, version),
        "holds": list(case.holds),
        "erased_on": day.isoformat() if day else None,
    }
