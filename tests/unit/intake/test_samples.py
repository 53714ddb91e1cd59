"""The thirteen sample cases: what the words, the fields and the address make of them."""

from datetime import date, datetime
from typing import Any

import pytest

from libs.messaging.deadline import Deadline
from services.intake.domain.flagging import ChangeFlags, change_flags
from services.intake.domain.people import personal
from services.intake.domain.registration import judge, register
from services.intake.domain.statement import Statement, check
from tests.unit.intake.build import DISTRICT, OTHER, command, kept, known, moment, registered, samples


def statement(no: int) -> Statement:
    body = dict(samples()[no]["input"])
    if body["decision"] and body["decision"].get("into"):
        body["decision"] = {**body["decision"], "into": OTHER}
    return Statement.model_validate(body)


def at(no: int) -> datetime:
    return datetime.fromisoformat(samples()[no]["clock"]["case.registered"])


@pytest.mark.parametrize("no", range(1, 14))
def test_codes_flags_urgency_and_grid_are_as_expected(no: int) -> None:
    said, expected = statement(no), samples()[no]["expected"]
    check(said, known(), at(no))
    facts = judge(said, personal(said).phone, known(), known().places[DISTRICT], at(no)).facts
    told = {name: getattr(facts, name) for name in ("kind", "category", "topic", "grid", "urgency")}
    assert told == {name: expected[name] for name in told}
    assert list(facts.flags) == expected["flags"]


@pytest.mark.parametrize("no", [5, 10])
def test_the_clocks_of_a_danger_are_right_to_the_minute(no: int) -> None:
    raised = datetime.fromisoformat(samples()[no]["clock"]["case.flags_changed"])
    before = registered(kind=samples()[no]["input"]["kind"], received_at=at(no))
    add = tuple(samples()[no]["expected"]["flags"])
    raising = ChangeFlags(known(), add, (), None, None)
    case = kept(change_flags(before, raising, moment(now=raised)))
    wanted = {
        row["rule"]: datetime.fromisoformat(row["due_at"])
        for row in samples()[no]["expected"]["first_deadlines"]
        if row["rule"].startswith("RISK-")
    }
    assert wanted
    assert {rule: case.deadlines[rule].due_at for rule in wanted} == wanted


def test_case_9_gives_the_body_that_it_is_forwarded_to_the_term_of_the_law() -> None:
    then = datetime.fromisoformat(samples()[9]["clock"]["case.forwarded"])
    sent = command(now=then, **statement(9).model_dump(mode="json"))
    case = kept(register(None, sent, moment("dispatcher", version=0, now=then)))
    (wanted,) = (
        r for r in samples()[9]["expected"]["first_deadlines"] if r["start_event"] == "case.forwarded"
    )
    assert case.stage == "forwarded"
    assert case.deadlines[wanted["rule"]].due_on == date.fromisoformat(wanted["due_on"])
    assert case.deadlines[wanted["rule"]].provisional


OURS = ("PROD-TRIAGE", "PET-NOTICE", "RISK-")


def _due(deadline: Deadline) -> dict[str, Any]:
    if deadline.due_on is not None:
        return {"due_on": deadline.due_on.isoformat()}
    return {"due_at": deadline.due_at}


@pytest.mark.parametrize("no", [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 13])
def test_the_clocks_of_registration_are_right_to_the_day_or_minute(no: int) -> None:
    body = {**statement(no).model_dump(mode="json"), "decision": None}
    case = registered(now=at(no), **body)
    wanted = {
        row["rule"]: {"due_on": row["due_on"]}
        if "due_on" in row
        else {"due_at": datetime.fromisoformat(row["due_at"])}
        for row in samples()[no]["expected"]["first_deadlines"]
        if row["rule"].startswith(OURS) and row["start_event"] == "case.registered"
    }
    assert wanted
    assert {rule: _due(case.deadlines[rule]) for rule in wanted} == wanted
