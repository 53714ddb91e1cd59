"""Payloads and bytes: what is read, what is refused with which reason, how older versions are lifted."""

import json
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, ClassVar
from uuid import UUID

import pytest
from pydantic import ValidationError

from libs.events.base import Code, Payload
from libs.events.envelope import Envelope, Reason, Undecodable
from libs.events.export import SAMPLES
from libs.events.intake import CaseReminded, CaseWithdrawn, IntakeDeadlineWarned
from libs.events.mediation import DeadlineWarned, MediationEnded
from libs.events.registry import (
    MAX_VALUE_BYTES,
    REGISTRY,
    Registry,
    decode,
    encode,
    event_types,
    payload_class,
)
from libs.events.routing import AssignmentProposed

CASE = UUID("019c2b6e-7002-7002-8002-000000000002")
WITHDRAWN = CaseWithdrawn(case_id=CASE, district="990101")
BODY = {"case_id": str(CASE), "district": "990101"}


def envelope(event_type: str, topic: str = "intake.case.v1", version: int = 1) -> Envelope:
    return Envelope(
        event_id=UUID(int=1),
        type=event_type,
        source="/services/intake",
        case_id=CASE,
        caseversion=1,
        time=datetime(2026, 2, 5, tzinfo=UTC),
        topic=topic,
        version=version,
    )


def refused(event_type: str, value: bytes | None, **change: object) -> Undecodable:
    with pytest.raises(Undecodable) as error:
        decode(replace(envelope(event_type), **change), value)  # type: ignore[arg-type]
    return error.value


def test_a_payload_is_written_compact_and_comes_back_equal() -> None:
    value = encode(WITHDRAWN)
    assert value == b'{"case_id":"019c2b6e-7002-7002-8002-000000000002","district":"990101","deadlines":[]}'
    assert decode(envelope("case.withdrawn"), value) == WITHDRAWN


def test_the_same_type_is_another_payload_on_another_topic() -> None:
    assert payload_class("intake.case.v1", "deadline.warned") is IntakeDeadlineWarned
    assert payload_class("mediation.case.v1", "deadline.warned") is DeadlineWarned


def test_a_topic_lists_its_types() -> None:
    assert event_types("routing.assignment.v1") == ("assignment.proposed", "assignment.exhausted")
    assert event_types("no.such.v1") == ()


def test_no_two_classes_share_topic_type_and_version() -> None:
    places = [(cls.TOPIC, cls.TYPE, cls.VERSION) for cls in _leaves(Payload)]
    assert len(places) == len(set(places))
    assert set(_leaves(Payload)) == set(REGISTRY.classes)


def _leaves(cls: type[Payload]) -> list[type[Payload]]:
    own = [cls] if "TYPE" in vars(cls) and cls.__module__.startswith("libs.") else []
    return own + [leaf for sub in cls.__subclasses__() for leaf in _leaves(sub)]


def test_readers_ignore_what_they_do_not_know_at_any_depth() -> None:
    value = json.dumps(
        BODY | {"count": 2, "new_facts": True, "later": 1, "deadlines": [_DUE | {"colour": "red"}]}
    ).encode()
    payload = decode(envelope("case.reminded"), value)
    assert isinstance(payload, CaseReminded)
    assert payload.count == 2
    assert payload.deadlines[0].rule == "LAB-TERM"


_DUE = {"rule": "LAB-TERM", "due_on": "2026-02-24", "due_at": "2026-02-24T16:00:00Z"}


def test_writers_may_set_only_what_is_declared() -> None:
    with pytest.raises(ValidationError):
        CaseWithdrawn(case_id=CASE, district="990101", phone="13800000001")  # type: ignore[call-arg]


def test_a_payload_that_went_round_its_own_types_is_not_written() -> None:
    fields: dict[str, Any] = {"case_id": CASE, "district": "990101", "count": "many", "new_facts": True}
    broken = CaseReminded.model_construct(**fields)
    with pytest.raises(Exception, match="PydanticSerializationUnexpectedValue"):
        encode(broken)


