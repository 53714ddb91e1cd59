"""The work of persons over HTTP: taken, done, handed over; calls in place of messages; petitions answered."""

from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from uuid_utils.compat import uuid7

from libs.db.pool import Database
from libs.events.intake import CaseAccepted
from libs.events.notify import MessageFailed, MessageReceived, MessageSuppressed
from tests.component.mediation_door import Answer, Door, opened
from tests.unit.mediation.play import DISTRICT, case_facts


@pytest.fixture
async def door(database: Callable[[str], Awaitable[Database]], tmp_path: Path) -> AsyncIterator[Door]:
    async with opened(await database("mediation"), tmp_path) as made:
        yield made


def new_case() -> UUID:
    return UUID(str(uuid7()))


def message(case_id: UUID, **changes: Any) -> dict[str, Any]:
    return {
        "case_id": case_id,
        "district": DISTRICT,
        "message_id": uuid7(),
        "template": "N01",
        "party": "applicant",
        "trigger": "case.registered",
        "trigger_version": 1,
        **changes,
    }


async def suppressed(door: Door, case_id: UUID, reason: str = "UNSAFE_CONTACT") -> None:
    await door.hear(MessageSuppressed(**message(case_id), reason=reason))


async def petition(door: Door, **changes: Any) -> UUID:
    case_id = new_case()
    facts = case_facts(kind="PET", track="PETITION", category=None, **{"lawful_route": "R6", **changes})
    await door.hear(CaseAccepted(case_id=case_id, district=DISTRICT, case=facts, with_registration=True))
    return case_id


async def listed(door: Door, query: str = "", **who: Any) -> list[dict[str, Any]]:
    answer = await door.ask("GET", f"/v1/tasks{query}", credential=door.token(*who.pop("roles", ()), **who))
    assert answer.status == 200, answer.body
    items: list[dict[str, Any]] = answer.body["items"]
    return items


async def act(
    door: Door, task: dict[str, Any], name: str, body: Any = None, *roles: str, **who: Any
) -> Answer:
    path = f"/v1/tasks/{task['task_id']}/{name}"
    return await door.ask("POST", path, body, credential=door.token(*roles, **who))


async def test_a_message_that_may_not_go_out_is_a_call_also_of_a_case_not_known_here(door: Door) -> None:
    case_id = new_case()
    await suppressed(door, case_id)
    (task,) = await listed(door, "?queue=CALL", roles=("operator",))
    assert (task["case_id"], task["reason_code"], task["state"]) == (str(case_id), "UNSAFE_CONTACT", "open")
    assert (task["about"]["template"], task["about"]["party"]) == ("N01", "applicant")
    assert task["due_at"]


async def test_the_same_word_twice_is_one_call(door: Door) -> None:
    event = MessageFailed(**message(new_case()), reason="NO_RECEIPT")
    record = door.record(event)
    await door.calls.handle([record], ())
    await door.calls.handle([record], ())
    assert len(await listed(door)) == 1


@pytest.mark.parametrize("reason", ["DUPLICATE", "ERASED"])
async def test_what_needs_no_call(door: Door, reason: str) -> None:
    await suppressed(door, new_case(), reason)
    assert await listed(door) == []


async def test_a_call_to_somebody_in_danger_is_owed_sooner(door: Door) -> None:
    await suppressed(door, new_case(), "RISK")
    await suppressed(door, new_case())
    risk, other = await listed(door)
    assert risk["due_at"] < other["due_at"]


async def test_the_matter_of_an_accusation_is_the_sealed_officers_alone(door: Door) -> None:
    """Also what was asked for before the case was known as one, for whatever reason."""
    case_id = new_case()
    await suppressed(door, case_id, "SEALED")
    await suppressed(door, case_id, "NO_CONSENT")
    assert len(await listed(door, "?queue=CALL", roles=("operator",))) == 1
    sealed = case_facts(kind="REP", track="SEALED", category=None)
    await door.hear(CaseAccepted(case_id=case_id, district=DISTRICT, case=sealed, with_registration=False))
    assert await listed(door) == []
    assert await listed(door, roles=("operator",)) == []
    tasks = await listed(door, "?queue=SEALED", roles=("sealed_officer",))
    assert [task["reason_code"] for task in tasks] == ["SEALED", "NO_CONSENT", "SEALED"]
    for task in tasks:
        assert (await act(door, task, "take")).status == 404
        assert (await act(door, task, "take", None, "sealed_officer")).status == 200
    refused = await act(door, task, "hand-over", {"to": "CALL"}, "sealed_officer")
    assert [fault["code"] for fault in refused.body["errors"]] == ["not_for_task"]
    assert (await act(door, task, "hand-over", {"to": "SEALED"}, "sealed_officer")).body["state"] == "open"


