"""The entry form: what is typed becomes the statement that intake takes, faults come back at their fields."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from libs.web.errors import FieldError, Invalid
from services.console.domain.acts import ACTS, field_at, fitting, notice_offered, offered, to_choose
from services.console.domain.entry import faults_by_field, fen, statement
from services.console.pages.words import Words

DATA = Path(__file__).parents[3] / "data"
AT_ONCE = Words.load(DATA, lambda: datetime.now(UTC)).at_once
CASE_1: dict[str, Any] = json.loads((DATA / "sample_cases.json").read_text("utf-8"))["cases"][0]["input"]

FORM_1 = {
    "channel": "phone",
    "narrative": CASE_1["narrative"],
    "kind": "DIS",
    "category": "D10",
    "topic": "D10.1",
    "address": "云桥街道锦苑商业街示例餐饮店",
    "name": "周小川",
    "phone": "13800000001",
    "language": "zh",
    "safe_contact": "1",
    "share": "1",
    "sms": "1",
    "respondent_0": "云桥甲餐饮有限公司",
    "organisation_0": "1",
    "headcount": "1",
    "amount": "18600",
    "fact_0": "employment.ended",
    "fact_on_0": "2026-01-22",
    "accept": "1",
}


def told(value: Any) -> Any:
    """A body without what says nothing: nulls, empty lists, and what is so anyway."""
    if isinstance(value, dict):
        kept = {name: told(part) for name, part in value.items()}
        return {name: part for name, part in kept.items() if part not in (None, [], {}, False)}
    return [told(part) for part in value] if isinstance(value, list) else value


def test_sample_case_1_as_it_is_typed() -> None:
    wanted = told({**CASE_1, "district": None})
    assert told(statement(FORM_1, [], AT_ONCE)) == wanted


def test_an_empty_form_says_only_what_boxes_say() -> None:
    said = statement({"narrative": " 门前路灯不亮 "}, [], AT_ONCE)
    assert said["narrative"] == "门前路灯不亮"
    assert said.keys() == {"channel", "narrative", "applicant", "consents"}
    assert said["consents"] == {"share_with_partner": False, "sms": False}


def test_flags_are_those_that_are_ticked() -> None:
    assert statement({"narrative": "x"}, ["VIOLENCE"], AT_ONCE)["flags"] == ["VIOLENCE"]


@pytest.mark.parametrize(
    ("kind", "asked"),
    [("DIS", True), ("SUG", True), ("HLP", True), ("", False), ("PET", False), ("REP", False)],
)
def test_only_what_may_be_accepted_as_it_is_registered_is_sent_with_the_decision(
    kind: str, asked: bool
) -> None:
    """Registering never fails for want of a kind, a lawful route or another's role."""
    said = statement({"narrative": "x", "kind": kind, "accept": "1"}, [], AT_ONCE)
    assert said.get("decision") == ({"action": "accept"} if asked else None)


@pytest.mark.parametrize(
    ("facts", "fields"),
    [
        ({"fact_0": "employment.ended"}, {"fact_0": "请填写日期"}),
        ({"fact_on_1": "2026-01-22"}, {"fact_1": "请选择这是什么日期"}),
        (
            {f"fact_{nth}": "employment.ended" for nth in range(2)}
            | {f"fact_on_{nth}": f"2026-01-2{nth}" for nth in range(2)},
            {"fact_1": "与上面的事实重复"},
        ),
    ],
    ids=["no date", "no event", "twice"],
)
def test_half_a_fact_is_a_fault_at_its_field_and_none_is_dropped(
    facts: dict[str, str], fields: dict[str, str]
) -> None:
    with pytest.raises(Invalid) as refused:
        statement({"narrative": "x", **facts}, [], AT_ONCE)
    assert faults_by_field(refused.value.errors, facts) == fields


@pytest.mark.parametrize(
    ("yuan", "amount"),
    [
        ("18600", 1_860_000),
        ("18,600.5", 1_860_050),
        ("0.01", 1),
        ("3200.00", 320_000),
        ("一万", "一万"),
        ("1.234", "1.234"),
        ("-5", "-5"),
        (".5", ".5"),
    ],
)
def test_yuan_are_kept_in_fen_and_what_is_no_amount_stays(yuan: str, amount: int | str) -> None:
    assert fen(yuan) == amount


@pytest.mark.parametrize(
    ("pointer", "field"),
    [
        ("/narrative", "narrative"),
        ("/applicant/phone", "phone"),
        ("/place/address", "address"),
        ("/respondents/1/name", "respondent_1"),
        ("/amount_fen", "amount"),
        ("/facts/employment.ended", "fact_0"),
        ("/decision/lawful_route", "accept"),
        ("/somewhere/else", ""),
    ],
)
def test_a_fault_stands_at_its_field(pointer: str, field: str) -> None:
    form = {"respondent_0": "甲", "respondent_1": "乙"}
    assert faults_by_field([FieldError(pointer, "required", "必填")], form) == {field: "必填"}


