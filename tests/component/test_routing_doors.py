"""Routing's doors: the registry with its versions and keys, areas, previews, and why a case went where."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import orjson
import pytest

from libs.db.pool import Database
from libs.events.organisation import AreaChanged, OrganisationChanged
from libs.web import apikeys
from tests.component.routing_door import Door, opened
from tests.component.routing_kit import ids
from tests.support import infrastructure
from tests.unit.routing.build import GRID

LAB = "/v1/organisations/LAB-01"
PREVIEW = "/v1/assignments/preview"


@pytest.fixture
async def door(database: Any, tmp_path: Path) -> AsyncIterator[Door]:
    async with opened(await database("routing"), tmp_path) as door:
        yield door


@pytest.fixture(scope="module")
async def still(worker: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Door]:
    """Doors that are shared by tests that change nothing."""
    databases = infrastructure.Databases(f"{worker}still")
    database = await Database.open(databases.fresh("routing"), name="test-routing", size=5)
    async with opened(database, tmp_path_factory.mktemp("routing")) as door:
        yield door
    await database.close()
    databases.drop()


async def state(door: Door, topic: str, key: str) -> Any:
    row = await door.kit.row(
        "select version, value from state_record where topic = $1 and key = $2", topic, key
    )
    return orjson.loads(row["value"])


BENCH = {
    "org_id": "BENCH-1",
    "name": "bench",
    "type": "LAB",
    "areas": ["990101"],
    "categories": ["D10"],
    "kinds": ["DIS"],
    "hours": [{"days": [1, 2, 3, 4, 5, 6, 7], "from": "00:00", "to": "24:00"}],
    "closed_on_holidays": False,
    "capacity": 1_000_000,
    "standing_acceptance": True,
}


# --- organisations ------------------------------------------------------------------------------------------


async def test_the_district_is_seeded_once_and_published(door: Door) -> None:
    await door.kit.seed()
    answer = await door.ask("GET", "/v1/organisations?class=partner&limit=100")
    assert len(answer.body["items"]) == 14
    assert {item["version"] for item in answer.body["items"]} == {1}
    assert (
        len(await door.kit.rows("select 1 from state_record where topic = $1", OrganisationChanged.TOPIC))
        == 33
    )
    assert len(await door.kit.rows("select 1 from state_record where topic = $1", AreaChanged.TOPIC)) == 36
    record = OrganisationChanged.model_validate(await state(door, OrganisationChanged.TOPIC, "LAB-01"))
    assert (record.name, record.district, record.keys) == ("临江区劳动人民调解委员会", "990101", ())


async def test_what_people_changed_survives_the_next_start(door: Door) -> None:
    await door.ask("PATCH", f"{LAB}/availability", {"capacity": 1}, if_match='"1"')
    rows = await door.kit.rows("select version from organisation where org_id = 'LAB-01'")
    async with opened(door.kit.database, door.folder.parent) as again:
        read = await again.ask("GET", LAB)
    assert [row["version"] for row in rows] == [2]
    assert (read.body["capacity"], read.body["version"], read.headers["etag"]) == (1, 2, '"2"')


async def test_lists_go_page_by_page(still: Door) -> None:
    seen, after = [], ""
    while True:
        answer = await still.ask("GET", f"/v1/organisations?limit=9{after}")
        seen += [item["org_id"] for item in answer.body["items"]]
        if answer.body["next"] is None:
            break
        after = f"&after={answer.body['next']}"
    assert len(seen) == 33
    assert seen == sorted(set(seen))


async def test_a_new_organisation_is_there_for_the_next_choice(door: Door) -> None:
    made = await door.ask("PUT", "/v1/organisations/BENCH-1", BENCH)
    assert (made.status, made.headers["etag"], made.body["class"]) == (201, '"1"', "partner")
    preview = await door.ask("POST", PREVIEW, {"kind": "DIS", "category": "D10", "grid": GRID})
    assert [c["org_id"] for c in preview.body["candidates"]] == ["BENCH-1", "LAB-01", "PMC-YQ"]


async def test_an_answer_may_be_sent_back_as_it_came(door: Door) -> None:
    read = await door.ask("GET", LAB)
    changed = {**read.body, "capacity": 61}
    put = await door.ask("PUT", LAB, changed, if_match=read.headers["etag"])
    assert (put.status, put.body["capacity"], put.headers["etag"]) == (200, 61, '"2"')
    assert (await state(door, OrganisationChanged.TOPIC, "LAB-01"))["capacity"] == 61


@pytest.mark.parametrize(
    ("headers", "status", "code"),
    [({}, 428, "precondition_required"), ({"if_match": '"7"'}, 412, "stale_version")],
)
async def test_nobody_overwrites_what_they_did_not_see(
    still: Door, headers: dict[str, str], status: int, code: str
) -> None:
    put = await still.ask("PUT", LAB, {**BENCH, "org_id": "LAB-01"}, **headers)
    patch = await still.ask("PATCH", f"{LAB}/availability", {"paused": True}, **headers)
    assert {(a.status, a.body["code"]) for a in (put, patch)} == {(status, code)}
    assert (await still.ask("GET", LAB)).body["version"] == 1


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"type": "CLUB"}, ("/type", "unknown_code")),
        ({"areas": ["990101099"]}, ("/areas/0", "unknown_code")),
        ({"areas": ["99"]}, ("/areas/0", "string_pattern_mismatch")),
        ({"areas": []}, ("/areas", "too_short")),
        ({"hours": [{"days": [8], "from": "09:00", "to": "10:00"}]}, ("/hours/0/days/0", "less_than_equal")),
        (
            {"hours": [{"days": [1], "from": "9", "to": "10:00"}]},
            ("/hours/0/from", "string_pattern_mismatch"),
        ),
        ({"hours": [{"days": [1], "from": "11:00", "to": "10:00"}]}, ("/hours/0", "value_error")),
        ({"leave": [{"from": "2026-03-05", "to": "2026-03-04"}]}, ("/leave/0", "value_error")),
        ({"capacity": -1}, ("/capacity", "greater_than_equal")),
        ({"capacity": None}, ("/capacity", "required")),
        ({"surprise": 1}, ("/surprise", "extra_forbidden")),
        ({"org_id": "OTHER"}, ("/org_id", "not_the_address")),
    ],
)
async def test_a_wrong_profile_is_refused_with_its_place(
    still: Door, changes: dict[str, Any], fault: tuple[str, str]
) -> None:
    answer = await still.ask("PUT", "/v1/organisations/BENCH-1", {**BENCH, **changes})
    assert answer.status == 422
    assert fault in answer.faults


async def test_a_pause_takes_effect_and_is_audited(door: Door) -> None:
    leave = [{"from": "2026-03-02", "to": "2026-03-04"}]
    answer = await door.ask(
        "PATCH", f"{LAB}/availability", {"leave": leave}, role="supervisor", if_match='"1"'
    )
    assert (answer.status, answer.body["leave"]) == (200, leave)
    preview = await door.ask("POST", PREVIEW, {"kind": "DIS", "category": "D10", "grid": GRID})
    assert preview.body["chosen"] == "PMC-YQ"
    assert {"org_id": "LAB-01", "reasons": ["HOURS", "PAUSED"]} in preview.body["out"]
    audit = await door.kit.row("select actor, detail from audit where action = 'organisation.availability'")
    assert (audit["actor"], orjson.loads(audit["detail"])) == (
        "staff:supervisor",
        {"org_id": "LAB-01", "version": 2},
    )


async def test_roles_and_districts_bound_what_one_may_do(still: Door) -> None:
    assert (await still.ask("PUT", LAB, BENCH, role="supervisor")).status == 403
    assert (await still.ask("GET", LAB, role="auditor")).status == 403
    assert (await still.ask("GET", LAB, role="operator", districts=("990102",))).status == 404
    assert (await still.ask("GET", "/v1/organisations", districts=("990102",))).body["items"] == []
    foreign = await still.ask(
        "PUT", LAB, {**BENCH, "org_id": "LAB-01"}, districts=("990102",), if_match='"1"'
    )
    assert foreign.status == 404
    assert (await still.ask("PUT", "/v1/organisations/BENCH-1", BENCH, districts=("990102",))).status == 422


async def test_a_partner_s_head_pauses_the_own_organisation_alone(door: Door) -> None:
    own = await door.ask(
        "PATCH", f"{LAB}/availability", {"paused": True}, role="partner_lead", org="LAB-01", if_match='"1"'
    )
    other = await door.ask(
        "PATCH", f"{LAB}/availability", {"paused": True}, role="partner_lead", org="LAW-01", if_match='"2"'
    )
    assert (own.status, other.status) == (200, 404)


async def test_a_key_is_shown_once_and_only_its_hash_is_kept(door: Door) -> None:
    made = await door.ask("POST", f"{LAB}/keys", {"scopes": ["cases"]}, idempotency_key="k")
    assert (made.status, made.body["key_id"], made.body["scopes"]) == (201, "LAB-01.1", ["cases"])
    key = made.body["key"]
    assert apikeys.well_formed(key)
    again = await door.ask("POST", f"{LAB}/keys", {"scopes": ["cases"]}, idempotency_key="k")
    assert (again.status, again.body) == (201, {**made.body, "key": None})
    assert again.headers["idempotent-replayed"] == "true"
    other = await door.ask("POST", f"{LAB}/keys", {"scopes": []}, idempotency_key="k")
    assert (other.status, other.body["code"]) == (422, "idempotency_key_reused")
    record = await state(door, OrganisationChanged.TOPIC, "LAB-01")
    assert [k["hash"] for k in record["keys"]] == [apikeys.hash_of(key).hex()]
    for table in ("organisation", "state_record", "idempotency", "audit"):
        rows = await door.kit.rows(f"select t::text as text from {table} t")
        assert key not in "".join(row["text"] for row in rows), table


async def test_a_revoked_key_leaves_the_topic(door: Door) -> None:
    made = await door.ask("POST", f"{LAB}/keys", {})
    path = f"{LAB}/keys/{made.body['key_id']}"
    assert (await door.ask("DELETE", path)).status == 204
    assert (await door.ask("DELETE", path)).status == 204
    assert (await door.ask("DELETE", f"{LAB}/keys/LAW-01.1")).status == 404
    assert (await state(door, OrganisationChanged.TOPIC, "LAB-01"))["keys"] == []
    shown = (await door.ask("GET", LAB)).body["keys"]
    assert [(k["key_id"], k["revoked_at"] is not None) for k in shown] == [("LAB-01.1", True)]


async def test_a_key_needs_an_idempotency_key_and_an_organisation(door: Door) -> None:
    assert (await door.ask("POST", f"{LAB}/keys", {}, idempotency_key="")).status == 400
    assert (await door.ask("POST", "/v1/organisations/NOBODY/keys", {})).status == 404


# --- areas --------------------------------------------------------------------------------------------------


async def test_areas_are_listed_and_redrawn_with_their_version(door: Door) -> None:
    listed = await door.ask("GET", "/v1/areas?level=street", role="operator")
    assert [(a["code"], a["zh"], a["parent"]) for a in listed.body["items"]] == [
        ("990101001", "云桥街道", "990101"),
        ("990101002", "南塘街道", "990101"),
    ]
    unknown = await door.ask("GET", "/v1/areas?level=province", role="operator")
    assert (unknown.status, unknown.faults) == (422, [("?level", "unknown_code")])
    new = {"code": "99010100100204", "zh": "锦苑第四网格", "aliases": ["锦苑新天地"]}
    assert (await door.ask("PUT", "/v1/areas", {"items": [new]})).status == 428
    assert (await door.ask("PUT", "/v1/areas", {"items": [new]}, if_match='"9"')).status == 412
    put = await door.ask("PUT", "/v1/areas", {"items": [new]}, if_match=listed.headers["etag"])
    assert (put.status, put.headers["etag"]) == (200, '"2"')
    resolved = await door.ask("POST", "/v1/areas/resolve", {"address": "锦苑新天地5号"}, role="operator")
    assert resolved.body["grids"] == [{"code": "99010100100204", "zh": "锦苑第四网格", "score": 1.0}]
    assert (await state(door, AreaChanged.TOPIC, new["code"]))["parent"] == "990101001002"
    part = {"code": "9901010010020401", "zh": "锦苑第四网格一组", "aliases": ["锦苑新天地1幢"]}
    put = await door.ask("PUT", "/v1/areas", {"items": [part]}, if_match='"2"')
    told = await state(door, AreaChanged.TOPIC, part["code"])
    assert (told["level"], told["parent"]) == ("micro_grid", new["code"])
    resolved = await door.ask("POST", "/v1/areas/resolve", {"address": "锦苑新天地1幢"}, role="operator")
    assert resolved.body["grids"] == [{"code": part["code"], "zh": part["zh"], "score": 1.0}]
    for grid in (new["code"], part["code"]):
        preview = await door.ask("POST", PREVIEW, {"kind": "DIS", "category": "D02", "grid": grid})
        assert preview.body["chosen"] == "PMC-YQ-JY"


@pytest.mark.parametrize(
    ("item", "fault"),
    [
        ({"code": "990101009001", "zh": "无街"}, ("/items/0/code", "no_parent")),
        ({"code": "9901010010020999", "zh": "无格"}, ("/items/0/code", "no_parent")),
        ({"code": "1", "zh": "短"}, ("/items/0/code", "string_pattern_mismatch")),
        ({"code": "990101009"}, ("/items/0/zh", "missing")),
    ],
)
async def test_a_place_in_the_air_is_refused(
    still: Door, item: dict[str, str], fault: tuple[str, str]
) -> None:
    answer = await still.ask("PUT", "/v1/areas", {"items": [item]}, if_match='"1"')
    assert answer.status == 422
    assert fault in answer.faults


@pytest.mark.parametrize(
    ("address", "grids"),
    [
        ("云桥街道锦苑商业街示例餐饮店", ["99010100100203"]),
        ("锦苑一期3幢", ["99010100100201"]),
        ("幸福里8号", ["99010100100102", "99010100200201"]),
        ("南塘街道幸福里8号", ["99010100200201"]),
        ("石埠村", ["99010100100301", "99010100100302"]),
        ("外省某地", []),
    ],
)
async def test_an_address_means_these_grids(still: Door, address: str, grids: list[str]) -> None:
    answer = await still.ask("POST", "/v1/areas/resolve", {"address": address}, role="operator")
    assert [grid["code"] for grid in answer.body["grids"]] == grids


# --- previews and assignments -------------------------------------------------------------------------------


async def test_a_preview_has_the_shape_of_the_interface_and_stores_nothing(still: Door) -> None:
    told = {
        "kind": "DIS",
        "category": "D10",
        "grid": GRID,
        "flags": [],
        "language": "zh",
        "mode": None,
        "complained_about_org": None,
        "declined": [],
        "consent": True,
        "at": "2026-03-02T10:00:00+08:00",
        "loads": {"LAB-01": 7},
    }
    answer = await still.ask("POST", PREVIEW, told, role="operator", idempotency_key="")
    body = answer.body
    assert (answer.status, body["chosen"], body["reason"], body["referral"]) == (200, "LAB-01", None, None)
    assert body["candidates"][0] == {"org_id": "LAB-01", "rank": 1, "area_level": 1, "load_ratio": 0.1167}
    assert body["co_mediators"] == [{"type": "LAW", "org_id": "LAW-01", "speaks_language": True}]
    assert {"org_id": "PSY-01", "reasons": ["TYPE"]} in body["out"]
    assert body["because"]["zh"] == "属于首选类型LAB，其余候选为备选类型"
    for table in ("routing_case", "assignment", "event", "idempotency"):
        assert await still.kit.rows(f"select 1 from {table}") == [], table


@pytest.mark.parametrize(
    ("changes", "chosen", "reason"),
    [
        ({"kind": "REP"}, None, "SEALED"),
        ({"flags": ["VIOLENCE"]}, None, "DUTY_DESK"),
        ({"category": "D99"}, None, "DUTY_DESK"),
        ({"grid": None}, None, "DUTY_DESK"),
        ({"category": "D15"}, None, "REFERRAL"),
        ({"consent": False}, None, "NO_ELIGIBLE"),
        ({"declined": ["LAB-01"]}, "PMC-YQ", None),
        ({"loads": {"LAB-01": 60}}, "PMC-YQ", None),
        ({"at": "2026-03-01T03:00:00+08:00"}, "LAB-01", None),
    ],
)
async def test_a_preview_follows_the_rule(
    still: Door, changes: dict[str, Any], chosen: str | None, reason: str | None
) -> None:
    answer = await still.ask("POST", PREVIEW, {"kind": "DIS", "category": "D10", "grid": GRID, **changes})
    assert (answer.body["chosen"], answer.body["reason"]) == (chosen, reason)


@pytest.mark.parametrize(
    ("changes", "place"),
    [
        ({"kind": "XXX"}, "/kind"),
        ({"category": "D77"}, "/category"),
        ({"flags": ["VIOLENCE", "RAIN"]}, "/flags/1"),
        ({"mode": "pigeon"}, "/mode"),
        ({"chosen_target": "CLUB"}, "/chosen_target"),
        ({"loads": {"CLUB-1": 1}}, "/loads"),
        ({"loads": {"LAB-01": -1}}, "/loads/LAB-01"),
        ({"at": "2026-03-02T10:00:00"}, "/at"),
        ({"at": "9999-12-31T23:59:59Z"}, "/at"),
        ({"grid": "12"}, "/grid"),
        ({"surprise": 1}, "/surprise"),
    ],
)
async def test_a_preview_of_unknown_codes_is_refused(
    still: Door, changes: dict[str, Any], place: str
) -> None:
    answer = await still.ask("POST", PREVIEW, {"kind": "DIS", "category": "D10", "grid": GRID, **changes})
    assert answer.status == 422
    assert [pointer for pointer, _ in answer.faults] == [place]


async def test_everybody_may_see_why_a_case_went_where_it_went(door: Door) -> None:
    [case_id] = ids(1)
    await door.kit.accept(case_id)
    answer = await door.ask("GET", f"/v1/cases/{case_id}/assignments", role="operator")
    assert (answer.status, answer.headers["etag"], answer.body["state"]) == (200, '"1"', "proposed")
    [attempt] = answer.body["items"]
    assert (attempt["attempt"], attempt["org_id"], attempt["state"], attempt["target_type"]) == (
        1,
        "LAB-01",
        "pending",
        "LAB",
    )
    assert attempt["because"]["en"] == "it is of the target type LAB, the others of an alternative one"
    assert [c["org_id"] for c in attempt["candidates"]] == ["LAB-01", "PMC-YQ"]
    assert len(attempt["out"]) == 12
    assert attempt["rule_version"]


async def test_a_sealed_report_is_seen_by_the_sealed_officer_alone(door: Door) -> None:
    sealed, plain = ids(2)
    await door.kit.accept(sealed, kind="REP", track="SEALED", query_code="")
    await door.kit.accept(plain)
    for case_id, role, status in (
        (sealed, "supervisor", 404),
        (sealed, "sealed_officer", 200),
        (plain, "sealed_officer", 404),
        (plain, "supervisor", 200),
        (plain, "admin", 403),
    ):
        answer = await door.ask("GET", f"/v1/cases/{case_id}/assignments", role=role)
        assert answer.status == status, (role, status)
    other = await door.ask("GET", f"/v1/cases/{plain}/assignments", role="operator", districts=("990102",))
    assert other.status == 404


async def test_a_supervisor_chooses_and_the_attempt_is_pending(door: Door) -> None:
    [case_id] = ids(1)
    await door.kit.accept(case_id)
    path = f"/v1/cases/{case_id}/assignments"
    wish = {"org_id": "PMC-YQ", "reason": "当事人要求就近"}
    assert (await door.ask("POST", path, wish, role="operator")).status == 403
    assert (await door.ask("POST", path, wish, role="supervisor")).status == 428
    assert (await door.ask("POST", path, wish, role="supervisor", if_match='"9"')).status == 412
    made = await door.ask("POST", path, wish, role="supervisor", if_match='"1"', idempotency_key="k")
    assert (made.status, made.body["org_id"], made.body["state"]) == (202, "PMC-YQ", "pending")
    assert made.headers["etag"] == '"2"'
    again = await door.ask("POST", path, wish, role="supervisor", if_match='"1"', idempotency_key="k")
    assert (again.status, again.body) == (202, made.body)
    read = await door.ask("GET", path, role="supervisor")
    assert [(a["org_id"], a["note"], a["by_person"]) for a in read.body["items"]] == [
        ("LAB-01", None, None),
        ("PMC-YQ", "当事人要求就近", "supervisor"),
    ]


async def test_what_a_supervisor_cannot_choose(door: Door) -> None:
    [case_id] = ids(1)
    path = f"/v1/cases/{case_id}/assignments"
    wish = {"org_id": "LAB-01", "reason": "熟悉"}
    assert (await door.ask("POST", path, wish, role="supervisor", if_match='"0"')).status == 404
    await door.kit.accept(case_id, complained_about_org="LAB-01")
    out = await door.ask("POST", path, wish, role="supervisor", if_match='"1"')
    assert (out.status, out.body["code"], out.body["reasons"]) == (
        409,
        "organisation_out",
        ["COMPLAINED_ABOUT"],
    )
    nobody = await door.ask("POST", path, {**wish, "org_id": "CT-01"}, role="supervisor", if_match='"1"')
    assert (nobody.status, nobody.faults) == (422, [("/org_id", "unknown_code")])
    await door.kit.close(case_id)
    closed = await door.ask("POST", path, {**wish, "org_id": "LAW-01"}, role="supervisor", if_match='"1"')
    assert (closed.status, closed.body["state"], closed.body["allowed"]) == (409, "closed", [])
