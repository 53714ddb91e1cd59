"""Refusals and faults as the caller reads them."""

from typing import Any
from uuid import UUID

import asyncpg
import orjson
import pytest
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, field_validator
from pydantic_core import PydanticCustomError
from starlette.exceptions import HTTPException

from libs.db.faults import Away, Conflict
from libs.runtime.telemetry import span
from libs.web import errors, refusals
from libs.web.errors import FieldError, ForbiddenAction, Invalid, Refusal, Unauthorised, Unavailable
from libs.web.fieldfaults import pointer
from libs.web.problems import MOST_ERRORS, Refused, language, problem, refusal_of

EVERY_REFUSAL = [
    kind
    for module in (errors, refusals)
    for kind in vars(module).values()
    if isinstance(kind, type) and issubclass(kind, Refusal) and kind.__module__ == module.__name__
]


def read(refusal: Refusal, spoken: Any = "zh") -> dict[str, Any]:
    body: dict[str, Any] = orjson.loads(problem(refusal, spoken).body)
    return body


def test_a_problem_has_every_member_and_the_right_type() -> None:
    with span("request") as here:
        answer = problem(ForbiddenAction("only when offered", state="closed", allowed={"b", "a"}), "en")
    assert answer.status_code == 409
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["content-language"] == "en"
    assert orjson.loads(answer.body) == {
        "type": "/problems/forbidden_action",
        "title": "Not in this state",
        "status": 409,
        "detail": "only when offered",
        "code": "forbidden_action",
        "trace_id": here.trace.trace_id,
        "state": "closed",
        "allowed": ["a", "b"],
    }


@pytest.mark.parametrize("kind", EVERY_REFUSAL)
def test_every_refusal_has_a_title_in_both_languages(kind: type[Refusal]) -> None:
    refusal = kind()
    assert any("\u4e00" <= sign <= "\u9fff" for sign in read(refusal, "zh")["title"])
    assert read(refusal, "en")["title"].isascii()
    assert 400 <= refusal.status < 600


def test_no_code_stands_for_two_things() -> None:
    codes = [kind.CODE for kind in EVERY_REFUSAL]
    assert len(codes) == len(set(codes))


@pytest.mark.parametrize(
    ("accepted", "spoken"),
    [
        ("", "zh"),
        ("*", "zh"),
        ("fr", "zh"),
        ("en", "en"),
        ("en-GB,en;q=0.9", "en"),
        ("zh-CN,zh;q=0.9,en;q=0.8", "zh"),
        ("en-US,en;q=0.9,zh;q=0.8", "en"),
        ("en;q=0.5, zh-TW;q=0.7", "zh"),
        ("zh;q=0, en", "en"),
        ("en;q=x", "zh"),
        ("en;q=0", "zh"),
        ("en;q=nan,zh", "zh"),
        (";;;,,=", "zh"),
    ],
)
def test_the_language_follows_the_header(accepted: str, spoken: str) -> None:
    assert language(accepted) == spoken


def test_headers_that_the_standard_asks_for() -> None:
    assert problem(Unavailable(retry_after=7), "zh").headers["retry-after"] == "7"
    assert problem(Unauthorised(), "zh").headers["www-authenticate"] == "Bearer"
    assert "retry-after" not in problem(Invalid(), "zh").headers


def test_a_pointer_is_escaped_and_cut() -> None:
    assert pointer(("a/b", "c~d", 3)) == "/a~1b/c~0d/3"
    assert len(pointer(["x" * 100_000])) == 200


class Place(BaseModel):
    model_config = ConfigDict(extra="forbid")

    grid: str = Field(pattern=r"^\d{15}$")
    amount: int = Field(1, ge=1, le=9)
    names: list[str] = Field([], max_length=2)

    @field_validator("names")
    @classmethod
    def _known(cls, names: list[str]) -> list[str]:
        if "unknown" in names:
            raise PydanticCustomError("no_such_name", "no such name here")
        if "wrong" in names:
            raise ValueError("not that one")
        return names


