"""Rights over what is kept (PIPL arts 45, 47): the file of a person, and erasure that leaves nothing."""

from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import datetime, time, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from libs.clocks.calendar import LOCAL
from libs.clocks.counting import months_later
from libs.db.pool import Database
from services.intake.handlers.retaining import erase_over
from tests.component.intake_attachments import Files
from tests.component.intake_door import Door, opened
from tests.unit.intake.build import known

PHONE = "13800000001"
WORDS = ("欧阳春晓", "纺织厂门口", "老板跑路", "舅舅转述", "三月三", "再次来电", "核对身份", "备注甲乙")
"""One in each place where something of a person can be said."""
SAID: dict[str, Any] = {
    "channel": "phone",
    "kind": "DIS",
    "narrative": "老板跑路，三个月工资没给",
    "external_ref": "portal-欧阳春晓",
    "place": {"address": "云桥街道锦苑小区纺织厂门口"},
    "applicant": {"name": "欧阳春晓", "phone": PHONE, "id_number": "990101199001011234"},
    "respondents": [{"name": "舅舅转述", "phone": "13800000002"}],
    "consents": {"share_with_partner": True, "sms": True},
}
ATTACHED = "附件甲丙"
"""In the name and the content of a file of the case."""
CODES_ONLY = {"intake_case", "case_head", "event", "deadline", "audit", "idempotency"}
"""Tables that may tell of an erased case: codes, dates and ids stand in them."""


@pytest.fixture
async def door(database: Callable[[str], Awaitable[Database]], tmp_path: Path) -> AsyncIterator[Door]:
    async with opened(await database("intake"), tmp_path) as made:
        yield made


async def lived(door: Door, **other: Any) -> str:
    """A case with words in every place that takes some, finished."""
    answer = await door.post("/v1/cases", SAID | other)
    case_id: str = answer.body["case_id"]
    at = f"/v1/cases/{case_id}"
    version = {"if-match": '"1"'}
    changed = {"reason": "备注甲乙", "narrative": "三月三起老板跑路"}
    assert (await door.ask("PATCH", at, changed, headers=version)).status == 200
    flags = {"add": ["VULNERABLE"], "reason": "备注甲乙"}
    assert (await door.post(f"{at}/flags", flags)).status == 200
    assert (await door.post(f"{at}/reminders", {"text": "再次来电"})).status == 200
    assert (await door.post(f"{at}/reveal", {"purpose": "核对身份"}, "supervisor")).status == 200
    sent = await Files(door).send(case_id, f"{ATTACHED}欠薪经过".encode(), name=f"{ATTACHED}.txt")
    assert sent.status == 201, sent.body
    now = (await door.get(at)).headers["etag"]
    taken_back = {"action": "withdraw", "reason_text": "备注甲乙"}
    ended = await door.post(f"{at}/decision", taken_back, headers={"if-match": now})
    assert (ended.status, ended.body["state"]) == (200, "withdrawn")
    return case_id


async def erase(door: Door, case_id: str, *roles: str) -> Any:
    (head,) = await door.rows("select version from case_head where case_id = $1", UUID(case_id))
    etag, body = f'"{head["version"]}"', {"reason_code": "CONSENT_WITHDRAWN"}
    return await door.post(
        f"/v1/cases/{case_id}/erasure", body, *(roles or ("supervisor",)), headers={"if-match": etag}
    )


async def tables_with(door: Door, case_id: str) -> set[str]:
    """Every table of the database in which a row bears this case's id, under whatever name."""
    columns = await door.rows(
        """
        select c.table_name, c.column_name, c.data_type from information_schema.columns c
        join information_schema.tables t using (table_schema, table_name)
        where c.table_schema = 'public' and t.table_type = 'BASE TABLE' and c.table_name not like 'event_%'
        """
    )
    found = set()
    for column in columns:
        sql = f'select count(*) from {column["table_name"]} where "{column["column_name"]}"::text like $1'
        if column["data_type"] != "bytea" and (await door.rows(sql, f"%{case_id}%"))[0]["count"]:
            found.add(column["table_name"])
    return found


