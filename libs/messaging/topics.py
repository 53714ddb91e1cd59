"""Creating and checking topics at the broker, from what `topics.yaml` declares."""

import asyncio
from collections.abc import Mapping

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import for_code

from libs.events.topics import Topics

ALREADY_EXISTS = 36


class TopicFault(Exception):
    """A topic at the broker differs from its declaration in a way that cannot be changed later."""


async def apply(bootstrap: str, topics: Topics, prefix: str = "") -> list[str]:
    """Create what is missing; the names created. Raises `TopicFault` where partitions differ: adding some
    later would move keys and break the order of cases (practice: choose once)."""
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap, request_timeout_ms=15_000)
    await asyncio.wait_for(admin.start(), 20)
    try:
        brokers = (await admin.describe_cluster())["brokers"]
        existing = set(await admin.list_topics())
        can = topics.replicas(len(brokers))
        missing = [
            NewTopic(
                name=prefix + name,
                num_partitions=topic.partitions,
                replication_factor=can.replication_factor,
                topic_configs=topic.config() | {"min.insync.replicas": str(can.min_insync_replicas)},
            )
            for name, topic in topics.all.items()
            if prefix + name not in existing
        ]
        if missing:
            answer = await admin.create_topics(missing, timeout_ms=15_000)
            for name, code, *_ in answer.topic_errors:
                if code not in (0, ALREADY_EXISTS):
                    raise TopicFault(f"{name}: {for_code(code).__name__}")
        await _check(admin, {prefix + name: topic.partitions for name, topic in topics.all.items()})
        return [topic.name for topic in missing]
    finally:
        await admin.close()


async def _check(admin: AIOKafkaAdminClient, wanted: Mapping[str, int]) -> None:
    for described in await admin.describe_topics(list(wanted)):
        found = len(described["partitions"])
        if described["error_code"] == 0 and found != wanted[described["topic"]]:
            raise TopicFault(
                f"{described['topic']}: {found} partitions, declared {wanted[described['topic']]}"
            )
