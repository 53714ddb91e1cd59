"""Intake over HTTP: what is answered, what is kept, and what is told, on the real database."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from libs.db.pool import Database
from libs.privacy.dossier import open_compartment
from tests.component.intake_door import Door, opened
from tests.unit.intake.build import samples

WHO = {"name": "周小川", "phone": "13800000001", "id_number": "990101199001011234"}
SHARED = {"share_with_partner": True, "sms": True}


def received(no: int) -> datetime:
    return datetime.fromisoformat(samples()[no]["clock"]["case.registered"])


@pytest.fixture
async def door(database: Callable[[str], Awaitable[Database]], tmp_path: Path) -> AsyncIterator[Door]:
    async with opened(await database("intake"), tmp_path) as made:
        yield made


async def test_sample_case_1_is_registered_accepted_and_told(door: Door) -> None:
    answer = await door.post("/v1/cases", samples()[1]["input"])
    case_id = answer.body["case_id"]
    assert answer.status == 201
    assert answer.headers["location"] == f"/v1/cases/{case_id}"
    assert answer.headers["etag"] == '"2"'
    assert (answer.body["state"], answer.body["grid"], answer.body["version"]) == (
        "accepted",
        "99010100100203",
        2,
    )
    events = await door.events(case_id)
    assert [(version, kind) for version, kind, _ in events] == [(1, "case.registered"), (2, "case.accepted")]
    assert [due["rule"] for due in events[0][2]["deadlines"]] == ["PROD-TRIAGE-BLUE"]
    assert events[1][2]["case"]["facts"] == {"employment.ended": "2026-01-22"}
    (clock,) = await door.rows("select rule, status from deadline")
    assert clock == {"rule": "PROD-TRIAGE-BLUE", "status": "met"}


@pytest.mark.parametrize("no", range(1, 14))
async def test_every_sample_is_valid_as_it_stands(door: Door, no: int) -> None:
    door.clock.set(received(1))
    first = await door.post("/v1/cases", samples()[1]["input"])
    door.clock.set(received(no))
    body = json.loads(json.dumps(samples()[no]["input"]).replace("$case_1", first.body["case_id"]))
    answer = await door.post("/v1/cases", body, "dispatcher")
    expected = samples()[no]["expected"]
    assert answer.status == 201
    told = {name: answer.body[name] for name in ("kind", "category", "grid", "flags", "urgency")}
    assert told == {name: expected[name] for name in told}
    wanted = {"accept": "accepted", "forward": "forwarded", "merge": "merged"}
    decision = samples()[no]["input"]["decision"]
    assert answer.body["state"] == (wanted[decision["action"]] if decision else "registered")


async def test_no_personal_word_lies_open_in_any_table(door: Door) -> None:
    fields: dict[str, Any] = {
        "applicant": {**WHO, "guardian": {"name": "周大川", "phone": "13800000002"}},
        "respondents": [{"name": "何某某", "phone": "13800000003"}],
        "representatives": [{"name": "雷大为"}],
        "place": {"address": "锦苑一期8号"},
        "narrative": "工资未发",
        "consents": SHARED,
        "kind": "DIS",
        "decision": {"action": "accept", "reason_text": "本人在场"},
    }
    answer = await door.register(**fields)
    await door.post(f"/v1/cases/{answer.body['case_id']}/reminders", {"text": "他还在等"})
    tables = await door.rows("select tablename from pg_tables where schemaname = 'public'")
    everything = ""
    for table in tables:
        rows = await door.rows(f'select t::text as row from "{table["tablename"]}" t')
        everything += "\n".join(row["row"] for row in rows)
    assert answer.body["case_id"] in everything
    secrets = [
        *WHO.values(),
        "周大川",
        "13800000002",
        "何某某",
        "雷大为",
        "8号",
        "工资未发",
        "本人在场",
        "他还在等",
    ]
    assert [word for word in secrets if word in everything or word.encode().hex() in everything] == []


async def test_a_danger_that_a_reminder_tells_of_is_flagged(door: Door) -> None:
    case_id = (await door.register()).body["case_id"]
    again = {"text": "再不解决我就跳楼"}
    for _ in range(2):
        told = await door.post(f"/v1/cases/{case_id}/reminders", again, headers={"idempotency-key": "r"})
        assert (told.status, told.body["flags"]) == (200, ["SELF_HARM"])
    case = (await door.get(f"/v1/cases/{case_id}")).body
    assert (case["reminders"], case["flags"]) == (1, ["SELF_HARM"])


async def test_the_dossier_opens_for_its_readers_alone(door: Door) -> None:
    answer = await door.register(
        applicant={**WHO, "language": "ii"}, consents=SHARED, kind="DIS", decision={"action": "accept"}
    )
    case_id = answer.body["case_id"]
    (record,) = await door.rows("select * from state_record")
    assert (record["topic"], record["key"], record["version"]) == ("intake.dossier.v1", case_id, 1)
    dossier = json.loads(record["value"])
    parts = {(name, reader) for name, readers in dossier["compartments"].items() for reader in readers}
    assert parts == {
        ("contact", "notify"),
        ("contact", "mediation"),
        ("story", "mediation"),
        ("needs", "routing"),
    }
    sealed = dossier["compartments"]["contact"]["notify"]
    contact = open_compartment(door.keyring, "notify", sealed, case_id, "contact", 1)
    assert (contact["phone"], contact["sms_capable"]) == ("+8613800000001", True)


async def test_an_accusation_has_no_dossier_and_is_there_for_one_role_only(door: Door) -> None:
    answer = await door.register(kind="REP", narrative="有人收红包", place={"address": "锦苑一期"})
    path = f"/v1/cases/{answer.body['case_id']}"
    assert answer.body["grid"] == "99010100100201"
    assert await door.rows("select * from state_record") == []
    ((_, _, told),) = await door.events(answer.body["case_id"])
    assert (told["case"]["kind"], told["case"]["grid"], told["deadlines"]) == ("REP", None, [])
    everybody = ("operator", "dispatcher", "supervisor", "duty_officer")
    assert (await door.get(path, *everybody)).status == 404
    assert (await door.get("/v1/cases", *everybody)).body["items"] == []
    assert (await door.post(f"{path}/reminders", {}, *everybody)).status == 404
    assert (await door.post(f"{path}/reveal", {"purpose": "核对"}, *everybody)).status == 404
    found = await door.get("/v1/cases", "sealed_officer")
    assert [item["case_id"] for item in found.body["items"]] == [answer.body["case_id"]]
    assert (await door.get(path, "sealed_officer")).status == 200


async def test_a_case_is_read_masked_and_revealed_for_a_purpose(door: Door) -> None:
    answer = await door.register(applicant=WHO, narrative="周小川的工资未发", place={"address": "锦苑一期"})
    path = f"/v1/cases/{answer.body['case_id']}"
    shown = await door.get(path)
    assert shown.headers["etag"] == '"1"'
    assert (shown.body["masked"], shown.body["narrative"]) == (True, "周**的工资未发")
    assert shown.body["applicant"]["phone"] == "138****0001"
    assert (await door.post(f"{path}/reveal", {"purpose": "回拨"}, "dispatcher")).status == 403
    open_case = await door.post(
        f"{path}/reveal", {"purpose": "回拨"}, "supervisor", headers={"idempotency-key": ""}
    )
    assert (open_case.body["masked"], open_case.body["applicant"]["phone"]) == (False, "13800000001")
    audit = await door.rows("select action, detail from audit order by at, action")
    assert sorted(entry["action"] for entry in audit) == ["case.read", "case.registered", "case.revealed"]
    (note,) = await door.rows("select note_id, act, by from note")
    assert (note["act"], note["by"]) == ("reveal", "staff:somebody")
    detail = next(entry["detail"] for entry in audit if entry["action"] == "case.revealed")
    assert json.loads(detail) == {"purpose": str(note["note_id"])}


async def test_the_texts_of_acts_are_read_again_masked_and_page_by_page(door: Door) -> None:
    path = f"/v1/cases/{(await door.register(kind='DIS', applicant=WHO)).body['case_id']}"
    await door.post(f"{path}/flags", {"add": ["VULNERABLE"], "reason": "家中有老人"})
    await door.post(f"{path}/reveal", {"purpose": "回拨"}, "supervisor")
    door.clock.advance(seconds=1)
    await door.post(f"{path}/reminders", {"text": "周小川改用13800000002"})
    first = (await door.get(f"{path}/notes?limit=1")).body
    (flags,) = first["items"]
    assert flags == {
        "note_id": flags["note_id"],
        "at": flags["at"],
        "actor": "staff:somebody",
        "act": "flags",
        "text": "家中有老人",
    }
    last = (await door.get(f"{path}/notes?limit=1&after={first['next']}")).body
    assert [(one["act"], one["text"]) for one in last["items"]] == [("reminder", "周**改用****")]
    assert last["next"] is None
    all_texts = (await door.get(f"{path}/notes", "supervisor")).body["items"]
    assert [one["act"] for one in all_texts] == ["flags", "reveal", "reminder"]
    plain = (await door.post(f"{path}/reveal", {"purpose": "核对"}, "supervisor")).body["notes"]
    assert [one["text"] for one in plain] == ["家中有老人", "回拨", "周小川改用13800000002", "核对"]
    assert (await door.get(f"{path}/notes", "auditor", districts=("990102",))).status == 404


async def test_secrecy_shows_the_applicant_to_a_supervisor_alone(door: Door) -> None:
    answer = await door.register(applicant=WHO, narrative="请保密")
    path = f"/v1/cases/{answer.body['case_id']}"
    assert (await door.get(path, "dispatcher")).body["applicant"] is None
    assert (await door.get(path, "supervisor")).body["applicant"]["name"] == "周**"


async def test_a_case_is_found_by_the_phone_of_its_applicant(door: Door) -> None:
    first = (await door.register(applicant=WHO)).body["case_id"]
    second = await door.register(applicant={"phone": "+86 138 0000 0001"})
    await door.register(applicant={"phone": "13800000002"})
    assert second.body["possible_duplicates"] == [first]
    for phone in ("13800000001", "+8613800000001", "１３８００００００１１", "0001"):
        found = await door.post("/v1/cases/search", {"phone": phone}, headers={"idempotency-key": ""})
        expected = [] if "１" in phone else [second.body["case_id"], first]
        assert [item["case_id"] for item in found.body["items"]] == expected, phone
    for field, value in (("phone", "12345"), ("after", "abc"), ("state", "xyz")):
        refused = await door.post("/v1/cases/search", {field: value})
        assert (refused.status, refused.body["errors"][0]["pointer"]) == (422, f"/{field}")


async def test_lists_go_back_in_time_page_by_page(door: Door) -> None:
    made = [(await door.register()).body["case_id"] for _ in range(5)]
    seen: list[str] = []
    after = ""
    for _ in range(3):
        page = (await door.get(f"/v1/cases?limit=2{after}")).body
        seen += [item["case_id"] for item in page["items"]]
        after = f"&after={page['next']}"
    assert seen == made[::-1]
    assert page["next"] is None


@pytest.mark.parametrize(
    ("query", "wanted"),
    [
        ("state=accepted", {"dispute"}),
        ("kind=DIS", {"dispute"}),
        ("category=D10", {"dispute"}),
        ("area=990101", {"dispute", "danger", "named", "bare"}),
        ("area=990101001", {"dispute", "danger"}),
        ("area=99010100100203", {"dispute"}),
        ("flag=VIOLENCE", {"danger"}),
        ("needs=kind", {"bare", "danger", "named"}),
        ("needs=grid", {"bare", "named"}),
        ("needs=decision", {"bare", "danger", "named"}),
        ("needs=identity", {"bare", "danger"}),
        ("state=accepted&kind=PET", set()),
    ],
)
async def test_lists_are_asked_by_what_a_case_is_and_lacks(door: Door, query: str, wanted: set[str]) -> None:
    made = {
        "dispute": await door.register(
            kind="DIS", category="D10", place={"address": "锦苑小区"}, decision={"action": "accept"}
        ),
        "danger": await door.register(narrative="他拿刀", place={"address": "锦苑一期"}),
        "named": await door.register(applicant=WHO, place={"address": "某处"}),
        "bare": await door.register(),
    }
    names = {answer.body["case_id"]: name for name, answer in made.items()}
    found = await door.get(f"/v1/cases?{query}")
    assert {names[item["case_id"]] for item in found.body["items"]} == wanted


async def test_a_case_is_found_by_its_query_code(door: Door) -> None:
    answer = (await door.register()).body
    found = await door.get(f"/v1/cases?query_code={answer['query_code']}")
    assert found.body["items"] == [answer]


async def test_another_district_sees_nothing(door: Door) -> None:
    case_id = (await door.register()).body["case_id"]
    elsewhere = ("990102",)
    assert (await door.get("/v1/cases", "supervisor", districts=elsewhere)).body["items"] == []
    assert (await door.get(f"/v1/cases/{case_id}", "supervisor", districts=elsewhere)).status == 404
    refused = await door.post(f"/v1/cases/{case_id}/flags", {"add": ["VIOLENCE"]}, districts=elsewhere)
    assert refused.status == 404
    path, stale = f"/v1/cases/{case_id}/decision", {"if-match": '"7"'}
    refused = await door.post(path, {"action": "accept"}, districts=elsewhere, headers=stale)
    assert refused.status == 404


async def test_a_case_is_decided_on_the_version_that_was_seen(door: Door) -> None:
    case_id = (await door.register(kind="DIS")).body["case_id"]
    path, body = f"/v1/cases/{case_id}/decision", {"action": "accept"}
    assert (await door.post(path, body)).status == 428
    assert (await door.post(path, body, headers={"if-match": '"7"'})).status == 412
    answer = await door.post(path, body, headers={"if-match": '"1"'})
    assert (answer.status, answer.body["state"], answer.headers["etag"]) == (200, "accepted", '"2"')
    again = await door.post(path, body, headers={"if-match": '"2"'})
    assert (again.status, again.body["state"], again.body["allowed"]) == (409, "accepted", ["withdraw"])


async def test_a_citizen_takes_a_matter_back(door: Door) -> None:
    case_id = (await door.register(kind="DIS", decision={"action": "accept"})).body["case_id"]
    path, body = f"/v1/cases/{case_id}/decision", {"action": "withdraw", "reason_text": "双方已经和好"}
    answer = await door.post(path, body, headers={"if-match": '"2"'})
    assert (answer.status, answer.body["state"], answer.body["due"]) == (200, "withdrawn", None)
    (_, kind, told) = (await door.events(case_id))[-1]
    assert (kind, told["deadlines"]) == ("case.withdrawn", [])
    again = await door.post(path, body, headers={"if-match": '"3"'})
    assert (again.status, again.body["code"]) == (409, "forbidden_action")


async def test_secrecy_asked_for_later_seals_the_dossier_anew(door: Door) -> None:
    answer = await door.register(applicant=WHO, consents=SHARED, kind="DIS", decision={"action": "accept"})
    case_id = answer.body["case_id"]
    flagged = await door.post(f"/v1/cases/{case_id}/flags", {"add": ["CONFIDENTIAL"], "reason": "本人要求"})
    assert (flagged.status, flagged.body["flags"]) == (200, ["CONFIDENTIAL"])
    (record,) = await door.rows("select version, value from state_record")
    parts = json.loads(record["value"])["compartments"]
    assert record["version"] == 2
    assert set(parts["contact"]) == {"notify"}
    story = open_compartment(door.keyring, "mediation", parts["story"]["mediation"], case_id, "story", 2)
    assert story["applicant"] is None
    (_, _, told) = (await door.events(case_id))[-1]
    assert told["case"]["dossier_version"] == 2
    lowered = await door.post(
        f"/v1/cases/{case_id}/flags", {"remove": ["CONFIDENTIAL"], "reason": "本人同意"}, "supervisor"
    )
    assert lowered.body["flags"] == []
    assert [kind for _, kind, _ in await door.events(case_id)][-2:] == ["case.flags_changed", "case.released"]


async def test_a_held_case_is_released_by_a_supervisor(door: Door) -> None:
    answer = await door.register(kind="DIS", flags=["MASS_EVENT"], decision={"action": "accept"})
    path, body = f"/v1/cases/{answer.body['case_id']}/release", {"reason": "已见面"}
    assert (await door.post(path, body, headers={"if-match": '"2"'})).status == 403
    released = await door.post(path, body, "duty_officer", headers={"if-match": '"2"'})
    assert (released.status, released.body["version"]) == (200, 3)
    again = await door.post(path, body, "duty_officer", headers={"if-match": '"3"'})
    assert again.status == 409


async def test_what_becomes_an_accusation_is_named_by_no_other_case(door: Door) -> None:
    said: Any = {"kind": "DIS", "applicant": WHO}
    first = (await door.register(**said)).body["case_id"]
    twin = (await door.register(**said)).body["case_id"]
    merged = (await door.register(kind="DIS", decision={"action": "merge", "into": first})).body["case_id"]
    child = (await door.post(f"/v1/cases/{first}/children", {"kind": "CON"})).body["case_id"]
    await door.post(f"/v1/cases/{twin}/related", {"case_id": first})

    async def told(case_id: str) -> str:
        item = await door.get(f"/v1/cases/{case_id}")
        answer = await door.post(f"/v1/cases/{case_id}/reminders", {})
        plain = await door.post(f"/v1/cases/{case_id}/reveal", {"purpose": "核对"}, "supervisor")
        return json.dumps([item.body, answer.body, plain.body])

    for case_id in (twin, merged, child):
        assert first in await told(case_id)
    etag = (await door.get(f"/v1/cases/{first}")).headers["etag"]
    patch = {"kind": "REP", "reason": "实为举报"}
    assert (await door.ask("PATCH", f"/v1/cases/{first}", patch, headers={"if-match": etag})).status == 200
    for case_id in (twin, merged, child):
        assert first not in await told(case_id)
    items = (await door.get("/v1/cases")).body["items"]
    found = (await door.post("/v1/cases/search", {"q": "路灯"})).body["items"]
    assert {item["case_id"] for item in items} == {item["case_id"] for item in found} == {twin, merged, child}
    assert first not in json.dumps([items, found])
    assert first in json.dumps((await door.get("/v1/cases", "operator", "sealed_officer")).body)


async def test_a_merge_changes_both_cases_at_once(door: Door) -> None:
    first = (await door.register(kind="DIS", decision={"action": "accept"})).body["case_id"]
    merged = await door.register(kind="DIS", decision={"action": "merge", "into": first})
    assert (merged.status, merged.body["state"]) == (201, "merged")
    assert [kind for _, kind, _ in await door.events(first)] == [
        "case.registered",
        "case.accepted",
        "case.reminded",
    ]
    shown = await door.get(f"/v1/cases/{merged.body['case_id']}")
    assert shown.body["merged_into"] == first
    onto_merged = await door.register(
        kind="DIS", decision={"action": "merge", "into": merged.body["case_id"]}
    )
    assert (onto_merged.status, onto_merged.body["merged_into"]) == (409, first)
    nowhere = await door.register(kind="DIS", decision={"action": "merge", "into": str(UUID(int=7))})
    assert nowhere.status == 404
    assert len(await door.rows("select * from intake_case")) == 2


@pytest.mark.parametrize("at_once", [True, False])
async def test_secrecy_that_comes_with_a_merged_matter_hides_who_asked_first(
    door: Door, at_once: bool
) -> None:
    asked = await door.register(applicant=WHO, consents=SHARED, kind="DIS", decision={"action": "accept"})
    first = asked.body["case_id"]
    merge, secret = {"action": "merge", "into": first}, {"kind": "DIS", "flags": ["CONFIDENTIAL"]}
    if at_once:
        assert (await door.register(**secret, decision=merge)).status == 201
    else:
        path = f"/v1/cases/{(await door.register(**secret)).body['case_id']}/decision"
        assert (await door.post(path, merge, headers={"if-match": '"1"'})).status == 200
    assert [kind for _, kind, _ in await door.events(first)][-2:] == ["case.reminded", "case.flags_changed"]
    (record,) = await door.rows("select version, value from state_record where key = $1", first)
    assert record["version"] == 2
    assert set(json.loads(record["value"])["compartments"]["contact"]) == {"notify"}


async def test_reminders_and_duties_are_recorded(door: Door) -> None:
    answer = await door.register(
        "dispatcher",
        kind="PET",
        applicant=WHO,
        place={"address": "锦苑一期"},
        decision={"action": "accept", "lawful_route": "R6"},
    )
    path = f"/v1/cases/{answer.body['case_id']}"
    assert answer.body["due"]["rule"] == "PET-NOTICE"
    assert (await door.post(f"{path}/reminders", {"new_facts": True})).body["version"] == 3
    done = await door.post(f"{path}/duties", {"rule": "PET-NOTICE", "text": "当面送达"})
    assert (done.status, done.body["due"]) == (200, None)
    kinds = [kind for _, kind, _ in await door.events(answer.body["case_id"])]
    assert kinds == ["case.registered", "case.accepted", "case.reminded", "deadline.met"]


async def test_what_was_said_is_amended_and_what_was_said_before_is_kept(door: Door) -> None:
    answer = await door.register(applicant={"phone": "13800000001"}, narrative="周小川的工资未发")
    path = f"/v1/cases/{answer.body['case_id']}"
    patch = {
        "reason": "来电补充",
        "kind": "DIS",
        "category": "D10",
        "place": {"address": "锦苑小区"},
        "applicant": {"name": "周小川", "phone": "13800000002"},
    }
    assert (await door.ask("PATCH", path, patch)).status == 428
    amended = await door.ask("PATCH", path, patch, headers={"if-match": '"1"', "idempotency-key": ""})
    assert (amended.status, amended.headers["etag"]) == (200, '"2"')
    assert (amended.body["kind"], amended.body["track"], amended.body["grid"]) == (
        "DIS",
        "MEDIATION",
        "99010100100203",
    )
    shown = (await door.post(f"{path}/reveal", {"purpose": "核对"}, "supervisor")).body
    assert (shown["applicant"]["name"], shown["narrative"]) == ("周小川", "周小川的工资未发")
    (former,) = await door.rows("select version, applicant from vault_former")
    assert former["version"] == 2
    old = (await door.post("/v1/cases/search", {"phone": "13800000001"})).body["items"]
    new = (await door.post("/v1/cases/search", {"phone": "13800000002"})).body["items"]
    assert ([item["case_id"] for item in new], old) == ([answer.body["case_id"]], [])
    (record,) = await door.rows("select version from state_record")
    assert record["version"] == 2
    (_, _, told) = (await door.events(answer.body["case_id"]))[-1]
    assert sorted(told["changed"]) == [
        "applicant.name",
        "applicant.phone",
        "category",
        "kind",
        "place.address",
    ]
    stale = await door.ask("PATCH", path, patch, headers={"if-match": '"1"'})
    assert stale.status == 412


async def test_a_case_that_turns_out_to_be_an_accusation_disappears(door: Door) -> None:
    case_id = (await door.register(applicant=WHO, consents=SHARED)).body["case_id"]
    patch = {"reason": "检举", "kind": "REP"}
    amended = await door.ask("PATCH", f"/v1/cases/{case_id}", patch, headers={"if-match": '"1"'})
    assert amended.status == 200
    (record,) = await door.rows("select version, value from state_record")
    assert record == {"version": 2, "value": None}
    assert (await door.get(f"/v1/cases/{case_id}", "supervisor")).status == 404


async def test_the_texts_of_acts_that_came_together_are_all_kept(door: Door) -> None:
    case_id = (await door.register()).body["case_id"]
    texts = [{"text": f"第{n}次"} for n in range(8)]
    answers = await asyncio.gather(*(door.post(f"/v1/cases/{case_id}/reminders", text) for text in texts))
    assert sorted(answer.body["version"] for answer in answers) == list(range(2, 10))
    assert len(await door.rows("select * from note")) == 8


async def test_the_notice_of_a_refusal_names_the_applicant_and_is_audited(door: Door) -> None:
    said = {"kind": "PET", "applicant": WHO, "place": {"address": "锦苑一期3幢"}}
    case_id = (await door.register(**said)).body["case_id"]
    at = f"/v1/cases/{case_id}/notice"
    early = await door.get(at, "dispatcher")
    assert (early.status, early.body["code"]) == (409, "no_notice")
    ruling = {"action": "refuse", "reason_code": "IN_LITIGATION", "lawful_route": "R1"}
    await door.post(f"/v1/cases/{case_id}/decision", ruling, "dispatcher", headers={"if-match": '"1"'})
    notice = (await door.get(at, "dispatcher")).body
    assert (notice["title"], notice["addressee"]) == ("不予受理告知书", "周小川")
    assert "该事项已进入诉讼程序" in notice["paragraphs"][1]
    assert (await door.get(at)).status == 403
    seen = await door.rows("select actor from audit where action = 'case.notice_printed'")
    assert len(seen) == 1  # nothing was shown to the early try
