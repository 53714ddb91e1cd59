"""Every first deadline that the sample cases promise, counted from their clocks and dated facts."""

import json
from datetime import date, datetime
from pathlib import Path
from typing import Any

import pytest

from libs.clocks import Calendar, RuleBook, due_for

DATA = Path(__file__).parents[3] / "data"
CASES: list[dict[str, Any]] = json.loads((DATA / "sample_cases.json").read_text(encoding="utf-8"))["cases"]
KINDS = {
    kind["code"]: kind for kind in json.loads((DATA / "kinds.json").read_text(encoding="utf-8"))["kinds"]
}
ROWS = [
    pytest.param(case, row, id=f"{case['no']}-{row['rule']}")
    for case in CASES
    for row in case["expected"]["first_deadlines"]
]
CHILD_TRACK = {"DIS": "MEDIATION", "CON": "CONSULTATION", "PSY": "SUPPORT"}


def start_of(case: dict[str, Any], event: str) -> date:
    if event in case["clock"]:
        return datetime.fromisoformat(case["clock"][event])
    return date.fromisoformat(case["input"]["facts"][event])


def facts_of(case: dict[str, Any], track: str) -> dict[str, object]:
    expected = case["expected"]
    return {
        "track": track,
        "categories": expected["category"],
        "topics": expected["topic"],
        "flags": expected["flags"],
        "urgency": expected["urgency"],
        "lawful_route": expected["lawful_route"],
        "target_types": expected["target_type"],
        "real_name": case["input"]["applicant"]["name"] is not None,
    }


@pytest.mark.parametrize(("case", "row"), ROWS)
def test_the_deadline_is_the_one_expected(
    book: RuleBook, calendar: Calendar, case: dict[str, Any], row: dict[str, str]
) -> None:
    due = due_for(book.rule(row["rule"]), start_of(case, row["start_event"]), calendar)
    if "due_on" in row:
        assert due.due_on == date.fromisoformat(row["due_on"])
    else:
        assert due.due_at.isoformat() == row["due_at"]


@pytest.mark.parametrize(("case", "row"), ROWS)
def test_the_event_starts_that_rule_for_the_case_or_its_child(
    book: RuleBook, case: dict[str, Any], row: dict[str, str]
) -> None:
    tracks = [KINDS[case["expected"]["kind"]]["track"]]
    tracks += [CHILD_TRACK[child["kind"]] for child in case["expected"]["children"]]
    start = start_of(case, row["start_event"])
    on = start.date() if isinstance(start, datetime) else start
    started = [
        rule.id for track in tracks for rule in book.started_by(row["start_event"], facts_of(case, track), on)
    ]
    assert row["rule"] in started


def test_the_year_term_of_case_2_is_provisional_until_2027_has_a_table(
    book: RuleBook, calendar: Calendar
) -> None:
    due = due_for(book.rule("INJ-WORKER"), start_of(CASES[1], "injury.occurred"), calendar)
    assert due.provisional
    assert due.notes == ("缺2027年放假安排,暂按周末推算",)


def test_the_samples_are_all_here() -> None:
    assert len(CASES) == 13
    assert len(ROWS) == 45
