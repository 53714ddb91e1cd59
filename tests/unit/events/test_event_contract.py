"""The committed contract: schemas, golden samples and the AsyncAPI document, and what payloads may hold."""

import json
import re
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import jsonschema_rs
import pytest

from libs.events import compatibility
from libs.events.asyncapi import document
from libs.events.base import Payload, Record
from libs.events.compatibility import violations
from libs.events.envelope import Envelope
from libs.events.export import ASYNCAPI, SAMPLES, SCHEMAS, files, schema
from libs.events.registry import REGISTRY, STATES, encode
from libs.events.topics import load

SAMPLE_FILES = sorted(SAMPLES.rglob("*.json"))
RECORDS: tuple[type[Record], ...] = (*REGISTRY.classes, *STATES)
NAME = re.compile(r"(?P<type>[a-z_.]+)\.v(?P<version>\d+)(\.\d+)?")


def test_the_committed_files_are_those_of_the_code() -> None:
    stale = [path.name for path, text in files() if not path.exists() or path.read_text("utf-8") != text]
    assert not stale, f"run `python -m libs.events.export`; differs: {stale}"


def test_no_schema_of_a_type_that_is_gone_is_left() -> None:
    assert set(SCHEMAS.rglob("*.json")) == {path for path, _ in files()} - {ASYNCAPI}


def test_every_record_has_a_golden_sample() -> None:
    shipped = {(path.parent.name, path.name) for path in SAMPLE_FILES}
    missing = [f"{cls.TOPIC}/{cls.TYPE}" for cls in RECORDS if (cls.TOPIC, _file(cls)) not in shipped]
    assert not missing


def _file(cls: type[Record]) -> str:
    return f"{cls.TYPE}.v{cls.VERSION}.json"


def _class_of(path: Path) -> type[Record]:
    match = NAME.fullmatch(path.stem)
    assert match is not None, path.name
    found = [
        cls
        for cls in RECORDS
        if (cls.TOPIC, cls.TYPE, cls.VERSION) == (path.parent.name, match["type"], int(match["version"]))
    ]
    assert found, f"{path.parent.name}/{path.name} can no longer be read"
    return found[0]


