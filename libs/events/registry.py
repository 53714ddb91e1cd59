"""Which payload class a type and version stand for, and the way between payloads and bytes.

A type keeps its meaning inside a version: changes are additive (`libs.events.compatibility`). A breaking
change is a new class with the next VERSION beside the old one, and an upcaster that makes the new from the
old, so handlers know the newest alone while the topic still holds both.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from types import ModuleType
from typing import Any, TypeVar

from pydantic import ValidationError

from libs.events import dossier, intake, mediation, notify, organisation, routing
from libs.events.base import Payload, Record, Shape
from libs.events.envelope import Envelope, Reason, Undecodable

MAX_VALUE_BYTES = 512_000
"""No record is larger (G11): whoever appends an event refuses it, whoever reads it counts it as poison."""

R = TypeVar("R", bound=Record)

Upcasters = Mapping[type[Payload], Callable[[Any], Payload]]
"""From the class of an older version to the function `upcast_v1_v2` that makes the next version of it."""

UPCASTERS: Upcasters = {}

_ESCAPED_NULL = re.compile(rb"(?<!\\)(?:\\\\)*\\u0000")


class Registry:
    """Every payload class by topic, type and version."""

    def __init__(self, classes: Iterable[type[Payload]], upcasters: Upcasters) -> None:
        self._classes = {(cls.TOPIC, cls.TYPE, cls.VERSION): cls for cls in classes}
        self._upcasters = upcasters
        for topic, event_type, version in self._classes:
            newer = (topic, event_type, version + 1) in self._classes
            if newer != (self._classes[topic, event_type, version] in upcasters):
                raise ValueError(
                    f"{topic} {event_type}.v{version}: a newer version and an upcaster go together"
                )

    @property
    def classes(self) -> tuple[type[Payload], ...]:
        """All of them, in the order of declaration."""
        return tuple(self._classes.values())

    def event_types(self, topic: str) -> tuple[str, ...]:
        """The types that may stand on a topic, each once, in the order of declaration."""
        return tuple(dict.fromkeys(event_type for at, event_type, _ in self._classes if at == topic))

    def payload_class(self, topic: str, event_type: str, version: int = 1) -> type[Payload]:
        """The class of a type's version; a type such as `deadline.warned` is another one on each topic.

        Raises `Undecodable` for one that nobody declared.
        """
        cls = self._classes.get((topic, event_type, version))
        if cls is None:
            raise Undecodable(Reason.UNKNOWN_TYPE)
        return cls

    def decode(self, envelope: Envelope, value: bytes | None) -> Payload:
        """The payload of a record, lifted to its newest version; fields that it does not declare are ignored.

        Raises `Undecodable` with the pointers of the faulty fields, never with what stands in them.
        """
        cls = self.payload_class(envelope.topic, envelope.type, envelope.version)
        if not value:
            raise Undecodable(Reason.EMPTY_VALUE)
        if len(value) > MAX_VALUE_BYTES:
            raise Undecodable(Reason.TOO_LARGE, f"{len(value)} bytes")
        if b"\\u0000" in value and _ESCAPED_NULL.search(value):
            raise Undecodable(Reason.NULL_BYTE)  # PostgreSQL's text cannot hold it
        try:
            payload = cls.model_validate_json(value, extra="ignore")
        except ValidationError as error:
            raise _undecodable(error) from None
        if payload.case_id != envelope.case_id:
            raise Undecodable(Reason.SUBJECT_MISMATCH)
        while upcast := self._upcasters.get(type(payload)):
            payload = upcast(payload)
        return payload


def encode(payload: Payload) -> bytes:
    """The value of an event's record: compact UTF-8 JSON. A payload with a field of a wrong type raises."""
    return payload.model_dump_json(warnings="error").encode()


def _declared(kind: type[R], *modules: ModuleType) -> Iterator[type[R]]:
    for module in modules:
        for cls in vars(module).values():
            if isinstance(cls, type) and issubclass(cls, kind) and "TYPE" in vars(cls):
                yield cls


REGISTRY = Registry(_declared(Payload, intake, routing, mediation, notify), UPCASTERS)
STATES: tuple[type[Record], ...] = tuple(_declared(Record, dossier, organisation))
"""The records of the compacted topics: present state, no events (G12)."""

event_types = REGISTRY.event_types
payload_class = REGISTRY.payload_class
decode = REGISTRY.decode


def _field_names(shape: type[Shape]) -> set[str]:
    return set(shape.model_fields).union(*(_field_names(sub) for sub in shape.__subclasses__()))


_FIELD_NAMES = _field_names(Shape)


def _undecodable(error: ValidationError) -> Undecodable:
    faults = error.errors(include_url=False, include_context=False, include_input=False)
    if faults[0]["type"] == "json_invalid":
        return Undecodable(Reason.INVALID_JSON)
    pointers = sorted({_pointer(fault["loc"]) for fault in faults})
    return Undecodable(Reason.INVALID_PAYLOAD, " ".join(pointers[:20]))


def _pointer(location: tuple[int | str, ...]) -> str:
    """The place of a fault; a key that is no field of ours came with the value and is not repeated."""
    parts = (str(part) if isinstance(part, int) or part in _FIELD_NAMES else "*" for part in location)
    return "/" + "/".join(parts)
