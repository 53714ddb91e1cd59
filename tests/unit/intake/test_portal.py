"""What a portal may say, how fast, and what it is told."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from libs.db.work import Actor, Moment
from libs.messaging.deadline import Deadline
from libs.web.errors import Forbidden, Invalid, NotFound
from services.intake.domain.case import Case, Origin, PhoneTrace, Sealed, answer, visible
from services.intake.domain.flagging import Look, look
from services.intake.domain.portal import (
    MOST,
    OWED,
    USUAL,
    TooManyOfOneNumber,
    check_pace,
    check_portal,
    check_scopes,
    credential,
    told_to_portal,
)
from services.intake.domain.registration import AlreadyRegistered, Neighbours, Register, register
from tests.unit.intake.build import (
    CASE,
    DISTRICT,
    NOW,
    OTHER,
    actor,
    command,
    known,
    moment,
    new_id,
    registered,
    said,
)

PHONE = b"sixteen bytes..."


def site(*scopes: str, name: str = "site", district: str = DISTRICT) -> Actor:
    """A portal's key; good for registering by the web and for reading unless told otherwise."""
    good_for = frozenset(scopes or ("web", "read"))
    return Actor("channel", f"{name}.k1", districts=frozenset({district}), portal=name, scopes=good_for)


def by_portal(who: Actor, shared: Neighbours | None = None, now: datetime = NOW) -> Moment:
    return Moment(now, who, 0, new_id, shared=Neighbours() if shared is None else shared)


def registration(phone: bytes | None = PHONE, **fields: Any) -> Register:
    sealed = Sealed(1, b"key", b"applicant", b"story", PhoneTrace(phone, b"last four") if phone else None)
    codes = ("AAAAAAAA", "BBBBBBBB", "CCCCCCCC", *(f"C{n}" for n in range(20)))
    return replace(command(channel="web", codes=codes, **fields), portal="site", sealed=sealed)


def faults(who: Actor, **fields: Any) -> list[tuple[str, str]]:
    with pytest.raises(Invalid) as refused:
        check_portal(said(**{"channel": "web", **fields}), who)
    return [(error.pointer, error.code) for error in refused.value.errors]


def test_staff_say_everything() -> None:
    check_portal(said(flags=["VIOLENCE"], decision={"action": "accept"}), actor())


def test_a_portal_says_what_citizens_say() -> None:
    check_portal(said(channel="web", kind="PET", applicant={"phone": "13800000001"}), site())
    check_portal(said(channel="grid", place={"grid": "99010100100203"}), site("grid"))


def test_all_that_is_not_a_portals_is_named_at_once() -> None:
    told = faults(
        site(),
        channel="phone",
        flags=["VIOLENCE"],
        decision={"action": "accept"},
        applicant={"phone_verified": True},
    )
    assert told == [
        ("/channel", "not_for_key"),
        ("/applicant/phone_verified", "not_for_key"),
        ("/decision", "staff_only"),
        ("/flags", "staff_only"),
    ]


def test_the_word_read_is_no_channel_although_it_is_a_scope() -> None:
    with pytest.raises(Forbidden):
        check_portal(said(channel="web"), site("read"))
    with pytest.raises(Forbidden):
        check_portal(said(channel="web"), site("verified-phones"))


def test_only_a_key_that_vouches_says_that_a_number_is_verified() -> None:
    check_portal(said(channel="web", applicant={"phone_verified": True}), site("web", "verified-phones"))
    check_portal(said(channel="web", applicant={"phone_verified": False}), site())


def test_the_scopes_of_a_key_are_known_ones() -> None:
    assert check_scopes(()) == USUAL
    assert "verified-phones" not in USUAL
    assert check_scopes(("web", "read", "web")) == ("read", "web")
    with pytest.raises(Invalid) as refused:
        check_scopes(("web", "phone"))
    assert [(error.pointer, error.code) for error in refused.value.errors] == [("/scopes/1", "unknown_code")]


def test_an_outside_number_is_one_for_all_keys_of_a_portal() -> None:
    old, new = site(), replace(site(), id="site.k2")
    assert credential(old, DISTRICT) == credential(new, DISTRICT) != credential(site(name="b"), DISTRICT)
    assert credential(old, DISTRICT) != credential(old, "990102")
    assert credential(actor(), DISTRICT) == "staff:somebody"


def test_a_portal_knows_of_its_own_cases_alone() -> None:
    own = replace(registered(), portal="site")
    assert visible(own, site()) is own
    for case, who in (
        (own, site(name="other")),
        (own, site(district="990102")),
        (registered(), site()),
        (replace(registered(kind="REP", roles=("sealed_officer",)), portal="site"), site()),
        (replace(own, stage="erased"), site()),
    ):
        with pytest.raises(NotFound):
            visible(case, who)


def test_staff_know_of_a_portals_cases_as_of_others() -> None:
    own = replace(registered(), portal="site")
    assert visible(own, actor()) is own


