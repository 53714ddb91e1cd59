"""The envelope: what an event's headers say, also to others' CloudEvents software."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from uuid import UUID

import pytest
from cloudevents.core.bindings import kafka
from cloudevents.core.v1.event import CloudEvent

from libs.events.envelope import Envelope, Reason, Undecodable, from_headers, schema_id, to_headers

Headers = list[tuple[str, bytes | None]]

ENVELOPE = Envelope(
    event_id=UUID("019c2b6e-7001-7001-8001-000000000001"),
    type="case.registered",
    source="/services/intake",
    case_id=UUID("019c2b6e-7002-7002-8002-000000000002"),
    caseversion=3,
    time=datetime(2026, 2, 5, 2, 12, 1, 250_000, tzinfo=UTC),
    topic="intake.case.v1",
    causation_id=UUID("019c2b6e-7003-7003-8003-000000000003"),
    correlation_id=UUID("019c2b6e-7004-7004-8004-000000000004"),
    traceparent="00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
)


def test_the_headers_are_the_names_that_others_rely_on() -> None:
    assert to_headers(ENVELOPE) == [
        ("ce_specversion", b"1.0"),
        ("ce_id", b"019c2b6e-7001-7001-8001-000000000001"),
        ("ce_source", b"/services/intake"),
        ("ce_type", b"heshi.case.registered.v1"),
        ("ce_subject", b"019c2b6e-7002-7002-8002-000000000002"),
        ("ce_time", b"2026-02-05T02:12:01.250000Z"),
        ("ce_dataschema", b"urn:heshi:schema:intake.case.v1:case.registered.v1"),
        ("content-type", b"application/json"),
        ("ce_caseversion", b"3"),
        ("ce_causationid", b"019c2b6e-7003-7003-8003-000000000003"),
        ("ce_correlationid", b"019c2b6e-7004-7004-8004-000000000004"),
        ("traceparent", b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"),
    ]


@pytest.mark.parametrize(
    "envelope",
    [
        ENVELOPE,
        replace(ENVELOPE, causation_id=None, correlation_id=None, traceparent=None),
        replace(ENVELOPE, version=12, type="case.flags_changed"),
        replace(ENVELOPE, time=datetime(2026, 2, 5, 10, 12, tzinfo=timezone(timedelta(hours=8)))),
    ],
    ids=["full", "bare", "later version", "local time"],
)
def test_an_envelope_comes_back_as_it_was(envelope: Envelope) -> None:
    assert from_headers(to_headers(envelope), envelope.topic) == envelope


def test_our_headers_are_a_cloud_event_to_the_sdk() -> None:
    message = kafka.KafkaMessage(headers=dict(to_headers(ENVELOPE)), key=None, value=b'{"a":1}')
    event = kafka.from_binary_event(message)
    assert isinstance(event, CloudEvent)
    assert event.get_id() == str(ENVELOPE.event_id)
    assert event.get_source() == ENVELOPE.source
    assert event.get_type() == "heshi.case.registered.v1"
    assert event.get_subject() == str(ENVELOPE.case_id)
    assert event.get_time() == ENVELOPE.time
    assert event.get_datacontenttype() == "application/json"
    assert event.get_dataschema() == schema_id("intake.case.v1", "case.registered", 1)
    assert event.get_extension("caseversion") == "3"
    assert event.get_extension("causationid") == str(ENVELOPE.causation_id)
    assert event.get_extension("correlationid") == str(ENVELOPE.correlation_id)
    assert event.get_data() == {"a": 1}


def test_the_sdk_s_cloud_event_is_an_envelope_to_us() -> None:
    attributes = {
        "specversion": "1.0",
        "id": str(ENVELOPE.event_id),
        "source": ENVELOPE.source,
        "type": "heshi.case.registered.v1",
        "subject": str(ENVELOPE.case_id),
        "time": ENVELOPE.time,
        "dataschema": "urn:heshi:schema:intake.case.v1:case.registered.v1",
        "datacontenttype": "application/json",
        "caseversion": "3",
        "causationid": str(ENVELOPE.causation_id),
        "correlationid": str(ENVELOPE.correlation_id),
    }
    message = kafka.to_binary_event(CloudEvent(attributes, {"a": 1}))
    headers = [*message.headers.items(), ("traceparent", (ENVELOPE.traceparent or "").encode())]
    assert from_headers(headers, "intake.case.v1") == ENVELOPE


def _put(name: str, value: bytes | None) -> Callable[[], Headers]:
    return lambda: [(key, value if key == name else old) for key, old in to_headers(ENVELOPE)]


def _drop(name: str) -> Callable[[], Headers]:
    return lambda: [(key, old) for key, old in to_headers(ENVELOPE) if key != name]


REQUIRED = ("ce_specversion", "ce_id", "ce_source", "ce_type", "ce_subject", "ce_time", "content-type")


@pytest.mark.parametrize("name", [*REQUIRED, "ce_caseversion"])
def test_a_missing_header_is_named(name: str) -> None:
    with pytest.raises(Undecodable) as error:
        from_headers(_drop(name)(), "intake.case.v1")
    assert error.value.reason_code == Reason.MISSING_HEADER
    assert error.value.detail == name


@pytest.mark.parametrize(
    ("headers", "reason"),
    [
        (list, Reason.MISSING_HEADER),
        (_put("ce_id", None), Reason.MISSING_HEADER),
        (_put("ce_id", b""), Reason.MISSING_HEADER),
        (_put("ce_id", b"13800000001"), Reason.INVALID_HEADER),
        (_put("ce_subject", b"\xff\xfe"), Reason.INVALID_HEADER),
        (_put("ce_source", b"\xff"), Reason.INVALID_HEADER),
        (_put("ce_specversion", b"0.3"), Reason.INVALID_HEADER),
        (_put("content-type", b"application/cloudevents+json"), Reason.INVALID_HEADER),
        (_put("content-type", b"application/jsonl"), Reason.INVALID_HEADER),
        (_put("ce_time", b"yesterday"), Reason.INVALID_HEADER),
        (_put("ce_time", b"2026-02-05T02:12:01"), Reason.INVALID_HEADER),
        (_put("ce_caseversion", b"0"), Reason.INVALID_HEADER),
        (_put("ce_caseversion", b"-1"), Reason.INVALID_HEADER),
        (_put("ce_caseversion", b"1_0"), Reason.INVALID_HEADER),
        (_put("ce_caseversion", b"9" * 5000), Reason.INVALID_HEADER),
        (_put("ce_causationid", b"x"), Reason.INVALID_HEADER),
        (_put("ce_correlationid", b"x"), Reason.INVALID_HEADER),
        (_put("ce_type", b"case.registered.v1"), Reason.UNKNOWN_TYPE),
        (_put("ce_type", b"heshi.case.registered"), Reason.UNKNOWN_TYPE),
        (_put("ce_type", b"heshi.case.registered.v0"), Reason.UNKNOWN_TYPE),
        (_put("ce_type", b"\xff\xff"), Reason.UNKNOWN_TYPE),
    ],
)
def test_headers_that_are_none_of_ours_are_refused_with_a_reason(
    headers: Callable[[], Headers], reason: Reason
) -> None:
    with pytest.raises(Undecodable) as error:
        from_headers(headers(), "intake.case.v1")
    assert error.value.reason_code == reason


def test_a_refusal_never_repeats_what_stood_in_the_header() -> None:
    with pytest.raises(Undecodable) as error:
        from_headers(_put("ce_id", "王小明 13800000001".encode())(), "intake.case.v1")
    assert str(error.value) == "invalid_header: ce_id"
    assert error.value.__cause__ is None


def test_the_first_header_of_a_name_counts() -> None:
    doubled = [*to_headers(ENVELOPE), ("traceparent", b"00-" + b"1" * 32 + b"-" + b"2" * 16 + b"-00")]
    assert from_headers(doubled, "intake.case.v1").traceparent == ENVELOPE.traceparent


@pytest.mark.parametrize(
    "value", [b"", b"junk", b"\xff", b"00-" + b"0" * 32 + b"-" + b"2" * 16 + b"-00", b"00-" + b"1" * 32]
)
def test_a_broken_trace_is_left_out_and_the_event_stays(value: bytes) -> None:
    assert from_headers(_put("traceparent", value)(), "intake.case.v1") == replace(ENVELOPE, traceparent=None)


def test_a_json_content_type_may_name_its_charset() -> None:
    assert (
        from_headers(_put("content-type", b"application/json; charset=utf-8")(), "intake.case.v1") == ENVELOPE
    )