@pytest.mark.parametrize(("meaning", "reason"), [("unclear", "REPLY_UNCLEAR"), ("dispute", "REPLY_DISPUTE")])
async def test_a_reply_that_means_nothing_is_a_task(door: Door, meaning: str, reason: str) -> None:
    await door.hear(MessageReceived(case_id=new_case(), district=DISTRICT, meaning=meaning))
    (task,) = await listed(door)
    assert (task["queue"], task["reason_code"]) == ("CALL", reason)


@pytest.mark.parametrize("meaning", ["rating", "stop"])
async def test_a_reply_that_says_it_all_is_none(door: Door, meaning: str) -> None:
    await door.hear(MessageReceived(case_id=new_case(), district=DISTRICT, meaning=meaning))
    assert await listed(door) == []


async def test_a_task_is_taken_and_done(door: Door) -> None:
    await suppressed(door, new_case())
    (task,) = await listed(door)
    taken = await act(door, task, "take", None, "operator", user="lan")
    assert (taken.status, taken.body["state"], taken.body["owner"]) == (200, "taken", "lan")
    assert await listed(door) == []
    assert [item["owner"] for item in await listed(door, "?state=taken&owner=lan")] == ["lan"]
    done = await act(door, task, "done", {"result": "REACHED"}, "operator", user="lan")
    assert (done.body["state"], done.body["result"]) == ("done", "REACHED")
    rows = await door.rows("select actor, action from audit order by at")
    assert [(row["actor"], row["action"]) for row in rows] == [
        ("staff:lan", "task-take"),
        ("staff:lan", "task-done"),
    ]


async def test_a_task_is_taken_by_one(door: Door) -> None:
    await suppressed(door, new_case())
    (task,) = await listed(door)
    await act(door, task, "take", None, "operator", user="lan")
    again = await act(door, task, "take", None, "operator", user="mei")
    assert (again.status, again.body["state"], again.body["allowed"]) == (409, "taken", ["done", "hand-over"])
    assert (await act(door, task, "done", {"result": "REACHED"}, "operator", user="mei")).status == 403
    assert (await act(door, task, "done", {"result": "REACHED"}, "supervisor", user="mei")).status == 200


async def test_what_is_done_stays_done(door: Door) -> None:
    await suppressed(door, new_case())
    (task,) = await listed(door)
    await act(door, task, "done", {"result": "REACHED"})
    for name, body in (("take", None), ("done", {"result": "REACHED"}), ("hand-over", {"to": "CALL"})):
        answer = await act(door, task, name, body)
        assert (answer.status, answer.body["state"], answer.body["allowed"]) == (409, "done", [])


async def test_the_same_request_is_answered_the_same(door: Door) -> None:
    await suppressed(door, new_case())
    (task,) = await listed(door)
    path, key = f"/v1/tasks/{task['task_id']}/take", {"idempotency-key": "take-once"}
    first = await door.ask("POST", path, headers=key)
    again = await door.ask("POST", path, headers=key)
    assert (first.status, again.status) == (200, 200)
    assert (again.body, again.headers["idempotent-replayed"]) == (first.body, "true")


async def test_a_task_is_handed_to_a_queue_or_a_person(door: Door) -> None:
    await suppressed(door, new_case())
    (task,) = await listed(door)
    to_queue = await act(door, task, "hand-over", {"to": "SUPERVISOR"})
    assert (to_queue.body["queue"], to_queue.body["state"], to_queue.body["owner"]) == (
        "SUPERVISOR",
        "open",
        None,
    )
    to_person = await act(door, task, "hand-over", {"to": "mei"})
    assert (to_person.body["state"], to_person.body["owner"]) == ("taken", "mei")


