"""Mediation on the real database: the straight path from the topics and the partner API to the close."""

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from uuid_utils.compat import uuid7

from libs.db.pool import Database
from libs.events.intake import CaseAccepted, CaseAmended
from libs.events.notify import MessageReceived
from libs.events.routing import AssignmentExhausted, AssignmentProposed
from tests.component.mediation_door import CONTACT, STORY, Door, opened
from tests.unit.mediation.play import DISTRICT, case_facts

ORG = "PMC-YQ-JY"


@pytest.fixture
async def door(database: Callable[[str], Awaitable[Database]], tmp_path: Path) -> AsyncIterator[Door]:
    async with opened(await database("mediation"), tmp_path) as made:
        await made.organisation(ORG)
        await made.organisation("LAB-01")
        yield made


def accepted(case_id: UUID, **facts: Any) -> CaseAccepted:
    return CaseAccepted(case_id=case_id, district=DISTRICT, case=case_facts(**facts), with_registration=True)


def proposed(case_id: UUID, attempt: int = 1, org: str = ORG, **changes: Any) -> AssignmentProposed:
    facts = changes.pop("facts", case_facts())
    return AssignmentProposed(
        case_id=case_id,
        district=DISTRICT,
        case=facts,
        assignment_id=uuid7(),
        attempt=attempt,
        org_id=org,
        org_type="PMC",
        target_type="PMC",
        rule_version="1",
        **changes,
    )


async def offered(door: Door, **facts: Any) -> UUID:
    """A case that is offered."""
    case_id = uuid7()
    await door.hear(accepted(case_id, **facts), proposed(case_id, facts=case_facts(**facts)))
    return case_id


async def in_mediation(door: Door) -> UUID:
    """A case in which both sides agreed to mediate."""
    case_id = await offered(door)
    at = door.clock.now().isoformat()
    await door.act(ORG, case_id, "take-up", {"handler": "承办人"})
    reached = {"party": "applicant", "channel": "phone", "at": at, "outcome": "reached"}
    await door.act(ORG, case_id, "contact-attempts", reached)
    for party in ("applicant", "respondent"):
        said = {"party": party, "decision": "agrees", "evidence": "电话录音", "at": at}
        answer = await door.act(ORG, case_id, "consents", said)
    assert answer.body["state"] == "in_mediation"
    return case_id


async def test_the_straight_path(door: Door) -> None:
    case_id = await offered(door)
    at, today = door.clock.now().isoformat(), "2026-03-02"
    steps: list[tuple[str, Any, str]] = [
        ("take-up", {"handler": "承办人", "first_contact_by": "2026-03-03"}, "taken_up"),
        (
            "contact-attempts",
            {"party": "applicant", "channel": "phone", "at": at, "outcome": "reached"},
            "consent_pending",
        ),
        ("consents", {"party": "applicant", "decision": "agrees", "at": at}, "consent_pending"),
        ("consents", {"party": "respondent", "decision": "agrees", "at": at}, "in_mediation"),
        (
            "mediators",
            {"name": "调解员", "disclosure": "与双方无利害关系", "chosen_by": "parties"},
            "in_mediation",
        ),
        (
            "sessions",
            {
                "starts_at": "2026-03-04T14:00:00+08:00",
                "place": "社区调解室",
                "mode": "clinic",
                "parties": ["applicant", "respondent"],
            },
            "in_mediation",
        ),
    ]
    for action, body, state in steps:
        answer = await door.act(ORG, case_id, action, body)
        assert (answer.status, answer.body["state"]) == (201 if action == "sessions" else 200, state), action
        assert answer.headers["etag"] == f'"{answer.body["version"]}"'
    session = answer.body["session_id"]
    held = {"held": True, "record": "双方到场", "next": None}
    answer = await door.act(ORG, case_id, f"sessions/{session}/outcome", held)
    assert answer.status == 200
    agreement = {
        "form": "written",
        "partial": False,
        "terms": "晚十点后不移动家具",
        "performance": [{"what": "铺地毯", "due_on": "2026-03-20"}],
        "effective_on": today,
        "means": ["约", "德"],
    }
    answer = await door.act(ORG, case_id, "agreement", agreement)
    assert (answer.body["state"], answer.body["items"]) == (
        "performing",
        [{"item": 1, "due_on": "2026-03-20", "done": None}],
    )
    answer = await door.act(ORG, case_id, "performance", {"item": 1, "done": True, "on": today})
    answer = await door.act(ORG, case_id, "close", {"result": "SOLVED", "summary": "已履行"})
    assert (answer.status, answer.body["state"]) == (200, "closed")
    await door.hear(MessageReceived(case_id=case_id, district=DISTRICT, meaning="rating", rating=1))
    assert [kind for _, kind, _ in await door.events(case_id)] == [
        "case.opened",
        "case.offered",
        "case.taken_up",
        "contact.attempted",
        "consent.requested",
        "consent.requested",
        "consent.recorded",
        "consent.recorded",
        "mediator.appointed",
        "session.scheduled",
        "session.held",
        "agreement.reached",
        "performance.recorded",
        "case.closed",
        "case.rated",
    ]
    assert [number for number, _, _ in await door.events(case_id)] == list(range(1, 16))


