"""Every line of "bad input" that reaches intake: a typed answer, never a 500, a hang or a silent drop."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from libs.db.pool import Database
from tests.component.intake_door import Door, opened


@pytest.fixture
async def door(database: Callable[[str], Awaitable[Database]], tmp_path: Path) -> AsyncIterator[Door]:
    async with opened(await database("intake"), tmp_path) as made:
        yield made


async def nothing_was_kept(door: Door) -> bool:
    counted = await door.rows(
        "select (select count(*) from intake_case) + (select count(*) from event)"
        " + (select count(*) from vault) + (select count(*) from state_record) as n"
    )
    return bool(counted[0]["n"] == 0)


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (b'{"channel": "phone"', 400, "malformed_json"),
        (b"[]", 422, "invalid"),
        (b"", 422, "invalid"),
        (b'{"channel": "phone", "narrative": "\\ud800"}', 400, "malformed_json"),
        (b'{"channel": "phone", "narrative": "a\\u0000b"}', 422, "invalid"),
        (b'{"channel": "phone", "narrative": "x", "flags": ["VIOLENCE"], "flags": []}', 422, "invalid"),
        (
            json.dumps({"channel": "phone", "narrative": "长" * 350_000}, ensure_ascii=False).encode(),
            413,
            "too_large",
        ),
        (json.dumps({"channel": "phone", "narrative": "长" * 20_001}).encode(), 422, "invalid"),
    ],
    ids=["torn", "list", "empty", "surrogate", "null_byte", "twice", "one_megabyte", "too_long"],
)
async def test_a_body_that_cannot_be_taken(door: Door, body: bytes, status: int, code: str) -> None:
    answer = await door.post("/v1/cases", body)
    assert (answer.status, answer.body["code"]) == (status, code)
    assert await nothing_was_kept(door)


@pytest.mark.parametrize(
    ("fields", "pointer"),
    [
        ({"colour": "red"}, "/colour"),
        ({"narrative": 5}, "/narrative"),
        ({"headcount": "three"}, "/headcount"),
        ({"headcount": -1}, "/headcount"),
        ({"amount_fen": -1}, "/amount_fen"),
        ({"kind": "XXX"}, "/kind"),
        ({"category": "D98"}, "/category"),
        ({"flags": ["BRAVE"]}, "/flags/0"),
        ({"chosen_target": "NOBODY"}, "/chosen_target"),
        ({"happened_on": "2099-01-01"}, "/happened_on"),
        ({"received_at": "2099-01-01T00:00:00+08:00"}, "/received_at"),
        ({"facts": {"harm.known": "2099-01-01"}}, "/facts/harm.known"),
        ({"place": {"address": "a\x01"}}, "/place/address"),
        ({"district": "000000"}, "/district"),
        ({"decision": {"action": "refuse"}}, "/decision/reason_code"),
    ],
)
async def test_a_field_that_cannot_be_taken_is_named(
    door: Door, fields: dict[str, Any], pointer: str
) -> None:
    answer = await door.register("dispatcher", **fields)
    assert (answer.status, answer.body["code"]) == (422, "invalid")
    assert answer.headers["content-type"] == "application/problem+json"
    assert pointer in [error["pointer"] for error in answer.body["errors"]]
    assert await nothing_was_kept(door)


async def test_a_refusal_repeats_nothing_that_was_entered(door: Door) -> None:
    answer = await door.register(applicant={"phone": ["13800000001"], "name": "周小川" * 90})
    assert answer.status == 422
    assert "1380000" not in str(answer.body)
    assert "周小川" not in str(answer.body)


@pytest.mark.parametrize(
    ("phone", "warning", "capable"),
    [
        ("138", "PHONE_INVALID", False),
        ("not a number", "PHONE_INVALID", False),
        ("+1 650 253 0000", "PHONE_FOREIGN", False),
        ("010-12345678", "PHONE_FIXED", False),
        ("１３８００００００１３", None, True),
    ],
)
async def test_an_odd_phone_is_kept_as_told_with_a_warning(
    door: Door, phone: str, warning: str | None, capable: bool
) -> None:
    answer = await door.register(applicant={"phone": phone})
    assert answer.status == 201
    assert [entry["code"] for entry in answer.body["warnings"]] == ([warning] if warning else [])
    path = f"/v1/cases/{answer.body['case_id']}/reveal"
    shown = await door.post(path, {"purpose": "核对"}, "supervisor")
    assert shown.body["applicant"]["phone"] == ("13800000013" if capable else phone)


async def test_an_unknown_grid_is_registered_for_the_manual_queue(door: Door) -> None:
    answer = await door.register(place={"address": "锦苑一期", "grid": "99010100109999"})
    assert (answer.status, answer.body["grid"]) == (201, None)
    assert answer.body["warnings"] == [{"code": "GRID_UNKNOWN", "pointer": "/place/grid"}]
    queue = await door.get("/v1/cases?needs=grid")
    assert [item["case_id"] for item in queue.body["items"]] == [answer.body["case_id"]]


async def test_a_matter_of_a_far_past_is_registered_and_its_clock_is_out(door: Door) -> None:
    answer = await door.register(received_at="2020-01-01T00:00:00+08:00")
    assert answer.status == 201
    assert answer.body["due"]["due_at"].startswith("2020-01-03")


@pytest.mark.parametrize(
    ("headers", "status", "code"),
    [
        ({"authorization": ""}, 401, "unauthorised"),
        ({"authorization": "Bearer nonsense"}, 401, "unauthorised"),
        ({"idempotency-key": ""}, 400, "idempotency_key_missing"),
        ({"idempotency-key": "x" * 256}, 400, "idempotency_key_malformed"),
        ({"content-type": "text/plain"}, 415, "unsupported_media_type"),
    ],
)
async def test_a_request_without_what_the_door_asks_for(
    door: Door, headers: dict[str, str], status: int, code: str
) -> None:
    answer = await door.post("/v1/cases", {"channel": "phone", "narrative": "x"}, headers=headers)
    assert (answer.status, answer.body["code"]) == (status, code)
    assert await nothing_was_kept(door)


@pytest.mark.parametrize("role", ["admin", "auditor", "partner_handler", "partner_lead"])
async def test_who_serves_elsewhere_is_not_let_in(door: Door, role: str) -> None:
    assert (await door.register(role)).status == 403
    assert (await door.get("/v1/cases", role)).status == 403


async def test_a_credential_of_several_districts_names_one(door: Door) -> None:
    body = {"channel": "phone", "narrative": "x"}
    both = ("990101", "990102")
    refused = await door.post("/v1/cases", body, districts=both)
    assert (refused.status, refused.body["errors"][0]["pointer"]) == (422, "/district")
    named = await door.post("/v1/cases", {**body, "district": "990101"}, districts=both)
    assert named.status == 201
    foreign = await door.post("/v1/cases", {**body, "district": "990101"}, districts=("990102",))
    assert foreign.status == 403


async def test_a_repeated_request_is_answered_as_the_first_was(door: Door) -> None:
    body, key = {"channel": "phone", "narrative": "x"}, {"idempotency-key": "once"}
    first = await door.post("/v1/cases", body, headers=key)
    again = await door.post("/v1/cases", body, headers=key)
    assert again.body == first.body
    assert (again.status, again.headers["idempotent-replayed"]) == (201, "true")
    assert again.headers["etag"] == first.headers["etag"]
    other = await door.post("/v1/cases", {**body, "narrative": "y"}, headers=key)
    assert (other.status, other.body["code"]) == (422, "idempotency_key_reused")
    assert len(await door.rows("select * from intake_case")) == 1


async def test_a_repeated_refusal_is_the_same_refusal(door: Door) -> None:
    body = {"channel": "phone", "narrative": "x", "kind": "DIS", "decision": {"action": "refuse"}}
    answers = [
        await door.post("/v1/cases", body, "dispatcher", headers={"idempotency-key": "once"})
        for _ in range(2)
    ]
    assert [answer.status for answer in answers] == [422, 422]
    assert answers[0].body["errors"] == answers[1].body["errors"]


async def test_a_hundred_at_once_are_a_hundred_cases(door: Door) -> None:
    answers = await asyncio.gather(*(door.register(applicant={"phone": "13800000001"}) for _ in range(100)))
    assert {answer.status for answer in answers} == {201}
    assert len({answer.body["query_code"] for answer in answers}) == 100
    assert len(await door.rows("select * from intake_case")) == 100


async def test_an_external_number_is_registered_once_even_at_the_same_moment(door: Door) -> None:
    answers = await asyncio.gather(*(door.register(external_ref="12345-2026-1") for _ in range(10)))
    (made,) = [answer for answer in answers if answer.status == 201]
    others = [answer for answer in answers if answer.status == 409]
    assert len(others) == 9
    assert {answer.body["code"] for answer in others} == {"external_ref_taken"}
    assert {answer.body["case_id"] for answer in others} == {made.body["case_id"]}
    later = await door.register(external_ref="12345-2026-1")
    assert (later.status, later.body["case_id"]) == (409, made.body["case_id"])


async def test_a_query_code_that_another_process_took_is_drawn_again(door: Door) -> None:
    taken = (await door.register()).body["query_code"]
    same_again = door.desk.chance
    same_again.seed(4)  # the generator starts over and draws the taken code first
    answer = await door.register()
    assert answer.status == 201
    assert answer.body["query_code"] != taken


@pytest.mark.parametrize(
    ("path", "body", "role", "status"),
    [
        ("flags", {}, "operator", 422),
        ("flags", {"add": ["BRAVE"]}, "operator", 422),
        ("flags", {"add": "VIOLENCE"}, "operator", 422),
        ("flags", {"remove": ["VIOLENCE"], "reason": "x"}, "operator", 403),
        ("flags", {"remove": ["VIOLENCE"], "reason": "x"}, "supervisor", 422),
        ("reminders", {"text": "x" * 2_001}, "operator", 422),
        ("reminders", {"new_facts": "yes"}, "operator", 422),
        ("duties", {"rule": "RISK-MINOR"}, "operator", 422),
        ("reveal", {"purpose": ""}, "supervisor", 422),
        ("reveal", {}, "supervisor", 422),
    ],
)
async def test_an_act_that_makes_no_sense(
    door: Door, path: str, body: dict[str, Any], role: str, status: int
) -> None:
    case_id = (await door.register()).body["case_id"]
    assert (await door.post(f"/v1/cases/{case_id}/{path}", body, role)).status == status
    assert len(await door.events(case_id)) == 1


@pytest.mark.parametrize("path", ["", "/decision", "/flags", "/release", "/reminders", "/duties", "/reveal"])
async def test_a_case_that_is_not_there(door: Door, path: str) -> None:
    bodies = {
        "/decision": {"action": "accept"},
        "/flags": {"add": ["VIOLENCE"]},
        "/release": {"reason": "x"},
        "/duties": {"rule": "RISK-MINOR"},
        "/reveal": {"purpose": "核对"},
    }
    address = f"/v1/cases/019c2b6e-7001-7001-8001-000000000001{path}"
    method = "POST" if path else "GET"
    answer = await door.ask(method, address, bodies.get(path, {}), "supervisor", headers={"if-match": '"1"'})
    assert (answer.status, answer.body["code"]) == (404, "not_found")
    malformed = await door.ask(method, f"/v1/cases/1{path}", bodies.get(path, {}), "supervisor")
    assert malformed.status == 422


@pytest.mark.parametrize(
    "query",
    [
        "limit=0",
        "limit=101",
        "limit=x",
        "after=nonsense",
        "area=12",
        "needs=sleep",
        "kind=XXX",
        "phone=13800000001",
        "q=x",
    ],
)
async def test_a_list_that_cannot_be_asked_for(door: Door, query: str) -> None:
    answer = await door.get(f"/v1/cases?{query}")
    assert answer.status == 422
    assert "13800000001" not in str(answer.body)


async def test_a_clock_that_runs_out_is_told_once(door: Door) -> None:
    from services.intake.handlers.alarms import fire

    case_id = (await door.register(narrative="右手受伤")).body["case_id"]
    found = [
        (row["case_id"], "990101", row["rule"], "due") for row in await door.rows("select * from deadline")
    ]
    door.clock.advance(hours=3)
    await fire(door.desk, found)
    assert len(await door.events(case_id)) == 1
    door.clock.advance(hours=1)
    await fire(door.desk, found)
    await fire(door.desk, found)
    ((_, kind, told),) = (await door.events(case_id))[1:]
    assert (kind, told["rule"], told["deadlines"]) == ("deadline.missed", "PROD-TRIAGE-YELLOW", [])


async def test_a_token_that_expired_opens_nothing(door: Door) -> None:
    token = door.token()
    door.clock.advance(seconds=timedelta(hours=2).total_seconds())
    answer = await door.get("/v1/cases", headers={"authorization": f"Bearer {token}"})
    assert answer.status == 401


@pytest.mark.parametrize(
    ("patch", "pointer"),
    [
        ({}, "/reason"),
        ({"reason": "x", "colour": "red"}, "/colour"),
        ({"reason": "x", "channel": "web"}, "/channel"),
        ({"reason": "x", "headcount": 0}, "/headcount"),
        ({"reason": "x", "kind": "XXX"}, "/kind"),
        ({"reason": "x", "topic": "D10.1"}, "/topic"),
        ({"reason": "x", "narrative": None}, "/narrative"),
        ({"reason": "x", "happened_on": "2099-01-01"}, "/happened_on"),
    ],
)
async def test_an_amendment_that_cannot_be_taken_is_named(
    door: Door, patch: dict[str, Any], pointer: str
) -> None:
    case_id = (await door.register()).body["case_id"]
    answer = await door.ask("PATCH", f"/v1/cases/{case_id}", patch, headers={"if-match": '"1"'})
    assert (answer.status, answer.body["code"]) == (422, "invalid")
    assert pointer in [error["pointer"] for error in answer.body["errors"]]
    assert len(await door.events(case_id)) == 1
