"""Lists as files: what is in them, who gets which cases, how long they are, and when they stop."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from libs.db.pool import Database
from libs.tables.reading import Form
from services.intake.handlers import exporting
from services.intake.handlers.desk import Query
from services.intake.handlers.exporting import HEADINGS
from tests.component.intake_door import opened
from tests.component.intake_files import XLSX, Desk, csv_file, row
from tests.support.wait import until
from tests.unit.tables.build import cells

WHO = {"name": "周小川", "phone": "13800000001"}


@pytest.fixture
async def desk(database: Callable[[str], Awaitable[Database]], tmp_path: Path) -> AsyncIterator[Desk]:
    async with opened(await database("intake"), tmp_path) as door:
        yield Desk(door)


async def exported(desk: Desk, *roles: str, **body: Any) -> list[tuple[str, ...]]:
    """The rows of an export between its headings and its count."""
    form: Form = body.get("format", "csv")
    status, file, _ = await desk.fetch("POST", "/v1/cases/export", *roles, body=body)
    assert status == 200
    first, *rows, last = cells(form, file)
    assert first == HEADINGS
    assert last == ("合计", str(len(rows)))
    return rows


@pytest.mark.parametrize("form", ["csv", "xlsx"])
async def test_a_list_is_a_file_of_any_length_with_its_count(
    desk: Desk, form: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exporting, "PAGE", 3)
    assert await exported(desk, format=form) == []
    made = [(await desk.door.register(kind="DIS")).body for _ in range(7)]
    rows = await exported(desk, format=form)
    assert [line[0] for line in rows] == [case["case_id"] for case in reversed(made)]
    told = dict(zip(HEADINGS, rows[0], strict=False))
    assert (told["诉求类型"], told["状态"], told["期限规则"]) == ("DIS", "registered", "PROD-TRIAGE-BLUE")
    assert told["登记时间"] == made[-1]["registered_at"]


async def test_the_file_says_what_it_is(desk: Desk) -> None:
    _, file, headers = await desk.fetch("POST", "/v1/cases/export", body={})
    assert headers["content-type"] == "text/csv; charset=utf-8"
    assert headers["content-disposition"] == 'attachment; filename="cases.csv"'
    assert file.startswith(b"\xef\xbb\xbf")
    _, _, headers = await desk.fetch("POST", "/v1/cases/export", body={"format": "xlsx"})
    assert headers["content-type"] == XLSX


async def test_the_criteria_of_the_search_choose_the_rows(desk: Desk) -> None:
    wanted = (await desk.door.register(kind="CON", applicant=WHO, narrative="装修噪声")).body["case_id"]
    await desk.door.register(kind="DIS", applicant={"phone": "13800000002"})
    for criteria in (
        {"kind": "CON"},
        {"phone": "0001"},
        {"phone": "13800000001", "state": "registered"},
        {"q": "装修"},
    ):
        assert [line[0] for line in await exported(desk, **criteria)] == [wanted]
    assert await exported(desk, state="refused") == []


async def test_nothing_that_anybody_said_is_in_it(desk: Desk) -> None:
    await desk.door.register(applicant=WHO, narrative="=周小川的工资未发", external_ref="=1+1")
    _, file, _ = await desk.fetch("POST", "/v1/cases/export", body={})
    assert [word for word in ("周", "1380", "0001", "工资", "=1") if word in file.decode()] == []


async def test_each_sees_in_a_file_what_they_see_in_the_list(desk: Desk) -> None:
    secret = (await desk.door.register(kind="REP", narrative="有人收红包")).body["case_id"]
    plain = (await desk.door.register(kind="DIS")).body["case_id"]
    for role in ("operator", "dispatcher", "supervisor", "duty_officer"):
        assert [line[0] for line in await exported(desk, role)] == [plain]
        assert await exported(desk, role, kind="REP") == []
    assert [line[0] for line in await exported(desk, "sealed_officer")] == [secret]
    token = desk.door.token(districts=("990102",))
    headers = {"authorization": f"Bearer {token}"}
    async with desk.door.session.post("/v1/cases/export", json={}, headers=headers) as answer:
        assert cells("csv", await answer.read())[1:] == [("合计", "0")]
    for role in ("admin", "auditor", "partner_lead"):
        assert (await desk.fetch("POST", "/v1/cases/export", role, body={}))[0] == 403


async def audit(desk: Desk) -> list[tuple[str, Any]]:
    rows = await desk.door.rows(
        "select action, detail from audit where action like 'cases.%' order by at, action"
    )
    return [(entry["action"], json.loads(entry["detail"])) for entry in rows]


async def test_who_exported_what_and_how_many_is_kept_without_a_personal_word(desk: Desk) -> None:
    await desk.door.register(applicant=WHO)
    await exported(desk, phone="13800000001", kind="DIS", query_code="周小川")
    found = await until(lambda: two(desk))
    assert sorted(found, key=lambda entry: entry[0]) == [
        ("cases.export", {"format": "csv", "kind": "DIS", "query_code": "withheld", "by_phone": "yes"}),
        ("cases.exported", {"rows": 0, "whole": True}),
    ]


async def two(desk: Desk) -> Any:
    found = await audit(desk)
    return found if len(found) == 2 else None


async def test_a_client_that_goes_away_stops_the_query(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    await desk.taken(csv_file(*(row(n) for n in range(30))))
    monkeypatch.setattr(exporting, "PAGE", 10)
    find, asked, waits = desk.door.desk.views.find, list[Query](), asyncio.Event()

    async def slow(query: Query) -> Any:
        asked.append(query)
        if len(asked) == 2:
            await waits.wait()
        return await find(query)

    monkeypatch.setattr(desk.door.desk.views, "find", slow)
    headers = {"authorization": f"Bearer {desk.door.token()}"}
    answer = await desk.door.session.post("/v1/cases/export", json={}, headers=headers)
    assert answer.status == 200
    await until(lambda: enough(asked))
    answer.close()
    found = await until(lambda: two(desk))
    assert found[1] == ("cases.exported", {"rows": 10, "whole": False})
    assert len(asked) == 2


async def enough(asked: list[Query]) -> bool:
    return len(asked) == 2


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"format": "pdf"}, "/format"),
        ({"limit": 5}, "/limit"),
        ({"area": "12"}, "/area"),
        ({"phone": "12345"}, "/phone"),
        ({"flag": "nope"}, "/flag"),
        ({"q": "一"}, "/q"),
        ({"registered_from": "2026-03-02", "registered_to": "2026-03-01"}, "/registered_to"),
    ],
)
async def test_an_export_that_cannot_be_asked_for(desk: Desk, body: dict[str, Any], pointer: str) -> None:
    refused = await desk.door.post("/v1/cases/export", body)
    assert (refused.status, refused.body["errors"][0]["pointer"]) == (422, pointer)
