"""Searching narratives by their words on the real database: who finds what, and what the table holds."""

import asyncio
import base64
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from libs.clocks.calendar import LOCAL
from libs.db.pool import Database
from libs.privacy.keyring import Keyring
from libs.runtime.loops import Pulse
from ops.reindex import reindex
from services.intake.domain.case import first_id
from services.intake.handlers import searching
from services.intake.store import traces
from services.intake.store.traces import AGE_BITS, named, settle
from services.intake.store.views import FIRST_ID, LAST_ID
from tests.component.intake_door import Door, opened
from tests.support import infrastructure
from tests.unit.intake.build import samples

LEAK = "楼上漏水，卧室天花板泡坏了一大片，请社区协调赔偿3幢"
WAGES = "工地欠薪三个月，老板说等春节后再发，WeChat也不回"
WHO = {"name": "周小川", "phone": "13800000001"}


@pytest.fixture
async def door(database: Callable[[str], Awaitable[Database]], tmp_path: Path) -> AsyncIterator[Door]:
    async with opened(await database("intake"), tmp_path) as made:
        yield made


async def search(door: Door, *roles: str, **asked: Any) -> Any:
    answer = await door.post("/v1/cases/search", asked, *roles, headers={"idempotency-key": ""})
    assert answer.status == 200, answer.body
    return answer.body


async def found(door: Door, q: str, *roles: str, **asked: Any) -> list[str]:
    return [item["case_id"] for item in (await search(door, *roles, q=q, **asked))["items"]]


async def registered(door: Door, narrative: str, *roles: str, **fields: Any) -> str:
    answer = await door.register(*roles, narrative=narrative, **fields)
    assert answer.status == 201, answer.body
    case_id: str = answer.body["case_id"]
    return case_id


@pytest.mark.parametrize(
    "q",
    [
        "漏水",
        "天花板",
        "漏水 赔偿",
        "赔偿，漏水",
        "漏\u200b水",
        "３幢",
        "卧室天花板泡坏了",
        "请社区协调赔偿3幢",
    ],
)
async def test_a_case_is_found_by_what_stands_in_its_narrative(door: Door, q: str) -> None:
    case_id = await registered(door, LEAK)
    await registered(door, WAGES)
    assert await found(door, q) == [case_id]


async def test_what_was_wrapped_and_spaced_is_found_and_words_of_two_places_are_no_hit(door: Door) -> None:
    case_id = await registered(door, "楼 上\n漏\u200b水")
    await registered(door, "水管漏了，上水没有")  # has the pairs of no longer run
    assert await found(door, "楼上漏水") == [case_id]
    assert await found(door, "wechat") == []


async def test_pairs_that_stand_apart_are_opened_and_are_no_hit(door: Door) -> None:
    await registered(door, "漏水了，水了，了不")
    case_id = await registered(door, "漏水了不管")
    assert await found(door, "漏水了不") == [case_id]


async def test_filters_hold_beside_the_text(door: Door) -> None:
    dispute = await registered(door, LEAK, kind="DIS", category="D02", flags=["VULNERABLE"])
    await registered(door, LEAK, kind="CON", category="D04", applicant={"phone": "13800000002"})
    mine = await registered(door, LEAK, applicant=WHO, place={"address": "锦苑一期"})
    assert await found(door, "漏水", kind="DIS") == [dispute]
    assert await found(door, "漏水", category="D02") == [dispute]
    assert await found(door, "漏水", flag="VULNERABLE") == [dispute]
    assert await found(door, "漏水", phone="0001") == [mine]
    assert await found(door, "漏水", area="990101001") == [mine]
    assert await found(door, "漏水", state="refused") == []
    assert await found(door, "漏水", needs="decision", kind="DIS") == [dispute]


