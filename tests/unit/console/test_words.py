"""The words of the board: every code that may stand there has a Chinese one."""

import json
import re
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path
from uuid import UUID

import pytest

from libs.events.registry import REGISTRY
from services.console.domain.board import INTAKE_STATES, TOLD, CaseRow, Moment
from services.console.pages.words import Words

DATA = Path(__file__).parents[3] / "data"
WORDS = Words.load(DATA, lambda: datetime(2026, 2, 5, tzinfo=UTC))
CASE = UUID(int=1)


def test_a_row_is_told_in_words() -> None:
    row = CaseRow(
        CASE,
        "990101",
        query_code="K7M2P9QX",
        kind="DIS",
        category="D10",
        urgency="RED",
        flags=("VIOLENCE",),
        registered_at=datetime(2026, 2, 5, 2, 12, tzinfo=UTC),
        intake_state="accepted",
        mediation_state="taken_up",
        org_id="LAB-01",
        mediation_rule="PROD-CONTACT",
        mediation_due_on=date(2026, 2, 9),
        mediation_due_at=datetime(2026, 2, 9, 16, tzinfo=UTC),
        message="N07",
        message_state="delivered",
    )
    told = WORDS.row(row)
    assert told["registered_text"] == "2月5日 10:12"
    assert (told["kind"], told["category"]) == ("纠纷调解", "劳动争议纠纷")
    assert told["urgency_text"] == "紧急"
    assert told["state"] == "已承接"
    assert told["org"] == "临江区劳动人民调解委员会"
    assert told["due"] == {
        "rule": "首次联系",
        "day": "2月9日",
        "at": datetime(2026, 2, 9, 16, tzinfo=UTC),
    }
    assert told["message"] == {"what": "承接通知", "fate": "已送达"}
    assert not told["finished"]


def test_a_missed_duty_is_told_with_the_day_on_which_it_was_due() -> None:
    row = CaseRow(
        CASE,
        "990101",
        mediation_missed="PROD-CONTACT",
        mediation_missed_at=datetime(2026, 2, 9, 16, tzinfo=UTC),
    )
    assert WORDS.row(row)["late"] == {"rule": "首次联系", "day": "2月10日 00:00"}
    assert WORDS.row(CaseRow(CASE, "990101"))["late"] is None


def test_a_term_of_hours_is_told_by_its_instant() -> None:
    row = CaseRow(
        CASE, "990101", intake_rule="PROD-TRIAGE-RED", intake_due_at=datetime(2026, 2, 5, 2, 42, tzinfo=UTC)
    )
    assert WORDS.row(row)["due"]["day"] == "2月5日 10:42"


def test_dates_of_another_year_say_it() -> None:
    assert WORDS.time(datetime(2021, 3, 8, 16, tzinfo=UTC)) == "2021年3月9日 00:00"
    assert WORDS.time(datetime(2025, 12, 31, 16, tzinfo=UTC)) == "1月1日 00:00"
    assert WORDS.day(date(2027, 1, 4)) == "2027年1月4日"


def test_a_found_case_stands_where_the_board_knows_it_to_be() -> None:
    item = {
        "case_id": str(CASE),
        "query_code": "K7M2P9QX",
        "registered_at": "2025-02-05T10:12:00+08:00",
        "urgency": "BLUE",
        "kind": "DIS",
        "category": "D10",
        "state": "accepted",
        "due": None,
        "version": 2,
    }
    row = CaseRow(
        CASE,
        "990101",
        intake_version=2,
        intake_state="accepted",
        mediation_state="offered",
        mediation_rule="PROD-OFFER",
        mediation_due_on=date(2026, 12, 2),
        mediation_due_at=datetime(2026, 12, 2, 16, tzinfo=UTC),
    )
    told = WORDS.found(item, row)
    rule = WORDS.of("rules", "PROD-OFFER")
    assert (told["registered"], told["state"], told["due"]) == (
        "2025年2月5日 10:12",
        "待承接",
        f"{rule} 12月2日",
    )
    late = replace(row, mediation_missed="PROD-OFFER", mediation_missed_at=row.mediation_due_at)
    assert WORDS.found(item, late)["due"] == f"逾期：{rule} 12月3日 00:00"
    for older in (None, replace(row, intake_version=1)):
        assert (WORDS.found(item, older)["state"], WORDS.found(item, older)["due"]) == ("已受理", "")


def test_a_case_of_which_little_is_known_is_told_without_gaps() -> None:
    told = WORDS.row(CaseRow(CASE, "990101"))
    assert (told["kind"], told["category"], told["state"], told["org"]) == ("待分类", "", "", "")
    assert told["due"] is None
    assert told["message"] is None


def test_a_code_without_a_word_stands_for_itself() -> None:
    assert WORDS.of("organisations", "NEW-77") == "NEW-77"


def test_a_closed_case_is_finished() -> None:
    assert WORDS.row(CaseRow(CASE, "990101", mediation_state="closed"))["finished"]


@pytest.mark.parametrize(
    ("event_type", "detail", "text"),
    [
        (
            "case.returned",
            {"org_id": "LAB-01", "reason_code": "NO_CAPACITY"},
            "组织：临江区劳动人民调解委员会",
        ),
        ("session.scheduled", {"starts_at": "2026-02-12T06:30:00Z", "mode": "clinic"}, "时间：2月12日 14:30"),
        ("case.flags_changed", {"added": ["VIOLENCE"], "removed": []}, "新增："),
        ("case.rated", {"rating": 1}, "评价：满意"),
        ("case.closed", {"result": "SOLVED"}, "结果：已解决"),
    ],
)
def test_a_moment_is_told_in_words(event_type: str, detail: dict[str, object], text: str) -> None:
    at = datetime(2026, 2, 6, 1, 30, tzinfo=UTC)
    told = WORDS.moment(Moment(CASE, "mediation.case.v1", 1, event_type, at, detail))
    assert told["at"] == "2月6日 09:30"
    assert text in told["detail"]
    assert "：；" not in told["detail"] + "；"


def test_every_event_has_a_word() -> None:
    assert {cls.TYPE for cls in REGISTRY.classes} <= WORDS.vocabularies["events"].keys()


def test_every_state_of_intake_and_every_fate_of_a_message_has_a_word() -> None:
    assert set(INTAKE_STATES.values()) <= WORDS.vocabularies["states"].keys()
    fates = {cls.TYPE.partition(".")[2] for cls in REGISTRY.classes if cls.TOPIC == "notify.message.v1"}
    assert fates <= WORDS.vocabularies["messages"].keys()


def test_every_template_has_a_word() -> None:
    rows = json.loads((DATA / "sms_templates.json").read_text("utf-8"))["templates"]
    assert {row["id"] for row in rows} <= WORDS.vocabularies["templates"].keys()


def test_every_warning_of_intake_has_a_word() -> None:
    intake = Path(__file__).parents[3] / "services/intake/domain"
    told = {
        code
        for file in intake.glob("*.py")
        for code in re.findall(r'Warning\("(\w+)"', file.read_text("utf-8"))
    }
    assert {"PHONE_INVALID", "GRID_UNRESOLVED"} <= told
    phones = {"PHONE_FIXED", "PHONE_FOREIGN"}  # named by the kind of number: libs/privacy/blindindex.py
    assert told | phones == WORDS.vocabularies["warnings"].keys()


def test_every_detail_of_the_timeline_has_a_label() -> None:
    assert WORDS.details.keys() | {"starts_at"} == TOLD
    assert all(known is None or known in WORDS.vocabularies for _, known in WORDS.details.values())
