"""Children of a case and what mediation has closed, over HTTP and on the real database."""

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from uuid_utils.compat import uuid7

from libs.db.pool import Database
from libs.events.envelope import Envelope
from libs.events.mediation import CaseClosed
from libs.privacy.dossier import open_compartment
from services.intake.store.closings import apply_closings
from tests.component.intake_door import Answer, Door, opened
from tests.unit.intake.build import DISTRICT

STORY = {
    "kind": "DIS",
    "category": "D10",
    "narrative": "工资未发，想问怎么申请认定",
    "applicant": {"name": "林秋月", "phone": "13800000002"},
    "respondents": [{"name": "东渠乙五金制品厂", "organisation": True}],
    "consents": {"share_with_partner": True, "sms": True},
    "decision": {"action": "accept"},
}


@pytest.fixture
async def door(database: Callable[[str], Awaitable[Database]], tmp_path: Path) -> AsyncIterator[Door]:
    async with opened(await database("intake"), tmp_path) as made:
        yield made


async def parent(door: Door, *roles: str, **fields: Any) -> str:
    answer = await door.register(*roles, **{**STORY, **fields})
    assert answer.status == 201, answer.body
    return str(answer.body["case_id"])


async def child(door: Door, case_id: str, *roles: str, **fields: Any) -> Answer:
    return await door.post(f"/v1/cases/{case_id}/children", {"kind": "CON", **fields}, *roles)


async def close(door: Door, case_id: str, version: int) -> None:
    """Mediation's word that a case is closed, as the reader hands it over."""
    event = CaseClosed(
        case_id=UUID(case_id),
        district=DISTRICT,
        deadlines=(),
        state="closed",
        track="MEDIATION",
        result="SOLVED",
    )
    told = Envelope(
        uuid7(), event.TYPE, "/services/mediation", event.case_id, version, datetime.now(UTC), event.TOPIC
    )
    async with door.database.transaction() as tx:
        await apply_closings(tx, [(told, event)])


async def test_a_child_is_a_case_of_its_own_that_parent_and_child_tell_of(door: Door) -> None:
    case_id = await parent(door)
    answer = await child(door, case_id, decision={"action": "accept"})
    own = answer.body["case_id"]
    assert (answer.status, answer.headers["location"]) == (201, f"/v1/cases/{own}")
    assert (answer.body["parent"], answer.body["kind"], answer.body["state"]) == (case_id, "CON", "accepted")
    assert answer.body["query_code"]
    read = (await door.get(f"/v1/cases/{case_id}")).body
    assert read["children"] == [{"case_id": own, "kind": "CON", "query_code": answer.body["query_code"]}]
    assert [kind for _, kind, _ in await door.events(case_id)][-1] == "case.linked"
    told = await door.events(own)
    assert [(version, kind) for version, kind, _ in told] == [(1, "case.registered"), (2, "case.accepted")]
    assert told[0][2]["case"]["parent"] == case_id


async def test_a_child_has_a_dossier_of_its_own_with_what_the_parent_said(door: Door) -> None:
    own = (await child(door, await parent(door))).body["case_id"]
    (row,) = await door.rows("select value from state_record where key = $1", own)

    sealed = json.loads(row["value"])["compartments"]["story"]["mediation"]
    story = open_compartment(door.keyring, "mediation", sealed, own, "story", 1)
    assert story["respondents"][0]["name"] == "东渠乙五金制品厂"


async def test_the_same_request_opens_one_child(door: Door) -> None:
    case_id = await parent(door)
    path, key = f"/v1/cases/{case_id}/children", {"idempotency-key": "one-child"}
    first = await door.post(path, {"kind": "CON"}, headers=key)
    again = await door.post(path, {"kind": "CON"}, headers=key)
    assert (first.status, again.status) == (201, 201)
    assert again.body == first.body
    assert len((await door.get(f"/v1/cases/{case_id}")).body["children"]) == 1


@pytest.mark.parametrize(
    ("fields", "pointer", "code"),
    [
        ({"kind": "PET"}, "/kind", "not_for_child"),
        ({"kind": "XYZ"}, "/kind", "unknown_code"),
        ({"category": "D98"}, "/category", "unknown_code"),
        ({"flags": ["NONE_SUCH"]}, "/flags/0", "unknown_code"),
    ],
)
async def test_a_child_that_makes_no_sense(
    door: Door, fields: dict[str, Any], pointer: str, code: str
) -> None:
    answer = await child(door, await parent(door), **fields)
    assert answer.status == 422
    assert [(fault["pointer"], fault["code"]) for fault in answer.body["errors"]] == [(pointer, code)]


async def test_a_child_of_a_refused_case(door: Door) -> None:
    case_id = await parent(
        door,
        "dispatcher",
        decision={"action": "refuse", "reason_code": "IN_LITIGATION", "directed_to": "CT-01"},
    )
    answer = await child(door, case_id)
    assert (answer.status, answer.body["code"]) == (409, "forbidden_action")
    assert (answer.body["state"], answer.body["allowed"]) == ("refused", [])


async def test_a_child_of_a_closed_case(door: Door) -> None:
    case_id = await parent(door)
    await close(door, case_id, 9)
    answer = await child(door, case_id)
    assert (answer.status, answer.body["code"], answer.body["state"]) == (409, "forbidden_action", "closed")


async def test_a_child_of_a_child(door: Door) -> None:
    own = (await child(door, await parent(door))).body["case_id"]
    answer = await child(door, own)
    assert (answer.status, answer.body["code"]) == (409, "not_a_parent")


async def test_a_child_of_another_districts_case(door: Door) -> None:
    case_id = await parent(door)
    answer = await door.post(f"/v1/cases/{case_id}/children", {"kind": "CON"}, districts=("990102",))
    assert (answer.status, answer.body["code"]) == (404, "not_found")


@pytest.mark.parametrize("role", ["admin", "auditor", "partner_lead"])
async def test_a_child_opened_by_who_may_not(door: Door, role: str) -> None:
    assert (await child(door, await parent(door), role)).status == 403


async def test_nothing_is_merged_into_a_closed_case(door: Door) -> None:
    case_id = await parent(door)
    await close(door, case_id, 9)
    answer = await door.register(**{**STORY, "decision": {"action": "merge", "into": case_id}})
    assert (answer.status, answer.body["code"], answer.body["state"]) == (409, "not_mergeable", "closed")


async def test_an_older_word_of_mediation_changes_nothing(door: Door) -> None:
    case_id = await parent(door)
    await close(door, case_id, 9)
    await close(door, case_id, 4)
    (row,) = await door.rows("select version, closed from closing where case_id = $1", UUID(case_id))
    assert (row["version"], row["closed"]) == (9, True)


async def test_the_merged_case_tells_the_number_of_the_first(door: Door) -> None:
    first = await door.register(**STORY)
    merged = await door.register(**{**STORY, "decision": {"action": "merge", "into": first.body["case_id"]}})
    told = (await door.events(merged.body["case_id"]))[-1]
    assert (told[1], told[2]["into_query_code"]) == ("case.merged", first.body["query_code"])
