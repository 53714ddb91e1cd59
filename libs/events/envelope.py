"""The envelope of an event: CloudEvents 1.0 in binary mode over Kafka headers.

Whose event it is, of which type and in which place of a case's order, is known without parsing the value, so
routing, deduplication and dead-lettering work on records whose value cannot be read.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from functools import lru_cache
from uuid import UUID

PREFIX = "heshi."
SPEC_VERSION = b"1.0"
CONTENT_TYPE = b"application/json"

_TYPE = re.compile(r"heshi\.([a-z_]+(?:\.[a-z_]+)*)\.v([1-9][0-9]{0,3})")
_TRACEPARENT = re.compile(r"00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")


class Reason(StrEnum):
    """Why a record can never be handled; part of the dead letters' contract (`dlt_error_type`)."""

    MISSING_HEADER = "missing_header"
    INVALID_HEADER = "invalid_header"
    UNKNOWN_TYPE = "unknown_type"
    UNKNOWN_VERSION = "unknown_version"
    EMPTY_VALUE = "empty_value"
    TOO_LARGE = "too_large"
    NULL_BYTE = "null_byte"
    INVALID_JSON = "invalid_json"
    INVALID_PAYLOAD = "invalid_payload"
    SUBJECT_MISMATCH = "subject_mismatch"


class Undecodable(Exception):
    """The record is no event of ours, now or ever: it goes to the dead letters at once.

    The text names headers and fields, never what stands in them.
    """

    def __init__(self, reason: Reason, detail: str = "") -> None:
        self.reason_code = reason
        self.detail = detail
        super().__init__(f"{reason}: {detail}" if detail else str(reason))


@dataclass(frozen=True, slots=True)
class Envelope:
    """One event's identity: `caseversion` counts its case's events on its topic, from 1, without gap (G6).

    `type` and `version` are those of the payload (`case.registered`, 1), `topic` is the logical name, `time`
    is aware. `causation_id` is the event or request that led to this one, `correlation_id` the first of
    the chain.
    """

    event_id: UUID
    type: str
    source: str
    case_id: UUID
    caseversion: int
    time: datetime
    topic: str
    version: int = 1
    causation_id: UUID | None = None
    correlation_id: UUID | None = None
    traceparent: str | None = None


@lru_cache(maxsize=1024)
def schema_id(topic: str, event_type: str, version: int) -> str:
    """The name of a payload's schema: `$id` of the exported file, `ce_dataschema` of each event."""
    return f"urn:heshi:schema:{topic}:{event_type}.v{version}"


def to_headers(envelope: Envelope) -> list[tuple[str, bytes]]:
    """The Kafka headers of an event (CloudEvents Kafka binding 1.0.2, section 3.2)."""
    event_type, version = envelope.type, envelope.version
    headers = [
        ("ce_specversion", SPEC_VERSION),
        ("ce_id", str(envelope.event_id).encode()),
        ("ce_source", envelope.source.encode()),
        ("ce_type", f"{PREFIX}{event_type}.v{version}".encode()),
        ("ce_subject", str(envelope.case_id).encode()),
        ("ce_time", envelope.time.isoformat().replace("+00:00", "Z").encode()),
        ("ce_dataschema", schema_id(envelope.topic, event_type, version).encode()),
        ("content-type", CONTENT_TYPE),
        ("ce_caseversion", str(envelope.caseversion).encode()),
    ]
    if envelope.causation_id is not None:
        headers.append(("ce_causationid", str(envelope.causation_id).encode()))
    if envelope.correlation_id is not None:
        headers.append(("ce_correlationid", str(envelope.correlation_id).encode()))
    if envelope.traceparent is not None:
        headers.append(("traceparent", envelope.traceparent.encode()))
    return headers


def type_of(headers: Iterable[tuple[str, bytes | None]]) -> bytes:
    """A record's `ce_type` as it stands there, nothing without one: enough to pass over what concerns
    others."""
    return next((value or b"" for name, value in headers if name == "ce_type"), b"")


def from_headers(headers: Iterable[tuple[str, bytes | None]], topic: str) -> Envelope:
    """The envelope that a record of `topic` carries; raises `Undecodable` when it carries none.

    The first header of a name counts. An unusable `traceparent` is left out: a trace is no reason to lose an
    event (W3C Trace Context, section 3.2.2).
    """
    found: dict[str, bytes | None] = {}
    for name, value in headers:
        found.setdefault(name, value)
    if _required(found, "ce_specversion") != SPEC_VERSION:
        raise Undecodable(Reason.INVALID_HEADER, "ce_specversion")
    if _required(found, "content-type").partition(b";")[0].strip() != CONTENT_TYPE:
        raise Undecodable(Reason.INVALID_HEADER, "content-type")
    event_type, version = _parse_type(_required(found, "ce_type"))
    return Envelope(
        event_id=_uuid(found, "ce_id"),
        type=event_type,
        source=_text(found, "ce_source"),
        case_id=_uuid(found, "ce_subject"),
        caseversion=_number(found, "ce_caseversion"),
        time=_time(found, "ce_time"),
        topic=topic,
        version=version,
        causation_id=_uuid(found, "ce_causationid") if found.get("ce_causationid") else None,
        correlation_id=_uuid(found, "ce_correlationid") if found.get("ce_correlationid") else None,
        traceparent=_traceparent(found.get("traceparent")),
    )


def _required(found: dict[str, bytes | None], name: str) -> bytes:
    value = found.get(name)
    if not value:
        raise Undecodable(Reason.MISSING_HEADER, name)
    return value


def _text(found: dict[str, bytes | None], name: str) -> str:
    try:
        return _required(found, name).decode()
    except UnicodeDecodeError:
        raise Undecodable(Reason.INVALID_HEADER, name) from None


def _uuid(found: dict[str, bytes | None], name: str) -> UUID:
    try:
        return UUID(_text(found, name))
    except ValueError:
        raise Undecodable(Reason.INVALID_HEADER, name) from None


def _number(found: dict[str, bytes | None], name: str) -> int:
    value = _required(found, name)
    if not value.isdigit() or len(value) > 18 or (number := int(value)) < 1:
        raise Undecodable(Reason.INVALID_HEADER, name)
    return number


def _time(found: dict[str, bytes | None], name: str) -> datetime:
    try:
        time = datetime.fromisoformat(_text(found, name))
    except ValueError:
        raise Undecodable(Reason.INVALID_HEADER, name) from None
    if time.tzinfo is None:
        raise Undecodable(Reason.INVALID_HEADER, name)
    return time


@lru_cache(maxsize=1024)
def _parse_type(value: bytes) -> tuple[str, int]:
    match = _TYPE.fullmatch(value.decode("utf-8", "replace"))
    if match is None:
        raise Undecodable(Reason.UNKNOWN_TYPE)
    return match[1], int(match[2])


def _traceparent(value: bytes | None) -> str | None:
    text = (value or b"").decode("ascii", "replace")
    return text if _TRACEPARENT.fullmatch(text) else None