async def test_an_erasure_leaves_codes_and_no_word(door: Door) -> None:
    case_id = await lived(door)
    before = await tables_with(door, case_id)
    assert before > CODES_ONLY
    assert len(await door.rows("select * from note")) == 5
    answer = await erase(door, case_id)
    assert (answer.status, answer.body["state"]) == (200, "erased")
    told = (await door.get(f"/v1/erasures/{case_id}", "auditor")).body
    assert (told["state"], sum(told["left"].values()), told["left"]["attachment_gone"]) == ("pending", 1, 1)
    (content,) = Files(door).objects()
    assert await Files(door).caretaker().delete()
    assert not content.exists()
    told = (await door.get(f"/v1/erasures/{case_id}", "auditor")).body
    assert (told["state"], set(told["left"].values())) == ("erased", {0})
    after = await tables_with(door, case_id)
    assert after - {"state_record", "outbox"} <= CODES_ONLY
    (record,) = await door.rows("select value from state_record where key = $1", case_id)
    assert record["value"] is None
    assert (await door.rows("select external_ref from intake_case"))[0]["external_ref"] is None
    assert (await door.post("/v1/cases", SAID)).status == 201  # the number is free again


async def test_an_erased_case_is_found_by_nobody(door: Door) -> None:
    case_id = await lived(door)
    await erase(door, case_id)
    for role in ("operator", "supervisor", "duty_officer"):
        assert (await door.get(f"/v1/cases/{case_id}", role)).status == 404
        found = await door.post("/v1/cases/search", {"phone": PHONE}, role)
        assert found.body["items"] == []
    listed = (await door.get("/v1/cases", "supervisor")).body["items"]
    assert case_id not in [item["case_id"] for item in listed]
    again = await erase(door, case_id)
    assert again.status == 404


async def test_what_is_still_worked_on_is_not_erased(door: Door) -> None:
    case_id = (await door.post("/v1/cases", SAID)).body["case_id"]
    answer = await erase(door, case_id)
    assert (answer.status, answer.body["code"]) == (409, "still_needed")
    assert answer.body["clocks"] == ["PROD-TRIAGE-BLUE"]
    assert (await erase(door, case_id, "operator")).status == 403


async def test_by_how_far_an_erasure_is_no_case_is_known(door: Door) -> None:
    kept, nobodys = (await door.post("/v1/cases", SAID)).body["case_id"], str(UUID(int=7))
    erased = await lived(door, external_ref="B")
    await erase(door, erased)

    async def told(case_id: str, district: str) -> Any:
        answer = await door.get(f"/v1/erasures/{case_id}", "supervisor", districts=(district,))
        return (answer.status, {**answer.body, "case_id": None})

    nothing = await told(nobodys, "990101")
    assert (nothing[0], nothing[1]["state"], set(nothing[1]["left"].values())) == (200, "pending", {0})
    assert await told(kept, "990101") == await told(kept, "990102") == nothing
    assert await told(erased, "990101") != nothing
    assert await told(erased, "990102") == nothing
    assert (await door.get(f"/v1/erasures/{kept}", "operator")).status == 403


async def test_the_file_of_a_person_holds_all_that_was_said_and_each_case_is_audited(door: Door) -> None:
    case_id = await lived(door)
    second = (await door.post("/v1/cases", {**SAID, "external_ref": None})).body["case_id"]
    other = {**SAID, "external_ref": None, "applicant": {"phone": "13800000009"}}
    await door.post("/v1/cases", other)
    told = await door.post(
        "/v1/persons/file", {"phone": "+86 138 0000 0001", "purpose": "本人查阅"}, "supervisor"
    )
    assert [case["case_id"] for case in told.body["cases"]] == [second, case_id]
    first = told.body["cases"][1]
    assert first["applicant"]["id_number"] == "990101199001011234"
    assert first["narrative"] == "三月三起老板跑路"
    (attached,) = first["attachments"]
    assert (attached["name"], attached["content"]) == (
        f"{ATTACHED}.txt",
        f"/v1/cases/{case_id}/attachments/{attached['attachment_id']}",
    )
    assert told.body["cases"][0]["attachments"] == []
    assert [former["narrative"] for former in first["former"]] == ["老板跑路，三个月工资没给"]
    texts = [(note["act"], note["text"]) for note in first["notes"]]
    assert texts[:-1] == [
        ("amend", "备注甲乙"),
        ("flags", "备注甲乙"),
        ("reminder", "再次来电"),
        ("reveal", "核对身份"),
        ("withdraw", "备注甲乙"),
    ]
    assert texts[-1] == ("reveal", "本人查阅")
    seen = await door.rows(
        "select case_id from audit where action = 'case.revealed' and case_id = any($1)",
        [UUID(case_id), UUID(second)],
    )
    assert len(seen) == 3  # one of them from the life of the first


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"phone": "0001", "purpose": "本人查阅"}, 422),
        ({"phone": PHONE}, 422),
        ({"phone": PHONE, "purpose": "本人查阅", "all": True}, 422),
    ],
)
async def test_a_file_is_asked_for_with_a_whole_number_and_a_purpose(
    door: Door, body: Any, status: int
) -> None:
    assert (await door.post("/v1/persons/file", body, "supervisor")).status == status
    assert (await door.post("/v1/persons/file", {**body, "phone": PHONE}, "operator")).status in (403, 422)


