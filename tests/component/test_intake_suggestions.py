"""`POST /v1/suggestions`: what a draft suggests, to whom, and that nothing of it stays."""

from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from libs.db.pool import Database
from tests.component.intake_door import Door, opened

LEAK = "楼上漏水，卧室天花板泡坏了一大片，找他三次都不开门，请社区协调赔偿"
NUMBER = "13800000004"


@pytest.fixture
async def door(database: Callable[[str], Awaitable[Database]], tmp_path: Path) -> AsyncIterator[Door]:
    async with opened(await database("intake"), tmp_path) as made:
        yield made


async def suggest(door: Door, *roles: str, **draft: Any) -> Any:
    answer = await door.post("/v1/suggestions", draft, *roles, headers={"idempotency-key": ""})
    assert answer.status == 200, answer.body
    return answer.body


async def test_every_list_has_the_same_shape_and_names_its_reasons(door: Door) -> None:
    told = await suggest(door, narrative=f"{LEAK}，老人瘫痪在床", address="锦苑一期3幢")
    assert told["kinds"][0]["code"] == "DIS"
    assert told["categories"][0]["code"] == "D02"
    assert "漏水" in told["categories"][0]["because"]
    assert told["flags"] == [{"code": "VULNERABLE", "score": 1.0, "because": ["老人", "瘫痪"]}]
    assert told["urgency"] == "YELLOW"
    assert told["grids"] == [{"code": "99010100100201", "score": 1.0, "because": ["锦苑一期"]}]
    assert told["duplicates"] == []
    for name in ("kinds", "categories", "flags", "lawful_routes", "grids", "duplicates"):
        assert all(one.keys() == {"code", "score", "because"} for one in told[name])


async def test_a_danger_that_was_denied_is_shown_as_such(door: Door) -> None:
    told = await suggest(door, narrative="本人没有轻生的念头，只想要回工资")
    assert told["flags"] == [{"code": "SELF_HARM", "score": 0.0, "because": ["没有轻生的念头"]}]
    assert told["urgency"] == "BLUE"


async def test_an_ambiguous_address_names_every_grid_that_it_may_mean(door: Door) -> None:
    told = await suggest(door, narrative="路灯不亮", address="幸福里12号")
    assert len(told["grids"]) == 2
    assert {one["score"] for one in told["grids"]} == {0.5}


async def test_an_earlier_matter_of_the_number_with_a_like_text_may_be_the_same(door: Door) -> None:
    first = (await door.register(narrative=LEAK, applicant={"phone": NUMBER})).body["case_id"]
    await door.register(narrative="健身房关门，年卡不退", applicant={"phone": NUMBER})
    await door.register(narrative=LEAK, applicant={"phone": "13800000009"})
    told = await suggest(door, narrative="楼上漏水还是没解决，天花板又泡坏了，请社区协调", phone=NUMBER)
    assert [one["code"] for one in told["duplicates"]] == [first]
    assert told["duplicates"][0]["because"] == ["phone", "narrative"]


async def test_an_accusation_is_no_duplicate_for_who_may_not_know_of_it(door: Door) -> None:
    text = "举报科长收好处费，项目内定，请保密"
    await door.register("dispatcher", narrative=text, kind="REP", applicant={"phone": NUMBER})
    assert (await suggest(door, narrative=text, phone=NUMBER))["duplicates"] == []


async def test_a_number_that_cannot_be_read_hinders_nothing(door: Door) -> None:
    assert (await suggest(door, narrative=LEAK, phone="0004"))["duplicates"] == []


async def test_nothing_of_a_draft_is_kept(door: Door) -> None:
    await suggest(door, narrative=LEAK, phone=NUMBER)
    for table in ("intake_case", "vault", "event", "outbox", "idempotency"):
        assert await door.rows(f"select * from {table}") == []


@pytest.mark.parametrize(
    ("draft", "pointer"),
    [
        ({}, "/narrative"),
        ({"narrative": " "}, "/narrative"),
        ({"narrative": "字" * 20_001}, "/narrative"),
        ({"narrative": "x", "headcount": 0}, "/headcount"),
        ({"narrative": "x", "headcount": 10**9}, "/headcount"),
        ({"narrative": "x", "kind": "DIS"}, "/kind"),
        ({"narrative": 5}, "/narrative"),
    ],
)
async def test_bad_input_is_told_with_its_place(door: Door, draft: dict[str, Any], pointer: str) -> None:
    answer = await door.post("/v1/suggestions", draft)
    assert answer.status == 422
    assert [error["pointer"] for error in answer.body["errors"]] == [pointer]


async def test_who_registers_nothing_gets_no_suggestions(door: Door) -> None:
    answer = await door.post("/v1/suggestions", {"narrative": LEAK}, "auditor")
    assert answer.status == 403
