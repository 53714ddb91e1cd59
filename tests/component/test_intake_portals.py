"""Portals at intake's doors: their keys, what they may say, and that they see their own cases alone."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from libs.db.pool import Database
from libs.web import apikeys
from services.intake.domain.portal import MOST
from tests.component.intake_door import Answer, Door, opened
from tests.unit.intake.build import known

PHONE = "13800000001"
PLAIN = {"channel": "web", "narrative": "门前路灯不亮"}


@pytest.fixture
async def door(database: Callable[[str], Awaitable[Database]], tmp_path: Path) -> AsyncIterator[Door]:
    async with opened(await database("intake"), tmp_path) as made:
        yield made


class Portal:
    """A portal with one key of its own."""

    def __init__(self, door: Door, key: str, key_id: str) -> None:
        self.door, self.key, self.key_id = door, key, key_id

    async def ask(self, method: str, path: str, body: Any = None, **headers: str) -> Answer:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return await self.door.ask(
            method, path, body, headers={"authorization": f"Bearer {self.key}", **named}
        )

    async def register(self, **fields: Any) -> Answer:
        return await self.ask("POST", "/v1/cases", {**PLAIN, **fields})


async def portal(door: Door, name: str = "site", *scopes: str, **fields: Any) -> Portal:
    """A portal as an administrator makes it."""
    made = await door.post(f"/v1/channels/{name}/keys", {"scopes": scopes, **fields}, "admin")
    assert made.status == 201, made.body
    return Portal(door, made.body["key"], made.body["key_id"])


async def test_a_key_is_shown_once_and_kept_as_a_hash(door: Door) -> None:
    once = {"idempotency-key": "one"}
    first = await door.post("/v1/channels/site/keys", {}, "admin", headers=once)
    again = await door.post("/v1/channels/site/keys", {}, "admin", headers=once)
    key = first.body["key"]
    assert apikeys.well_formed(key)
    assert (again.status, again.body["key"], again.body["key_id"]) == (201, None, first.body["key_id"])
    (row,) = await door.rows("select * from channel_key")
    assert (row["hash"], row["district"]) == (apikeys.hash_of(key), "990101")
    assert key not in str(row)
    listed = (await door.get("/v1/channels", "admin")).body["items"]
    assert [(one["key_id"], one["shown"], one["scopes"]) for one in listed] == [
        (first.body["key_id"], key[:19], ["api", "grid", "read", "web"])
    ]
    audit = await door.rows("select actor, action, detail from audit")
    assert [(entry["actor"], entry["action"]) for entry in audit] == [
        ("staff:somebody", "channel.key_issued")
    ]
    assert key not in audit[0]["detail"]


@pytest.mark.parametrize("role", ["operator", "supervisor", "auditor", "sealed_officer"])
async def test_keys_are_an_administrators(door: Door, role: str) -> None:
    assert (await door.post("/v1/channels/site/keys", {}, role)).status == 403
    assert (await door.get("/v1/channels", role)).status == 403
    assert (await door.ask("DELETE", "/v1/channels/site/keys/x", None, role)).status == 403


@pytest.mark.parametrize(
    ("path", "body", "pointer"),
    [
        ("site", {"scopes": ["web", "everything"]}, "/scopes/1"),
        ("site", {"district": "990199"}, "/district"),
        ("site", {"expires_at": "2020-01-01T00:00:00+08:00"}, "/expires_at"),
        ("site", {"hash": "x"}, "/hash"),
        ("Site", {}, "/path/name"),
        ("site-13800000001", {}, "/path/name"),
        ("s" * 33, {}, "/path/name"),
    ],
)
async def test_a_key_that_cannot_be_issued(door: Door, path: str, body: Any, pointer: str) -> None:
    refused = await door.post(f"/v1/channels/{path}/keys", body, "admin")
    assert refused.status == 422
    assert [error["pointer"] for error in refused.body["errors"]] == [pointer]
    assert await door.rows("select * from channel_key") == []


async def test_a_revoked_key_opens_nothing_after_two_seconds_and_its_brother_goes_on(door: Door) -> None:
    old, new = await portal(door), await portal(door)
    assert (await old.ask("GET", "/v1/cases")).status == 200
    path = f"/v1/channels/site/keys/{old.key_id}"
    assert (await door.ask("DELETE", path, None, "admin")).status == 204
    door.clock.advance(seconds=2)
    assert (await old.ask("GET", "/v1/cases")).status == 401
    assert (await new.ask("GET", "/v1/cases")).status == 200
    assert (await door.ask("DELETE", path, None, "admin")).status == 204
    audit = await door.rows("select action from audit order by at, seq")
    assert [entry["action"] for entry in audit].count("channel.key_revoked") == 1


async def test_a_key_of_another_district_is_not_there_to_be_revoked(door: Door) -> None:
    made = await portal(door)
    path = f"/v1/channels/site/keys/{made.key_id}"
    elsewhere = await door.ask("DELETE", path, None, "admin", districts=("990102",))
    assert elsewhere.status == 404
    assert (await door.ask("DELETE", "/v1/channels/other/keys/" + made.key_id, None, "admin")).status == 404
    assert (await door.get("/v1/channels", "admin", districts=("990102",))).body["items"] == []
    assert (await made.ask("GET", "/v1/cases")).status == 200


async def test_a_key_ends_when_it_was_said_to(door: Door) -> None:
    ends = door.clock.now().replace(microsecond=0)
    made = await portal(door, "site", expires_at=ends.replace(year=ends.year + 1).isoformat())
    assert (await made.ask("GET", "/v1/cases")).status == 200
    door.clock.advance(seconds=366 * 86_400)
    assert (await made.ask("GET", "/v1/cases")).status == 401


async def test_the_last_use_of_a_key_is_noted(door: Door) -> None:
    made = await portal(door)
    assert (await door.rows("select last_used_at from channel_key")) == [{"last_used_at": None}]
    first = door.clock.now()
    for seconds in (0, 10, 60):
        door.clock.advance(seconds=seconds)
        await made.ask("GET", "/v1/cases")
    (row,) = await door.rows("select last_used_at from channel_key")
    assert row["last_used_at"] >= first
    assert (row["last_used_at"] - first).total_seconds() == pytest.approx(70, abs=1)


async def test_keys_are_listed_page_by_page(door: Door) -> None:
    made = sorted([(await portal(door, name)).key_id for name in ("b", "a", "b", "c")])
    first = (await door.get("/v1/channels?limit=3", "admin")).body
    rest = (await door.get(f"/v1/channels?limit=3&after={first['next']}", "admin")).body
    assert [one["key_id"] for one in first["items"] + rest["items"]] == made
    assert rest["next"] is None


async def test_an_unknown_key_opens_nothing(door: Door) -> None:
    for credential in (apikeys.generate(), "heshi_live_nonsense"):
        answer = await door.get("/v1/cases", headers={"authorization": f"Bearer {credential}"})
        assert answer.status == 401


@pytest.mark.parametrize(
    ("scopes", "write", "read"), [(("read",), 403, 200), (("web",), 201, 403), (("web", "read"), 201, 200)]
)
async def test_a_key_is_good_for_its_scopes(
    door: Door, scopes: tuple[str, ...], write: int, read: int
) -> None:
    made = await portal(door, "site", *scopes)
    assert (await made.register()).status == write
    assert (await made.ask("GET", "/v1/cases")).status == read
    assert (await made.ask("POST", "/v1/cases/search", {})).status == read


async def test_a_portal_registers_and_follows_its_own_matter(door: Door) -> None:
    made = await portal(door)
    registered = await made.register(
        narrative="周小川要轻生，工资未发", applicant={"name": "周小川", "phone": PHONE}, external_ref="W-1"
    )
    assert registered.status == 201
    assert (registered.body["state"], registered.body["channel"]) == ("registered", "web")
    case_id = registered.body["case_id"]
    shown = (await made.ask("GET", f"/v1/cases/{case_id}")).body
    assert (shown["masked"], shown["applicant"]["phone"]) == (True, "138****0001")
    assert shown["narrative"] == "周**要轻生，工资未发"
    listed = (await made.ask("GET", "/v1/cases")).body["items"]
    assert [(one["case_id"], one["external_ref"]) for one in listed] == [(case_id, "W-1")]
    found = (await made.ask("POST", "/v1/cases/search", {"phone": "0001"})).body["items"]
    assert [one["case_id"] for one in found] == [case_id]
    staff = (await door.get(f"/v1/cases/{case_id}")).body
    assert staff["flags"] == ["SELF_HARM"]
    hidden = {"flags", "urgency", "warnings", "possible_duplicates", "children", "merged_into", "suggested"}
    for told in (registered.body, shown, listed[0]):
        assert not hidden & told.keys()
        assert "SELF_HARM" not in json.dumps(told)
        assert "RISK" not in json.dumps(told)
        assert told["due"] is None
    audit = await door.rows("select actor, action from audit where action like 'case.%' order by at, seq")
    assert {(f"channel:{made.key_id}", "case.registered"), (f"channel:{made.key_id}", "case.read")} <= {
        (entry["actor"], entry["action"]) for entry in audit
    }


async def test_a_portal_sees_no_case_but_its_own(door: Door) -> None:
    mine, other = await portal(door), await portal(door, "grid-app")
    theirs = (await other.register(channel="grid", applicant={"phone": PHONE})).body
    staffs = (await door.register(applicant={"phone": PHONE})).body
    own = (await mine.register(applicant={"phone": PHONE})).body
    for case in (theirs, staffs):
        assert (await mine.ask("GET", f"/v1/cases/{case['case_id']}")).status == 404
        by_code = await mine.ask("GET", f"/v1/cases?query_code={case['query_code']}")
        assert by_code.body["items"] == []
    found = (await mine.ask("POST", "/v1/cases/search", {"phone": PHONE})).body["items"]
    assert [one["case_id"] for one in found] == [own["case_id"]]
    by_text = (await mine.ask("POST", "/v1/cases/search", {"q": "路灯"})).body["items"]
    assert by_text == [(await mine.ask("GET", "/v1/cases")).body["items"][0]]
    assert [one["case_id"] for one in by_text] == [own["case_id"]]
    assert len((await door.get("/v1/cases")).body["items"]) == 3


async def test_a_portal_asks_by_the_state_that_it_is_told(door: Door) -> None:
    made = await portal(door)
    over, running = [(await made.register(kind="DIS")).body["case_id"] for _ in range(2)]
    for case_id in (over, running):
        ruling = {"action": "accept"}
        await door.post(f"/v1/cases/{case_id}/decision", ruling, headers={"if-match": '"1"'})
    async with door.database.transaction() as tx:
        await tx.execute(
            "insert into closing (case_id, version, closed_at, closed) values ($1, 9, now(), true)",
            UUID(over),
        )
    for state, case_id in (("closed", over), ("accepted", running)):
        items = (await made.ask("GET", f"/v1/cases?state={state}")).body["items"]
        assert [(item["case_id"], item["state"]) for item in items] == [(case_id, state)]
    assert len((await door.get("/v1/cases?state=accepted")).body["items"]) == 2


async def test_a_portals_cases_are_those_of_all_its_keys(door: Door) -> None:
    old, new = await portal(door), await portal(door)
    case_id = (await old.register(external_ref="W-1")).body["case_id"]
    assert (await new.ask("GET", f"/v1/cases/{case_id}")).status == 200
    again = await new.register(external_ref="W-1")
    assert (again.status, again.body["case_id"]) == (409, case_id)
    other = await portal(door, "grid-app")
    assert (await other.register(external_ref="W-1")).status == 201


async def test_an_accusation_is_taken_and_seen_no_more(door: Door) -> None:
    made = await portal(door)
    case_id = (await made.register(kind="REP")).body["case_id"]
    assert (await made.ask("GET", f"/v1/cases/{case_id}")).status == 404
    assert (await made.ask("GET", "/v1/cases")).body["items"] == []
    assert (await door.get(f"/v1/cases/{case_id}", "sealed_officer")).status == 200


async def test_who_asked_for_secrecy_is_hidden_from_the_portal_too(door: Door) -> None:
    made = await portal(door)
    case_id = (await made.register(applicant={"name": "周小川"}, narrative="请保密")).body["case_id"]
    assert (await made.ask("GET", f"/v1/cases/{case_id}")).body["applicant"] is None


@pytest.mark.parametrize(
    ("fields", "pointer", "code"),
    [
        ({"decision": {"action": "accept"}}, "/decision", "staff_only"),
        ({"flags": ["VIOLENCE"]}, "/flags", "staff_only"),
        ({"channel": "phone"}, "/channel", "not_for_key"),
        ({"channel": "grid"}, "/channel", "not_for_key"),
        ({"applicant": {"phone_verified": True}}, "/applicant/phone_verified", "not_for_key"),
        ({"state": "accepted"}, "/state", "extra_forbidden"),
        ({"version": 7}, "/version", "extra_forbidden"),
        ({"registered_at": "2026-01-01T00:00:00+08:00"}, "/registered_at", "extra_forbidden"),
        ({"portal": "grid-app"}, "/portal", "extra_forbidden"),
        ({"query_code": "AAAAAAAA"}, "/query_code", "extra_forbidden"),
        ({"district": "000000"}, "/district", "unknown_code"),
    ],
)
async def test_a_portal_says_what_a_citizen_says(
    door: Door, fields: Mapping[str, Any], pointer: str, code: str
) -> None:
    made = await portal(door, "site", "web", "read")
    refused = await made.register(**fields)
    assert (refused.status, refused.body["code"]) == (422, "invalid")
    assert [(error["pointer"], error["code"]) for error in refused.body["errors"]] == [(pointer, code)]
    assert await door.rows("select * from intake_case") == []


async def test_a_portal_that_verifies_numbers_may_say_so(door: Door) -> None:
    made = await portal(door, "site", "web", "verified-phones")
    assert (await made.register(applicant={"phone": PHONE, "phone_verified": True})).status == 201


@pytest.mark.parametrize(
    ("query", "body"), [("flag=SELF_HARM", {"flag": "X"}), ("needs=kind", {"needs": "kind"})]
)
async def test_a_portal_does_not_ask_by_what_staff_think(door: Door, query: str, body: Any) -> None:
    made = await portal(door)
    assert (await made.ask("GET", f"/v1/cases?{query}")).status == 422
    refused = await made.ask("POST", "/v1/cases/search", body)
    assert (refused.status, refused.body["errors"][0]["code"]) == (422, "staff_only")


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("PATCH", "", {"reason": "x"}),
        ("POST", "/decision", {"action": "accept"}),
        ("POST", "/flags", {"add": ["VIOLENCE"]}),
        ("POST", "/release", {"reason": "x"}),
        ("POST", "/reminders", {}),
        ("POST", "/children", {"kind": "CON"}),
        ("POST", "/duties", {"rule": "PET-NOTICE"}),
        ("POST", "/reveal", {"purpose": "核对"}),
        ("GET", "/notes", None),
    ],
)
async def test_a_portal_does_nothing_else(door: Door, method: str, path: str, body: Any) -> None:
    made = await portal(door)
    case_id = (await made.register()).body["case_id"]
    answer = await made.ask(method, f"/v1/cases/{case_id}{path}", body, if_match='"1"')
    assert answer.status == 403
    assert len(await door.events(case_id)) == 1


async def test_fifty_posts_with_one_key_make_one_case(door: Door) -> None:
    made = await portal(door)
    body = {**PLAIN, "applicant": {"phone": PHONE}}
    answers = await asyncio.gather(
        *(made.ask("POST", "/v1/cases", body, idempotency_key="once") for _ in range(50))
    )
    assert {answer.status for answer in answers} == {201}
    assert len({answer.body["case_id"] for answer in answers}) == 1
    assert len(await door.rows("select * from intake_case")) == 1


async def test_a_flood_of_one_number_is_refused_to_portals_alone(door: Door) -> None:
    made, most = await portal(door), known().limits[MOST]
    await asyncio.gather(*(door.register(applicant={"phone": PHONE}) for _ in range(most)))
    flood = await asyncio.gather(*(made.register(applicant={"phone": PHONE}) for _ in range(most + 5)))
    assert sorted(answer.status for answer in flood) == [201] * most + [429] * 5
    refused = await made.ask(
        "POST", "/v1/cases", {**PLAIN, "applicant": {"phone": "+86 " + PHONE}}, idempotency_key="later"
    )
    assert (refused.status, refused.body["code"]) == (429, "too_many_registrations")
    assert 0 < int(refused.headers["retry-after"]) <= 3_600
    assert (await made.register(applicant={"phone": "13800000002"})).status == 201
    assert (await made.register()).status == 201
    assert (await door.register(applicant={"phone": PHONE})).status == 201
    door.clock.advance(seconds=3_600)
    again = await made.ask(
        "POST", "/v1/cases", {**PLAIN, "applicant": {"phone": "+86 " + PHONE}}, idempotency_key="later"
    )
    assert again.status == 201


async def test_what_is_refused_for_its_rate_is_counted(door: Door) -> None:
    made, most = await portal(door), known().limits[MOST]
    for _ in range(most + 2):
        await made.register(applicant={"phone": PHONE})
    async with door.session.get("/metrics") as answer:
        text = await answer.text()
    assert 'heshi_rate_refusals_total{code="too_many_registrations"} 2.0' in text