async def test_a_case_is_whole_after_every_load(door: Door) -> None:
    """Each act loads what the one before wrote: sessions, consents, agreement and clocks come back."""
    case_id = await in_mediation(door)
    seen = await door.partner(ORG, "GET", f"/cases/{case_id}")
    assert seen.body["consents"] == {"applicant": "agrees", "respondent": "agrees"}
    clocks = {clock["rule"]: clock["status"] for clock in seen.body["deadlines"]}
    assert clocks == {
        "PROD-OFFER": "met",
        "PROD-CONTACT": "met",
        "PROD-CONSENT": "met",
        "PROD-SESSION": "open",
        "MED-TERM": "open",
    }
    assert "agreement" in seen.body["allowed"]


async def test_the_proposal_may_come_first(door: Door) -> None:
    case_id = uuid7()
    await door.hear(proposed(case_id))
    await door.hear(accepted(case_id))
    assert [kind for _, kind, _ in await door.events(case_id)] == ["case.offered", "case.opened"]


async def test_a_repeated_record_has_no_second_effect(door: Door) -> None:
    case_id = uuid7()
    record = door.record(accepted(case_id))
    for _ in range(3):
        await door.runners["intake.case.v1"].handle([record], ())
    assert await door.version(case_id) == 1


async def test_the_file_shows_people_only_with_consent(door: Door) -> None:
    case_id = await offered(door)
    pending = await door.partner(ORG, "GET", f"/cases/{case_id}")
    assert (pending.body["dossier"], pending.body["story"], pending.body["contact"]) == (
        "pending",
        None,
        None,
    )
    await door.dossier(case_id)
    seen = await door.partner(ORG, "GET", f"/cases/{case_id}")
    assert (seen.body["dossier"], seen.body["story"], seen.body["contact"]) == ("here", STORY, None)
    await door.act(ORG, case_id, "take-up", {"handler": "承办人甲"})
    seen = await door.partner(ORG, "GET", f"/cases/{case_id}")
    assert (seen.body["story"], seen.body["contact"]) == (STORY, CONTACT)
    assert [(note["kind"], note["text"]) for note in seen.body["notes"]] == [("handler", "承办人甲")]
    unshared = await offered(door, share_with_partner=False)
    await door.dossier(unshared, story=None)
    await door.act(ORG, unshared, "take-up", {"handler": "承办人"})
    seen = await door.partner(ORG, "GET", f"/cases/{unshared}")
    assert (seen.body["story"], seen.body["contact"]) == (None, None)


async def test_each_reading_of_people_is_in_the_audit_chain(door: Door) -> None:
    case_id = await offered(door)
    await door.partner(ORG, "GET", f"/cases/{case_id}")
    await door.dossier(case_id)
    await door.partner(ORG, "GET", f"/cases/{case_id}")
    rows = await door.rows("select actor, action, detail from audit where case_id = $1", case_id)
    assert [(row["actor"], row["action"]) for row in rows] == [(f"partner:key-{ORG}", "file-read")]
    assert json.loads(rows[0]["detail"]) == {"parts": ["story"], "org_id": ORG}
    await door.act(ORG, case_id, "take-up", {"handler": "承办人"})
    rows = await door.rows("select action from audit where case_id = $1", case_id)
    assert {row["action"] for row in rows} == {"file-read", "take-up"}


async def test_no_word_of_a_person_lies_open_in_any_table(door: Door) -> None:
    case_id = await in_mediation(door)
    await door.dossier(case_id)
    session = {"starts_at": "2026-03-05T10:00:00+08:00", "mode": "phone", "parties": ["applicant"]}
    await door.act(ORG, case_id, "sessions", session | {"place": "秘密地点"})
    await door.act(ORG, case_id, "hand-back", {"reason_code": "OTHER", "reason_text": "秘密缘由"})
    tables = await door.rows("select tablename from pg_tables where schemaname = 'public'")
    for table in tables:
        rows = await door.rows(f'select t::text as row from "{table["tablename"]}" t')
        for word in ("周小川", "13800000001", "三个月工资", "承办人", "电话录音", "秘密"):
            found = [row["row"] for row in rows if word in row["row"] or word.encode().hex() in row["row"]]
            assert not found, (table["tablename"], word)


