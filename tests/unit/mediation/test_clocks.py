"""Clocks of mediation: right to the day in the sample cases, started and stopped by the right acts."""

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import date, datetime
from typing import Any

import pytest

from libs.clocks import LOCAL
from libs.events.base import DueDate
from libs.events.intake import CaseAmended, CaseFlagsChanged
from libs.events.mediation import DeadlineMoved
from libs.web.errors import Invalid
from services.mediation.domain.closing import Close, Extend, NotExtendable
from tests.unit.mediation.play import CASE, DATA, DISTRICT, Play, at

SAMPLES = {row["no"]: row for row in json.loads((DATA / "sample_cases.json").read_text("utf-8"))["cases"]}
INTAKES = ("PROD-TRIAGE-", "PET-NOTICE", "PET-FORWARD", "PROD-MORE-INFO", "RISK-")


def of_sample(new_play: Callable[..., Play], number: int) -> tuple[Play, list[dict[str, str]]]:
    """The sample as intake would tell of it, and the deadlines that it names of mediation."""
    row = SAMPLES[number]
    told, expected, clock = row["input"], row["expected"], row["clock"]
    received = datetime.fromisoformat(clock["case.registered"])
    tracks = {"DIS": "MEDIATION", "CON": "CONSULTATION", "PET": "PETITION", "PSY": "SUPPORT"}
    play = new_play(
        kind=told["kind"],
        track=tracks[told["kind"]],
        category=expected["category"],
        topic=expected["topic"],
        flags=tuple(expected["flags"]),
        urgency=expected["urgency"],
        lawful_route=expected["lawful_route"],
        received_at=received,
        accepted_at=datetime.fromisoformat(clock.get("case.accepted", clock["case.registered"])),
        facts={event: date.fromisoformat(on) for event, on in told["facts"].items()},
    )
    play.now = received
    play.accept()
    for event, step in (("case.offered", play.propose), ("case.taken_up", play.take_up)):
        if event in clock:
            play.now = datetime.fromisoformat(clock[event])
            step()
    mine = [d for d in expected["first_deadlines"] if not d["rule"].startswith(INTAKES)]
    return play, mine


@pytest.mark.parametrize("number", [1, 2, 3, 4, 6, 7, 8, 13])
def test_the_dates_of_the_sample_cases(new_play: Callable[..., Play], number: int) -> None:
    play, expected = of_sample(new_play, number)
    assert expected
    assert play.case is not None
    for deadline in expected:
        clock = play.case.deadlines[deadline["rule"]]
        if "due_on" in deadline:
            assert clock.due_on == date.fromisoformat(deadline["due_on"]), deadline["rule"]
            assert clock.due_at.astimezone(LOCAL).time().isoformat() == "00:00:00"
        else:
            assert clock.due_at == datetime.fromisoformat(deadline["due_at"]), deadline["rule"]


def test_case_10_reports_at_once_and_its_child_has_the_term_of_labour_mediation(
    new_play: Callable[..., Play],
) -> None:
    row = SAMPLES[10]
    due = {deadline["rule"]: deadline for deadline in row["expected"]["first_deadlines"]}
    received = datetime.fromisoformat(row["clock"]["case.registered"])
    raised = datetime.fromisoformat(row["clock"]["case.flags_changed"])
    told = {"category": "D11", "received_at": received, "accepted_at": received, "registered_at": received}
    parent = new_play(kind="PET", track="PETITION", lawful_route="R5", **told)
    parent.now = received
    parent.accept()
    parent.now = raised
    flags = {"flags": tuple(row["expected"]["flags"]), "urgency": "RED"}
    facts = parent.facts.model_copy(update=flags)
    parent.hear(
        CaseFlagsChanged(case_id=CASE, district=DISTRICT, case=facts, added=("MASS_EVENT",), removed=())
    )
    child = new_play(kind="DIS", track="MEDIATION", parent=CASE, **told, **flags)
    child.now = raised
    child.accept()
    assert parent.case is not None
    assert child.case is not None
    assert parent.case.deadlines["PET-URGENT"].due_at == datetime.fromisoformat(due["PET-URGENT"]["due_at"])
    assert child.case.deadlines["LAB-TERM"].due_on == date.fromisoformat(due["LAB-TERM"]["due_on"])


def test_every_first_deadline_of_the_samples_is_somebodys() -> None:
    """Those named here are checked in this file, intake's in its own tests, of the same file."""
    here = {1, 2, 3, 4, 6, 7, 8, 10, 13}
    left = {
        (row["no"], deadline["rule"])
        for row in SAMPLES.values()
        for deadline in row["expected"]["first_deadlines"]
        if not deadline["rule"].startswith(INTAKES) and row["no"] not in here
    }
    assert left == {(9, "CONS-ACCEPT")}  # case.forwarded starts it, so it is intake's


def test_the_clocks_of_intake_do_not_run_here(new_play: Callable[..., Play]) -> None:
    play = new_play(kind="PET", track="PETITION", urgency="RED", flags=("MASS_EVENT", "SELF_HARM")).accept()
    assert play.case is not None
    assert not [rule for rule in play.case.deadlines if rule.startswith(INTAKES)]
    assert "PET-URGENT" in play.case.deadlines


def test_a_year_without_its_holiday_table_is_provisional(new_play: Callable[..., Play]) -> None:
    play, _ = of_sample(new_play, 2)
    assert play.case is not None
    assert play.case.deadlines["INJ-WORKER"].provisional
    assert not play.case.deadlines["LAB-TERM"].provisional


