"""The owner of a compacted topic reads it back and mends what a frozen relay broke (G12).

A relay that slept across a newer record, a revocation or an erasure and then publishes what it held puts an
old state behind the current one: every new reader would believe it for ever. The owner sees that the last
record of a key is not the current one and publishes the current one once more.
"""

from collections.abc import Callable, Sequence
from typing import Any

import structlog

from libs.db.batch import Offset, store_offsets
from libs.db.pool import Database
from libs.messaging import outbox
from libs.messaging.reader import KafkaPlace
from libs.messaging.relay import VERSION_HEADER

log = structlog.get_logger()


class ReadBack:
    """Handles batches of the service's own compacted topics."""

    def __init__(
        self, database: Database, place: KafkaPlace, mended: Callable[[], None] = lambda: None
    ) -> None:
        self._database = database
        self._place = place
        self._mended = mended

    async def handle(self, records: Sequence[Any], offsets: Sequence[Offset]) -> None:
        """Publish the current state of each key whose last record in the batch is an older one.

        It may be older only because the next is still under way; then the current one stands there twice.
        """
        last: dict[tuple[str, str], int] = {}
        for record in records:
            version = next((int(v) for name, v in record.headers if name == VERSION_HEADER), None)
            if record.key and version is not None:
                last[self._place.logical(record.topic), record.key.decode()] = version
        async with self._database.transaction() as tx:
            rows = await tx.fetch(
                """
                select s.topic, s.key from state_record s
                join unnest($1::text[], $2::text[], $3::bigint[]) as t (topic, key, version)
                    on s.topic = t.topic and s.key = t.key and s.version > t.version
                """,
                [topic for topic, _ in last],
                [key for _, key in last],
                list(last.values()),
            )
            outdated: dict[str, list[str]] = {}
            for row in rows:
                outdated.setdefault(row["topic"], []).append(row["key"])
            for topic, keys in outdated.items():
                log.warning("state_republished", topic=topic, count=len(keys))
                await outbox.point_to_states(tx, topic, keys)
            await store_offsets(tx, offsets)
        if outdated:
            self._mended()
