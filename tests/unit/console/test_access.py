"""Who may sign in, how long a session lasts, how fast one may guess, and which cases one sees."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from services.console.domain.access import (
    BY_ADDRESS,
    BY_NAME,
    IDLE,
    LONGEST,
    Account,
    Scope,
    Session,
    Tries,
    account_of,
    scope_of,
)

NOW = datetime(2026, 2, 5, 9, tzinfo=UTC)
SECOND = timedelta(seconds=1)
ACCOUNT = Account("operator", "话务员", frozenset({"operator"}), frozenset({"990101"}), None, "hash")


def test_a_session_lives_until_it_is_idle() -> None:
    session = Session("operator", NOW, NOW)
    assert session.live(NOW + IDLE - SECOND)
    assert not session.live(NOW + IDLE)


def test_a_session_that_is_used_all_the_time_ends_with_the_shift() -> None:
    last = NOW + LONGEST - SECOND
    assert Session("operator", NOW, last).live(last)
    assert not Session("operator", NOW, NOW + LONGEST).live(NOW + LONGEST)


@pytest.mark.parametrize("role", ["operator", "dispatcher", "supervisor", "duty_officer"])
def test_case_roles_see_the_ordinary_cases_of_their_districts(role: str) -> None:
    assert scope_of(replace(ACCOUNT, roles=frozenset({role}))) == Scope(
        frozenset({"990101"}), ordinary=True, sealed=False
    )


def test_the_sealed_officer_sees_reports_and_nothing_else() -> None:
    officer = replace(ACCOUNT, roles=frozenset({"sealed_officer"}))
    assert scope_of(officer) == Scope(frozenset({"990101"}), ordinary=False, sealed=True)
    for account, reads in ((officer, {"REP"}), (ACCOUNT, {"DIS", None})):
        assert {kind for kind in ("REP", "DIS", None) if account.may_read(kind)} == reads


@pytest.mark.parametrize("roles", [{"admin"}, {"auditor"}, {"mediator"}, set()])
def test_other_roles_see_no_case(roles: set[str]) -> None:
    assert scope_of(replace(ACCOUNT, roles=frozenset(roles))) is None


def test_a_partner_sees_what_its_organisation_holds() -> None:
    partner = replace(ACCOUNT, roles=frozenset({"partner_handler"}), org="LAB-01")
    assert scope_of(partner) == Scope(frozenset({"990101"}), ordinary=True, sealed=False, org="LAB-01")


def test_a_partner_without_an_organisation_sees_nothing() -> None:
    assert scope_of(replace(ACCOUNT, roles=frozenset({"partner_lead"}))) is None


def test_a_partner_with_an_office_role_is_no_longer_bound_to_its_organisation() -> None:
    both = replace(ACCOUNT, roles=frozenset({"partner_lead", "supervisor"}), org="LAB-01")
    scope = scope_of(both)
    assert scope is not None
    assert scope.org is None


@pytest.mark.parametrize(
    ("count", "seconds"), [(0, 0), (4, 0), (5, 1), (6, 2), (7, 4), (10, 32), (11, 60), (500, 60)]
)
def test_wrong_passwords_of_a_name_slow_down_and_never_lock_it_out(count: int, seconds: int) -> None:
    assert BY_NAME.wait(Tries(count, NOW), NOW) == timedelta(seconds=seconds)


def test_an_address_may_be_wrong_more_often_and_then_waits_longer() -> None:
    assert BY_ADDRESS.wait(Tries(19, NOW), NOW) == timedelta()
    assert BY_ADDRESS.wait(Tries(10_000, NOW), NOW) == timedelta(minutes=15)


def test_time_that_passed_counts() -> None:
    assert BY_NAME.wait(Tries(7, NOW), NOW + 3 * SECOND) == SECOND
    assert BY_NAME.wait(Tries(7, NOW), NOW + 9 * SECOND) == timedelta()


def test_nobody_who_never_failed_waits() -> None:
    assert BY_NAME.wait(Tries(), NOW) == timedelta()


def test_an_account_is_read_as_its_file_tells_it() -> None:
    row = {"user": "lead", "roles": ["partner_lead"], "districts": ["990101"], "password_hash": "h"}
    assert account_of(row | {"name": "组长", "org": "LAB-01"}) == Account(
        "lead", "组长", frozenset({"partner_lead"}), frozenset({"990101"}), "LAB-01", "h"
    )
    assert account_of(row) == Account(
        "lead", "lead", frozenset({"partner_lead"}), frozenset({"990101"}), None, "h"
    )


@pytest.mark.parametrize(
    "row",
    [
        {},
        {"user": "", "roles": [], "districts": [], "password_hash": "secret"},
        {"user": "a", "roles": [], "districts": []},
        {"user": "a", "roles": "operator", "districts": [], "password_hash": "secret"},
        {"user": "a", "roles": [], "districts": "990101", "password_hash": "secret"},
    ],
)
def test_a_faulty_account_is_named_without_its_hash(row: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="account") as error:
        account_of(row)
    assert "secret" not in str(error.value)
