"""The owner of a compacted topic reads it back and mends what a frozen relay broke (G12).

A relay that slept across a newer record, a revocation or an erasure and then publishes what it held puts an
old state behind the current one: every new reader would believe it for ever. The owner sees the older version
come after a newer one and publishes the current state once more.
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
        """Remember the newest version seen per key; publish the current state where an older came later."""
        seen: dict[tuple[str, str], list[int]] = {}
        for record in records:
            version = next((int(v) for name, v in record.headers if name == VERSION_HEADER), None)
            if record.key and version is not None:
                seen.setdefault((self._place.logical(record.topic), record.key.decode()), []).append(version)
        names = sorted(seen)
        async with self._database.transaction() as tx:
            rows = await tx.fetch(
                """
                select s.topic, s.key, s.seen from state_record s
                join unnest($1::text[], $2::text[]) as t (topic, key) using (topic, key)
                order by s.topic, s.key for update
                """,
                [topic for topic, _ in names],
                [key for _, key in names],
            )
            broken: dict[str, list[str]] = {}
            for row in rows:
                highest = row["seen"]
                for version in seen[row["topic"], row["key"]]:
                    if version < highest:
                        broken.setdefault(row["topic"], []).append(row["key"])
                        break
                    highest = version
            await tx.execute(
                """
                update state_record s set seen = greatest(s.seen, t.version)
                from unnest($1::text[], $2::text[], $3::bigint[]) as t (topic, key, version)
                where s.topic = t.topic and s.key = t.key
                """,
                [topic for topic, _ in names],
                [key for _, key in names],
                [max(seen[name]) for name in names],
            )
            for topic, keys in broken.items():
                log.warning("state_republished", topic=topic, count=len(keys))
                await outbox.point_to_states(tx, topic, keys)
            await store_offsets(tx, offsets)
        if broken:
            self._mended()
