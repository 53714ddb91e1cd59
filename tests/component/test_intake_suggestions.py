"""`POST /v1/suggestions`: what a draft suggests, to whom, and that nothing of it stays."""

from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from libs.db.pool import Database
from services.intake.handlers.suggesting import suggest_missing
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
    assert told["duplicates"] == told["clusters"] == []
    for name in (
        "kinds",
        "categories",
        "flags",
        "possible_flags",
        "lawful_routes",
        "grids",
        "duplicates",
        "clusters",
    ):
        assert all(one.keys() == {"code", "score", "because"} for one in told[name])


async def test_a_danger_that_was_denied_is_shown_as_such(door: Door) -> None:
    told = await suggest(door, narrative="本人没有轻生的念头，只想要回工资")
    assert told["flags"] == [{"code": "SELF_HARM", "score": 0.0, "because": ["没有轻生的念头"]}]
    assert told["urgency"] == "BLUE"


async def test_a_danger_told_in_images_is_pointed_out_and_raises_nothing(door: Door) -> None:
    told = await suggest(door, narrative="我把狗送人了，房子退了，微信里的人都删干净了，谢谢你们听我说完")
    assert told["flags"] == []
    assert told["urgency"] == "BLUE"
    assert [one["code"] for one in told["possible_flags"]] == ["SELF_HARM"]
    assert "谢谢你们听我说完" in told["possible_flags"][0]["because"]


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


async def test_what_joined_another_case_or_stands_under_one_is_no_duplicate(door: Door) -> None:
    first = (await door.register(narrative=LEAK, kind="DIS", applicant={"phone": NUMBER})).body["case_id"]
    await door.post(f"/v1/cases/{first}/children", {"kind": "CON"})
    merged = {"action": "merge", "into": first}
    await door.register(narrative=LEAK, kind="DIS", applicant={"phone": NUMBER}, decision=merged)
    told = await suggest(door, narrative=LEAK, phone=NUMBER)
    assert [one["code"] for one in told["duplicates"]] == [first]


GYM = "恒跃健身突然关门，年卡还剩八个月，店长电话关机"
SIDE = [{"name": "恒跃健身", "organisation": True}]
LIKE = "恒跃健身关门了，年卡退不了，电话也打不通"


async def test_others_matters_against_the_same_side_make_a_cluster_and_no_duplicate(door: Door) -> None:
    theirs = [
        (await door.register(narrative=GYM, respondents=SIDE, applicant={"phone": phone})).body["case_id"]
        for phone in ("13800000005", "13800000006", None)
    ]
    mine = await door.register(narrative=GYM, respondents=SIDE, applicant={"phone": NUMBER})
    await door.register(narrative=LEAK, respondents=SIDE)
    await door.register(narrative=GYM, respondents=[{"name": "别家健身"}])
    told = await suggest(door, narrative=LIKE, phone=NUMBER, respondents=[{"name": " 恒跃​健身"}])
    assert [one["code"] for one in told["duplicates"]] == [mine.body["case_id"]]
    assert {one["code"] for one in told["clusters"]} == set(theirs)
    assert {tuple(one["because"]) for one in told["clusters"]} == {("respondents", "narrative")}
    assert all(0.4 <= one["score"] < 1 for one in told["clusters"])


async def test_a_matter_of_the_same_category_in_the_same_grid_speaks_for_a_cluster(door: Door) -> None:
    here = {"category": "D02", "place": {"address": "锦苑一期3幢"}}
    near = (await door.register(narrative=LEAK, respondents=SIDE, **here)).body["case_id"]
    await door.register(narrative=LEAK, category="D04", place={"address": "锦苑一期3幢"})
    await door.register(narrative=LEAK, category="D02", place={"address": "南塘街道新丰三组"})
    draft = {"narrative": "又是楼上漏水，天花板也泡坏了", "address": "锦苑一期5幢", "category": "D02"}
    assert [(one["code"], one["because"]) for one in (await suggest(door, **draft))["clusters"]] == [
        (near, ["place", "narrative"])
    ]
    told = await suggest(door, **draft, respondents=[{"name": "恒跃健身"}])
    assert told["clusters"][0]["because"] == ["respondents", "place", "narrative"]


async def test_an_accusation_is_in_no_cluster_and_leaves_no_name(door: Door) -> None:
    await door.register(narrative=GYM, kind="REP", respondents=SIDE)
    assert await door.rows("select * from respondent_trace") == []
    for roles in (("operator",), ("sealed_officer",)):
        assert (await suggest(door, *roles, narrative=GYM, respondents=SIDE))["clusters"] == []