async def test_an_operator_works_on_calls_alone(door: Door) -> None:
    await petition(door)
    (task,) = await listed(door, "?queue=DUTY_DESK")
    assert await listed(door, roles=("operator",)) == []
    assert (
        await door.ask("GET", "/v1/tasks?queue=DUTY_DESK", credential=door.token("operator"))
    ).status == 403
    assert (await act(door, task, "take", None, "operator")).status == 403


async def test_a_task_of_another_district_is_not_there(door: Door) -> None:
    await suppressed(door, new_case())
    (task,) = await listed(door)
    assert await listed(door, districts=("990102",)) == []
    assert (await act(door, task, "take", districts=("990102",))).status == 404


async def test_a_task_that_is_not_there(door: Door) -> None:
    assert (await act(door, {"task_id": str(uuid7())}, "take")).status == 404


@pytest.mark.parametrize(
    ("name", "body", "pointer"),
    [
        ("done", {}, "/result"),
        ("done", {"result": "reached him at home"}, "/result"),
        ("hand-over", {"to": ""}, "/to"),
        ("hand-over", {"to": "mei", "why": "x"}, "/why"),
    ],
)
async def test_an_act_that_makes_no_sense(door: Door, name: str, body: Any, pointer: str) -> None:
    await suppressed(door, new_case())
    (task,) = await listed(door)
    answer = await act(door, task, name, body)
    assert answer.status == 422
    assert [fault["pointer"] for fault in answer.body["errors"]] == [pointer]


async def test_a_call_outlives_the_progress_of_its_case(door: Door) -> None:
    case_id = await petition(door)
    await suppressed(door, case_id)
    version = await door.version(case_id)
    answered = await door.ask(
        "POST",
        f"/v1/cases/{case_id}/reply",
        {"form": "written", "content": "经核实，路灯已修复。"},
        headers={"if-match": f'"{version}"'},
    )
    assert (answered.status, answered.body["state"]) == (200, "replied")
    (left,) = await listed(door)
    assert left["queue"] == "CALL"
    seen = (await door.ask("GET", f"/v1/cases/{case_id}")).body
    assert (seen["state"], seen["allowed"], seen["task"]["queue"]) == ("replied", ["close"], "CALL")


async def test_the_words_of_an_answer_lie_open_nowhere(door: Door) -> None:
    case_id = await petition(door)
    version = await door.version(case_id)
    await door.ask(
        "POST",
        f"/v1/cases/{case_id}/reply",
        {"form": "written", "content": "经核实已修复", "legal_basis": "信访工作条例第三十二条"},
        headers={"if-match": f'"{version}"'},
    )
    kinds = [row["kind"] for row in await door.rows("select kind from note where case_id = $1", case_id)]
    assert sorted(kinds) == ["legal_basis", "reply"]
    for table in ("event", "idempotency", "mediation_case", "note"):
        for row in await door.rows(f"select t::text as line from {table} t"):
            assert "经核实" not in row["line"]


@pytest.mark.parametrize("role", ["operator", "partner_lead", "admin"])
async def test_an_answer_by_who_may_not_give_it(door: Door, role: str) -> None:
    case_id = await petition(door)
    body, version = {"form": "written", "content": "答复"}, await door.version(case_id)
    answer = await door.ask(
        "POST",
        f"/v1/cases/{case_id}/reply",
        body,
        credential=door.token(role),
        headers={"if-match": f'"{version}"'},
    )
    assert answer.status == 403


async def test_an_answer_on_an_older_version(door: Door) -> None:
    case_id = await petition(door)
    answer = await door.ask(
        "POST",
        f"/v1/cases/{case_id}/reply",
        {"form": "written", "content": "答复"},
        headers={"if-match": '"0"'},
    )
    assert (answer.status, answer.body["code"]) == (412, "stale_version")


async def test_an_answer_that_was_given_already(door: Door) -> None:
    case_id = await petition(door)
    for status in (200, 409):
        version = await door.version(case_id)
        answer = await door.ask(
            "POST",
            f"/v1/cases/{case_id}/reply",
            {"form": "written", "content": "答复"},
            headers={"if-match": f'"{version}"'},
        )
        assert answer.status == status
    assert (answer.body["state"], answer.body["allowed"]) == ("replied", ["close"])
