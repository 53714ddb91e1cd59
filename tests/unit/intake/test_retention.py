"""How long a case is kept: periods by kind, the day a case goes, and holds that come first."""

import json
from dataclasses import replace
from datetime import date, datetime, time, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.clocks.calendar import LOCAL
from libs.web.errors import Forbidden, Invalid, NotFound
from services.intake.domain.case import Case
from services.intake.domain.erasing import Erase, Held, erase
from services.intake.domain.retention import ChangeHolds, change_holds, ended_before, erased_on
from tests.unit.intake.build import DATA, NOW, accepted, kept, known, moment, note, registered

PERIODS = {"DIS": 36, "PET": None, None: 24}


def ended(at: datetime = NOW, kind: str | None = "DIS") -> Case:
    return replace(registered(kind=kind), stage="withdrawn", ended_at=at, deadlines={})


def hold(
    case: Case, *add: str, remove: tuple[str, ...] = (), why: bool = True, role: str = "supervisor"
) -> Any:
    command = ChangeHolds(known(), add, remove, note("holds") if why else None)
    return change_holds(case, command, moment(role))


@pytest.mark.parametrize(
    ("kind", "on", "gone"),
    [
        ("DIS", "2026-03-02", "2029-03-02"),
        ("DIS", "2024-02-29", "2027-02-28"),
        (None, "2026-03-02", "2028-03-02"),
        ("PET", "2026-03-02", None),
    ],
)
def test_a_case_goes_so_many_months_after_its_end(kind: str | None, on: str, gone: str | None) -> None:
    case = ended(datetime.fromisoformat(f"{on}T23:59:00+08:00"), kind)
    assert erased_on(case, PERIODS) == (date.fromisoformat(gone) if gone else None)


def test_a_case_in_hand_has_no_such_day() -> None:
    assert erased_on(accepted(), PERIODS) is None


def test_what_mediation_closed_ended_then() -> None:
    case = replace(accepted(), closed_at=NOW + timedelta(days=9))
    assert erased_on(case, PERIODS) == date(2029, 3, 11)


@given(st.dates(date(2020, 1, 1), date(2030, 1, 1)), st.integers(1000, 1200))
def test_what_is_looked_for_misses_no_case_that_is_over(last: date, days: int) -> None:
    end, today = datetime.combine(last, time.max, LOCAL), last + timedelta(days=days)
    over = (erased_on(ended(end), PERIODS) or date.max) <= today
    assert not over or end < ended_before(PERIODS, today)["DIS"]
    assert "PET" not in ended_before(PERIODS, today)


def test_every_kind_has_its_entry() -> None:
    kinds = {row["code"] for row in json.loads((DATA / "kinds.json").read_text("utf-8"))["kinds"]}
    assert known().retention.keys() == {*kinds, None}


def test_a_held_case_is_not_erased() -> None:
    case = kept(hold(ended(), "COURT", "REVIEW"))
    with pytest.raises(Held) as refused:
        erase(case, Erase(known(), "PURPOSE_DONE"), moment("supervisor"))
    assert refused.value.extra == {"holds": ["COURT", "REVIEW"]}
    free = kept(hold(case, remove=("COURT", "REVIEW")))
    assert kept(erase(free, Erase(known(), "PURPOSE_DONE"), moment("supervisor"))).stage == "erased"


def test_a_hold_is_told_and_audited_and_no_event() -> None:
    decision = hold(ended(), "COURT")
    assert (decision.events, decision.reply["holds"], decision.reply["erased_on"]) == ((), ["COURT"], None)
    (entry,) = decision.audit
    assert (entry.action, entry.detail) == ("case.holds_changed", {"added": ["COURT"], "removed": []})
    assert hold(kept(decision), remove=("COURT",)).reply["erased_on"] == "2029-03-02"


@pytest.mark.parametrize(
    ("add", "remove", "why", "faults"),
    [
        (("BECAUSE",), (), True, [("/add/0", "unknown_code")]),
        ((), ("REVIEW",), True, [("/remove/0", "not_held")]),
        (("COURT",), ("COURT",), True, [("/remove/0", "not_held")]),
        ((), (), True, [("", "nothing_to_do")]),
        ((), ("COURT",), False, [("/reason", "required")]),
    ],
)
def test_what_does_not_fit_is_told_by_place(
    add: tuple[str, ...], remove: tuple[str, ...], why: bool, faults: list[tuple[str, str]]
) -> None:
    case = kept(hold(ended(), "COURT"))
    with pytest.raises(Invalid) as refused:
        hold(case, *add, remove=remove, why=why)
    assert [(fault.pointer, fault.code) for fault in refused.value.errors] == faults


def test_holds_are_a_supervisors_and_of_an_accusation_the_sealed_officers() -> None:
    with pytest.raises(Forbidden):
        hold(ended(), "COURT", role="dispatcher")
    accusation = ended(kind="REP")
    with pytest.raises(NotFound):
        hold(accusation, "COURT")
    assert kept(hold(accusation, "COURT", role="sealed_officer")).holds == ("COURT",)
