"""Erasing a case: who may, when, and what is told of it."""

from dataclasses import replace
from uuid import UUID

import pytest

from libs.events.intake import CaseErased
from libs.web.errors import Busy, Forbidden, Invalid, NotFound
from services.intake.domain.case import Case, Origin, visible
from services.intake.domain.erasing import Erase, Held, StillNeeded, erase
from tests.unit.intake.build import CASE, NOW, OTHER, accepted, actor, kept, known, moment, registered


def erasure(reason: str = "CONSENT_WITHDRAWN") -> Erase:
    return Erase(known(), reason)


def finished(stage: str = "withdrawn", **fields: object) -> Case:
    """A case that nobody works on any more, without a running clock."""
    case = registered(**fields)  # type: ignore[arg-type]
    return replace(case, stage=stage, deadlines={})  # type: ignore[arg-type]


def test_an_erasure_is_told_once_and_leaves_a_tombstone_for_every_reader() -> None:
    case = replace(finished(), origin=Origin("channel:portal", "A-1"))
    decision = erase(case, erasure(), moment("supervisor"))
    (event,) = decision.events
    assert isinstance(event, CaseErased)
    (tombstone,) = decision.state
    assert (tombstone.topic, tombstone.key, tombstone.value) == ("intake.dossier.v1", str(CASE), None)
    assert tombstone.version == case.facts.dossier_version + 1
    after = kept(decision)
    assert (after.stage, after.origin, after.facts.dossier_version) == ("erased", None, tombstone.version)
    (entry,) = decision.audit
    assert (entry.action, entry.detail) == ("case.erased", {"reason_code": "CONSENT_WITHDRAWN"})


def test_an_erased_case_is_there_for_nobody() -> None:
    after = kept(erase(finished(), erasure(), moment("supervisor")))
    for role in ("operator", "supervisor", "sealed_officer"):
        with pytest.raises(NotFound):
            visible(after, actor(role))


@pytest.mark.parametrize("stage", ["refused", "forwarded", "merged", "withdrawn"])
def test_what_nobody_works_on_can_go(stage: str) -> None:
    assert kept(erase(finished(stage), erasure(), moment("duty_officer"))).stage == "erased"


def test_an_accepted_case_can_go_when_mediation_has_closed_it() -> None:
    case = replace(accepted(), deadlines={})
    with pytest.raises(StillNeeded) as refused:
        erase(case, erasure(), moment("supervisor"))
    assert refused.value.extra == {"state": "accepted", "clocks": []}
    assert kept(erase(replace(case, closed_at=NOW), erasure(), moment("supervisor"))).stage == "erased"


def test_what_was_merged_is_held_with_the_case_that_took_it_in() -> None:
    third = UUID("019c2b6e-7001-7001-8001-000000000003")
    case = replace(finished("merged"), merged_into=OTHER)
    first = replace(finished("merged"), case_id=OTHER, merged_into=third)
    last = replace(finished(), case_id=third)
    assert kept(erase(case, erasure(), moment("supervisor", others={OTHER: first, third: last})))
    held = {OTHER: first, third: replace(last, holds=("COURT",))}
    with pytest.raises(Held) as refused:
        erase(case, erasure(), moment("supervisor", others=held))
    assert refused.value.extra == {"holds": ["COURT"], "merged_into": str(third)}
    with pytest.raises(Busy):
        erase(case, erasure(), moment("supervisor", others={OTHER: first}))


def test_while_a_clock_runs_the_case_stays() -> None:
    case = replace(registered(), stage="withdrawn")
    with pytest.raises(StillNeeded) as refused:
        erase(case, erasure(), moment("supervisor"))
    assert refused.value.extra["clocks"] == ["PROD-TRIAGE-BLUE"]


def test_a_case_that_waits_for_triage_stays() -> None:
    with pytest.raises(StillNeeded):
        erase(registered(), erasure(), moment("supervisor"))


def test_the_reason_is_one_of_the_law() -> None:
    with pytest.raises(Invalid) as refused:
        erase(finished(), erasure("BECAUSE"), moment("supervisor"))
    assert [(fault.pointer, fault.code) for fault in refused.value.errors] == [
        ("/reason_code", "unknown_code")
    ]


@pytest.mark.parametrize("role", ["operator", "dispatcher"])
def test_erasing_is_a_supervisors_act(role: str) -> None:
    with pytest.raises(Forbidden):
        erase(finished(), erasure(), moment(role))


def test_of_an_accusation_it_is_the_sealed_officers() -> None:
    case = finished(kind="REP")
    with pytest.raises(NotFound):
        erase(case, erasure(), moment("supervisor"))
    decision = erase(case, erasure(), moment("sealed_officer"))
    assert decision.state[0].version == 1


def test_a_case_of_another_district_is_not_there() -> None:
    with pytest.raises(NotFound):
        erase(finished(), erasure(), moment("supervisor", districts=frozenset({"990102"})))