async def test_an_accusation_is_in_no_file_but_the_sealed_officers(door: Door) -> None:
    said = {**SAID, "kind": "REP", "external_ref": None}
    case_id = (await door.post("/v1/cases", said, "sealed_officer", "operator")).body["case_id"]
    body = {"phone": PHONE, "purpose": "本人查阅"}
    assert (await door.post("/v1/persons/file", body, "supervisor")).body["cases"] == []
    sealed = await door.post("/v1/persons/file", body, "sealed_officer")
    assert [case["case_id"] for case in sealed.body["cases"]] == [case_id]


async def test_a_period_that_is_over_erases_what_nothing_holds(door: Door) -> None:
    gone, held = await lived(door), await lived(door, external_ref="B")
    end = door.clock.now().astimezone(LOCAL).date()
    door.clock.advance(days=1)
    young = await lived(door, external_ref="C")
    change = {"add": ["COURT"]}
    assert (await door.post(f"/v1/cases/{held}/holds", change, "operator")).status == 403
    assert (await door.post(f"/v1/cases/{held}/holds", change, "supervisor")).body["holds"] == ["COURT"]
    day = months_later(end, known().retention["DIS"] or 0)
    door.clock.set(datetime.combine(day, time(12), LOCAL) - timedelta(days=1))
    assert await erase_over(door.desk, door.pulse) == 0
    listed = (await door.get("/v1/retention?within_days=1", "supervisor")).body["items"]
    assert {item["case_id"]: item["erased_on"] for item in listed} == {gone: day.isoformat(), held: None}
    door.clock.advance(days=1)
    assert await erase_over(door.desk, door.pulse) == 1
    assert [(await door.get(f"/v1/cases/{one}")).status for one in (gone, held, young)] == [404, 200, 200]
    refused = await erase(door, held)
    assert (refused.status, refused.body["code"], refused.body["holds"]) == (409, "held", ["COURT"])


async def test_what_was_merged_is_kept_as_long_as_the_case_that_took_it_in(door: Door) -> None:
    first = (await door.register(kind="DIS")).body["case_id"]
    merged = (await door.register(kind="DIS", decision={"action": "merge", "into": first})).body["case_id"]
    held = await door.post(f"/v1/cases/{merged}/holds", {"add": ["COURT"]}, "supervisor")
    assert held.body["erased_on"] is None
    lifted = {"remove": ["COURT"], "reason": "已结案"}
    assert (await door.post(f"/v1/cases/{merged}/holds", lifted, "supervisor")).body["erased_on"] is None
    door.clock.advance(days=1)
    withdrawn = {"action": "withdraw"}
    now = (await door.get(f"/v1/cases/{first}")).headers["etag"]
    assert (
        await door.post(f"/v1/cases/{first}/decision", withdrawn, headers={"if-match": now})
    ).status == 200
    day = months_later(door.clock.now().astimezone(LOCAL).date(), known().retention["DIS"] or 0)
    door.clock.set(datetime.combine(day, time(12), LOCAL) - timedelta(days=1))
    assert await erase_over(door.desk, door.pulse) == 0
    assert (await door.get("/v1/retention?within_days=0", "supervisor")).body["items"] == []
    assert (await door.post(f"/v1/cases/{first}/holds", {"add": ["COURT"]}, "supervisor")).status == 200
    refused = await erase(door, merged)
    assert (refused.status, refused.body["code"], refused.body["merged_into"]) == (409, "held", first)
    assert (await door.post(f"/v1/cases/{first}/holds", lifted, "supervisor")).status == 200
    door.clock.advance(days=1)
    assert [await erase_over(door.desk, door.pulse) for _ in range(3)] == [1, 1, 0]
    assert [(await door.get(f"/v1/cases/{one}")).status for one in (first, merged)] == [404, 404]