@pytest.mark.parametrize("text", ["13800000001", "王小明", "NOT OURS", "A" * 65, ""])
def test_no_name_no_number_and_no_free_text_fits_into_a_code(text: str) -> None:
    with pytest.raises(ValidationError):
        MediationEnded(case_id=CASE, district="990101", state="ended", reason_code=text)


def test_a_fault_at_writing_is_told_without_the_value() -> None:
    with pytest.raises(ValidationError) as error:
        CaseWithdrawn(case_id=CASE, district="13800000001")
    assert "13800000001" not in str(error.value)


@pytest.mark.parametrize("event_type", ["case.unheard_of", "assignment.proposed"])
def test_a_type_that_the_topic_does_not_have_is_unknown(event_type: str) -> None:
    assert refused(event_type, encode(WITHDRAWN)).reason_code == Reason.UNKNOWN_TYPE


def test_a_version_that_nobody_declared_is_unknown() -> None:
    assert refused("case.withdrawn", encode(WITHDRAWN), version=2).reason_code == Reason.UNKNOWN_TYPE


@pytest.mark.parametrize("value", [None, b""])
def test_an_event_without_a_value_is_refused(value: bytes | None) -> None:
    assert refused("case.withdrawn", value).reason_code == Reason.EMPTY_VALUE


@pytest.mark.parametrize(
    "value",
    [
        b"{",
        b"\xff\xfe",
        b"[" * 100_000,
        b'{"x":' + b"[" * 500 + b"]" * 500 + b"}",
        b'{"case_id":"\xd6\xd0"}',
        b'{"case_id":"\\ud800"}',
        b"{'case_id':1}",
        b'{"case_id":"x\x00"}',
    ],
    ids=["cut", "bytes", "deep", "deep unknown field", "gbk", "lone surrogate", "quotes", "raw null"],
)
def test_what_is_no_json_is_refused(value: bytes) -> None:
    assert refused("case.withdrawn", value).reason_code == Reason.INVALID_JSON


def test_an_escaped_null_byte_is_refused_wherever_it_stands() -> None:
    value = json.dumps(BODY | {"unknown": {"deep": "a\x00b"}}).encode()
    assert refused("case.withdrawn", value).reason_code == Reason.NULL_BYTE


def test_an_escaped_backslash_before_u0000_is_no_null_byte() -> None:
    value = json.dumps(BODY | {"unknown": "a\\u0000"}).encode()
    assert b"\\\\u0000" in value
    assert decode(envelope("case.withdrawn"), value) == WITHDRAWN


def test_a_value_over_the_limit_is_refused_before_it_is_parsed() -> None:
    value = json.dumps(BODY | {"unknown": "x" * MAX_VALUE_BYTES}).encode()
    error = refused("case.withdrawn", value)
    assert error.reason_code == Reason.TOO_LARGE
    assert "x" * 10 not in str(error)


def test_the_faulty_fields_are_named_by_pointer_and_nothing_is_repeated() -> None:
    value = json.dumps(
        BODY
        | {"district": "王小明", "deadlines": [_DUE, _DUE | {"due_at": "13800000001x"}], "count": 1}
        | {"new_facts": True}
    ).encode()
    error = refused("case.reminded", value)
    assert error.reason_code == Reason.INVALID_PAYLOAD
    assert error.detail == "/deadlines/1/due_at /district"


def test_a_key_that_came_with_the_value_is_not_repeated() -> None:
    sample = json.loads(encode(_proposed()))
    sample["case"]["facts"] = {"王小明 13800000001": "2026-01-22"}
    error = refused("assignment.proposed", json.dumps(sample).encode(), topic="routing.assignment.v1")
    assert error.detail == "/case/facts/*/*"


def _proposed() -> AssignmentProposed:
    text = (SAMPLES / "routing.assignment.v1" / "assignment.proposed.v1.json").read_bytes()
    return AssignmentProposed.model_validate_json(text).model_copy(update={"case_id": CASE})


