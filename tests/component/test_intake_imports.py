"""Many matters in one file: each row is registered once or comes back with its reason, whatever happens."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from libs.clocks.calendar import LOCAL
from libs.db.pool import Database
from libs.runtime.loops import Pulse
from libs.tables.limits import Limits
from services.intake.handlers import import_worker
from services.intake.handlers.import_worker import Sheet
from tests.component.intake_door import opened
from tests.component.intake_files import CSV, HEADINGS, XLSX, Desk, csv_file, row, xlsx_file
from tests.unit.tables.build import cells, packed, parts_of


@pytest.fixture
async def desk(database: Callable[[str], Awaitable[Database]], tmp_path: Path) -> AsyncIterator[Desk]:
    async with opened(await database("intake"), tmp_path) as door:
        yield Desk(door)


@pytest.mark.parametrize(
    ("file", "media"),
    [
        (csv_file(row(1), row(2)), CSV),
        (csv_file(row(1), row(2)).decode().encode("gb18030"), "text/csv; charset=gb18030"),
        (csv_file(row(1), row(2)).decode().encode("utf-8-sig"), CSV),
        (xlsx_file(row(1), row(2)), XLSX),
    ],
    ids=["utf8", "gb18030", "bom", "xlsx"],
)
async def test_each_row_is_a_case_of_its_sender(desk: Desk, file: bytes, media: str) -> None:
    answer = await desk.send(file, media=media)
    assert (answer.status, answer.body["state"]) == (202, "received")
    assert answer.headers["location"] == f"/v1/imports/{answer.body['import_id']}"
    await desk.work()
    told = await desk.told(answer)
    assert {name: told[name] for name in ("state", "rows", "checked", "taken", "refused", "error_file")} == {
        "state": "done", "rows": 2, "checked": 2, "taken": 2, "refused": 0, "error_file": None,
    }  # fmt: skip
    found = (await desk.door.get("/v1/cases")).body["items"]
    assert [item["kind"] for item in found] == ["DIS", "DIS"]
    shown = (await desk.door.get(f"/v1/cases/{found[0]['case_id']}")).body
    assert (shown["channel"], shown["narrative"]) == ("import", "门前路灯不亮2")
    assert shown["applicant"]["phone"] == "138****0001"
    audit = await desk.door.rows("select actor, action from audit order by action")
    assert {entry["actor"] for entry in audit} == {"staff:somebody"}
    actions = [entry["action"] for entry in audit]
    assert actions == ["case.read", "case.registered", "case.registered", "import.received"]


async def test_a_matter_counts_from_the_time_at_which_its_file_came(desk: Desk) -> None:
    answer = await desk.send(csv_file(row(1)))
    day = desk.door.clock.now().astimezone(LOCAL).date().isoformat()
    desk.door.clock.advance(days=2)
    await desk.work()
    of_that_day = f"/v1/cases?registered_from={day}&registered_to={day}"
    [found] = (await desk.door.get(of_that_day)).body["items"]
    assert found["registered_at"] == answer.body["received_at"]


async def test_every_row_is_checked_before_any_is_taken(desk: Desk) -> None:
    file = csv_file(*(row(n) for n in range(6)))
    answer = await desk.send(file)
    await desk.work(desk.importer(Limits(rows=5)))
    told = await desk.told(answer)
    assert (told["state"], told["problem"]["code"], told["problem"]["pointer"]) == (
        "unreadable",
        "too_many_rows",
        "/rows/7",
    )
    assert await desk.counts() == (0, 0, 0, 0)


async def test_refused_rows_come_back_with_reasons_and_are_taken_when_mended(desk: Desk) -> None:
    answer = await desk.send(csv_file(row(1), row(2, 人数="三", 姓名="=1+1"), row(3, 诉求类型="XXX"), row(4)))
    path = f"/v1/imports/{answer.body['import_id']}/errors"
    early = await desk.door.get(path)
    assert (early.status, early.body["state"], early.body["allowed"]) == (409, "received", ["done"])
    await desk.work()
    told = await desk.told(answer)
    assert (told["taken"], told["refused"], told["error_file"]) == (2, 2, path)
    status, file, headers = await desk.fetch("GET", path)
    assert (status, headers["content-type"]) == (200, "text/csv; charset=utf-8")
    assert headers["content-disposition"] == 'attachment; filename="errors.csv"'
    assert '"\'=1+1"' in file.decode("utf-8-sig")
    table = cells("csv", file)
    assert table[0] == (*HEADINGS, "原因")
    assert [(line[0], line[2], line[-1]) for line in table[1:]] == [
        ("门前路灯不亮2", "=1+1", "人数：应为整数"),
        ("门前路灯不亮3", "周小川", "诉求类型：未知代码"),
    ]
    mended = file.decode().replace("三", "3").replace("XXX", "CON").encode()
    assert (await desk.taken(mended))["taken"] == 2
    assert (await desk.counts())[0] == 4
    revealed = [
        (await desk.door.post(f"/v1/cases/{case['case_id']}/reveal", {"purpose": "核对"}, "supervisor")).body
        for case in (await desk.door.get("/v1/cases?kind=DIS")).body["items"]
    ]
    assert "=1+1" in [shown["applicant"]["name"] for shown in revealed]


async def test_refused_rows_of_a_workbook_come_back_as_a_workbook(desk: Desk) -> None:
    told = await desk.taken(xlsx_file(row(1, 人数="0")), media=XLSX)
    _, _, headers = await desk.fetch("GET", told["error_file"])
    assert headers["content-type"] == XLSX
    assert (await desk.table("xlsx", told["error_file"]))[1][-1] == "人数：不得小于 1"


async def test_a_file_that_is_long_to_read_is_left_to_its_worker(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    imports, read = desk.door.desk.imports, Sheet.of

    def slowly(*arguments: Any) -> Sheet:
        time.sleep(1.0)
        return read(*arguments)

    monkeypatch.setattr(imports, "_lease", 0.4)
    monkeypatch.setattr(import_worker, "RENEWED_EVERY", 0.1)
    monkeypatch.setattr(Sheet, "of", slowly)
    answer = await desk.send(csv_file(row(1)))
    working = asyncio.create_task(desk.work())
    await asyncio.sleep(0.8)
    assert await imports.lease(uuid4()) is None
    await working
    assert (await desk.told(answer))["taken"] == 1


async def test_cells_beyond_the_headings_are_not_lost_and_never_taken_without(desk: Desk) -> None:
    told = await desk.taken("诉求内容\n楼上吵,很烦,三个月\n".encode())
    for _ in range(2):
        assert (told["taken"], told["refused"]) == (0, 1)
        _, file, _ = await desk.fetch("GET", told["error_file"])
        assert cells("csv", file)[1] == ("楼上吵", "超出表头的内容", "很烦", "三个月")
        told = await desk.taken(file + b"\r\n")


async def test_what_only_the_taking_shows_is_told_too(desk: Desk) -> None:
    first = await desk.door.register(external_ref="2026-1")
    told = await desk.taken(
        csv_file(row(1, 外部编号="2026-1"), row(2, 外部编号="2026-2"), row(3, 外部编号="2026-2"))
    )
    assert (told["checked"], told["taken"], told["refused"]) == (3, 1, 2)
    reasons = [line[-1] for line in (await desk.table("csv", told["error_file"]))[1:]]
    assert reasons[0] == f"该外部编号已登记（{first.body['case_id']}）"
    assert reasons[1].startswith("该外部编号已登记（")


async def test_a_decision_is_checked_with_the_row_and_bound_to_the_role(desk: Desk) -> None:
    file = csv_file(
        ("甲", "DIS", "accept", ""), ("乙", "DIS", "refuse", "NOT_ACCEPTED"), ("丙", "PET", "accept", ""),
        headings=("诉求内容", "诉求类型", "决定", "决定原因"),
    )  # fmt: skip
    told = await desk.taken(file)
    assert (told["taken"], told["refused"]) == (1, 2)
    [found] = (await desk.door.get("/v1/cases")).body["items"]
    assert found["state"] == "accepted"


async def test_a_row_that_is_merged_takes_its_secrecy_along(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(import_worker, "LOOK", 0.0)
    first = (await desk.door.register(kind="DIS")).body["case_id"]
    headings = ("诉求内容", "诉求类型", "标记", "决定", "并入案件")
    told = await desk.taken(csv_file(("甲", "DIS", "CONFIDENTIAL", "merge", first), headings=headings))
    assert (told["taken"], told["refused"]) == (1, 0)
    assert (await desk.door.get(f"/v1/cases/{first}")).body["flags"] == ["CONFIDENTIAL"]


async def test_the_same_file_twice_is_one_import(desk: Desk) -> None:
    file = csv_file(row(1), row(2))
    first, again = await asyncio.gather(desk.send(file), desk.send(file))
    assert first.body["import_id"] == again.body["import_id"]
    assert sorted("idempotent-replayed" in answer.headers for answer in (first, again)) == [False, True]
    await desk.work()
    later = await desk.send(file)
    assert (later.status, later.body["taken"], later.headers["idempotent-replayed"]) == (202, 2, "true")
    await desk.work()
    assert await desk.counts() == (2, 0, 0, 0)


async def test_a_repeated_request_is_answered_and_its_key_is_good_for_its_file_alone(desk: Desk) -> None:
    key = {"idempotency-key": "once"}
    first = await desk.send(csv_file(row(1)), headers=key)
    again = await desk.send(csv_file(row(1)), headers=key)
    assert again.body["import_id"] == first.body["import_id"]
    other = await desk.send(csv_file(row(2)), headers=key)
    assert (other.status, other.body["code"]) == (422, "idempotency_key_reused")
    missing = await desk.send(csv_file(row(3)), headers={"idempotency-key": ""})
    assert (missing.status, missing.body["code"]) == (400, "idempotency_key_missing")
    assert (await desk.counts())[1] == 1


async def test_two_persons_may_send_the_same_file(desk: Desk) -> None:
    first = await desk.send(csv_file(row(1)))
    token = desk.door.token("operator", user="another")
    second = await desk.send(csv_file(row(1)), headers={"authorization": f"Bearer {token}"})
    assert first.body["import_id"] != second.body["import_id"]


async def test_an_import_is_its_senders_alone(desk: Desk) -> None:
    answer = await desk.send(csv_file(row(1, 人数="x")))
    await desk.work()
    token = desk.door.token("supervisor", user="another")
    for path in ("", "/errors"):
        foreign = await desk.door.get(
            f"/v1/imports/{answer.body['import_id']}{path}", headers={"authorization": f"Bearer {token}"}
        )
        assert (foreign.status, foreign.body["code"]) == (404, "not_found")


@pytest.mark.parametrize("role", ["admin", "auditor", "partner_lead"])
async def test_who_registers_nothing_imports_nothing(desk: Desk, role: str) -> None:
    assert (await desk.send(csv_file(row(1)), role)).status == 403
    assert (await desk.door.get("/v1/imports/template.csv", role)).status == 403


async def test_a_row_of_another_district_is_refused_alone(desk: Desk) -> None:
    file = csv_file(("甲", "990101"), ("乙", "990102"), ("丙", "110101"), headings=("诉求内容", "行政区"))
    told = await desk.taken(file)
    assert (told["taken"], told["refused"]) == (1, 2)


async def test_an_accusation_in_a_file_is_sealed_as_at_the_door(desk: Desk) -> None:
    await desk.taken(csv_file(row(1, 诉求类型="REP"), row(2)))
    assert [case["kind"] for case in (await desk.door.get("/v1/cases")).body["items"]] == ["DIS"]
    assert len((await desk.door.get("/v1/cases", "sealed_officer")).body["items"]) == 1


@pytest.mark.parametrize("form", ["csv", "xlsx"])
async def test_the_template_can_be_filled_in_and_sent(desk: Desk, form: str) -> None:
    status, file, _ = await desk.fetch("GET", f"/v1/imports/template.{form}")
    assert status == 200
    [headings] = cells(form, file)  # type: ignore[arg-type]
    told = await desk.taken(csv_file(["门前路灯不亮", *[""] * (len(headings) - 1)], headings=headings))
    assert told["taken"] == 1


async def test_no_word_of_a_file_lies_open_and_all_of_it_goes_in_time(desk: Desk) -> None:
    answer = await desk.send(csv_file(row(1), row(2, 人数="三千")))
    everything = str(await desk.door.rows("select * from import_part")) + str(
        await desk.door.rows("select * from import")
    )
    assert [word for word in ("周小川", "13800000001", "路灯", "三千") if word in everything] == []
    assert await desk.counts() == (0, 1, 0, 1)
    await desk.work()
    assert "路灯".encode() not in b"".join(
        kept["content"] for kept in await desk.door.rows("select content from import_fault")
    )
    assert await desk.counts() == (1, 0, 1, 1)
    await desk.door.desk.imports.tidy(timedelta(hours=1))
    assert await desk.counts() == (1, 0, 1, 1)
    await desk.door.desk.imports.tidy(timedelta(0))
    assert await desk.counts() == (1, 0, 0, 0)
    told = await desk.told(answer)
    assert (told["state"], told["refused"], told["error_file"]) == ("done", 1, None)
    assert (await desk.door.get(f"/v1/imports/{answer.body['import_id']}/errors")).status == 404


async def test_parts_of_an_upload_that_broke_off_are_swept_up_later(desk: Desk) -> None:
    imports, lost = desk.door.desk.imports, desk.door.desk.new_id()
    await imports.add_part(lost, 0, b"sealed")
    await imports.tidy(timedelta(hours=1))
    assert (await desk.counts())[1] == 1
    async with desk.door.database.transaction() as tx:
        await tx.execute("update import_part set at = at - interval '2 hours'")
    await imports.tidy(timedelta(hours=1))
    assert (await desk.counts())[1] == 0


@pytest.mark.parametrize(
    ("file", "media", "status", "code"),
    [
        (b"%PDF-1.7", CSV, 415, "unsupported_media_type"),
        (csv_file(row(1)), XLSX, 415, "unsupported_media_type"),
        (xlsx_file(row(1)), CSV, 415, "unsupported_media_type"),
        (b"{}", "application/json", 415, "unsupported_media_type"),
        (csv_file(row(1)), "text/csv; charset=utf-16", 415, "unsupported_media_type"),
        (b"", CSV, 422, "bad_table"),
        (b"a," * 5_000_000, CSV, 422, "bad_table"),
    ],
    ids=["pdf", "csv_as_xlsx", "xlsx_as_csv", "json", "utf16", "empty", "million_columns"],
)
async def test_what_is_no_table_is_refused_at_the_door(
    desk: Desk, file: bytes, media: str, status: int, code: str
) -> None:
    answer = await desk.send(file, media=media)
    assert (answer.status, answer.body["code"]) == (status, code)
    assert await desk.counts() == (0, 0, 0, 0)


@pytest.mark.parametrize(
    ("file", "media", "code"),
    [
        (csv_file(row(1), headings=("诉求内容", "颜色")), CSV, "unknown_heading"),
        (b'a\n"b', CSV, "unknown_heading"),
        (csv_file(headings=("诉求内容",)) + b'"open', CSV, "malformed"),
        (b"\xff\xff\xff", CSV, "not_text"),
        (packed({**parts_of(xlsx_file(row(1))), "x.xml": b" " * 30_000_000}), XLSX, "unpacks_too_large"),
        (b"PK\x03\x04 no workbook", XLSX, "no_workbook"),
    ],
    ids=["heading", "other", "quote", "bytes", "bomb", "torn"],
)
async def test_what_shows_in_the_reading_ends_the_import_with_its_reason(
    desk: Desk, file: bytes, media: str, code: str
) -> None:
    told = await desk.taken(file, media=media)
    assert (told["state"], told["problem"]["code"], told["taken"]) == ("unreadable", code, 0)
    assert await desk.counts() == (0, 0, 0, 0)
    again = await desk.send(file, media=media)
    assert again.body["state"] == "received"  # nothing was taken: it may be read again


async def test_a_file_beyond_the_limit_is_refused_and_other_bodies_keep_theirs(desk: Desk) -> None:
    async def endless() -> AsyncIterator[bytes]:
        for _ in range(53):
            yield b"x\n" * 2**19

    headers = {
        "authorization": f"Bearer {desk.door.token()}", "content-type": CSV, "idempotency-key": "large",
    }  # fmt: skip
    async with desk.door.session.post("/v1/imports", data=endless(), headers=headers) as answer:
        assert (answer.status, (await answer.json())["code"]) == (413, "too_large")
    assert await desk.counts() == (0, 0, 0, 0)
    large = json.dumps({"channel": "phone", "narrative": "x", "mode": "x" * 300_000}).encode()
    assert (await desk.door.post("/v1/cases", large)).status == 413


async def test_a_credential_has_only_so_many_imports_waiting(desk: Desk) -> None:
    answers = [await desk.send(csv_file(row(n))) for n in range(11)]
    assert [answer.status for answer in answers] == [202] * 10 + [429]
    assert answers[-1].headers["retry-after"] == "60"
    assert (await desk.counts())[1] == 10
    assert (await desk.send(csv_file(row(0)))).status == 202  # the same again is none more


async def test_a_stop_in_the_middle_leaves_the_rest_to_the_next_worker(desk: Desk) -> None:
    answer = await desk.send(csv_file(*(row(n) for n in range(450))))
    pulse = Pulse(lambda: None)
    importer = desk.importer()
    took = importer._desk.imports.took

    async def stops(*values: object) -> None:
        await took(*values)  # type: ignore[arg-type]
        pulse.stop()

    importer._desk.imports.took = stops  # type: ignore[method-assign]
    await importer.work(pulse)
    importer._desk.imports.took = took  # type: ignore[method-assign]
    told = await desk.told(answer)
    assert (told["state"], told["rows"], told["taken"]) == ("taking", 450, 100)
    await desk.work()
    assert ((await desk.told(answer))["taken"], (await desk.counts())[0]) == (450, 450)


async def test_one_import_is_worked_on_by_one_worker_at_a_time(desk: Desk) -> None:
    await desk.send(csv_file(row(1)))
    imports = desk.door.desk.imports
    assert await imports.lease(desk.door.desk.new_id()) is not None
    assert await imports.lease(desk.door.desk.new_id()) is None
