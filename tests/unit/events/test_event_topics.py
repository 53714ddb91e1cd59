"""`topics.yaml`: what the house relies on, and faults that are found before a broker sees them."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import ValidationError

from libs.events.registry import REGISTRY, STATES
from libs.events.topics import FILE, Durability, Topics, load

TOPICS = load()


def test_every_topic_of_a_payload_is_declared_and_every_declared_one_is_used() -> None:
    events = {cls.TOPIC for cls in REGISTRY.classes}
    states = {cls.TOPIC for cls in STATES}
    assert {name for name, topic in TOPICS.topics.items() if topic.holds == "events"} == events
    assert {name for name, topic in TOPICS.topics.items() if topic.holds == "state"} == states


def test_a_topic_belongs_to_the_service_that_it_is_named_after() -> None:
    owners = {name: topic.owner for name, topic in TOPICS.topics.items()}
    assert owners.pop("audit.head.v1") == "each"
    assert all(owner == name.partition(".")[0] for name, owner in owners.items())


def test_heads_of_the_audit_stay_longer_than_any_case_data() -> None:
    assert TOPICS.topics["audit.head.v1"].config() == {
        "cleanup.policy": "delete",
        "retention.ms": str(400 * 86_400_000),
    }


def test_records_of_one_case_share_a_partition_number_across_topics() -> None:
    assert {topic.partitions for topic in TOPICS.topics.values() if topic.key == "case_id"} == {8}


def test_each_group_has_a_dead_letter_topic_of_its_own() -> None:
    for group in TOPICS.groups:
        letters = TOPICS.all[f"{group}.dlt"]
        assert letters.owner == group.partition(".")[0]
        assert letters.config() == {"cleanup.policy": "delete", "retention.ms": str(30 * 86_400_000)}
    assert len(TOPICS.all) == len(TOPICS.topics) + len(TOPICS.groups)


def test_the_console_reads_the_four_case_topics_in_one_group() -> None:
    assert TOPICS.groups["console.cases"] == (
        "intake.case.v1",
        "routing.assignment.v1",
        "mediation.case.v1",
        "notify.message.v1",
    )


CONSUMERS = sorted((FILE.parent / "services").glob("*/consumers.py"))


@pytest.mark.parametrize("module", CONSUMERS, ids=lambda module: module.parent.name)
def test_the_groups_of_the_file_are_those_that_the_services_declare(module: Path) -> None:
    declared = set(_declared_groups(ast.parse(module.read_text("utf-8"))))
    assert declared == {group for group in TOPICS.groups if group.startswith(f"{module.parent.name}.")}


def _declared_groups(code: ast.AST) -> Iterator[str]:
    """Every text in the module that has the form of a group's name."""
    for node in ast.walk(code):
        if isinstance(node, ast.Constant) and _GROUP.fullmatch(str(node.value)):
            yield str(node.value)


_GROUP = re.compile(r"(intake|routing|mediation|notify|console)\.[a-z]+(-[a-z]+)*")


def test_state_has_groups_of_its_own() -> None:
    state = {name for name, topic in TOPICS.topics.items() if topic.holds == "state"}
    assert all(set(read) <= state or not set(read) & state for read in TOPICS.groups.values())


def test_an_erased_dossier_is_gone_within_a_day_and_seen_for_a_month() -> None:
    assert TOPICS.topics["intake.dossier.v1"].config() == {
        "cleanup.policy": "compact,delete",
        "retention.ms": str(30 * 86_400_000),
        "segment.ms": str(6 * 3_600_000),
        "max.compaction.lag.ms": str(12 * 3_600_000),
        "delete.retention.ms": str(30 * 86_400_000),
    }


def test_organisations_and_areas_stay_for_good() -> None:
    for name in ("routing.organisation.v1", "routing.area.v1"):
        assert TOPICS.topics[name].config()["cleanup.policy"] == "compact"
        assert "retention.ms" not in TOPICS.topics[name].config()


@pytest.mark.parametrize(("brokers", "copies", "in_sync"), [(1, 1, 1), (2, 2, 1), (3, 3, 2), (9, 3, 2)])
def test_a_small_cluster_gives_what_it_can(brokers: int, copies: int, in_sync: int) -> None:
    assert TOPICS.replicas(brokers) == Durability(replication_factor=copies, min_insync_replicas=in_sync)


def _with(topic: str, **change: Any) -> dict[str, Any]:
    content: dict[str, Any] = yaml.safe_load(FILE.read_text("utf-8"))
    content["topics"][topic] |= change
    return content


@pytest.mark.parametrize(
    "content",
    [
        _with("intake.case.v1", owner="nobody"),
        _with("intake.case.v1", partitions=0),
        _with("intake.case.v1", retention_hours=31 * 24),
        _with("intake.case.v1", cleanup="compact"),
        _with("intake.dossier.v1", cleanup="delete"),
        _with("intake.case.v1", readers=["someone.intake-case"]),
        _with("intake.case.v1", color="red"),
        {"topics": {}},
        None,
    ],
    ids=[
        "owner",
        "partitions",
        "horizon",
        "event compacted",
        "state deleted",
        "group",
        "word",
        "missing",
        "empty",
    ],
)
def test_a_faulty_file_is_refused(content: Any, tmp_path: Path) -> None:
    file = tmp_path / "topics.yaml"
    file.write_text(yaml.safe_dump(content), "utf-8")
    with pytest.raises(ValidationError):
        load(file)


def test_the_file_itself_is_not_refused() -> None:
    assert Topics.model_validate(_with("intake.case.v1")) == TOPICS