async def test_pages_go_on_where_the_last_one_ended(door: Door) -> None:
    every = [await registered(door, f"{LEAK}{number}号") for number in range(7)][::-1]
    await registered(door, WAGES)
    pages: list[list[str]] = []
    asked: dict[str, Any] = {"q": "漏水", "limit": 3}
    while True:
        body = await search(door, **asked)
        pages.append([item["case_id"] for item in body["items"]])
        if body["next"] is None:
            break
        asked["after"] = body["next"]
    assert pages == [every[:3], every[3:6], every[6:]]


async def test_a_page_is_filled_from_later_candidates_and_else_says_where_to_go_on(
    door: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    hit = await registered(door, "漏水了不管")
    for _ in range(6):
        await registered(door, "漏水了，水了，了不，不管")  # a candidate each, and no hit
    assert await found(door, "漏水了不管", limit=2) == [hit]
    monkeypatch.setattr(searching, "ROUNDS", 1)
    body = await search(door, q="漏水了不管", limit=2)
    assert body["items"] == []
    body = await search(door, q="漏水了不管", limit=2, after=body["next"])
    assert body["items"] == []
    body = await search(door, q="漏水了不管", limit=2, after=body["next"])
    assert ([item["case_id"] for item in body["items"]], body["next"]) == ([hit], None)


@pytest.mark.parametrize("walked", [1, 3, 2_000])
async def test_what_is_found_hangs_on_no_window(
    database: Callable[[str], Awaitable[Database]], monkeypatch: pytest.MonkeyPatch, walked: int
) -> None:
    monkeypatch.setattr(traces, "WALKED", walked)
    age = timedelta(milliseconds=2**31)
    ages = (0, 0.1, 0.2, 1, 1, 1.5, 2, 2.1, 3, 3.9, 4, 5, 5, 12, 90)
    now = datetime.now(UTC)
    made = [UUID(int=first_id(now - many * age).int + nth) for nth, many in enumerate(ages)]
    made.sort(reverse=True)
    async with (await database("intake")).transaction() as tx:
        await tx.execute(
            "insert into search_token select id, '{7,8}' from unnest($1::uuid[]) as t (id)", made
        )
        await tx.execute("insert into search_token values ($1, '{7,9}')", UUID(int=1))
        for page in (1, 2, 3, 20):
            found, end, more = list[UUID](), LAST_ID, True
            while more:
                some, more = await named(tx, [(7, 8), (5,)], FIRST_ID, end, page, page)
                assert len(some) == page or not more
                found += some
                end = some[-1] if some else end
            assert found == made
        some, more = await named(tx, [(7, 8)], made[4], made[1], 2, 20)
        assert made[2 : 2 + len(some)] == some
        assert (await named(tx, [(7, 8)], made[4], made[1], 20, 20)) == (made[2:5], False)


async def test_the_database_reads_the_age_of_an_id_as_the_search_does(
    database: Callable[[str], Awaitable[Database]],
) -> None:
    ids = [FIRST_ID, LAST_ID, first_id(datetime.now(UTC)), UUID(int=2**AGE_BITS), UUID(int=2**AGE_BITS - 1)]
    async with (await database("intake")).read() as tx:
        rows = await tx.fetch(
            "select search_terms(id, '{3}') as terms from unnest($1::uuid[]) as t (id)", ids
        )
    assert [row["terms"] for row in rows] == [[3, one.int >> AGE_BITS] for one in ids]


async def test_an_accusation_is_found_by_the_sealed_officer_alone(door: Door) -> None:
    secret = await registered(door, "举报科长收好处费，项目内定", kind="REP")
    plain = await registered(door, "物业收好处费")
    everybody = ("operator", "dispatcher", "supervisor", "duty_officer")
    assert await found(door, "好处费", *everybody) == [plain]
    assert await found(door, "好处费", "sealed_officer") == [secret]
    assert await found(door, "好处费", "operator", "sealed_officer") == [plain, secret]


async def test_g22_what_becomes_an_accusation_loses_its_tokens_of_before(door: Door) -> None:
    case_id = await registered(door, "科长收好处费")
    (before,) = await door.rows("select tokens from search_token")
    answer = await door.ask(
        "PATCH", f"/v1/cases/{case_id}", {"kind": "REP", "reason": "检举"}, headers={"if-match": '"1"'}
    )
    assert answer.status in (200, 404), answer.body  # who asked no longer knows of it
    (after,) = await door.rows("select tokens from search_token")
    assert set(before["tokens"]).isdisjoint(after["tokens"])
    assert await found(door, "好处费") == []
    assert await found(door, "好处费", "sealed_officer") == [case_id]


async def test_another_district_finds_nothing_and_has_other_tokens(door: Door) -> None:
    await registered(door, LEAK)
    answer = await door.post(
        "/v1/cases/search", {"q": "漏水"}, headers={"idempotency-key": ""}, districts=("990102",)
    )
    assert answer.body["items"] == []


async def test_g22_names_and_numbers_leave_no_token(door: Door) -> None:
    told = "住3幢，请调解"
    bare = await registered(door, told)
    named = await registered(
        door,
        "周小川住3幢，吴大力请调解，13800000001，138-0000-0001，身份证990101199001011234，吴大力雷为民周大川",
        applicant={**WHO, "guardian": {"name": "周大川"}},
        respondents=[{"name": "吴大力"}],
        representatives=[{"name": "雷为民"}],
    )
    rows = await door.rows("select case_id, tokens from search_token")
    tokens = {str(row["case_id"]): set(row["tokens"]) for row in rows}
    assert len(tokens[named] - tokens[bare]) == len({"身份", "份证"})
    for name in ("周小川", "吴大力", "雷为民", "周大川"):
        assert await found(door, name) == []


async def test_a_companys_name_is_searched_for(door: Door) -> None:
    case_id = await registered(door, "宏泰建筑欠薪", respondents=[{"name": "宏泰建筑", "organisation": True}])
    assert await found(door, "宏泰建筑") == [case_id]


async def test_an_amendment_is_found_by_what_is_said_now(door: Door) -> None:
    case_id = await registered(door, LEAK)
    answer = await door.ask(
        "PATCH",
        f"/v1/cases/{case_id}",
        {"narrative": "楼下噪声扰民", "reason": "听错"},
        headers={"if-match": '"1"'},
    )
    assert answer.status == 200, answer.body
    assert await found(door, "漏水") == []
    assert await found(door, "噪声扰民") == [case_id]


async def test_a_child_is_found_by_the_narrative_that_it_has_of_its_parent(door: Door) -> None:
    parent = await registered(door, LEAK, kind="DIS")
    child = await door.post(f"/v1/cases/{parent}/children", {"kind": "CON"})
    assert child.status == 201, child.body
    assert await found(door, "天花板") == [child.body["case_id"], parent]


@pytest.mark.parametrize("q", ["水", "我们", "13800000001", "2026", "，。", "没有 现在"])
async def test_a_text_by_which_nothing_is_found_is_refused_with_what_to_do(door: Door, q: str) -> None:
    answer = await door.post("/v1/cases/search", {"q": q})
    assert answer.status == 422
    (error,) = answer.body["errors"]
    assert (error["pointer"], error["code"]) == ("/q", "nothing_to_search")
    assert "phone" in error["detail"]


@pytest.mark.parametrize(
    ("asked", "pointer"),
    [
        ({"q": ""}, "/q"),
        ({"q": 5}, "/q"),
        ({"q": "漏" * 101}, "/q"),
        ({"q": "漏水\u0007"}, "/q"),
        ({"registered_from": "2026-13-01"}, "/registered_from"),
        ({"registered_from": 5}, "/registered_from"),
        ({"registered_to": "1800-01-01"}, "/registered_to"),
        ({"registered_from": "2026-03-02", "registered_to": "2026-03-01"}, "/registered_to"),
    ],
)
async def test_bad_input_is_told_with_its_place(door: Door, asked: dict[str, Any], pointer: str) -> None:
    answer = await door.post("/v1/cases/search", asked)
    assert answer.status == 422
    assert [error["pointer"] for error in answer.body["errors"]] == [pointer]


async def test_a_range_of_days_holds_both_its_ends_by_local_time(door: Door) -> None:
    door.clock.set(datetime.now(UTC))
    case_id = await registered(door, LEAK)
    today = datetime.now(LOCAL).date()
    for day, seen in ((today, [case_id]), (today - timedelta(1), []), (today + timedelta(1), [])):
        asked = {"registered_from": day.isoformat(), "registered_to": day.isoformat()}
        assert await found(door, "漏水", **asked) == seen
        listed = await door.get(f"/v1/cases?registered_from={day}&registered_to={day}")
        assert [item["case_id"] for item in listed.body["items"]] == seen
    widest = {"registered_from": "1900-01-01", "registered_to": "9999-12-31"}
    assert await found(door, "漏水", **widest) == [case_id]
    backwards = await door.get(f"/v1/cases?registered_from={today}&registered_to=2000-01-01")
    assert [error["pointer"] for error in backwards.body["errors"]] == ["/query/registered_to"]


async def test_a_day_begins_with_the_date_of_the_case_and_not_of_its_id(door: Door) -> None:
    """The clock of the ids may be a little off; the day is that of `registered_at`."""
    midnight = datetime.now(LOCAL).replace(hour=0, minute=0, second=0, microsecond=0)
    door.clock.set(midnight - timedelta(seconds=1))
    await registered(door, LEAK)
    assert await found(door, "漏水", registered_from=midnight.date().isoformat()) == []


async def test_a_rotated_key_finds_the_old_and_the_new(door: Door) -> None:
    old = await registered(door, LEAK)
    (door.keys / "search.2.key").write_bytes(base64.urlsafe_b64encode(bytes(32)))
    door.desk.vault._keyring = Keyring.open(door.keys)
    new = await registered(door, LEAK)
    tokens = [set(row["tokens"]) for row in await door.rows("select tokens from search_token")]
    assert tokens[0].isdisjoint(tokens[1])
    assert await found(door, "漏水") == [new, old]


async def test_the_index_is_sorted_while_the_service_runs(door: Door) -> None:
    case_id = await registered(door, LEAK)
    pulse = Pulse(lambda: None)
    running = asyncio.create_task(settle(door.database, pulse))
    await asyncio.sleep(0.05)
    pulse.stop()
    await running
    assert await found(door, "漏水") == [case_id]


async def test_reindexing_makes_the_same_tokens_of_all_cases_and_takes_away_the_rest(
    databases: infrastructure.Databases, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    prefix = databases.set_of(("intake",))
    monkeypatch.setenv("HESHI_POSTGRES", infrastructure.server())
    monkeypatch.setenv("HESHI_DATABASE_PREFIX", prefix)
    monkeypatch.setenv("HESHI_HOME", str(tmp_path))
    database = await Database.open(
        infrastructure.of_database(infrastructure.server(), f"{prefix}intake"), name="test", size=5
    )
    try:
        async with opened(database, tmp_path) as door:
            for no in range(1, 5):
                await door.register(narrative=samples()[no]["input"]["narrative"], applicant=WHO)
            await registered(door, "举报收好处费", kind="REP")
            await door.register(narrative="。")
            wanted = await door.rows("select * from search_token order by case_id")
            await database.execute("delete from search_token where case_id = $1", wanted[0]["case_id"])
            await database.execute(
                "update search_token set tokens = '{1}' where case_id = $1", wanted[4]["case_id"]
            )
            erased = wanted[1]["case_id"]
            await database.execute("delete from vault where case_id = $1", erased)
            assert await asyncio.to_thread(reindex) == 5
            made = await door.rows("select * from search_token order by case_id")
            assert made == [row for row in wanted if row["case_id"] != erased]
    finally:
        await database.close()
