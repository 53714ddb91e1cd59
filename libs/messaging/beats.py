"""A beat an hour on every partition of the compacted topics, by their owner (G13).

The broker compacts only what stands in closed segments, and closes one only when something is appended: on a
quiet partition an erased dossier would stay readable for ever. The beat is what is appended.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from libs.messaging.producer import Producer, Record, publish_every
from libs.messaging.reader import KafkaPlace
from libs.runtime.loops import Pulse

BEAT: Final = b"beat"
"""The key of a beat; readers pass it over."""
EVERY: Final = 3600.0


@dataclass(frozen=True)
class Beats:
    """Beats on `partitions`: how many each topic has, by its logical name."""

    producer: Producer
    place: KafkaPlace
    partitions: Mapping[str, int]

    async def run(self, pulse: Pulse) -> None:
        """Beat every hour."""
        await publish_every(EVERY, self.once, "beat_put_off", pulse)

    async def once(self) -> None:
        """One beat on each partition. Raises BrokerAway."""
        await self.producer.publish(
            [
                Record(self.place.physical(topic), BEAT, b"{}", [], partition)
                for topic, count in self.partitions.items()
                for partition in range(count)
            ]
        )
