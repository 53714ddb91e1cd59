"""The AsyncAPI 3.0 document of the house or of one service: topics, messages, who sends and who receives."""

from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from typing import Any

from pydantic.json_schema import models_json_schema

from libs.events.base import Payload, Record
from libs.events.registry import REGISTRY, STATES
from libs.events.topics import Service, Topic, load

Document = dict[str, Any]

_ABOUT = (
    "CloudEvents 1.0 in binary mode over Kafka. Events hold ids, codes, dates and counts, "
    "never personal data; readers ignore fields that they do not know."
)
_REFERENCE = "#/components/schemas/{model}"


@cache
def document(service: Service | None = None) -> Document:
    """What a service sends and receives; without a service, what all of them do.

    Raises nothing at run time: `topics.yaml` and the payload classes are part of the release.
    """
    declared = load()
    topics = {name: topic for name, topic in declared.all.items() if _concerns(topic, service)}
    classes = [cls for cls in (*REGISTRY.classes, *STATES) if cls.TOPIC in topics]
    return {
        "asyncapi": "3.0.0",
        "id": f"urn:heshi:service:{service}" if service else "urn:heshi",
        "info": {
            "title": f"Heshi {service}" if service else "Heshi",
            "version": "1",
            "description": _ABOUT,
        },
        "defaultContentType": "application/json",
        "channels": {name: _channel(name, topic, classes) for name, topic in topics.items()},
        "operations": dict(_operations(topics, service)),
        "components": {
            "schemas": {"EventHeaders": _HEADERS, **_schemas(classes)},
            "messages": {
                "AuditHeads": _AUDIT_HEADS,
                "DeadLetter": _DEAD_LETTER,
                **{_message_name(cls): _message(cls) for cls in classes},
            },
        },
    }


def _concerns(topic: Topic, service: Service | None) -> bool:
    return (
        service is None
        or service in topic.owners
        or any(_service(group) == service for group in topic.readers)
    )


def _service(group: str) -> str:
    return group.partition(".")[0]


def _channel(name: str, topic: Topic, classes: Iterable[type[Record]]) -> Document:
    messages = {cls.__name__: _ref("messages", _message_name(cls)) for cls in classes if name == cls.TOPIC}
    if topic.holds == "heads":
        messages = {"AuditHeads": _ref("messages", "AuditHeads")}
    if topic.holds == "dead_letters":
        messages = {"DeadLetter": _ref("messages", "DeadLetter")}
    settings: Document = {key: int(value) for key, value in topic.config().items() if key in _CONFIGURED}
    settings["cleanup.policy"] = topic.cleanup.split(",")
    return {
        "address": name,
        "description": f"{topic.about}; key: {topic.key}",
        "messages": messages,
        "bindings": _kafka(topic=name, partitions=topic.partitions, topicConfiguration=settings),
    }


_CONFIGURED = {"retention.ms", "delete.retention.ms"}
"""The settings that the Kafka binding of AsyncAPI has words for."""


def _operations(topics: Mapping[str, Topic], service: Service | None) -> Iterator[tuple[str, Document]]:
    for name, topic in topics.items():
        channel = {"$ref": f"#/channels/{name}"}
        for owner in topic.owners:
            if service in (None, owner):
                yield f"{owner}.send.{name}", {"action": "send", "channel": channel}
        for group in topic.readers:
            if service in (None, _service(group)):
                bindings = _kafka(groupId={"type": "string", "const": group})
                yield (
                    f"{group}.receive.{name}",
                    {"action": "receive", "channel": channel, "bindings": bindings},
                )


def _kafka(**binding: Any) -> Document:
    return {"kafka": {**binding, "bindingVersion": "0.5.0"}}


def _message_name(cls: type[Record]) -> str:
    return f"{cls.TOPIC}.{cls.TYPE}.v{cls.VERSION}"


def _message(cls: type[Record]) -> Document:
    message: Document = {
        "name": f"heshi.{cls.TYPE}.v{cls.VERSION}",
        "summary": " ".join((cls.__doc__ or "").partition("\n\n")[0].split()),
        "payload": _ref("schemas", cls.__name__),
    }
    if issubclass(cls, Payload):
        message |= {"headers": _ref("schemas", "EventHeaders"), "bindings": _kafka(key=_UUID)}
    return message


def _ref(section: str, name: str) -> Document:
    return {"$ref": f"#/components/{section}/{name}"}


def _schemas(classes: Iterable[type[Record]]) -> Document:
    _, shared = models_json_schema([(cls, "validation") for cls in classes], ref_template=_REFERENCE)
    definitions: Document = shared.get("$defs", {})
    return definitions


_TEXT = {"type": "string"}
_UUID = {"type": "string", "format": "uuid"}
_HEADERS: Document = {
    "type": "object",
    "description": "The CloudEvents attributes of each event as Kafka headers.",
    "properties": {
        "ce_specversion": {"type": "string", "const": "1.0"},
        "ce_id": _UUID,
        "ce_source": {**_TEXT, "description": "the service that owns the topic, such as /services/intake"},
        "ce_type": {**_TEXT, "description": "heshi.<type>.v<version>"},
        "ce_subject": {**_UUID, "description": "the case"},
        "ce_time": {**_TEXT, "format": "date-time"},
        "ce_dataschema": {**_TEXT, "format": "uri", "description": "the $id of the payload's JSON Schema"},
        "content-type": {"type": "string", "const": "application/json"},
        "ce_caseversion": {**_TEXT, "description": "1, 2, 3 … without gap per case and topic"},
        "ce_causationid": {**_UUID, "description": "the event or request that led to this one"},
        "ce_correlationid": {**_UUID, "description": "the first of the chain"},
        "traceparent": {**_TEXT, "description": "W3C Trace Context"},
    },
    "required": [
        "ce_specversion",
        "ce_id",
        "ce_source",
        "ce_type",
        "ce_subject",
        "ce_time",
        "content-type",
        "ce_caseversion",
    ],
}

_AUDIT_HEADS: Document = {
    "name": "audit heads",
    "summary": "Where chains of a service's audit stand, each signed by Ed25519.",
    "payload": {
        "type": "object",
        "properties": {
            "service": _TEXT,
            "at": {**_TEXT, "format": "date-time"},
            "heads": {
                "type": "array",
                "items": {
                    "type": "object",
                    "properties": {
                        "chain": {"type": "integer"},
                        "seq": {"type": "integer"},
                        "hash": _TEXT,
                        "kid": _TEXT,
                        "signature": _TEXT,
                    },
                },
            },
        },
    },
}

_DEAD_LETTER: Document = {
    "name": "dead letter",
    "summary": "A record that a consumer could not handle, byte for byte (of a dossier: its reference only).",
    "headers": {
        "type": "object",
        "description": "The record's own headers, and where it came from and why it failed.",
        "properties": {
            "dlt_source_topic": _TEXT,
            "dlt_source_partition": _TEXT,
            "dlt_source_offset": _TEXT,
            "dlt_error_type": _TEXT,
            "dlt_error": _TEXT,
            "dlt_attempts": _TEXT,
            "dlt_first_failed_at": {**_TEXT, "format": "date-time"},
        },
    },
}