async def test_what_is_long_past_and_what_is_another_districts_is_in_no_cluster(door: Door) -> None:
    await door.register(narrative=GYM, respondents=SIDE)
    answer = await door.post(
        "/v1/suggestions", {"narrative": GYM, "respondents": SIDE}, districts=("990102",)
    )
    assert answer.body["clusters"] == []
    door.clock.advance(days=91)
    assert (await suggest(door, narrative=GYM, respondents=SIDE))["clusters"] == []


async def test_an_amended_name_is_the_one_that_counts(door: Door) -> None:
    case_id = (await door.register(narrative=GYM, respondents=SIDE)).body["case_id"]
    await door.ask(
        "PATCH",
        f"/v1/cases/{case_id}",
        {"respondents": [{"name": "恒跃体育"}, {"name": "恒跃体育 "}], "reason": "听错"},
        headers={"if-match": '"1"'},
    )
    assert (await suggest(door, narrative=GYM, respondents=SIDE))["clusters"] == []
    told = await suggest(door, narrative=GYM, respondents=[{"name": "恒跃体育"}])
    assert [one["code"] for one in told["clusters"]] == [case_id]


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
        ({"narrative": "x", "category": "D98"}, "/category"),
        ({"narrative": "x", "respondents": [{"name": "x" * 201}]}, "/respondents/0/name"),
    ],
)
async def test_bad_input_is_told_with_its_place(door: Door, draft: dict[str, Any], pointer: str) -> None:
    answer = await door.post("/v1/suggestions", draft)
    assert answer.status == 422
    assert [error["pointer"] for error in answer.body["errors"]] == [pointer]


async def test_who_registers_nothing_gets_no_suggestions(door: Door) -> None:
    answer = await door.post("/v1/suggestions", {"narrative": LEAK}, "auditor")
    assert answer.status == 403


async def test_a_case_that_came_without_a_kind_is_suggested_one_by_the_worker(door: Door) -> None:
    said = {"narrative": "老板拖欠三个月工资不发，要求补发工资", "place": {"address": "锦苑"}}
    bare = (await door.register(**said)).body["case_id"]
    sorted_out = (await door.register(**said, kind="DIS")).body["case_id"]
    assert (await door.get(f"/v1/cases/{bare}")).body["suggested"] is None
    assert await suggest_missing(door.desk) == 1
    told = (await door.get(f"/v1/cases/{bare}")).body["suggested"]
    assert told["categories"][0]["code"] == "D10"
    assert told["categories"][0]["because"]
    assert (await door.get(f"/v1/cases/{sorted_out}")).body["suggested"] is None
    assert await suggest_missing(door.desk) == 0


async def test_what_was_amended_is_suggested_for_anew(door: Door) -> None:
    case_id = (await door.register(narrative="老板拖欠三个月工资不发")).body["case_id"]
    await suggest_missing(door.desk)
    changed = {"narrative": "楼上每晚拖动家具，噪音太大睡不着", "reason": "听错了"}
    answer = await door.ask("PATCH", f"/v1/cases/{case_id}", changed, headers={"if-match": '"1"'})
    assert answer.status == 200
    assert await suggest_missing(door.desk) == 1
    told = (await door.get(f"/v1/cases/{case_id}")).body["suggested"]
    assert told["categories"][0]["code"] == "D02"


async def test_whoever_decides_on_a_case_is_told_of_a_danger_that_no_flag_says(door: Door) -> None:
    farewell = "楼上太吵，投诉过三次没人管。没关系了，猫送人了，东西也分完了，谢谢你们听我说完。"
    case_id = (await door.register(narrative=farewell, kind="DIS")).body["case_id"]

    async def possible() -> list[str]:
        return [one["code"] for one in (await door.get(f"/v1/cases/{case_id}")).body["possible_flags"]]

    assert await possible() == ["SELF_HARM"]
    assert (await door.post(f"/v1/cases/{case_id}/flags", {"add": ["SELF_HARM"]})).status == 200
    assert await possible() == []
    other = (await door.register(narrative=farewell, kind="DIS")).body["case_id"]
    withdrawn = {"action": "withdraw"}
    ended = await door.post(f"/v1/cases/{other}/decision", withdrawn, headers={"if-match": '"1"'})
    assert ended.status == 200, ended.body
    assert (await door.get(f"/v1/cases/{other}")).body["possible_flags"] == []


async def test_nothing_is_suggested_for_what_was_erased_meanwhile(door: Door) -> None:
    case_id = UUID((await door.register(narrative="老板拖欠三个月工资不发")).body["case_id"])
    async with door.database.transaction() as tx:
        await tx.execute("delete from vault where case_id = $1", case_id)
    await door.desk.suggested.keep({case_id: {}}, door.clock.now())
    assert await door.desk.suggested.of(case_id) is None
