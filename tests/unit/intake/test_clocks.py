"""Intake's clocks: started, rung once, stopped by what they wait for."""

from dataclasses import replace
from datetime import timedelta

import pytest

from libs.events.intake import IntakeDeadlineMet, IntakeDeadlineMissed, IntakeDeadlineWarned
from libs.web.errors import ForbiddenAction, Invalid, NotFound
from services.intake.domain.case import Case
from services.intake.domain.clocks import Alarm, ring
from services.intake.domain.duties import Fulfil, fulfil
from tests.unit.intake.build import NOW, accepted, kept, known, moment, note, registered

TRIAGE = "PROD-TRIAGE-YELLOW"
DUE = NOW + timedelta(hours=4)


def urgent() -> Case:
    return registered(narrative="右手受伤")


def due(rule: str = TRIAGE) -> Alarm:
    return Alarm(known(), rule, "due")


def warn(rule: str = TRIAGE) -> Alarm:
    return Alarm(known(), rule, "warn")


@pytest.mark.parametrize(
    ("fields", "rules"),
    [
        ({}, {"PROD-TRIAGE-BLUE"}),
        ({"kind": "DIS", "category": "D10"}, {"PROD-TRIAGE-BLUE"}),
        ({"kind": "PET"}, {"PROD-TRIAGE-BLUE", "PET-FORWARD"}),
        (
            {"kind": "PET", "applicant": {"name": "江北辰"}, "place": {"address": "河埠花园"}},
            {"PROD-TRIAGE-BLUE", "PET-FORWARD", "PET-NOTICE"},
        ),
        ({"flags": ["MINOR_AT_RISK"]}, {"PROD-TRIAGE-RED", "RISK-MINOR"}),
        ({"flags": ["MASS_EVENT"]}, {"PROD-TRIAGE-RED", "RISK-MASS-NOTICE"}),
    ],
)
def test_receipt_starts_the_clocks_of_intake_and_no_others(
    fields: dict[str, object], rules: set[str]
) -> None:
    assert set(registered(**fields).deadlines) == rules


def test_the_clocks_run_from_receipt_not_from_entry() -> None:
    received = (NOW - timedelta(hours=3)).isoformat()
    case = registered(narrative="右手受伤", received_at=received)
    assert case.deadlines[TRIAGE].due_at == NOW + timedelta(hours=1)


def test_a_clock_that_ran_out_is_told_once() -> None:
    decision = ring(urgent(), due(), moment(now=DUE))
    (event,) = decision.events
    assert isinstance(event, IntakeDeadlineMissed)
    assert (event.rule, event.tell, event.escalation) == (TRIAGE, ("SUPERVISOR",), ("L5",))
    again = ring(kept(decision), due(), moment(now=DUE + timedelta(minutes=1)))
    assert (again.events, again.ignored) == ((), "clock_stopped")


def test_a_clock_never_rings_early() -> None:
    decision = ring(urgent(), due(), moment(now=DUE - timedelta(seconds=1)))
    assert (decision.events, decision.ignored) == ((), "not_due")


def test_a_clock_that_was_met_meanwhile_does_not_ring() -> None:
    case = accepted(narrative="右手受伤")
    assert ring(case, due(), moment(now=DUE)).ignored == "clock_stopped"


@pytest.mark.parametrize("case", [None, registered()])
def test_a_clock_that_is_not_there_does_not_ring(case: Case | None) -> None:
    assert ring(case, due(), moment(now=DUE)).ignored == "clock_stopped"


def test_a_warning_is_told_once_at_its_time() -> None:
    at = urgent().deadlines[TRIAGE].warn_at
    assert at == NOW + timedelta(hours=4) * 0.8
    assert ring(urgent(), warn(), moment(now=at - timedelta(seconds=1))).ignored == "not_due"
    decision = ring(urgent(), warn(), moment(now=at))
    (event,) = decision.events
    assert isinstance(event, IntakeDeadlineWarned)
    assert (event.rule, event.tell) == (TRIAGE, ("DISPATCHER",))
    assert ring(kept(decision), warn(), moment(now=at)).ignored == "not_due"


@pytest.mark.parametrize("kind", ["due", "warn"])
def test_the_clock_of_an_accusation_tells_nothing_of_its_urgency(kind: str) -> None:
    case = registered(kind="REP", narrative="右手受伤")
    decision = ring(case, replace(due(), kind=kind), moment(now=DUE))  # type: ignore[arg-type]
    (event,) = decision.events
    assert (event.rule, event.tell) == ("SEALED", ("SEALED_OFFICER",))  # type: ignore[attr-defined]


def petition() -> Case:
    return registered(kind="PET", applicant={"name": "江北辰"}, place={"address": "河埠花园"})


def test_the_written_notice_is_recorded() -> None:
    decision = fulfil(petition(), Fulfil("PET-NOTICE", None, note()), moment())
    (event,) = decision.events
    assert isinstance(event, IntakeDeadlineMet)
    assert (event.rule, event.late) == ("PET-NOTICE", False)
    assert "PET-NOTICE" not in [deadline.rule for deadline in event.deadlines]


def test_a_late_notice_is_recorded_as_late() -> None:
    after = petition().deadlines["PET-NOTICE"].due_at
    missed = kept(ring(petition(), due("PET-NOTICE"), moment(now=after)))
    (event,) = fulfil(missed, Fulfil("PET-NOTICE", None, None), moment(now=after)).events
    assert isinstance(event, IntakeDeadlineMet)
    assert event.late


def test_what_was_done_in_time_may_be_entered_later() -> None:
    after = petition().deadlines["PET-NOTICE"].due_at
    (event,) = fulfil(petition(), Fulfil("PET-NOTICE", NOW, None), moment(now=after)).events
    assert isinstance(event, IntakeDeadlineMet)
    assert not event.late


@pytest.mark.parametrize("rule", ["PROD-TRIAGE-BLUE", "PET-FORWARD", "RISK-MINOR", "NOBODY"])
def test_a_duty_that_is_not_owed_or_done_by_deciding_is_not_recorded(rule: str) -> None:
    with pytest.raises(Invalid):
        fulfil(petition(), Fulfil(rule, None, None), moment())


def test_a_duty_is_done_once_and_neither_in_the_future_nor_before_receipt() -> None:
    done = kept(fulfil(petition(), Fulfil("PET-NOTICE", None, None), moment()))
    with pytest.raises(ForbiddenAction):
        fulfil(done, Fulfil("PET-NOTICE", None, None), moment())
    for done_at in (NOW + timedelta(hours=1), NOW - timedelta(seconds=1)):
        with pytest.raises(Invalid):
            fulfil(petition(), Fulfil("PET-NOTICE", done_at, None), moment())


def test_a_duty_of_an_accusation_is_not_found() -> None:
    with pytest.raises(NotFound):
        fulfil(registered(kind="REP", flags=["VIOLENCE"]), Fulfil("RISK-VIOLENCE", None, None), moment())
