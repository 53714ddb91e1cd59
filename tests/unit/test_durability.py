"""What the servers are told and how large records and pools may be (G11, G18, G24, G27)."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from libs.events import topics
from libs.events.registry import REGISTRY
from libs.messaging.outbox import MAX_VALUE_BYTES, TooLarge, check_size
from libs.runtime.settings import Pools
from ops.stack import kafka, postgres
from ops.stack.parts import SERVICES

ROOT = Path(__file__).parents[2]
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text("utf-8"))["services"]


def test_g11_a_record_that_the_broker_would_refuse_is_refused_before_it_is_stored() -> None:
    """Else a relay fails on it for ever, and all behind it waits."""
    check_size(b"x" * MAX_VALUE_BYTES)
    with pytest.raises(TooLarge) as refused:
        check_size(b"x" * (MAX_VALUE_BYTES + 1))
    assert refused.value.status == 413
    assert MAX_VALUE_BYTES <= 512 * 1024 < 1_048_576  # what a broker takes by default, headers included


@pytest.mark.parametrize("topic", ["intake.case.v1", "mediation.case.v1"])
def test_g18_every_event_of_a_case_carries_its_open_deadlines(topic: str) -> None:
    events = [cls for cls in REGISTRY.classes if topic == cls.TOPIC]
    assert events
    assert [cls.TYPE for cls in events if "deadlines" not in cls.model_fields] == []


def test_g24_a_single_broker_writes_to_the_disk_before_it_acknowledges() -> None:
    assert kafka.SETTINGS["log.flush.interval.messages"] == "1"
    assert COMPOSE["kafka"]["environment"]["KAFKA_LOG_FLUSH_INTERVAL_MESSAGES"] == 1


def test_g24_a_cluster_acknowledges_what_two_brokers_have_and_postgresql_what_is_on_the_disk() -> None:
    assert topics.load().replicas(3).min_insync_replicas == 2
    assert (postgres.SETTINGS["fsync"], postgres.SETTINGS["synchronous_commit"]) == ("on", "on")


def test_g27_all_pools_together_fit_into_the_server() -> None:
    pools = Pools()
    wanted = len(SERVICES) * (pools.api + pools.worker + pools.relay)
    allowed = next(word for word in COMPOSE["postgres"]["command"] if "max_connections" in word)
    for most in (postgres.SETTINGS["max_connections"], allowed.partition("=")[2]):
        assert wanted + 10 <= int(most)  # commands, and an administrator


def test_g27_no_more_workers_than_partitions_are_of_use_and_the_topics_of_cases_have_eight() -> None:
    assert {t.partitions for t in topics.load().topics.values() if t.key == "case_id"} == {8}