def test_every_event_carries_the_open_deadlines(play: Play) -> None:
    play.reach("taken_up")
    due = {d.rule: d for d in play.told[-1].deadlines}  # type: ignore[attr-defined]
    assert set(due) == {"PROD-CONTACT", "PROD-SESSION", "MED-TERM"}
    assert isinstance(due["MED-TERM"], DueDate)


ACTS: list[tuple[str, Callable[[Play], Any], str]] = [
    ("PROD-OFFER", lambda play: play.accept().propose().take_up(), "met"),
    ("PROD-CONTACT", lambda play: play.reach("taken_up").contact(), "met"),
    ("PROD-CONTACT", lambda play: play.reach("taken_up").contact("no_answer"), "open"),
    ("PROD-CONTACT", lambda play: play.reach("taken_up").contact("reached", "respondent"), "open"),
    ("PROD-CONTACT", lambda play: play.reach("taken_up").consent("applicant"), "met"),
    ("PROD-CONSENT", lambda play: play.reach("consent_pending").consent("applicant"), "open"),
    ("PROD-CONSENT", lambda play: play.reach("in_mediation"), "met"),
    ("PROD-SESSION", lambda play: play.reach("in_mediation").session().session_held(False), "open"),
    ("PROD-SESSION", lambda play: play.reach("in_mediation").session().session_held(), "met"),
    ("MED-TERM", lambda play: play.reach("agreed"), "met"),
    ("MED-TERM", lambda play: play.reach("ended"), "ended"),
    ("PROD-SESSION", lambda play: play.reach("ended"), "ended"),
    ("MED-CONFIRM-ASK", lambda play: play.reach("agreed"), "open"),
    ("MED-CONFIRM-ASK", lambda play: play.reach("agreed").close(), "open"),
    ("PROD-REOPEN", lambda play: play.reach("closed"), "open"),
]


@pytest.mark.parametrize(("rule", "steps", "status"), ACTS)
def test_what_stops_a_clock(play: Play, rule: str, steps: Callable[[Play], Any], status: str) -> None:
    steps(play)
    assert play.case is not None
    assert play.case.deadlines[rule].status == status


def test_a_clock_keeps_its_end_when_the_act_came_late(play: Play) -> None:
    play.reach("taken_up").wait(days=5).sweep("PROD-CONTACT").contact()
    assert play.case is not None
    assert play.case.deadlines["PROD-CONTACT"].status == "missed"


def test_both_parties_prolong_the_term(play: Play) -> None:
    play.reach("in_mediation").act("extend", Extend(date(2026, 5, 6), True, play.words()))
    assert play.events == ["case.extended"]
    assert play.case is not None
    clock = play.case.deadlines["MED-TERM"]
    assert (clock.due_on, clock.due_at) == (date(2026, 5, 6), at("2026-05-07T00:00"))
    assert clock.warn_at is not None
    assert at("2026-03-02T09:00") < clock.warn_at < clock.due_at


def test_a_term_that_is_over_may_still_be_prolonged(play: Play) -> None:
    play.reach("in_mediation").wait(days=40).sweep("MED-TERM")
    play.act("extend", Extend(date(2026, 5, 6), True))
    assert play.case is not None
    assert play.case.deadlines["MED-TERM"].open


@pytest.mark.parametrize(
    ("command", "pointer"),
    [
        (Extend(date(2026, 5, 6), False), "/both_agree"),
        (Extend(date(2026, 4, 1), True), "/until"),
        (Extend(date(2029, 1, 1), True), "/until"),
        (Extend(date.max, True), "/until"),
    ],
)
def test_a_term_is_not_prolonged_by_one_side_or_without_measure(
    play: Play, command: Extend, pointer: str
) -> None:
    play.reach("in_mediation")
    with pytest.raises(Invalid) as refused:
        play.act("extend", command)
    assert [error.pointer for error in refused.value.errors] == [pointer]


def test_no_term_no_extension(new_play: Callable[..., Play]) -> None:
    """MEDICAL-TERM is both parties' to prolong (MED18 art 31); without such a term nothing is prolonged."""
    play = new_play(category="D12").reach("in_mediation")
    play.act("extend", Extend(date(2026, 6, 1), True))
    assert play.events == ["case.extended"]
    assert play.case is not None
    play.case = replace(play.case, deadlines={})
    with pytest.raises(NotExtendable):
        play.act("extend", Extend(date(2026, 7, 1), True))


def test_a_new_category_changes_the_clocks(play: Play) -> None:
    play.reach("taken_up")
    changed = play.facts.model_copy(update={"category": "D10", "topic": "D10.1"})
    play.hear(CaseAmended(case_id=CASE, district=DISTRICT, case=changed, changed=("category",)))
    moved = [event for event in play.told if isinstance(event, DeadlineMoved)]
    assert [(event.rule, event.was, event.now is None) for event in moved] == [("LAB-TERM", None, False)]
    assert play.case is not None
    assert play.case.deadlines["LAB-TERM"].due_on == date(2026, 3, 17)
    back = changed.model_copy(update={"category": "D02", "topic": None})
    play.hear(CaseAmended(case_id=CASE, district=DISTRICT, case=back, changed=("category",)))
    assert play.case.deadlines["LAB-TERM"].status == "ended"


def test_rights_run_on_after_the_close(new_play: Callable[..., Play]) -> None:
    play = new_play(category="D10", topic="D10.1", facts={"employment.ended": date(2026, 1, 22)})
    play.reach("with_duty_desk").staff("close", Close("WITHDRAWN"))
    assert play.case is not None
    running = {c.rule for c in play.case.deadlines.values() if c.open}
    assert running == {"LAB-LIMITATION-WAGE", "PROD-REOPEN"}
