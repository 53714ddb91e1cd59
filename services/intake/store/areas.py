"""Intake's copy of routing's areas: the words by which an address is placed (`routing.area.v1`)."""

import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from typing import Final
from uuid import UUID

from libs.areas import Levels
from libs.db.pool import Database, Tx
from libs.events.organisation import AreaChanged
from libs.messaging.consumer import StateRecord
from services.intake.domain.places import Area, Places

READER: Final = "intake.routing-area"
LOOK_AGAIN: Final = 10.0
"""Seconds until a changed area counts here."""
_GONE: Final = "gone"
"""Level of an area whose record is a tombstone."""


async def apply_areas(tx: Tx, records: Sequence[StateRecord]) -> Sequence[UUID]:
    """Keep each area's newest record; a tombstone stays as a row, so that no older record brings it back.

    Raises ValidationError for a record that is none, which makes it a dead letter.
    """
    rows = [_row(record) for record in records]
    await tx.execute(
        """
        insert into area (code, district, level, words, version)
        select code, district, level, string_to_array(words, e'\n'), version
        from unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::bigint[])
            as t (code, district, level, words, version)
        on conflict (code) do update set district = excluded.district, level = excluded.level,
            words = excluded.words, version = excluded.version
        where area.version < excluded.version
        """,
        *(list(column) for column in zip(*rows, strict=True)),
    )
    return ()


def _row(record: StateRecord) -> tuple[str, str, str, str, int]:
    if record.value is None:
        return record.key, record.key[:6], _GONE, "", record.version
    area = AreaChanged.model_validate_json(record.value, extra="ignore")
    words = "\n".join(dict.fromkeys((area.zh, *area.aliases)))
    return area.code, area.district, area.level, words, record.version


class AreaCopy:
    """The places of each district: those of the copy once it is whole, before that the ones of `data/`."""

    def __init__(
        self,
        database: Database,
        levels: Levels,
        seed: Mapping[str, Places],
        passed: Callable[[], float] = time.monotonic,
    ) -> None:
        """`passed` counts seconds."""
        self._database = database
        self._levels = levels
        self._places = dict(seed)
        self._passed = passed
        self._looked = float("-inf")
        self._known: tuple[int, int] = (0, 0)

    async def current(self) -> Mapping[str, Places]:
        """The places by district, at most `LOOK_AGAIN` seconds old."""
        if self._passed() - self._looked >= LOOK_AGAIN:
            self._looked = self._passed()
            await self._look()
        return self._places

    async def _look(self) -> None:
        async with self._database.read() as tx:
            state = await tx.fetchrow(
                """
                select count(*) as areas, coalesce(sum(version), 0)::bigint as versions from area
                where exists (select 1 from consumer_offset where consumer = $1)
                  and not exists (select 1 from consumer_offset where consumer = $1 and as_of is null)
                """,
                READER,
            )
            if (seen := (state["areas"], state["versions"])) == self._known:
                return
            rows = await tx.fetch(
                "select code, district, words from area where level <> $1 and code <> district", _GONE
            )
        by_district: dict[str, list[Area]] = defaultdict(list)
        for row in rows:
            by_district[row["district"]].append(Area(row["code"], frozenset(row["words"])))
        self._places |= {district: Places(self._levels, areas) for district, areas in by_district.items()}
        self._known = seen
