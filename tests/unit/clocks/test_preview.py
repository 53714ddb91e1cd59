"""`POST /v1/deadlines/preview`, apart from HTTP."""

from typing import Any

import pytest
from pydantic import ValidationError

from libs.clocks import Calendar, CountingError, PreviewRequest, RuleBook, preview


def asked(book: RuleBook, calendar: Calendar, **request: Any) -> dict[str, Any]:
    return preview(PreviewRequest.model_validate(request), book, calendar)


def test_a_rule_is_counted_with_its_source_and_working(book: RuleBook, calendar: Calendar) -> None:
    answer = asked(book, calendar, rule="LAB-TERM", start="2026-02-05T10:12:00+08:00")
    assert answer["due_on"] == "2026-02-24"
    assert answer["due_at"] == "2026-02-25T00:00:00+08:00"
    assert answer["warn_at"] == "2026-02-14T09:00:00+08:00"
    assert answer["source"] == {"text": "LDMA arts 10, 14", "status": "law"}
    assert [step["reason"] for step in answer["working"]] == ["FIRST_DAY", "CALENDAR_DAYS", "ROLLED_OVER"]


def test_a_bare_term_rests_on_the_counting_rules(book: RuleBook, calendar: Calendar) -> None:
    term = {"length": 15, "measure": "day", "unit": "calendar", "rolls_over_rest_day": True}
    answer = asked(book, calendar, term=term, start="2026-02-10", pauses=[["2026-03-01", "2026-03-05"]])
    assert answer["rule"] is None
    assert answer["due_on"] == "2026-02-25"
    assert answer["source"]["text"].startswith("CC arts 200-203")


def test_pauses_are_left_out(book: RuleBook, calendar: Calendar) -> None:
    answer = asked(
        book, calendar, rule="PET-REEXAM", start="2026-02-10", pauses=[["2026-03-01", "2026-03-05"]]
    )
    assert answer["due_on"] == "2026-03-17"


def test_a_clock_rule_answers_with_an_instant(book: RuleBook, calendar: Calendar) -> None:
    answer = asked(book, calendar, rule="PROD-TRIAGE-RED", start="2026-03-20T13:47:00Z")
    assert (answer["due_on"], answer["due_at"]) == (None, "2026-03-20T22:47:00+08:00")


@pytest.mark.parametrize(
    ("request_", "code", "pointer"),
    [
        ({"rule": "PET-NEVER", "start": "2026-02-10"}, "unknown_rule", "/rule"),
        ({"start": "2026-02-10"}, "rule_or_term", "/rule"),
        ({"rule": "LAB-TERM", "term": {"length": 1}, "start": "2026-02-10"}, "rule_or_term", "/rule"),
        ({"rule": "LAB-TERM", "start": "2026-02-30"}, "not_a_time", "/start"),
        ({"rule": "LAB-TERM", "start": "tomorrow"}, "not_a_time", "/start"),
        ({"rule": "LAB-TERM", "start": "2026-02-10T10:00:00"}, "offset_missing", "/start"),
        ({"rule": "LAB-TERM", "start": "9999-12-31"}, "start_out_of_range", "/start"),
        ({"term": {"length": 10**9}, "start": "2026-02-10"}, "length_out_of_range", "/term/length"),
        (
            {"rule": "LAB-TERM", "start": "2026-02-10", "pauses": [["2026-03-05", "2026-03-01"]]},
            "pause_reversed",
            "/pauses/0",
        ),
    ],
)
def test_what_cannot_be_counted_is_a_typed_refusal(
    book: RuleBook, calendar: Calendar, request_: dict[str, Any], code: str, pointer: str
) -> None:
    with pytest.raises(CountingError) as refused:
        asked(book, calendar, **request_)
    assert (refused.value.code, refused.value.pointer) == (code, pointer)


@pytest.mark.parametrize(
    "request_",
    [
        {"rule": "LAB-TERM"},
        {"rule": "LAB-TERM", "start": "2026-02-10", "from": "2026-02-10"},
        {"term": {"length": "15"}, "start": "2026-02-10"},
        {"term": {"length": 15, "measure": "fortnight"}, "start": "2026-02-10"},
        {"rule": "LAB-TERM", "start": "2026-02-10", "pauses": [["2026-03-01"]]},
        {"rule": "LAB-TERM", "start": "2026-02-10", "pauses": [["2026-03-01", "2026-03-01"]] * 101},
    ],
)
def test_a_misshapen_request_is_refused(request_: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        PreviewRequest.model_validate(request_)