@pytest.mark.parametrize(
    "change",
    [
        {"count": 2**31},
        {"count": -1},
        {"count": 1.5},
        {"new_facts": "maybe"},
        {"deadlines": [_DUE | {"due_at": "2026-02-24T16:00:00"}]},
        {"deadlines": {}},
        {"district": "९९०१०१"},
        {"case_id": None},
    ],
)
def test_a_field_of_a_wrong_type_or_size_is_refused(change: dict[str, object]) -> None:
    value = json.dumps(BODY | {"count": 1, "new_facts": True} | change).encode()
    assert refused("case.reminded", value).reason_code == Reason.INVALID_PAYLOAD


@pytest.mark.parametrize("number", [b"NaN", b"Infinity", b"1e999"])
def test_no_number_without_end_comes_in(number: bytes) -> None:
    value = encode(_proposed()).replace(b'"load_ratio":0.25', b'"load_ratio":' + number)
    assert number in value
    error = refused("assignment.proposed", value, topic="routing.assignment.v1")
    assert error.reason_code in (Reason.INVALID_PAYLOAD, Reason.INVALID_JSON)


def test_a_payload_of_another_case_than_its_envelope_says_is_refused() -> None:
    value = encode(CaseWithdrawn(case_id=UUID(int=9), district="990101"))
    assert refused("case.withdrawn", value).reason_code == Reason.SUBJECT_MISMATCH


@pytest.mark.parametrize("value", [b"[]", b"null", b"1", b'"text"', b"true"])
def test_json_that_is_no_object_is_refused(value: bytes) -> None:
    assert refused("case.withdrawn", value).reason_code == Reason.INVALID_PAYLOAD


class MovedV1(Payload):
    TYPE: ClassVar[str] = "case.moved"
    TOPIC: ClassVar[str] = "test.case.v1"

    street: Code


class MovedV2(Payload):
    TYPE: ClassVar[str] = "case.moved"
    TOPIC: ClassVar[str] = "test.case.v1"
    VERSION: ClassVar[int] = 2

    place: Code


class MovedV3(Payload):
    TYPE: ClassVar[str] = "case.moved"
    TOPIC: ClassVar[str] = "test.case.v1"
    VERSION: ClassVar[int] = 3

    places: tuple[Code, ...]


def upcast_v1_v2(old: MovedV1) -> MovedV2:
    return MovedV2(case_id=old.case_id, district=old.district, place=old.street)


def upcast_v2_v3(old: MovedV2) -> MovedV3:
    return MovedV3(case_id=old.case_id, district=old.district, places=(old.place,))


MOVING = Registry((MovedV1, MovedV2, MovedV3), {MovedV1: upcast_v1_v2, MovedV2: upcast_v2_v3})


@pytest.mark.parametrize(
    ("version", "body"), [(1, {"street": "YQ"}), (2, {"place": "YQ"}), (3, {"places": ["YQ"]})]
)
def test_every_version_still_on_the_topic_is_lifted_to_the_newest(
    version: int, body: dict[str, object]
) -> None:
    payload = MOVING.decode(envelope("case.moved", "test.case.v1", version), json.dumps(BODY | body).encode())
    assert payload == MovedV3(case_id=CASE, district="990101", places=("YQ",))


def test_an_older_version_is_checked_by_its_own_rules() -> None:
    with pytest.raises(Undecodable) as error:
        MOVING.decode(envelope("case.moved", "test.case.v1", 1), json.dumps(BODY | {"place": "YQ"}).encode())
    assert error.value.reason_code == Reason.INVALID_PAYLOAD


def test_versions_of_a_type_are_listed_once() -> None:
    assert MOVING.event_types("test.case.v1") == ("case.moved",)


def test_a_new_version_without_an_upcaster_is_refused_at_start() -> None:
    with pytest.raises(ValueError, match=r"case\.moved\.v1"):
        Registry((MovedV1, MovedV2), {})


def test_an_upcaster_without_a_newer_version_is_refused_at_start() -> None:
    with pytest.raises(ValueError, match=r"case\.moved\.v1"):
        Registry((MovedV1,), {MovedV1: upcast_v1_v2})