@pytest.mark.parametrize(
    ("role", "kind", "state", "held", "names"),
    [
        ("operator", None, "registered", False, "accept merge amend flags remind relate withdraw"),
        (
            "dispatcher",
            "DIS",
            "registered",
            False,
            "accept refuse forward merge amend flags remind relate withdraw",
        ),
        ("operator", "DIS", "accepted", True, "amend flags remind relate withdraw"),
        (
            "supervisor",
            "DIS",
            "accepted",
            True,
            "amend flags lower release remind relate hold unhold withdraw",
        ),
        ("supervisor", "DIS", "accepted", False, "amend flags lower remind relate hold unhold withdraw"),
        ("operator", "DIS", "forwarded", False, "flags remind relate withdraw"),
        ("supervisor", "DIS", "closed", True, "relate hold unhold"),
        ("dispatcher", "DIS", "refused", False, "relate"),
        ("auditor", "DIS", "registered", False, ""),
        (
            "sealed_officer",
            "REP",
            "forwarded",
            False,
            "objection flags lower remind relate hold unhold withdraw",
        ),
        ("sealed_officer", "DIS", "registered", False, ""),
        ("supervisor", "REP", "registered", False, ""),
    ],
)
def test_a_page_offers_what_role_and_state_allow(
    role: str, kind: str | None, state: str, held: bool, names: str
) -> None:
    assert [act.name for act in offered(frozenset({role}), kind, state, held)] == names.split()


@pytest.mark.parametrize(
    ("role", "kind", "offered"),
    [("dispatcher", "DIS", True), ("sealed_officer", "REP", True), ("sealed_officer", "DIS", False)],
)
def test_a_notice_is_offered_to_whom_intake_gives_it(role: str, kind: str, offered: bool) -> None:
    case = {"kind": kind, "state": "forwarded", "real_name": True, "applicant": {}}
    assert notice_offered(frozenset({role}), case) == offered


UNKNOWN = {"state": "registered", "kind": None, "category": None, "track": None, "flags": [], "holds": []}


def test_a_page_offers_no_act_that_would_be_refused_whatever_its_form_says() -> None:
    acts = [ACTS[name] for name in ("accept", "amend", "lower", "unhold")]
    known = {**UNKNOWN, "kind": "DIS", "flags": ["VIOLENCE"], "holds": ["COURT"]}
    assert fitting(acts, UNKNOWN) == [ACTS["amend"]]
    assert fitting(acts, known) == acts


@pytest.mark.parametrize(
    ("field", "code", "case", "possible"),
    [
        ("kind", "DIS", {}, True),
        ("kind", "DIS", {"kind": "DIS"}, False),
        ("kind", "PET", {"kind": "DIS", "state": "accepted"}, False),
        ("kind", "DIS", {"kind": "REP"}, False),
        ("category", "D10", {"category": "D10"}, False),
        ("raised", "VIOLENCE", {}, False),
        ("held", "COURT", {"holds": ["COURT"]}, True),
        ("hold", "COURT", {"holds": ["COURT"]}, False),
        ("lawful_route", "R6", {}, False),
        ("flag", "VIOLENCE", {}, True),
    ],
)
def test_only_what_would_change_the_case_is_to_be_chosen(
    field: str, code: str, case: dict[str, Any], possible: bool
) -> None:
    assert to_choose(field, code, UNKNOWN | case) == possible


@pytest.mark.parametrize(
    ("act", "pointer", "field"),
    [
        ("accept", "/kind", "kind"),
        ("amend", "/place/grid", "grid"),
        ("amend", "/reason", "text"),
        ("merge", "/into", "other"),
        ("lower", "/remove/0", "raised"),
        ("hold", "/add/0", "hold"),
        ("remind", "", ""),
    ],
)
def test_a_fault_of_an_act_is_about_a_field_of_its_form(act: str, pointer: str, field: str) -> None:
    assert field_at(ACTS[act], pointer) == field


def test_a_fault_stands_in_the_row_that_was_typed_and_an_amount_is_asked_for_in_yuan() -> None:
    form = {"respondent_2": "某公司", "fact_1": "employment.ended"}
    faults = [
        FieldError("/respondents/0/name", "string_too_long", "至多 200 个字符"),
        FieldError("/facts/employment.ended", "in_future", "不得晚于现在"),
        FieldError("/amount_fen", "int_type", "应为整数"),
    ]
    assert faults_by_field(faults, form) == {
        "respondent_2": "至多 200 个字符",
        "fact_1": "不得晚于现在",
        "amount": "应为以元计的金额，至多两位小数，如 18600.00",
    }


def test_acts_say_what_intake_wants() -> None:
    form = {"lawful_route": "R6", "reason_code": "", "directed_to": "SD-NT", "text": " 已核实 "}
    assert ACTS["accept"].body(form) == {
        "action": "accept",
        "lawful_route": "R6",
        "directed_to": "SD-NT",
        "reason_text": "已核实",
    }
    assert ACTS["flags"].body({"flag": "VIOLENCE"}) == {"add": ["VIOLENCE"], "reason": None}
    assert ACTS["lower"].body({"raised": "VIOLENCE", "text": "误报"}) == {
        "remove": ["VIOLENCE"],
        "reason": "误报",
    }
    assert ACTS["relate"].body({"other": "1", "apart": "1"}) == {"case_id": "1", "related": False}
    assert ACTS["amend"].body({"category": "D02", "grid": "99010100100203", "text": "核实"}) == {
        "category": "D02",
        "topic": None,
        "place": {"grid": "99010100100203"},
        "reason": "核实",
    }
    assert ACTS["remind"].body({"new_facts": "1"}) == {"new_facts": True, "text": None}