def test_a_roleless_member_of_staff_is_no_portal() -> None:
    with pytest.raises(NotFound):
        visible(registered(), replace(actor(), roles=frozenset()))


def clock(rule: str, days: int) -> Deadline:
    return Deadline(rule, NOW + timedelta(days=days), started_at=NOW)


def test_a_portal_is_told_nothing_that_staff_think() -> None:
    case = replace(registered(narrative="他拿刀", headcount=7), portal="site", origin=Origin("x", "W-1"))
    told = told_to_portal(case, 3)
    assert (told["external_ref"], told["state"], told["version"]) == ("W-1", "registered", 3)
    assert case.facts.flags
    left_out = answer(case, 3).keys() - told.keys()
    assert left_out == {"track", "flags", "urgency", "parent", "children", "possible_duplicates", "warnings"}
    assert told["due"] is None  # what runs is the clock of triage, by urgency
    assert told_to_portal(replace(case, closed_at=NOW), 3)["state"] == "closed"


def test_a_portal_is_told_when_the_law_owes_an_answer() -> None:
    case = registered(
        kind="PET", applicant={"name": "许明远"}, place={"address": "锦苑一期"}, narrative="他拿刀"
    )
    assert {"PET-NOTICE", "RISK-VIOLENCE"} <= case.deadlines.keys()
    assert told_to_portal(case, 1)["due"]["rule"] in OWED


def test_a_portal_registers_and_is_answered_as_a_portal() -> None:
    decision = register(None, registration(), by_portal(site()))
    assert (decision.status, decision.reply["query_code"]) == (201, "AAAAAAAA")
    assert not {"flags", "external_ref"} & decision.reply.keys()
    assert decision.case is not None
    assert decision.case.portal == "site"
    assert [entry.action for entry in decision.audit] == ["case.registered"]


def test_a_portals_look_is_recorded_and_shows_its_part() -> None:
    own = replace(registered(), portal="site")
    decision = look(own, Look(), by_portal(site()))
    assert [entry.action for entry in decision.audit] == ["case.read"]
    assert "flags" not in decision.reply


def limit() -> int:
    return known().limits[MOST]


def flooded(count: int, shared: Neighbours) -> None:
    for _ in range(count):
        register(None, registration(), by_portal(site(), shared))


def test_a_portals_flood_of_one_number_is_refused_until_the_hour_is_over() -> None:
    shared = Neighbours()
    flooded(limit(), shared)
    with pytest.raises(TooManyOfOneNumber) as refused:
        register(None, registration(), by_portal(site(), shared, NOW + timedelta(minutes=50)))
    assert (refused.value.status, refused.value.retry_after) == (429, 600)
    assert register(None, registration(), by_portal(site(), shared, NOW + timedelta(hours=1))).status == 201


def test_a_flood_concerns_its_own_number_and_portals_alone() -> None:
    shared = Neighbours()
    flooded(limit(), shared)
    assert register(None, registration(b"another number.."), by_portal(site(), shared)).status == 201
    assert register(None, registration(None), by_portal(site(), shared)).status == 201
    by_staff = replace(registration(), portal=None)
    assert register(None, by_staff, moment(version=0, shared=shared)).status == 201


def test_a_matter_sent_twice_is_known_before_it_counts_as_flood() -> None:
    origin = Origin("portal:990101/site", "W-1")
    shared = Neighbours(origins={origin: OTHER})
    flooded(limit(), shared)
    with pytest.raises(AlreadyRegistered):
        register(None, replace(registration(), origin=origin), by_portal(site(), shared))


@pytest.mark.parametrize(
    ("minutes", "most", "wait"),
    [
        ([], 1, None),
        ([10], 2, None),
        ([10], 1, 3_000),
        ([10, 20], 2, 2_400),
        ([10, 60], 2, None),
        ([0], 1, 3_600),
    ],
)
def test_the_wait_is_until_the_oldest_that_counts_is_an_hour_old(
    minutes: list[int], most: int, wait: int | None
) -> None:
    now = datetime(2026, 3, 2, tzinfo=UTC)
    before = [now - timedelta(minutes=ago) for ago in minutes]
    if wait is None:
        check_pace(before, most, now)
        return
    with pytest.raises(TooManyOfOneNumber) as refused:
        check_pace(before, most, now)
    assert refused.value.retry_after == wait


def test_an_act_on_two_cases_is_recorded_with_both() -> None:
    target: Case = registered(OTHER, kind="DIS", decision={"action": "accept"})
    merging = command(kind="DIS", decision={"action": "merge", "into": str(OTHER)})
    decision = register(None, merging, moment(version=0, others={OTHER: target}))
    assert [(entry.action, entry.case_id) for entry in decision.audit] == [
        ("case.registered", CASE),
        ("case.merged", CASE),
        ("case.reminded", OTHER),
    ]
