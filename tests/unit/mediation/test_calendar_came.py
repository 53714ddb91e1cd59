"""G17: what was counted without a holiday table is counted again when it comes, and says so."""

from collections.abc import Callable
from dataclasses import replace
from datetime import date

from libs.clocks.calendar import Calendar, SpecialDay
from libs.events.mediation import DeadlineMoved
from services.mediation.domain.case import Case
from services.mediation.domain.codes import Codes
from services.mediation.handlers.cases import use_cases

from .play import Play


def with_2027(codes: Codes, *holidays: str) -> Codes:
    """The codes with an invented table of 2027."""
    tables = dict(codes.calendar._tables)
    tables[2027] = {date.fromisoformat(day): SpecialDay(False, "元旦") for day in holidays}
    return replace(codes, calendar=Calendar(tables))


def taken_up(new_play: Callable[..., Play]) -> Play:
    """Taken up on 2 December 2026: 30 days end on 1 January 2027, a year without a table."""
    return new_play("2026-12-02T09:00", category="D02").accept().propose().take_up()


def held(play: Play) -> Case:
    """The case, which is there by now."""
    assert play.case is not None
    return play.case


def test_a_term_moves_by_the_table_that_came(codes: Codes, new_play: Callable[..., Play]) -> None:
    play = taken_up(new_play)
    assert (held(play).deadlines["MED-TERM"].due_on, held(play).deadlines["MED-TERM"].provisional) == (
        date(2027, 1, 1),
        True,
    )
    play.use_cases = use_cases(with_2027(codes, "2027-01-01"))
    play.calendar_came()
    assert held(play).deadlines["MED-TERM"].due_on == date(2027, 1, 4)
    assert not held(play).deadlines["MED-TERM"].provisional
    (moved,) = (event for event in play.told if isinstance(event, DeadlineMoved))
    assert (moved.rule, moved.why) == ("MED-TERM", "CALENDAR")


def test_without_a_new_table_nothing_changes(new_play: Callable[..., Play]) -> None:
    play = taken_up(new_play)
    before, told = held(play), len(play.told)
    play.calendar_came()
    assert (held(play), len(play.told)) == (before, told)


def test_an_end_in_the_past_is_not_fired_but_given_to_a_person(
    codes: Codes, new_play: Callable[..., Play]
) -> None:
    play = taken_up(new_play)
    clock = held(play).deadlines["MED-TERM"]
    play.case = replace(held(play), deadlines={"MED-TERM": replace(clock, due_on=date(2027, 2, 1))})
    play.use_cases = use_cases(with_2027(codes))
    play.wait(days=40)
    play.calendar_came()
    assert held(play).deadlines["MED-TERM"].open
    assert [task.queue for task in held(play).tasks] == ["SUPERVISOR"]
