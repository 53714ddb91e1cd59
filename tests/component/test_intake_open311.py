"""Open311 GeoReport v2 at intake's doors."""

from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

import pytest

from libs.db.pool import Database
from libs.web import apikeys
from tests.component.intake_door import Answer, Door, opened

BASE = "/open311/v2"
FORM = "application/x-www-form-urlencoded"
REPORT = {"service_code": "D02", "address_string": "锦苑一期3幢", "description": "楼上每晚拖动家具"}


@pytest.fixture
async def door(database: Callable[[str], Awaitable[Database]], tmp_path: Path) -> AsyncIterator[Door]:
    async with opened(await database("intake"), tmp_path) as made:
        yield made


async def key_of(door: Door, name: str = "site", *scopes: str) -> str:
    made = await door.post(f"/v1/channels/{name}/keys", {"scopes": scopes}, "admin")
    return str(made.body["key"])


async def send(door: Door, fields: dict[str, Any], key: str = "", **headers: str) -> Answer:
    given = {"authorization": f"Bearer {key}" if key else "", "content-type": FORM, "idempotency-key": ""}
    body = urlencode(fields).encode()
    return await door.ask("POST", f"{BASE}/requests.json", body, headers=given | headers)


async def look(door: Door, path: str, key: str = "") -> Answer:
    return await door.get(f"{BASE}/{path}", headers={"authorization": f"Bearer {key}" if key else ""})


async def test_services_are_the_categories_and_open_to_all(door: Door) -> None:
    told = (await look(door, "services.json?jurisdiction_id=990101")).body
    codes = {service["service_code"]: service for service in told}
    assert codes["D02"]["service_name"] == "邻里纠纷"
    assert (codes["D02"]["metadata"], codes["D02"]["type"]) == (False, "realtime")
    assert "D19" not in codes  # it stands beside another category, never alone
    assert (await look(door, "services/D02.json")).body == {"service_code": "D02", "attributes": []}


async def test_a_report_is_a_case_with_all_that_was_said(door: Door) -> None:
    key = await key_of(door)
    fields = REPORT | {
        "first_name": "明远",
        "last_name": "许",
        "phone": "13800000004",
        "lat": "31.25",
        "long": "121.5",
    }
    answer = await send(door, fields | {"api_key": key, "jurisdiction_id": "990101"})
    assert answer.status == 201
    (told,) = answer.body
    assert told["service_notice"] is None
    (case,) = (await door.get(f"/v1/cases?query_code={told['service_request_id']}")).body["items"]
    assert (case["category"], case["grid"], case["kind"]) == ("D02", "99010100100201", None)
    path = f"/v1/cases/{case['case_id']}"
    shown = (await door.post(f"{path}/reveal", {"purpose": "核对"}, "supervisor")).body
    assert (shown["applicant"]["name"], shown["applicant"]["phone"]) == ("许明远", "13800000004")
    assert shown["applicant"]["phone_verified"] is False
    assert shown["narrative"] == "楼上每晚拖动家具"
    assert shown["place"]["address"] == "锦苑一期3幢（坐标 31.250000, 121.500000）"
    assert (shown["channel"], shown["consents"]["sms"]) == ("api", False)


async def test_coordinates_alone_are_placed_by_a_person(door: Door) -> None:
    key = await key_of(door)
    answer = await send(door, {"service_code": "D02", "lat": "31.25", "long": "121.5"}, key)
    assert answer.status == 201
    (case,) = (await door.get("/v1/cases?needs=grid")).body["items"]
    assert case["query_code"] == answer.body[0]["service_request_id"]
    assert case["warnings"] == [{"code": "GRID_UNRESOLVED", "pointer": "/place/address"}]


async def test_what_is_not_kept_is_said(door: Door) -> None:
    key = await key_of(door)
    answer = await send(door, REPORT | {"email": "xu@example.org", "media_url": "https://example.org/1"}, key)
    assert answer.body[0]["service_notice"] == "未保存：email、media_url"