async def test_an_older_dossier_does_not_overwrite_and_an_erased_one_stays_away(door: Door) -> None:
    case_id = await in_mediation(door)
    await door.dossier(case_id, 3)
    await door.dossier(case_id, 2, story={"narrative": "旧"})
    seen = await door.partner(ORG, "GET", f"/cases/{case_id}")
    assert seen.body["story"] == STORY
    await door.put("intake.dossier.v1", str(case_id), 4, None)
    await door.dossier(case_id, 3)
    await door.dossier(case_id, 9)
    for table in ("note", "data_key"):
        assert not await door.rows(f"select 1 from {table} where case_id = $1", case_id)
    seen = await door.partner(ORG, "GET", f"/cases/{case_id}")
    assert (seen.status, seen.body["story"], seen.body["contact"], seen.body["notes"]) == (
        200,
        None,
        None,
        [],
    )
    (row,) = await door.rows("select version, erased, story from dossier where case_id = $1", case_id)
    assert row == {"version": 4, "erased": True, "story": None}


async def test_the_organisation_complained_about_never_sees_the_case(door: Door) -> None:
    case_id = await in_mediation(door)
    changed = case_facts(complained_about_org=ORG)
    await door.hear(
        CaseAmended(case_id=case_id, district=DISTRICT, case=changed, changed=("complained_about_org",))
    )
    assert (await door.partner(ORG, "GET", f"/cases/{case_id}")).status == 404
    assert (await door.partner(ORG, "GET", "/cases")).body["items"] == []
    assert (await door.partner(ORG, "GET", "/events")).body["items"] == []
    answer = await door.act(ORG, case_id, "hand-back", {"reason_code": "NO_CAPACITY"})
    assert answer.status == 404
    assert (await door.events(case_id))[-1][1] == "case.recalled"
    await door.hear(proposed(case_id, 2, facts=changed))
    assert (await door.events(case_id))[-1][1] == "case.offer_refused"


async def test_clocks_are_swept_once_and_not_before_ten_seconds(door: Door) -> None:
    case_id = await offered(door)
    (clock,) = await door.rows("select warn_at, due_at from deadline where case_id = $1", case_id)
    for at, told in (
        (clock["warn_at"], ["deadline.warned"]),
        (clock["due_at"], ["deadline.missed", "case.offer_expired"]),
    ):
        door.clock.set(at)
        await door.sweeper.beat(at)
        door.clock.advance(seconds=9)
        assert await door.sweep() == 0
        door.clock.advance(seconds=1)
        assert await door.sweep() == 1
        assert [kind for _, kind, _ in await door.events(case_id)][-len(told) :] == told
        assert await door.sweep() == 0
    assert (await door.partner(ORG, "GET", f"/cases/{case_id}")).status == 404


async def test_an_offer_does_not_expire_by_our_own_absence(door: Door) -> None:
    case_id = await offered(door)
    await door.sweeper.beat(door.clock.now())
    due_at = (await door.rows("select due_at from deadline where case_id = $1", case_id))[0]["due_at"]
    door.clock.set(due_at)
    door.clock.advance(minutes=1)
    await door.sweep()
    moved = (await door.events(case_id))[-1]
    assert moved[1] == "deadline.moved"
    assert moved[2]["why"] == "SERVICE_MISSING"
    while await door.sweep():
        assert (await door.events(case_id))[-1][1] == "deadline.warned"
    assert (await door.partner(ORG, "GET", f"/cases/{case_id}")).body["state"] == "offered"


async def test_nobody_left_is_a_task_for_a_person(door: Door) -> None:
    case_id = uuid7()
    facts = case_facts()
    await door.hear(
        accepted(case_id),
        AssignmentExhausted(
            case_id=case_id, district=DISTRICT, case=facts, reason="DUTY_DESK", attempt=1, rule_version="1"
        ),
    )
    tasks = await door.ask("GET", "/v1/tasks?queue=DUTY_DESK")
    assert [task["case_id"] for task in tasks.body["items"]] == [str(case_id)]
    await door.hear(proposed(case_id, 2, by_person=True))
    assert (await door.ask("GET", "/v1/tasks")).body["items"] == []
