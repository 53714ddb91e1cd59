"""Mediation's doors: who may enter, what is answered to bad input, lists, feed, staff."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from uuid_utils.compat import uuid7

from libs.db.pool import Database
from libs.web.apikeys import generate
from tests.component.mediation_door import Door, opened
from tests.component.test_mediation_cases import ORG, accepted, in_mediation, offered, proposed
from tests.unit.mediation.play import DISTRICT

OTHER = "LAB-01"


@pytest.fixture
async def door(database: Callable[[str], Awaitable[Database]], tmp_path: Path) -> AsyncIterator[Door]:
    async with opened(await database("mediation"), tmp_path) as made:
        await made.organisation(ORG)
        await made.organisation(OTHER)
        yield made


async def test_who_has_no_key_does_not_enter(door: Door) -> None:
    await door.keys_known()
    assert (await door.ask("GET", "/partner/v1/cases", headers={"authorization": None})).status == 401
    assert (await door.ask("GET", "/partner/v1/cases", credential=generate())).status == 401
    assert (await door.ask("GET", "/partner/v1/cases")).status == 403  # a staff token


async def test_g15_a_revoked_key_is_closed_and_an_old_copy_of_the_keys_lets_nobody_in(door: Door) -> None:
    assert (await door.partner(ORG, "GET", "/cases")).status == 200
    await door.organisation(ORG, 1)  # not newer than what is known
    first = door.partners[ORG]
    assert (await door.partner(ORG, "GET", "/cases")).status == 401
    await door.organisation(ORG, 2)
    assert (await door.partner(ORG, "GET", "/cases")).status == 200
    assert (await door.ask("GET", "/partner/v1/cases", credential=first)).status == 401
    door.clock.advance(seconds=61)
    answer = await door.ask("GET", "/partner/v1/cases", credential=door.partners[ORG])
    assert (answer.status, answer.body["code"]) == (503, "unavailable")
    assert "retry-after" in answer.headers


async def test_another_organisations_case_is_not_there(door: Door) -> None:
    case_id = await offered(door)
    assert (await door.partner(OTHER, "GET", f"/cases/{case_id}")).status == 404
    assert (await door.partner(OTHER, "GET", "/cases")).body["items"] == []
    for version in (1, 2, 99):
        answer = await door.act(OTHER, case_id, "take-up", {"handler": "某"}, if_match=f'"{version}"')
        assert (answer.status, answer.body["code"]) == (404, "not_found")
    assert (await door.act(ORG, uuid7(), "take-up", {"handler": "某"}, if_match='"1"')).status == 404


async def test_a_forbidden_act_says_what_is_allowed(door: Door) -> None:
    case_id = await offered(door)
    answer = await door.act(ORG, case_id, "close", {"result": "SOLVED", "summary": "x"})
    assert answer.status == 409
    assert answer.headers["content-type"] == "application/problem+json"
    assert (answer.body["code"], answer.body["state"], answer.body["allowed"]) == (
        "forbidden_action",
        "offered",
        ["return", "take-up"],
    )


async def test_an_act_that_moves_the_case_names_its_version(door: Door) -> None:
    case_id = await offered(door)
    path, body = f"/cases/{case_id}/take-up", {"handler": "某"}
    assert (await door.partner(ORG, "POST", path, body)).status == 428
    assert (await door.partner(ORG, "POST", path, body, if_match='"1"')).status == 412
    assert (await door.partner(ORG, "POST", path, body, if_match="nonsense")).status == 412
    assert (await door.partner(ORG, "POST", path, body, if_match='"2"', idempotency_key=None)).status == 400
    assert (await door.partner(ORG, "POST", path, body, if_match='"2"')).status == 200


async def test_the_same_request_twice_is_done_once(door: Door) -> None:
    case_id = await offered(door)
    request: dict[str, Any] = {"if_match": '"2"', "idempotency_key": "once"}
    body = {"reason_code": "NO_CAPACITY", "reason_text": "人手不足"}
    first = await door.partner(ORG, "POST", f"/cases/{case_id}/return", body, **request)
    again = await door.partner(ORG, "POST", f"/cases/{case_id}/return", body, **request)
    assert (first.status, again.status) == (200, 200)
    assert again.body == first.body
    assert again.headers["idempotent-replayed"] == "true"
    other = await door.partner(
        ORG, "POST", f"/cases/{case_id}/return", body | {"reason_code": "OTHER"}, **request
    )
    assert (other.status, other.body["code"]) == (422, "idempotency_key_reused")
    assert [kind for _, kind, _ in await door.events(case_id)].count("case.returned") == 1


async def test_two_answers_at_once_one_counts(door: Door) -> None:
    case_id = await offered(door)
    answers = await asyncio.gather(
        door.partner(ORG, "POST", f"/cases/{case_id}/take-up", {"handler": "甲"}, if_match='"2"'),
        door.partner(ORG, "POST", f"/cases/{case_id}/return", {"reason_code": "NO_CAPACITY"}, if_match='"2"'),
    )
    assert sorted(answer.status for answer in answers)[0] == 200
    assert sorted(answer.status for answer in answers)[1] in (404, 412)
    kinds = [kind for _, kind, _ in await door.events(case_id)]
    assert len({"case.taken_up", "case.returned"}.intersection(kinds)) == 1


BAD: list[tuple[str, Any, str]] = [
    ("take-up", {}, "/handler"),
    ("take-up", {"handler": ""}, "/handler"),
    ("take-up", {"handler": "x" * 201}, "/handler"),
    ("take-up", {"handler": 7}, "/handler"),
    ("take-up", {"handler": "a\x00b"}, "/handler"),
    ("take-up", {"handler": "甲", "first_contact_by": "soon"}, "/first_contact_by"),
    ("take-up", {"handler": "甲", "first_contact_by": 20260302}, "/first_contact_by"),
    ("take-up", {"handler": "甲", "first_contact_by": "2026-03-01"}, "/first_contact_by"),
    ("take-up", {"handler": "甲", "phone": "13800000001"}, "/phone"),
    ("return", {"reason_code": "BORED"}, "/reason_code"),
    ("return", {"reason_code": "NOT_OURS"}, "/proposed_org"),
    ("return", {"reason_code": "OTHER"}, "/reason_text"),
    ("return", {"reason_code": "OTHER", "reason_text": "x" * 2001}, "/reason_text"),
]


@pytest.mark.parametrize(("action", "body", "pointer"), BAD)
async def test_bad_input_names_its_field(door: Door, action: str, body: Any, pointer: str) -> None:
    case_id = await offered(door)
    answer = await door.act(ORG, case_id, action, body)
    assert (answer.status, answer.body["code"]) == (422, "invalid")
    assert [error["pointer"] for error in answer.body["errors"]] == [pointer]
    assert await door.version(case_id) == 2


BAD_IN_MEDIATION: list[tuple[str, Any, str]] = [
    ("contact-attempts", {"party": "judge"}, "/party"),
    ("contact-attempts", {"at": "2026-03-02T10:00:00"}, "/at"),
    ("contact-attempts", {"at": "2026-03-03T10:00:00+08:00"}, "/at"),
    ("contact-attempts", {"outcome": "13800000001"}, "/outcome"),
    ("consents", {"decision": "maybe"}, "/decision"),
    ("sessions", {"mode": "dream"}, "/mode"),
    ("sessions", {"parties": []}, "/parties"),
    ("sessions", {"starts_at": "2028-03-02T10:00:00+08:00"}, "/starts_at"),
    ("agreement", {"means": ["钱"]}, "/means/0"),
    ("agreement", {"effective_on": "1999-12-31"}, "/effective_on"),
    ("agreement", {"effective_on": "2026-03-03"}, "/effective_on"),
    ("agreement", {"performance": [{"what": "付款", "amount": 1}]}, "/performance/0/amount"),
    ("end", {"routes_told": []}, "/routes_told"),
    ("end", {"routes_told": ["R1", "R7"]}, "/routes_told/1"),
    ("extend", {"both_agree": "yes"}, "/both_agree"),
    ("extend", {"both_agree": False}, "/both_agree"),
    ("extend", {"until": "9999-12-31"}, "/until"),
]

GOOD: dict[str, dict[str, Any]] = {
    "contact-attempts": {
        "party": "applicant",
        "channel": "phone",
        "at": "2026-03-02T10:00:00+08:00",
        "outcome": "reached",
    },
    "consents": {"party": "applicant", "decision": "agrees", "at": "2026-03-02T10:00:00+08:00"},
    "sessions": {"starts_at": "2026-03-03T10:00:00+08:00", "mode": "phone", "parties": ["applicant"]},
    "agreement": {"form": "written", "terms": "各退一步", "effective_on": "2026-03-02"},
    "end": {"reason_code": "NO_AGREEMENT", "routes_told": ["R1"]},
    "extend": {"until": "2026-05-06", "both_agree": True},
}


async def test_bad_input_of_every_act_of_mediation(door: Door) -> None:
    case_id = await in_mediation(door)
    before = await door.version(case_id)
    for action, change, pointer in BAD_IN_MEDIATION:
        answer = await door.act(ORG, case_id, action, GOOD[action] | change)
        assert answer.status == 422, (action, change, answer.body)
        assert [error["pointer"] for error in answer.body["errors"]] == [pointer]
    assert await door.version(case_id) == before
    for action in ("contact-attempts", "consents", "sessions", "extend", "agreement", "end"):
        assert (await door.act(ORG, case_id, action, GOOD[action])).status in (200, 201), action


async def test_a_body_too_large_or_of_another_type_is_refused(door: Door) -> None:
    case_id = await offered(door)
    large = await door.act(ORG, case_id, "take-up", {"handler": "x" * 300_000})
    assert large.status == 413
    plain = await door.act(ORG, case_id, "take-up", b"handler=x", content_type="text/plain")
    assert plain.status == 415
    broken = await door.act(ORG, case_id, "take-up", b"{")
    assert broken.status == 400


async def test_lists_go_page_by_page(door: Door) -> None:
    cases = [await offered(door) for _ in range(5)]
    seen: list[str] = []
    after = ""
    while True:
        answer = await door.partner(ORG, "GET", f"/cases?limit=2&state=offered{after}")
        seen += [item["case_id"] for item in answer.body["items"]]
        if answer.body["next"] is None:
            break
        after = f"&after={answer.body['next']}"
    assert seen == [str(case_id) for case_id in sorted(cases, reverse=True)]
    assert (await door.partner(ORG, "GET", "/cases?state=closed")).body["items"] == []
    assert (await door.partner(ORG, "GET", "/cases?after=junk")).status == 422
    assert (await door.partner(ORG, "GET", "/cases?limit=0")).status == 422
    assert (await door.partner(ORG, "GET", "/cases?colour=red")).status == 422


async def test_the_feed_tells_each_event_once_and_in_order(door: Door) -> None:
    first, second = await offered(door), await offered(door)
    await door.act(ORG, first, "take-up", {"handler": "甲"})
    told: list[tuple[str, str]] = []
    mark = ""
    for _ in range(6):
        page = await door.partner(ORG, "GET", f"/events?limit=1{mark}")
        told += [(item["data"]["case_id"], item["type"]) for item in page.body["items"]]
        mark = f"&after={page.body['next']}"
    assert told == [
        (str(first), "case.offered"),
        (str(second), "case.offered"),
        (str(first), "case.taken_up"),
    ]
    assert (await door.partner(OTHER, "GET", "/events")).body["items"] == []
    await door.act(ORG, second, "return", {"reason_code": "NO_CAPACITY"})
    page = await door.partner(ORG, "GET", f"/events?{mark[1:]}")
    assert [item["type"] for item in page.body["items"]] == ["case.returned"]
    assert set(page.body["items"][0]) == {"id", "type", "timestamp", "data"}


async def test_g9_the_feed_never_passes_an_event_that_commits_later(door: Door) -> None:
    """G9: a transaction that is still open holds the feed back, so that nothing is skipped."""
    case_id = await offered(door)
    async with door.database.transaction() as slow:
        await slow.execute("select pg_current_xact_id()")
        await door.act(ORG, case_id, "take-up", {"handler": "甲"})
        page = await door.partner(ORG, "GET", "/events")
        assert [item["type"] for item in page.body["items"]] == ["case.offered"]
    later = await door.partner(ORG, "GET", f"/events?after={page.body['next']}")
    assert [item["type"] for item in later.body["items"]] == ["case.taken_up"]


async def test_a_cursor_of_before_a_restore_is_void(door: Door) -> None:
    await offered(door)
    page = await door.partner(ORG, "GET", "/events")
    async with door.database.transaction() as tx:
        await tx.execute("update feed_epoch set epoch = epoch + 1")
    answer = await door.partner(ORG, "GET", f"/events?after={page.body['next']}")
    assert (answer.status, answer.body["errors"][0]["code"]) == (422, "cursor_of_before_a_restore")


async def test_staff_reads_state_timeline_and_the_working_of_each_date(door: Door) -> None:
    case_id = await offered(door)
    answer = await door.ask("GET", f"/v1/cases/{case_id}", credential=door.token("operator"))
    assert answer.headers["etag"] == '"2"'
    assert (answer.body["state"], answer.body["owner"]) == ("offered", ORG)
    assert [told["type"] for told in answer.body["timeline"]] == ["case.opened", "case.offered"]
    (clock,) = answer.body["deadlines"]
    assert (clock["rule"], clock["due_on"]) == ("PROD-OFFER", "2026-03-04")
    assert [step["counted"] for step in clock["working"]] == [False, True]
    listed = await door.ask("GET", "/v1/cases?state=offered")
    assert [item["case_id"] for item in listed.body["items"]] == [str(case_id)]


async def test_staff_of_another_district_or_role_sees_nothing(door: Door) -> None:
    case_id = await offered(door)
    elsewhere = door.token("supervisor", districts=("990102",))
    assert (await door.ask("GET", f"/v1/cases/{case_id}", credential=elsewhere)).status == 404
    assert (await door.ask("GET", "/v1/cases", credential=elsewhere)).body["items"] == []
    for role in ("admin", "auditor"):
        assert (await door.ask("GET", f"/v1/cases/{case_id}", credential=door.token(role))).status == 403


async def test_a_sealed_case_is_seen_by_its_officer_alone(door: Door) -> None:
    """XF22 art 30."""
    open_case, sealed = await offered(door), uuid7()
    await door.hear(accepted(sealed, kind="REP", track="SEALED"))
    officer = door.token("sealed_officer")

    async def seen(credential: str) -> list[UUID]:
        answer = await door.ask("GET", "/v1/cases", credential=credential)
        return [UUID(item["case_id"]) for item in answer.body["items"]]

    assert await seen(officer) == [sealed]
    assert await seen(door.token("supervisor")) == [open_case]
    assert await seen(door.token("supervisor", "sealed_officer")) == [sealed, open_case]
    assert (await door.ask("GET", f"/v1/cases/{sealed}")).status == 404
    assert (await door.ask("GET", f"/v1/cases/{open_case}", credential=officer)).status == 404
    assert (await door.ask("GET", "/v1/tasks")).body["items"] == []


async def test_staff_closes_a_case_that_nobody_holds(door: Door) -> None:
    case_id = uuid7()
    await door.hear(accepted(case_id))
    path, body = f"/v1/cases/{case_id}/close", {"result": "REFERRED", "summary": "移交"}
    operator = door.token("operator")
    assert (
        await door.ask("POST", path, body, credential=operator, headers={"if-match": '"1"'})
    ).status == 403
    assert (await door.ask("POST", path, body)).status == 428
    answer = await door.ask("POST", path, body, headers={"if-match": '"1"'})
    assert (answer.status, answer.body["state"]) == (200, "closed")
    await door.hear(proposed(case_id))
    assert (await door.events(case_id))[-1][1] == "case.offer_refused"


async def test_a_preview_shows_the_working_and_stores_nothing(door: Door) -> None:
    answer = await door.ask(
        "POST",
        "/v1/deadlines/preview",
        {"rule": "LAB-TERM", "start": "2026-02-05T10:12:00+08:00"},
        headers={"idempotency-key": None},
    )
    assert (answer.status, answer.body["due_on"]) == (200, "2026-02-24")
    assert answer.body["due_at"] == "2026-02-25T00:00:00+08:00"
    assert answer.body["working"]
    term = {"term": {"length": 15, "measure": "day", "unit": "calendar", "rolls_over_rest_day": True}}
    bare = await door.ask("POST", "/v1/deadlines/preview", term | {"start": "2026-02-05"})
    assert bare.body["due_on"] == "2026-02-24"
    for wrong, pointer in (
        ({"rule": "NONE", "start": "2026-02-05"}, "/rule"),
        ({"rule": "LAB-TERM", "start": "soon"}, "/start"),
        ({"start": "2026-02-05"}, "/rule"),
        ({"rule": "LAB-TERM", "start": "2026-02-05", "x": 1}, "/x"),
    ):
        refused = await door.ask("POST", "/v1/deadlines/preview", wrong)
        assert (refused.status, refused.body["errors"][0]["pointer"]) == (422, pointer)


async def test_a_case_without_a_lifecycle_is_parked_and_the_next_goes_on(door: Door) -> None:
    sick, sound = uuid7(), uuid7()
    await door.hear(accepted(sick, kind="XYZ", track="XYZ"), accepted(sound))
    assert await door.version(sound) == 1
    (row,) = await door.rows("select error, case_id from parked")
    assert (row["error"], row["case_id"]) == ("no_track", sick)


async def test_a_petition_waits_for_a_person(door: Door) -> None:
    case_id = uuid7()
    await door.hear(accepted(case_id, kind="PET", track="PETITION", lawful_route="R6"))
    seen = await door.ask("GET", f"/v1/cases/{case_id}")
    assert (seen.body["state"], seen.body["owner"]) == ("handling", "DUTY_DESK")
    assert "PET-FINISH" in {clock["rule"] for clock in seen.body["deadlines"]}
    tasks = await door.ask("GET", "/v1/tasks")
    assert [task["reason_code"] for task in tasks.body["items"]] == ["PETITION"]
    assert tasks.body["items"][0]["district"] == DISTRICT
