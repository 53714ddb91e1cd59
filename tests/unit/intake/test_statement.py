"""The limits of every field of `POST /v1/cases`."""

from datetime import timedelta
from typing import Any

import pytest
from pydantic import ValidationError

from libs.web.errors import FieldError, Invalid
from services.intake.domain.statement import Statement, check, check_codes
from tests.unit.intake.build import NOW, known, said


def faults(**fields: Any) -> list[tuple[str, str]]:
    with pytest.raises(ValidationError) as refused:
        said(**fields)
    return [("/".join(map(str, fault["loc"])), fault["type"]) for fault in refused.value.errors()]


@pytest.mark.parametrize(
    ("fields", "at", "code"),
    [
        ({"colour": "red"}, "colour", "extra_forbidden"),
        ({"place": {"lat": 1}}, "place/lat", "extra_forbidden"),
        ({"applicant": {"age": 3}}, "applicant/age", "extra_forbidden"),
        ({"channel": "telepathy"}, "channel", "literal_error"),
        ({"narrative": ""}, "narrative", "string_too_short"),
        ({"narrative": " 　\n"}, "narrative", "string_too_short"),
        ({"narrative": "\u3164 \u200b\n\U000e0020"}, "narrative", "string_too_short"),
        ({"narrative": "长" * 20_001}, "narrative", "string_too_long"),
        ({"narrative": 5}, "narrative", "string_type"),
        ({"narrative": "a\x00b"}, "narrative", "unprintable"),
        ({"place": {"address": "a\x07"}}, "place/address", "unprintable"),
        ({"place": {"address": "路" * 201}}, "place/address", "string_too_long"),
        ({"district": "99010"}, "district", "string_pattern_mismatch"),
        ({"district": "９９０１０１"}, "district", "string_pattern_mismatch"),
        ({"external_ref": ""}, "external_ref", "string_too_short"),
        ({"external_ref": "x" * 65}, "external_ref", "string_too_long"),
        ({"received_at": 1_700_000_000}, "received_at", "date_type"),
        ({"received_at": "1700000000"}, "received_at", "date_type"),
        ({"received_at": "2026-03-02T10:00:00"}, "received_at", "timezone_aware"),
        ({"received_at": "0001-01-01T00:00:00+08:00"}, "received_at", "too_early"),
        ({"happened_on": "yesterday"}, "happened_on", "date_type"),
        ({"happened_on": "1899-12-31"}, "happened_on", "too_early"),
        ({"headcount": 0}, "headcount", "greater_than_equal"),
        ({"headcount": -3}, "headcount", "greater_than_equal"),
        ({"headcount": 1_000_001}, "headcount", "less_than_equal"),
        ({"headcount": "3"}, "headcount", "int_type"),
        ({"headcount": True}, "headcount", "int_type"),
        ({"headcount": 2.5}, "headcount", "int_type"),
        ({"amount_fen": -1}, "amount_fen", "greater_than_equal"),
        ({"amount_fen": 10**15 + 1}, "amount_fen", "less_than_equal"),
        ({"respondents": [{}] * 21}, "respondents", "too_long"),
        ({"representatives": [{"name": "x"}] * 51}, "representatives", "too_long"),
        ({"representatives": [{}]}, "representatives/0/name", "missing"),
        ({"flags": ["VIOLENCE"] * 21}, "flags", "too_long"),
        ({"facts": {f"f{n}": "2026-01-01" for n in range(41)}}, "facts", "too_long"),
        ({"facts": {"harm.known": 5}}, "facts/harm.known", "date_type"),
        ({"consents": {"sms": "yes"}}, "consents/sms", "bool_type"),
        ({"applicant": {"anonymous": 1}}, "applicant/anonymous", "bool_type"),
        ({"applicant": {"phone": "1" * 41}}, "applicant/phone", "string_too_long"),
        ({"applicant": {"language": "Chinese please"}}, "applicant/language", "string_pattern_mismatch"),
        ({"decision": {"action": "ignore"}}, "decision/action", "literal_error"),
        ({"decision": {"action": "merge", "into": "case 1"}}, "decision/into", "uuid_parsing"),
    ],
)
def test_a_field_beyond_its_limit_is_named(fields: dict[str, Any], at: str, code: str) -> None:
    assert faults(**fields) == [(at, code)]