async def test_requests_tell_state_and_dates_and_nothing_of_people(door: Door) -> None:
    key = await key_of(door)
    fields = REPORT | {"first_name": "明远", "last_name": "许", "phone": "13800000004"}
    number = (await send(door, fields, key)).body[0]["service_request_id"]
    one = await look(door, f"requests/{number}.json", key)
    assert one.status == 200
    (told,) = one.body
    assert told.keys() == {
        "service_request_id",
        "status",
        "status_notes",
        "service_name",
        "service_code",
        "requested_datetime",
    }
    assert (told["status"], told["status_notes"], told["service_code"]) == ("open", "已登记", "D02")
    assert (await look(door, "requests.json", key)).body == [told]


async def test_a_request_is_closed_when_nobody_works_on_it(door: Door) -> None:
    key = await key_of(door)
    numbers = [(await send(door, REPORT, key)).body[0]["service_request_id"] for _ in range(2)]
    (case,) = (await door.get(f"/v1/cases?query_code={numbers[0]}")).body["items"]
    done = await door.post(
        f"/v1/cases/{case['case_id']}/decision", {"action": "withdraw"}, headers={"if-match": '"1"'}
    )
    assert done.status == 200
    for status, wanted in (("closed", numbers[:1]), ("open", numbers[1:]), ("open,closed", numbers[::-1])):
        found = (await look(door, f"requests.json?status={status}", key)).body
        assert [told["service_request_id"] for told in found] == wanted
    await door.database.execute(
        "insert into closing (case_id, version, closed) select case_id, 1, true from intake_case"
    )
    assert (await look(door, "requests.json?status=open", key)).body == []
    closed = (await door.get("/v1/cases?state=closed")).body["items"]
    assert [told["query_code"] for told in closed] == numbers[::-1]


async def test_requests_are_asked_by_number_service_and_date(door: Door) -> None:
    key = await key_of(door)
    first = (await send(door, REPORT, key)).body[0]["service_request_id"]
    second = (await send(door, REPORT | {"service_code": "D14"}, key)).body[0]["service_request_id"]
    now = door.clock.now()
    tomorrow, yesterday = (quote((now + timedelta(days=d)).isoformat()) for d in (1, -1))
    for query, wanted in (
        (f"service_request_id={first}", [first]),
        (f"service_request_id={first},%20{second},NOTHING1", [second, first]),
        (f"service_request_id={first}&status=closed&service_code=D14&start_date={tomorrow}", [first]),
        ("service_code=D14", [second]),
        ("service_code=D02,%20D14", [second, first]),
        (f"start_date={yesterday}", [second, first]),
        (f"start_date={tomorrow}", []),
        (f"end_date={tomorrow}", [second, first]),
        (f"end_date={yesterday}", []),
    ):
        found = await look(door, f"requests.json?{query}", key)
        assert [told["service_request_id"] for told in found.body] == wanted, query
    refused = await look(door, "requests.json?service_code=D14,D98", key)
    assert (refused.status, refused.body) == (404, [{"code": 404, "description": "未找到: service_code"}])
    refused = await look(door, "requests.json?start_date=x", key)
    assert (refused.status, refused.body[0]["description"]) == (400, "query/start_date: 应为带时区的时间")


async def test_another_portals_request_is_not_there(door: Door) -> None:
    mine, theirs = await key_of(door), await key_of(door, "grid-app")
    number = (await send(door, REPORT, theirs)).body[0]["service_request_id"]
    assert (await look(door, "requests.json", mine)).body == []
    refused = await look(door, f"requests/{number}.json", mine)
    assert (refused.status, refused.body[0]["code"]) == (404, 404)


