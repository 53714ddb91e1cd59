"""What is told of an import, and when its error file is there."""

from dataclasses import replace
from uuid import UUID

import pytest

from libs.web.errors import FieldError, Forbidden, ForbiddenAction, Invalid, NotFound
from services.intake.domain.importing import Import, faults_of
from services.intake.domain.registration import AlreadyRegistered
from tests.unit.intake.build import NOW

ID = UUID("019c2b6e-7001-7001-8001-000000000001")
WAITING = Import(ID, "csv", "received", NOW)
DONE = replace(WAITING, state="done", rows=5, checked=5, taken=3, refused=2, finished_at=NOW)


def test_progress_names_the_error_file_only_while_there_is_one() -> None:
    assert WAITING.answer("zh")["error_file"] is None
    assert DONE.answer("zh")["error_file"] == f"/v1/imports/{ID}/errors"
    assert replace(DONE, erased=True).answer("zh")["error_file"] is None
    assert replace(DONE, taken=5, refused=0).answer("zh")["error_file"] is None


def test_times_are_told_as_people_here_read_them() -> None:
    assert DONE.answer("zh")["received_at"] == DONE.answer("zh")["finished_at"] == "2026-03-02T10:00:00+08:00"


def test_why_a_file_cannot_be_read_is_told_in_the_language_that_was_asked_for() -> None:
    told = replace(WAITING, state="unreadable", problem=FieldError("/rows/1", "too_many_columns"))
    assert told.answer("zh")["problem"]["detail"] == "列数过多"
    assert told.answer("en")["problem"] == {
        "pointer": "/rows/1",
        "code": "too_many_columns",
        "detail": "too many columns",
    }


def test_errors_are_there_at_the_end_and_until_they_are_erased() -> None:
    DONE.require_errors()
    replace(DONE, refused=0, erased=True).require_errors()
    with pytest.raises(ForbiddenAction):
        WAITING.require_errors()
    with pytest.raises(NotFound):
        replace(DONE, erased=True).require_errors()


def test_a_refusal_is_told_in_chinese_whatever_its_rule_said() -> None:
    rule = Invalid(
        errors=[FieldError("/kind", "unknown_code"), FieldError("/category", "tag_only", "beside")]
    )
    assert [fault.detail for fault in faults_of(rule)] == ["未知代码", "只能与其他类别并用"]
    assert faults_of(Forbidden()) == (FieldError("", "forbidden", "无权进行此操作"),)
    assert faults_of(AlreadyRegistered(case_id=str(ID)))[0].detail == f"该外部编号已登记（{ID}）"
