"""Where the audit chains stand, signed and published every minute (G25).

Whoever holds a database can cut its chains together with their heads, or put an old copy in its place: then
the chains hold among themselves. They no longer agree with what the service said of itself before, which
stands on a topic of its own for 400 days.
"""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

import orjson
import structlog
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from libs.db import auditlog
from libs.db.pool import Database
from libs.messaging.producer import BrokerAway, Producer, Record, publish_every
from libs.messaging.reader import KafkaPlace
from libs.privacy.audit import Head, SignedHead, signing_key
from libs.privacy.keyring import Keyring
from libs.runtime.loops import Pulse

log = structlog.get_logger()

TOPIC: Final = "audit.head.v1"
EVERY: Final = 60.0


@dataclass
class HeadPublisher:
    """Publishes the heads of one service, those that moved since it last did."""

    service: str
    database: Database
    producer: Producer
    place: KafkaPlace
    keyring: Keyring
    _told: Sequence[Head] = field(default_factory=tuple)

    async def run(self, pulse: Pulse) -> None:
        """Publish every minute."""
        await publish_every(EVERY, self.once, "heads_put_off", pulse)

    async def once(self) -> int:
        """Publish what moved; the number of heads."""
        async with self.database.read() as tx:
            heads = [head for head in await auditlog.heads(tx) if head.seq]
        moved = [head for head in heads if head not in self._told]
        if moved:
            key = self.keyring.current("audit")
            signed = [SignedHead.of(signing_key(key), key.kid, self.service, head) for head in moved]
            said = {
                "service": self.service,
                "at": datetime.now(UTC),
                "heads": [each.told() for each in signed],
            }
            record = Record(self.place.physical(TOPIC), self.service.encode(), orjson.dumps(said), [])
            await self.producer.publish([record])
        self._told = heads
        return len(moved)


async def published(place: KafkaPlace) -> list[SignedHead]:
    """Every head that stands on the topic, as it was signed; a record that none of ours could have written is
    passed over. Raises BrokerAway."""
    partition = TopicPartition(place.physical(TOPIC), 0)
    client: Any = AIOKafkaConsumer(bootstrap_servers=place.bootstrap, auto_offset_reset="earliest")
    try:
        await client.start()
        if partition.topic not in await client.topics():
            return []
        client.assign([partition])
        await client.seek_to_beginning(partition)
        end = (await client.end_offsets([partition]))[partition]
        found: list[SignedHead] = []
        while await client.position(partition) < end:
            for record in (await client.getmany(partition, timeout_ms=1_000)).get(partition, ()):
                with suppress(ValueError, KeyError, TypeError):
                    said = orjson.loads(record.value)
                    found += [SignedHead.read(said["service"], head) for head in said["heads"]]
        return found
    except KafkaError as error:
        raise BrokerAway(type(error).__name__) from error
    finally:
        with suppress(TimeoutError):
            await asyncio.wait_for(client.stop(), 5)