@pytest.mark.parametrize(
    ("fields", "status", "text"),
    [
        ({"service_code": "D98"}, 404, "service_code"),
        ({"service_code": "D19"}, 404, "service_code"),
        ({"service_code": ""}, 400, "service_code"),
        ({"address_string": ""}, 400, "address_string"),
        ({"address_string": "", "lat": "31"}, 400, "lat"),
        ({"lat": "91", "long": "1"}, 400, "lat"),
        ({"lat": "nan", "long": "1"}, 400, "lat"),
        ({"lat": "east", "long": "1"}, 400, "lat"),
        ({"jurisdiction_id": "990102"}, 404, "jurisdiction_id"),
        ({"address_string": "a" * 161}, 400, "address_string"),
        ({"description": "长" * 20_001}, 400, "description"),
        ({"state": "accepted"}, 400, "state"),
        ({"version": "7"}, 400, "version"),
        ({"registered_at": "2026-01-01"}, 400, "registered_at"),
        ({"flags": "VIOLENCE"}, 400, "flags"),
        ({"attribute[X]": "1"}, 400, "attribute"),
    ],
)
async def test_a_report_that_cannot_be_taken(
    door: Door, fields: dict[str, str], status: int, text: str
) -> None:
    refused = await send(door, REPORT | fields, await key_of(door))
    assert refused.status == status, refused.body
    assert refused.body[0].keys() == {"code", "description"}
    assert refused.body[0]["code"] == status
    assert text in refused.body[0]["description"]
    assert await door.rows("select * from intake_case") == []


async def test_without_a_good_key_nothing_is_taken_or_told(door: Door) -> None:
    reader, writer = await key_of(door, "site", "read"), await key_of(door, "site", "api")
    for refused in (
        await send(door, REPORT),
        await send(door, REPORT | {"api_key": apikeys.generate()}),
        await send(door, REPORT, reader),
        await look(door, "requests.json"),
        await look(door, "requests.json", writer),
        await look(door, "requests/ABCDEFGH.json", writer),
    ):
        assert (refused.status, refused.body[0]["code"]) == (403, 403)
    assert await door.rows("select * from intake_case") == []


async def test_a_key_in_the_address_is_no_key(door: Door) -> None:
    key = await key_of(door)
    refused = await look(door, f"requests.json?api_key={key}")
    assert refused.status == 403
    refused = await look(door, f"requests.json?api_key={key}", key)
    assert (refused.status, key in str(refused.body)) == (400, False)


async def test_another_form_of_body_is_refused_in_the_standards_shape(door: Door) -> None:
    refused = await send(door, REPORT, await key_of(door), **{"content-type": "application/json"})
    assert (refused.status, refused.body[0]["code"]) == (415, 415)


async def test_whatever_is_asked_below_the_prefix_is_refused_in_the_standards_shape(door: Door) -> None:
    for method, path, status in (
        ("GET", "requests.xml", 404),
        ("GET", "tokens/1.json", 404),
        ("GET", "requests/%00.json", 400),
        ("DELETE", "requests.json", 405),
    ):
        refused = await door.ask(method, f"{BASE}/{path}")
        assert (refused.status, [told["code"] for told in refused.body]) == (status, [status]), path
    assert refused.headers["allow"] == "GET, POST"


async def test_a_form_that_cannot_be_read_or_says_a_thing_twice_is_refused(door: Door) -> None:
    key = await key_of(door)
    torn = urlencode(REPORT, encoding="gbk").encode()
    for body in (torn, urlencode([*REPORT.items(), ("service_code", "D01")]).encode()):
        refused = await door.ask(
            "POST",
            f"{BASE}/requests.json",
            body,
            headers={"authorization": f"Bearer {key}", "content-type": FORM},
        )
        assert (refused.status, refused.body[0]["code"]) == (400, 400)
    assert refused.body == [{"code": 400, "description": "service_code: 重复"}]
    assert await door.rows("select * from intake_case") == []


async def test_a_repeated_report_with_a_key_of_its_own_is_one_case(door: Door) -> None:
    key = await key_of(door)
    answers = [await send(door, REPORT, key, **{"idempotency-key": "once"}) for _ in range(2)]
    assert answers[0].body == answers[1].body
    assert len(await door.rows("select * from intake_case")) == 1


async def test_no_place_that_is_unknown_has_services(door: Door) -> None:
    assert (await look(door, "services.json?jurisdiction_id=000000")).status == 404
    assert (await look(door, "services/D98.json")).status == 404