def test_only_channel_and_narrative_are_asked_for() -> None:
    with pytest.raises(ValidationError) as refused:
        Statement.model_validate({})
    assert [fault["loc"] for fault in refused.value.errors()] == [("channel",), ("narrative",)]


def test_wide_digits_and_letters_are_taken_as_plain_ones() -> None:
    told = said(kind="ＤＩＳ", place={"grid": "９９０１"}, applicant={"phone": "１３８００００００１３"})
    assert (told.kind, told.place.grid, told.applicant.phone) == ("DIS", "9901", "13800000013")


def test_a_fault_is_told_without_what_was_entered() -> None:
    with pytest.raises(ValidationError) as refused:
        said(applicant={"phone": ["13800000001"]})
    assert "13800000001" not in str(refused.value)


def check_faults(**fields: Any) -> list[FieldError]:
    with pytest.raises(Invalid) as refused:
        check(said(**fields), known(), NOW)
    return list(refused.value.errors)


@pytest.mark.parametrize(
    ("fields", "at", "code"),
    [
        ({"kind": "XXX"}, "/kind", "unknown_code"),
        ({"category": "D98"}, "/category", "unknown_code"),
        ({"category": "D19"}, "/category", "tag_only"),
        ({"category": "D10", "topic": "D01.1"}, "/topic", "unknown_code"),
        ({"topic": "D10.1"}, "/topic", "unknown_code"),
        ({"chosen_target": "LAB-01"}, "/chosen_target", "unknown_code"),
        ({"complained_about_org": "NOBODY"}, "/complained_about_org", "unknown_code"),
        ({"mode": "telepathy"}, "/mode", "unknown_code"),
        ({"flags": ["VULNERABLE", "BRAVE"]}, "/flags/1", "unknown_code"),
        ({"facts": {"case.accepted": "2026-01-01"}}, "/facts", "unknown_code"),
        ({"happened_on": "2026-03-03"}, "/happened_on", "in_future"),
        ({"facts": {"harm.known": "2026-03-03"}}, "/facts/harm.known", "in_future"),
        ({"applicant": {"birth_date": "2026-03-03"}}, "/applicant/birth_date", "in_future"),
        ({"received_at": (NOW + timedelta(seconds=1)).isoformat()}, "/received_at", "in_future"),
        ({"received_at": "9998-12-31T23:59:59-12:00"}, "/received_at", "in_future"),
    ],
)
def test_a_code_that_nobody_knows_and_a_date_to_come_are_named(
    fields: dict[str, Any], at: str, code: str
) -> None:
    assert [(fault.pointer, fault.code) for fault in check_faults(**fields)] == [(at, code)]


def test_all_faults_are_told_at_once() -> None:
    assert len(check_faults(kind="XXX", mode="telepathy", happened_on="2026-03-03")) == 3


def test_codes_that_a_list_is_asked_by_are_in_use() -> None:
    asked = {"state": "xyz", "kind": "dis", "category": "nope", "flag": "nope", "area": "990199"}
    with pytest.raises(Invalid) as refused:
        check_codes(asked, known(), "/query")
    assert [(fault.pointer, fault.code) for fault in refused.value.errors] == [
        (f"/query/{name}", "unknown_code") for name in ("state", "kind", "category", "flag")
    ]
    check_codes({"state": "closed", "kind": "REP", "category": "D19", "flag": "VIOLENCE"}, known())


def test_a_length_is_that_of_the_text_that_is_kept() -> None:
    two_when_composed = "\u0958"
    assert faults(narrative=two_when_composed * 10_001) == [("narrative", "string_too_long")]


def test_today_is_the_local_day() -> None:
    late = NOW.replace(hour=17)  # 01:00 of the next local day
    check(said(happened_on="2026-03-03"), known(), late)
