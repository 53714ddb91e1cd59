"""Addresses are placed by the areas that routing publishes, once intake's copy of them is whole."""

from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

from libs.db.pool import Database
from libs.events.organisation import AreaChanged
from libs.messaging.consumer import StateRecord
from services.intake.store.areas import READER, apply_areas
from tests.component.intake_door import Door, opened

GRID = "99010100100601"


@pytest.fixture
async def door(database: Callable[[str], Awaitable[Database]], tmp_path: Path) -> AsyncIterator[Door]:
    async with opened(await database("intake"), tmp_path) as made:
        yield made


def area(code: str, version: int, *aliases: str, district: str = "990101") -> StateRecord:
    record = AreaChanged(
        code=code,
        zh=f"网格{code[-2:]}",
        aliases=aliases,
        district=district,
        level="grid",
        parent=code[:12],
        version=version,
    )
    return StateRecord(code, version, record.model_dump_json().encode())


async def apply(door: Door, *records: StateRecord, whole: bool = True) -> None:
    async with door.database.transaction() as tx:
        await apply_areas(tx, records)
        await tx.execute(
            "insert into consumer_offset values ($1, 'routing.area.v1', 0, 1, case when $2 then now() end)"
            " on conflict (consumer, topic, partition) do update set as_of = excluded.as_of",
            READER,
            whole,
        )
    door.clock.advance(seconds=10)


async def grid_of(door: Door, address: str) -> str | None:
    grid: str | None = (await door.register(place={"address": address})).body["grid"]
    return grid


async def test_the_words_of_the_copy_replace_those_of_the_data(door: Door) -> None:
    assert await grid_of(door, "锦苑一期") == "99010100100201"
    await apply(door, area(GRID, 1, "云上花园"))
    assert await grid_of(door, "云上花园3幢") == GRID
    assert await grid_of(door, "锦苑一期") is None


async def test_a_copy_that_is_not_whole_yet_does_not_count(door: Door) -> None:
    await apply(door, area(GRID, 1, "云上花园"), whole=False)
    assert await grid_of(door, "云上花园3幢") is None
    assert await grid_of(door, "锦苑一期") == "99010100100201"


async def test_an_older_record_never_brings_words_back(door: Door) -> None:
    await apply(door, area(GRID, 2, "云上花园"))
    await apply(door, area(GRID, 1, "旧花园"))
    assert await grid_of(door, "云上花园3幢") == GRID
    await apply(door, StateRecord(GRID, 3, None), area("99010100100602", 1, "新花园"))
    await apply(door, area(GRID, 2, "云上花园"))
    assert await grid_of(door, "云上花园3幢") is None
    assert await grid_of(door, "新花园") == "99010100100602"


async def test_another_district_is_ours_once_it_has_areas(door: Door) -> None:
    body = {"channel": "phone", "narrative": "x", "place": {"address": "云上花园"}}
    refused = await door.post("/v1/cases", body, districts=("990102",))
    assert (refused.status, refused.body["errors"][0]["pointer"]) == (422, "/district")
    await apply(door, area("99010200100101", 1, "云上花园", district="990102"))
    answer = await door.post("/v1/cases", body, districts=("990102",))
    assert (answer.status, answer.body["grid"]) == (201, "99010200100101")