def invalid(value: object, spoken: Any = "en") -> list[FieldError]:
    try:
        TypeAdapter(Place).validate_python(value)
    except ValidationError as caught:
        found = [{**error, "loc": ("body", *error["loc"])} for error in caught.errors()]
        refusal = refusal_of(RequestValidationError(found), spoken)
        assert refusal.status == 422
        return list(refusal.errors)
    raise AssertionError("it is valid")


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ({}, FieldError("/grid", "missing", "required")),
        ({"grid": 5}, FieldError("/grid", "string_type", "must be a text")),
        ({"grid": "1"}, FieldError("/grid", "string_pattern_mismatch", "not of the form that is asked for")),
        ({"grid": "9" * 15, "amount": 0}, FieldError("/amount", "greater_than_equal", "must be at least 1")),
        ({"grid": "9" * 15, "amount": 10}, FieldError("/amount", "less_than_equal", "must be at most 9")),
        (
            {"grid": "9" * 15, "amount": float("inf")},
            FieldError("/amount", "finite_number", "must be a finite number"),
        ),
        (
            {"grid": "9" * 15, "a/b": 1},
            FieldError("/a~1b", "extra_forbidden", "not a field of this request"),
        ),
        ({"grid": "9" * 15, "names": [1]}, FieldError("/names/0", "string_type", "must be a text")),
        ({"grid": "9" * 15, "names": list("abc")}, FieldError("/names", "too_long", "at most 2 entries")),
        (
            {"grid": "9" * 15, "names": ["unknown"]},
            FieldError("/names", "no_such_name", "no such name here"),
        ),
        ({"grid": "9" * 15, "names": ["wrong"]}, FieldError("/names", "value_error", "not that one")),
        ([], FieldError("", "model_type", "must be an object")),
    ],
)
def test_a_fault_in_the_body_names_its_place_code_and_remedy(value: object, expected: FieldError) -> None:
    assert invalid(value) == [expected]


def test_the_remedy_is_told_in_chinese_too() -> None:
    (error,) = invalid({"grid": "9" * 15, "amount": 0}, "zh")
    assert error.detail == "不得小于 1"


def test_what_was_entered_is_never_repeated() -> None:
    errors = invalid({"grid": "13800000001", "amount": "13800000001", "names": ["13800000001", 5]})
    assert len(errors) == 3
    assert "13800000001" not in str(errors)


def test_the_list_of_faults_is_bounded() -> None:
    assert len(invalid({f"k{n}": n for n in range(10_000)})) == MOST_ERRORS


def test_a_field_error_without_words_gets_those_of_its_code() -> None:
    body = read(Invalid(errors=[FieldError("/x", "null_byte"), FieldError("/y", "other", "so")]), "en")
    assert body["errors"] == [
        {"pointer": "/x", "code": "null_byte", "detail": "must not hold a null character"},
        {"pointer": "/y", "code": "other", "detail": "so"},
    ]


def test_a_detail_that_names_words_is_told_in_the_callers_language() -> None:
    refusal = Invalid("not_held_back", errors=[FieldError("/kind", "required", "kind_to_accept")])
    told, chinese = read(refusal, "en"), read(refusal, "zh")
    assert told["detail"] == "no flag holds this case back"
    assert told["errors"][0]["detail"] == "without a kind there is no track to accept it on"
    assert chinese["detail"] == "没有标记使案件暂缓派单，无须放行"
    assert chinese["errors"][0]["detail"] == "没有类型就没有可受理的程序，请先确定类型"
    assert chinese["errors"][0]["code"] == "required"


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (Refused(ForbiddenAction()), 409, "forbidden_action"),
        (HTTPException(404), 404, "not_found"),
        (HTTPException(405), 405, "method_not_allowed"),
        (HTTPException(400), 400, "bad_request"),
        (HTTPException(418), 418, "bad_request"),
        (
            RequestValidationError([{"type": "json_invalid", "loc": ("body", 1), "msg": ""}]),
            400,
            "malformed_json",
        ),
        (Away("TimeoutError"), 503, "unavailable"),
        (ConnectionRefusedError(), 503, "unavailable"),
        (asyncpg.exceptions.AdminShutdownError("terminating"), 503, "unavailable"),
        (Conflict(), 409, "busy"),
        (ZeroDivisionError("13800000001"), 500, "internal_error"),
    ],
)
def test_what_an_exception_means_to_the_caller(error: Exception, status: int, code: str) -> None:
    refusal = refusal_of(error)
    assert (refusal.status, refusal.code) == (status, code)
    assert "13800000001" not in str(read(refusal))


def test_what_will_pass_says_when_to_come_again() -> None:
    assert refusal_of(Away("x")).retry_after
    assert refusal_of(Conflict()).retry_after


def test_further_members_may_hold_ids_and_codes() -> None:
    assert read(ForbiddenAction(case_id=UUID(int=1)))["case_id"] == str(UUID(int=1))