@pytest.mark.parametrize("path", SAMPLE_FILES, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_every_sample_ever_shipped_is_read_and_keeps_its_meaning(path: Path) -> None:
    value, cls = path.read_bytes(), _class_of(path)
    if issubclass(cls, Payload):
        envelope = Envelope(
            event_id=UUID(int=1),
            type=cls.TYPE,
            source="/services/test",
            case_id=UUID(json.loads(value)["case_id"]),
            caseversion=1,
            time=datetime(2026, 2, 5, tzinfo=UTC),
            topic=cls.TOPIC,
            version=cls.VERSION,
        )
        again = json.loads(encode(REGISTRY.decode(envelope, value)))
    else:
        again = json.loads(cls.model_validate_json(value, extra="ignore").model_dump_json())
    assert _within(json.loads(value), again)


def _within(old: Any, new: Any) -> bool:
    """Every field of the sample is there again; later fields may stand beside it."""
    if isinstance(old, dict):
        return all(key in new and _within(value, new[key]) for key, value in old.items())
    if isinstance(old, list):
        return len(old) == len(new) and all(map(_within, old, new))
    return bool(old == new)


@pytest.mark.parametrize("path", SAMPLE_FILES, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_every_sample_fits_its_exported_schema(path: Path) -> None:
    jsonschema_rs.validate(schema(_class_of(path)), json.loads(path.read_text("utf-8")))


@pytest.mark.parametrize("service", [None, "intake", "routing", "mediation", "notify", "console"])
def test_every_reference_of_the_asyncapi_document_leads_somewhere(service: Any) -> None:
    described = document(service)
    references = list(_references(described))
    assert references
    for reference in references:
        place: Any = described
        for part in reference.removeprefix("#/").split("/"):
            place = place[part]


def _references(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        if isinstance(node.get("$ref"), str):
            yield node["$ref"]
        for value in node.values():
            yield from _references(value)
    elif isinstance(node, list):
        for value in node:
            yield from _references(value)


def test_a_service_s_document_tells_what_it_sends_and_receives() -> None:
    operations = document("routing")["operations"]
    assert operations["routing.send.routing.assignment.v1"]["action"] == "send"
    receives = operations["routing.intake-case.receive.intake.case.v1"]
    assert receives["bindings"]["kafka"]["groupId"]["const"] == "routing.intake-case"
    assert "intake.send.intake.case.v1" not in operations
    assert "notify.message.v1" not in document("routing")["channels"]


def test_the_whole_document_has_every_topic_and_every_message() -> None:
    whole = document()
    assert set(whole["channels"]) == set(load().all)
    named = {message["name"] for message in whole["components"]["messages"].values()}
    assert {f"heshi.{cls.TYPE}.v{cls.VERSION}" for cls in RECORDS} <= named


# What may stand in an event. A new field is added here by a person who has asked: can it tell who someone is?
REVIEWED = set(
    """
    case_id district deadlines rule due_on due_at provisional
    case channel kind track category topic grid flags urgency released query_code received_at registered_at
    accepted_at headcount amount_fen real_name anonymous share_with_partner sms_consent lawful_route
    complained_about_org chosen_target facts parent has_needs dossier_version
    decided changed by with_registration reason_code directed_to into into_query_code child child_kind
    written issued_on
    added removed count new_facts merged_from
    late tell escalation
    assignment_id attempt org_id org_type target_type acceptance_working_days standing_acceptance by_person
    candidates rank area_level load_ratio out reasons co_mediators type speaks_language rule_version
    reason referral_type referral_org
    state first_contact_by standing proposed_org party at outcome decision chosen_by session_id starts_at mode
    parties held form partial effective_on performance_items means item done on routes_told until level result
    rating was now why
    message_id template trigger trigger_version meaning in_reply_to
    """.split()
)


def test_every_field_of_an_event_was_reviewed_for_personal_data() -> None:
    used = {name for cls in REGISTRY.classes for name in _fields(schema(cls))}
    assert used == REVIEWED


def _fields(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        yield from node.get("properties", {})
        for value in node.values():
            yield from _fields(value)
    elif isinstance(node, list):
        for value in node:
            yield from _fields(value)


@pytest.mark.parametrize("cls", REGISTRY.classes, ids=lambda cls: f"{cls.TOPIC}/{cls.TYPE}")
def test_no_text_of_an_event_is_free(cls: type[Payload]) -> None:
    assert not list(_free_texts(schema(cls), ""))


def _free_texts(node: Any, at: str) -> Iterator[str]:
    """Where any text would fit: a string without pattern, format or list of words; an untyped value."""
    if isinstance(node, list):
        for index, value in enumerate(node):
            yield from _free_texts(value, f"{at}/{index}")
    if not isinstance(node, dict):
        return
    if node.get("type") == "string" and not node.keys() & {"pattern", "format", "enum", "const"}:
        yield at
    if (
        node.get("type") == "object"
        and "properties" not in node
        and not isinstance(node.get("propertyNames", node.get("patternProperties")), dict)
    ):
        yield at
    for key, value in node.items():
        if key != "default":
            yield from _free_texts(value, f"{at}/{key}")


def test_the_search_for_free_texts_finds_them() -> None:
    assert list(_free_texts({"properties": {"note": {"type": "string"}}}, "")) == ["/properties/note"]
    assert list(_free_texts({"items": {"type": "object"}}, "")) == ["/items"]


OLD = schema(REGISTRY.payload_class("intake.case.v1", "case.registered"))


def _changed(path: str, value: Any) -> dict[str, Any]:
    """A copy of a real schema with one place set, or taken out (None)."""
    copy: dict[str, Any] = json.loads(json.dumps(OLD))
    *parents, last = path.split("/")
    place: Any = copy
    for part in parents:
        place = place[part]
    if value is None:
        del place[last]
    else:
        place[last] = value
    return copy


CODE = {"type": "string", "pattern": "^[a-z]+$"}


@pytest.mark.parametrize(
    "new",
    [
        OLD,
        _changed("properties/colour", CODE | {"default": "red"}),
        _changed("properties/decided", None),
        _changed("$defs/CaseFacts/properties/flags", None),
        _changed("$defs/CaseFacts/properties/colour", CODE | {"default": "red"}),
        _changed("description", "said in other words"),
        _changed("properties/decided/title", "Another Title"),
    ],
    ids=[
        "same",
        "optional added",
        "optional removed",
        "removed in a part",
        "added in a part",
        "text",
        "title",
    ],
)
def test_optional_fields_may_come_and_go(new: dict[str, Any]) -> None:
    assert violations(OLD, new) == []
    assert violations(new, OLD) == []


@pytest.mark.parametrize(
    ("new", "at"),
    [
        (_changed("required", ["case_id", "district"]), "/case"),
        (_changed("required", [*OLD["required"], "decided"]), "/decided"),
        (_changed("properties/case_id/format", "date"), "/case_id/format"),
        (_changed("properties/district/pattern", "^[0-9]{9}$"), "/district/pattern"),
        (_changed("$defs/CaseFacts/properties/headcount/maximum", 100), "/case/headcount/maximum"),
        (_changed("$defs/CaseFacts/properties/headcount/default", 2), "/case/headcount/default"),
        (_changed("$defs/CaseFacts/properties/real_name/type", "string"), "/case/real_name/type"),
        (_changed("$defs/CaseFacts/properties/grid/anyOf", [{"type": "null"}]), "/case/grid/anyOf"),
        (_changed("$defs/DueDate/required", ["rule"]), "/deadlines/items/due_at"),
    ],
    ids=[
        "required freed",
        "required added",
        "format",
        "pattern",
        "bound",
        "default",
        "type",
        "null",
        "in a list",
    ],
)
def test_every_other_change_breaks_someone(new: dict[str, Any], at: str) -> None:
    assert [fault.partition(":")[0] for fault in violations(OLD, new)] == [at]
    assert violations(new, OLD)


def test_a_list_of_words_is_part_of_the_contract() -> None:
    def words(*allowed: str) -> dict[str, Any]:
        return {"properties": {"decision": {"type": "string", "enum": list(allowed)}}}

    assert violations(words("agrees", "refuses"), words("agrees")) == ["/decision/enum: changed"]
    assert violations(words("agrees", "refuses"), words("agrees", "refuses", "waits"))


def test_a_required_field_cannot_be_removed_or_added() -> None:
    had = {"properties": {"a": CODE, "b": CODE}, "required": ["a", "b"]}
    has = {"properties": {"a": CODE}, "required": ["a"]}
    assert violations(had, has) == ["/b: no longer required, older readers need it"]
    assert violations(has, had) == ["/b: became required, older events lack it"]


def test_the_command_names_what_broke_since_a_revision(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "schemas"
    folder.mkdir()
    for name in ("kept", "narrowed", "gone"):
        (folder / f"{name}.json").write_text(json.dumps(OLD))
    identity = ("-c", "user.name=t", "-c", "user.email=t@example.invalid")
    for command in (("init", "-q"), ("add", "."), (*identity, "commit", "-q", "-m", "Ship")):
        subprocess.run(["git", *command], cwd=tmp_path, check=True)
    monkeypatch.setattr(compatibility, "ROOT", tmp_path)
    monkeypatch.setattr(compatibility, "SCHEMAS", folder)
    assert compatibility.main("HEAD") == 0
    (folder / "narrowed.json").write_text(json.dumps(_changed("properties/case_id/format", "date")))
    (folder / "gone.json").unlink()
    assert compatibility.main("HEAD") == 1
    assert capsys.readouterr().out.splitlines() == [
        "schemas/gone.json: the type is gone, topics still hold it",
        "schemas/narrowed.json/case_id/format: changed",
    ]
