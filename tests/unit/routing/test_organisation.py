"""Organisations: what they may say, how their availability and keys change."""

from datetime import UTC, datetime
from typing import Any

import pytest

from libs.events.organisation import Leave
from libs.web.errors import Invalid, NotFound
from services.routing.domain.organisation import (
    MAX_LIVE_KEYS,
    Availability,
    Organisation,
    TooManyKeys,
    change_availability,
    define,
    issue_key,
    revoke_key,
)
from tests.unit.routing.build import PLACES, VOCABULARY, profile

NOW = datetime(2026, 3, 2, 2, tzinfo=UTC)
HASH = "0" * 64


def made(**changes: Any) -> Organisation:
    return define(None, profile(**changes), VOCABULARY, PLACES)


def faults(**changes: Any) -> list[tuple[str, str]]:
    with pytest.raises(Invalid) as refused:
        made(**changes)
    return [(error.pointer, error.code) for error in refused.value.errors]


def test_a_new_organisation_has_version_1_and_lies_in_the_district_of_its_areas() -> None:
    organisation = made(areas=["990101001"])
    assert (organisation.version, organisation.district) == (1, "990101")


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"type": "CLUB"}, ("/type", "unknown_code")),
        ({"categories": ["D10", "D77"]}, ("/categories/1", "unknown_code")),
        ({"kinds": ["XXX"]}, ("/kinds/0", "unknown_code")),
        ({"modes": ["pigeon"]}, ("/modes/0", "unknown_code")),
        ({"languages": ["la"]}, ("/languages/0", "unknown_code")),
        ({"data_view": "ALL"}, ("/data_view", "unknown_code")),
        ({"areas": ["990101009"]}, ("/areas/0", "unknown_code")),
        ({"capacity": None}, ("/capacity", "required")),
    ],
)
def test_what_nobody_knows_is_refused_with_its_place(changes: dict[str, Any], fault: tuple[str, str]) -> None:
    assert faults(**changes) == [fault]


def test_areas_lie_in_one_district() -> None:
    assert ("/areas/1", "other_district") in faults(areas=["990101", "990102"])


def test_a_body_outside_needs_no_capacity() -> None:
    assert made(type="COURT", capacity=None).profile.capacity is None


def test_a_change_raises_the_version_and_keeps_the_keys() -> None:
    before, _ = issue_key(made(), HASH, (), NOW)
    after = define(before, profile(capacity=3), VOCABULARY, PLACES)
    assert (after.version, after.profile.capacity, after.keys) == (3, 3, before.keys)


def test_an_organisation_does_not_move_to_another_district() -> None:
    with pytest.raises(Invalid):
        define(made(), profile(areas=["990102"]), VOCABULARY, PLACES | {"990102"})


def test_availability_changes_only_what_is_named() -> None:
    leave = (Leave.model_validate({"from": "2026-03-02", "to": "2026-03-03"}),)
    on_leave = change_availability(made(), Availability(leave=leave))
    assert (on_leave.profile.leave, on_leave.profile.capacity, on_leave.profile.paused) == (leave, 10, False)
    back = change_availability(on_leave, Availability(leave=(), capacity=0, paused=True))
    assert (back.profile.leave, back.profile.capacity, back.profile.paused, back.version) == ((), 0, True, 3)


def test_availability_without_a_word_changes_nothing() -> None:
    before = made()
    assert change_availability(before, Availability()) is before


def test_keys_are_numbered_and_a_number_is_never_given_twice() -> None:
    organisation, first = issue_key(made(), HASH, ("cases",), NOW)
    organisation = revoke_key(organisation, first.key_id, NOW)
    organisation, second = issue_key(organisation, HASH, (), NOW)
    assert (first.key_id, second.key_id) == ("LAB-90.1", "LAB-90.2")


def test_the_record_tells_live_keys_alone() -> None:
    organisation, first = issue_key(made(), HASH, ("cases",), NOW)
    organisation, second = issue_key(organisation, "1" * 64, (), NOW)
    record = revoke_key(organisation, first.key_id, NOW).record()
    assert [(key.key_id, key.hash) for key in record.keys] == [(second.key_id, "1" * 64)]
    assert record.version == 4


def test_revoking_twice_changes_nothing_and_another_s_key_is_not_found() -> None:
    organisation, key = issue_key(made(), HASH, (), NOW)
    revoked = revoke_key(organisation, key.key_id, NOW)
    assert revoke_key(revoked, key.key_id, NOW) is revoked
    with pytest.raises(NotFound):
        revoke_key(organisation, "LAW-01.1", NOW)


def test_an_organisation_holds_ten_live_keys_at_most() -> None:
    organisation = made()
    for _ in range(MAX_LIVE_KEYS):
        organisation, key = issue_key(organisation, HASH, (), NOW)
    with pytest.raises(TooManyKeys):
        issue_key(organisation, HASH, (), NOW)
    issue_key(revoke_key(organisation, key.key_id, NOW), HASH, (), NOW)
