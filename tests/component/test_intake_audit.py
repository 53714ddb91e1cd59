"""Every act at intake's doors leaves a record, and an auditor reads in one query who saw what of a case."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any, Final

import pytest
from fastapi.routing import APIRoute

from libs.db.pool import Database
from services.intake.api import ROUTERS
from tests.component.intake_attachments import Files as Attached
from tests.component.intake_door import Answer, Door, opened
from tests.component.intake_files import Desk as Files
from tests.component.intake_files import csv_file, row


@pytest.fixture
async def door(database: Callable[[str], Awaitable[Database]], tmp_path: Path) -> AsyncIterator[Door]:
    async with opened(await database("intake"), tmp_path) as made:
        yield made


Act = Callable[[Door, str], Awaitable[Answer]]


def staff(method: str, path: str, body: Any, *roles: str, version: int = 1) -> Act:
    """An act on a case `{case_id}`, which has the flag VIOLENCE and was accepted."""

    async def done(door: Door, case_id: str) -> Answer:
        headers = {"if-match": f'"{version}"'}
        return await door.ask(method, path.replace("{case_id}", case_id), body, *roles, headers=headers)

    return done


async def revoked(door: Door, case_id: str) -> Answer:
    key_id = (await door.post("/v1/channels/site/keys", {}, "admin")).body["key_id"]
    return await door.ask("DELETE", f"/v1/channels/site/keys/{key_id}", None, "admin")


async def reported(door: Door, case_id: str) -> Answer:
    key = (await door.post("/v1/channels/site/keys", {}, "admin")).body["key"]
    form = f"service_code=D02&address_string=x&api_key={key}".encode()
    kind = "application/x-www-form-urlencoded"
    return await door.ask(
        "POST", "/open311/v2/requests.json", form, headers={"authorization": "", "content-type": kind}
    )


async def erased(door: Door, case_id: str) -> Answer:
    refusal = {"action": "refuse", "reason_code": "NOT_OURS"}
    made = await door.register("dispatcher", kind="DIS", decision=refusal)
    assert made.status == 201, made.body
    path = f"/v1/cases/{made.body['case_id']}/erasure"
    body = {"reason_code": "CONSENT_WITHDRAWN"}
    return await door.ask("POST", path, body, "supervisor", headers={"if-match": '"2"'})


async def imported(door: Door, case_id: str) -> Answer:
    return await Files(door).send(csv_file(row(1)))


async def faults_read(door: Door, case_id: str) -> Answer:
    files = Files(door)
    told = await files.taken(csv_file(row(1, 人数="many")))
    status, _, headers = await files.fetch("GET", f"/v1/imports/{told['import_id']}/errors")
    return Answer(status, None, headers)


async def exported(door: Door, case_id: str) -> Answer:
    status, _, headers = await Files(door).fetch("POST", "/v1/cases/export", body={})
    return Answer(status, None, headers)


async def noticed(door: Door, case_id: str) -> Answer:
    made = await door.register(
        "dispatcher",
        kind="PET",
        applicant={"name": "许明远"},
        place={"address": "锦苑一期"},
        decision={"action": "accept", "lawful_route": "R6"},
    )
    return await door.get(f"/v1/cases/{made.body['case_id']}/notice", "dispatcher")


def on_a_file(method: str, act: str, body: Any = None) -> Act:
    """An act of a supervisor on a file of the case, which a person let out if it is to be read."""

    async def done(door: Door, case_id: str) -> Answer:
        files = Attached(door)
        at = (await files.send(case_id, name="合同.jpg")).headers["location"]
        if method == "POST":
            return await files.act(f"{at}/{act}", body)
        await files.act(f"{at}/release")
        status, _, headers = await files.fetch(at)
        return Answer(status, None, headers)

    return done


async def attached(door: Door, case_id: str) -> Answer:
    return await Attached(door).send(case_id)


async def sent_back(door: Door, case_id: str) -> Answer:
    forwarding = {"action": "forward", "directed_to": "DUTY-01"}
    made = await door.register("dispatcher", kind="PET", decision=forwarding)
    path, body = f"/v1/cases/{made.body['case_id']}/objection", {"reason": "不属本单位职权"}
    return await door.ask("POST", path, body, "dispatcher", headers={"if-match": '"2"'})


async def related(door: Door, case_id: str) -> Answer:
    other = (await door.register(kind="DIS")).body["case_id"]
    answer = await door.post(f"/v1/cases/{case_id}/related", {"case_id": other})
    assert (await door.get(f"/v1/cases/{other}")).body["related"] == [case_id]
    return answer


async def filed(door: Door, case_id: str) -> Answer:
    await door.register(applicant={"phone": "13800000001"})
    return await door.post("/v1/persons/file", {"phone": "13800000001", "purpose": "本人申请"}, "supervisor")


ACTS: Final[Mapping[str, tuple[str, Act]]] = {
    "POST /v1/cases": (
        "case.registered",
        staff("POST", "/v1/cases", {"channel": "phone", "narrative": "路灯"}),
    ),
    "PATCH /v1/cases/{case_id}": (
        "case.amended",
        staff("PATCH", "/v1/cases/{case_id}", {"reason": "x", "headcount": 3}, version=2),
    ),
    "POST /v1/cases/{case_id}/decision": (
        "case.withdrawn",
        staff("POST", "/v1/cases/{case_id}/decision", {"action": "withdraw"}, version=2),
    ),
    "POST /v1/cases/{case_id}/objection": ("case.sent_back", sent_back),
    "POST /v1/cases/{case_id}/flags": (
        "case.flags_changed",
        staff("POST", "/v1/cases/{case_id}/flags", {"add": ["VULNERABLE"]}),
    ),
    "POST /v1/cases/{case_id}/release": (
        "case.released",
        staff("POST", "/v1/cases/{case_id}/release", {"reason": "x"}, "supervisor", version=2),
    ),
    "POST /v1/cases/{case_id}/reminders": (
        "case.reminded",
        staff("POST", "/v1/cases/{case_id}/reminders", {}),
    ),
    "POST /v1/cases/{case_id}/related": ("case.related", related),
    "POST /v1/cases/{case_id}/children": (
        "case.registered",
        staff("POST", "/v1/cases/{case_id}/children", {"kind": "CON"}),
    ),
    "POST /v1/cases/{case_id}/duties": (
        "deadline.met",
        staff("POST", "/v1/cases/{case_id}/duties", {"rule": "RISK-VIOLENCE"}, "supervisor"),
    ),
    "POST /v1/cases/{case_id}/reveal": (
        "case.revealed",
        staff("POST", "/v1/cases/{case_id}/reveal", {"purpose": "核对"}, "supervisor"),
    ),
    "POST /v1/cases/{case_id}/erasure": ("case.erased", erased),
    "PUT /v1/cases/{case_id}/attachments": ("attachment.received", attached),
    "GET /v1/cases/{case_id}/attachments": (
        "attachment.listed",
        staff("GET", "/v1/cases/{case_id}/attachments", None),
    ),
    "GET /v1/cases/{case_id}/attachments/{attachment_id}": ("attachment.read", on_a_file("GET", "")),
    "POST /v1/cases/{case_id}/attachments/{attachment_id}/release": (
        "attachment.released",
        on_a_file("POST", "release"),
    ),
    "POST /v1/cases/{case_id}/attachments/{attachment_id}/removal": (
        "attachment.removed",
        on_a_file("POST", "removal", {"reason_code": "WRONG_CASE"}),
    ),
    "POST /v1/cases/{case_id}/holds": (
        "case.holds_changed",
        staff("POST", "/v1/cases/{case_id}/holds", {"add": ["COURT"]}, "supervisor"),
    ),
    "POST /v1/persons/file": ("case.revealed", filed),
    "GET /v1/cases/{case_id}": ("case.read", staff("GET", "/v1/cases/{case_id}", None)),
    "GET /v1/cases/{case_id}/notes": (
        "case.notes_read",
        staff("GET", "/v1/cases/{case_id}/notes", None),
    ),
    "GET /v1/cases/{case_id}/notice": ("case.notice_printed", noticed),
    "POST /v1/imports": ("import.received", imported),
    "GET /v1/imports/{import_id}/errors": ("import.errors_read", faults_read),
    "POST /v1/cases/export": ("cases.exported", exported),
    "POST /v1/channels/{name}/keys": (
        "channel.key_issued",
        staff("POST", "/v1/channels/site/keys", {}, "admin"),
    ),
    "DELETE /v1/channels/{name}/keys/{key_id}": ("channel.key_revoked", revoked),
    "POST /open311/v2/requests.json": ("case.registered", reported),
}
"""Every door that writes, or shows something of a person: the record that it leaves, and a call that does."""

NOTHING_KEPT: Final = {"POST /v1/cases/search", "POST /v1/suggestions"}
"""Doors that are POST only to keep personal data out of addresses: lists without any, and nothing kept."""


NOBODY_SEEN: Final = {
    "GET /v1/cases",
    "GET /v1/imports/template.csv",
    "GET /v1/imports/template.xlsx",
    "GET /v1/imports/{import_id}",
    "GET /v1/audit",
    "GET /v1/channels",
    "GET /v1/retention",
    "GET /open311/v2/services.json",
    "GET /open311/v2/services/{code}.json",
    "GET /open311/v2/requests.json",
    "GET /open311/v2/requests/{service_request_id}.json",
}
"""Doors that show codes and dates, and nothing of a person."""


def test_every_door_is_looked_at_here() -> None:
    doors = {
        f"{method} {route.path}"
        for router in ROUTERS
        for route in router.routes
        if isinstance(route, APIRoute)
        for method in route.methods or ()
    }
    assert doors == ACTS.keys() | NOTHING_KEPT | NOBODY_SEEN


@pytest.mark.parametrize("name", ACTS)
async def test_every_act_leaves_a_record(door: Door, name: str) -> None:
    made = await door.register(kind="DIS", flags=["VIOLENCE"], decision={"action": "accept"})
    door.clock.advance(seconds=1)
    begun = door.clock.now()
    action, act = ACTS[name]
    answer = await act(door, made.body["case_id"])
    assert answer.status < 300, answer.body
    assert action in [row["action"] for row in await door.rows("select * from audit where at >= $1", begun)]


async def test_a_refused_act_leaves_none(door: Door) -> None:
    case_id = (await door.register()).body["case_id"]
    before = await door.rows("select * from audit")
    assert (await door.post(f"/v1/cases/{case_id}/reveal", {"purpose": "核对"})).status == 403
    assert (await door.post(f"/v1/cases/{case_id}/release", {"reason": "x"}, "supervisor")).status == 428
    assert await door.rows("select * from audit") == before


async def trail(door: Door, case_id: str, *roles: str, **more: Any) -> list[dict[str, Any]]:
    answer = await door.get(f"/v1/audit?case_id={case_id}", *(roles or ("auditor",)), **more)
    assert answer.status == 200
    items: list[dict[str, Any]] = answer.body["items"]
    return items


async def test_an_auditor_reads_who_saw_what_of_a_case(door: Door) -> None:
    case_id = (await door.register()).body["case_id"]
    await door.register()
    door.clock.advance(seconds=1)
    await door.get(f"/v1/cases/{case_id}")
    door.clock.advance(seconds=1)
    await door.post(f"/v1/cases/{case_id}/reveal", {"purpose": "回拨"}, "supervisor")
    for role in ("operator", "dispatcher"):
        door.clock.advance(seconds=1)
        await door.get(f"/v1/cases/{case_id}/attachments", role)
    told = await trail(door, case_id)
    assert [(one["actor"], one["action"], one["seen"]) for one in told] == [
        ("staff:somebody", "case.registered", None),
        ("staff:somebody", "case.read", "masked"),
        ("staff:somebody", "case.revealed", "plain"),
        ("staff:somebody", "attachment.listed", "masked"),
        ("staff:somebody", "attachment.listed", "plain"),
    ]
    (note,) = await door.rows("select note_id from note where act = 'reveal'")
    assert told[2]["detail"] == {"purpose": str(note["note_id"])}
    assert told[0]["at"].endswith("+08:00")
    door.clock.advance(seconds=1)
    (purpose,) = (await door.get(f"/v1/cases/{case_id}/notes", "auditor")).body["items"]
    assert (purpose["note_id"], purpose["act"], purpose["text"]) == (str(note["note_id"]), "reveal", "回拨")
    assert (await trail(door, case_id))[-1]["seen"] == "masked"


async def test_the_trail_goes_on_page_by_page(door: Door) -> None:
    case_id = (await door.register()).body["case_id"]
    for _ in range(6):
        door.clock.advance(seconds=1)
        await door.get(f"/v1/cases/{case_id}")
    whole = await trail(door, case_id)
    seen: list[Any] = []
    after = ""
    while True:
        page = (await door.get(f"/v1/audit?case_id={case_id}&limit=2{after}", "auditor")).body
        seen += page["items"]
        if page["next"] is None:
            break
        after = f"&after={page['next']}"
    assert seen == whole
    assert len(seen) == 7


async def test_an_act_on_two_cases_stands_in_the_trail_of_both(door: Door) -> None:
    first = (await door.register(kind="DIS", decision={"action": "accept"})).body["case_id"]
    second = (await door.register(kind="DIS", decision={"action": "merge", "into": first})).body["case_id"]
    child = (await door.post(f"/v1/cases/{first}/children", {"kind": "CON"})).body["case_id"]
    actions = {one["action"]: one["detail"] for one in await trail(door, first)}
    assert actions["case.reminded"] == {"by": second}
    assert actions["case.linked"] == {"child": child}
    assert "case.merged" in [one["action"] for one in await trail(door, second)]
    assert "case.reminded" not in [one["action"] for one in await trail(door, second)]


async def test_the_trail_of_an_accusation_is_for_an_auditor_who_may_know_of_it(door: Door) -> None:
    case_id = (await door.register(kind="REP")).body["case_id"]
    assert await trail(door, case_id) == []
    assert [one["action"] for one in await trail(door, case_id, "auditor", "sealed_officer")] == [
        "case.registered"
    ]


async def test_the_trail_ends_at_the_district(door: Door) -> None:
    case_id = (await door.register()).body["case_id"]
    assert await trail(door, case_id, districts=("990102",)) == []
    assert await trail(door, "019c2b6e-7001-7001-8001-000000000001") == []


@pytest.mark.parametrize("role", ["operator", "supervisor", "duty_officer", "admin", "sealed_officer"])
async def test_the_trail_is_an_auditors_and_an_auditor_sees_no_case(door: Door, role: str) -> None:
    case_id = (await door.register()).body["case_id"]
    assert (await door.get(f"/v1/audit?case_id={case_id}", role)).status == 403
    assert (await door.get(f"/v1/cases/{case_id}", "auditor")).status == 403


@pytest.mark.parametrize("query", ["", "case_id=1", "case_id=019c2b6e-7001-7001-8001-000000000001&after=x"])
async def test_a_trail_that_cannot_be_asked_for(door: Door, query: str) -> None:
    assert (await door.get(f"/v1/audit?{query}", "auditor")).status == 422


async def test_the_trail_is_read_from_one_index(door: Door) -> None:
    async with door.database.transaction() as tx:
        await tx.execute("set local enable_bitmapscan = off")
        plan = await tx.fetch(
            "explain select * from audit where case_id = '019c2b6e-7001-7001-8001-000000000001'"
            " and (at, chain, seq) > (now(), 0, 0) order by at, chain, seq limit 50"
        )
    assert "audit_case_time" in "\n".join(row["QUERY PLAN"] for row in plan)
    assert "Sort" not in "\n".join(row["QUERY PLAN"] for row in plan)
