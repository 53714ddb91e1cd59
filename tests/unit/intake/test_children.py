"""Cases under a case: who may open one, under what, and what it takes from its parent."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from libs.db.work import Decision
from libs.events.intake import CaseAccepted, CaseLinked, CaseRegistered
from libs.web.errors import Forbidden, ForbiddenAction, Invalid, NotFound
from services.intake.domain.case import Case, Sealed
from services.intake.domain.children import (
    NotAParent,
    ParentChanged,
    RegisterChild,
    SealedParent,
    judged_as_child,
    register_child,
    require_child_kind,
    statement_of_child,
)
from services.intake.domain.people import Personal, personal
from services.intake.domain.registration import judge
from services.intake.domain.ruling import ParentAndChild
from services.intake.domain.statement import ChildStatement
from tests.unit.intake.build import (
    CASE,
    DISTRICT,
    NOW,
    OTHER,
    accepted,
    dossier,
    kept,
    known,
    moment,
    registered,
    said,
)

CHILD = OTHER
MASS = "几十名工人准备明天一起去堵门讨薪"


def told(parent: Case, **fields: Any) -> Personal:
    """What the parent's vault holds."""
    return personal(said(kind=parent.facts.kind, **fields))


def command(parent: Case, vault: Personal | None = None, **fields: Any) -> RegisterChild:
    body = ChildStatement.model_validate({"kind": "CON", **fields})
    statement = statement_of_child(parent, vault or told(parent), body)
    judgement = judge(statement, None, known(), known().places[DISTRICT], NOW)
    return RegisterChild(
        known=known(),
        case_id=CHILD,
        district=parent.district,
        judgement=judged_as_child(judgement, parent, body, known()),
        query_codes=("Q2Q2Q2Q2",),
        happened_on=None,
        origin=None,
        portal=None,
        sealed=Sealed(1, b"key", b"applicant", b"story"),
        dossier=dossier(CHILD, 1),
        ruling=statement.decision,
        note=None,
        parent=parent.case_id,
        flags_of_parent=parent.facts.flags,
    )


def opened(parent: Case, *roles: str, **fields: Any) -> Decision[Case]:
    there = moment(*roles, version=0, others={parent.case_id: parent})
    return register_child(None, command(parent, **fields), there)


def test_both_cases_change_in_one_decision() -> None:
    parent = accepted(category="D10")
    decision = opened(parent, decision={"action": "accept"})
    assert [type(event) for event in decision.events] == [CaseRegistered, CaseAccepted]
    assert kept(decision).facts.parent == parent.case_id
    assert (decision.status, decision.location) == (201, f"/v1/cases/{CHILD}")
    changed, (event,) = decision.others[CASE]
    assert isinstance(event, CaseLinked)
    assert (event.case_id, event.child, event.child_kind) == (CASE, CHILD, "CON")
    assert [child.query_code for child in changed.children] == ["Q2Q2Q2Q2"]
    assert changed.stage == "accepted"


def test_what_the_body_leaves_out_is_the_parents() -> None:
    words = {
        "narrative": "三个月工资未发",
        "applicant": {"name": "周小川"},
        "place": {"address": "锦苑一期8号"},
    }
    parent = accepted(category="D10", topic="D10.1", amount_fen=5, facts={"employment.ended": "2026-01-22"})
    child = statement_of_child(parent, told(parent, **words), ChildStatement.model_validate({"kind": "CON"}))
    assert (child.kind, child.category, child.topic, child.amount_fen) == ("CON", "D10", "D10.1", 5)
    assert (child.narrative, child.applicant.name) == ("三个月工资未发", "周小川")
    assert (child.place.address, child.received_at) == ("锦苑一期8号", parent.facts.received_at)
    assert child.facts == parent.facts.facts


def test_what_a_nested_part_leaves_out_is_the_parents_too() -> None:
    safety = {"name": "林秋月", "phone": "13800000002", "language": "ug", "safe_contact": False}
    words = {"applicant": safety, "place": {"address": "锦苑一期8号"}}
    parent = accepted(consents={"sms": True}, **words)
    parts = {
        "applicant": {"birth_date": "1990-01-01"},
        "consents": {"share_with_partner": True},
        "place": {"grid": "990101001001"},
    }
    body = ChildStatement.model_validate({"kind": "CON", **parts})
    child = statement_of_child(parent, told(parent, **words), body).model_dump(mode="json")
    assert child["applicant"].items() >= {**safety, "birth_date": "1990-01-01"}.items()
    assert child["consents"] == {"share_with_partner": True, "sms": True}
    assert child["place"] == {"address": "锦苑一期8号", "grid": "990101001001"}


def test_what_the_body_says_is_the_childs_own() -> None:
    parent = accepted(category="D10", topic="D10.1")
    body = ChildStatement.model_validate({"kind": "DIS", "category": "D02", "narrative": "楼上漏水"})
    child = statement_of_child(parent, told(parent), body)
    assert (child.category, child.topic, child.narrative) == ("D02", None, "楼上漏水")


def test_a_danger_of_the_parent_is_the_childs_and_holds_it_back() -> None:
    parent = registered(kind="PET", narrative=MASS, headcount=32)
    assert "MASS_EVENT" in parent.facts.flags
    child = kept(opened(parent, "duty_officer", kind="DIS", narrative="工资未发"))
    assert child.facts.flags == parent.facts.flags
    assert (child.facts.urgency, child.facts.released) == ("RED", False)


def test_words_judged_with_the_parent_raise_no_lowered_flag_anew() -> None:
    parent = registered(kind="PET", narrative=MASS, headcount=32)
    lowered = parent.with_facts(flags=(), urgency="BLUE")
    vault = told(parent, narrative=MASS)
    assert kept(opened(lowered, "duty_officer", vault=vault, kind="DIS", headcount=1)).facts.flags == ()
    again = kept(opened(lowered, "duty_officer", kind="DIS", narrative=MASS))
    assert "MASS_EVENT" in again.facts.flags


def test_clocks_of_a_danger_run_in_the_parent_alone_and_triage_from_now() -> None:
    parent = registered(kind="PET", narrative=MASS, headcount=32, received_at=NOW - timedelta(hours=5))
    assert "RISK-MASS-NOTICE" in parent.deadlines
    child = kept(opened(parent, "duty_officer", kind="DIS"))
    assert not [rule for rule in child.deadlines if rule.startswith("RISK-")]
    assert child.deadlines["PROD-TRIAGE-RED"].due_at == NOW + timedelta(hours=1)


@pytest.mark.parametrize("kind", ["PET", "SUG", "REP"])
def test_what_only_a_public_body_decides_is_no_child(kind: str) -> None:
    with pytest.raises(Invalid) as refused:
        require_child_kind(kind, known())
    assert [(error.pointer, error.code) for error in refused.value.errors] == [("/kind", "not_for_child")]


@pytest.mark.parametrize("kind", ["DIS", "CON", "PSY", "HLP"])
def test_what_settles_or_helps_may_be_a_child(kind: str) -> None:
    require_child_kind(kind, known())


@pytest.mark.parametrize("stage", ["refused", "merged", "withdrawn"])
def test_a_case_that_nobody_works_on_gets_no_child(stage: Any) -> None:
    with pytest.raises(ForbiddenAction) as refused:
        opened(replace(accepted(), stage=stage))
    assert refused.value.extra == {"state": stage, "allowed": []}


def test_a_closed_case_gets_no_child() -> None:
    with pytest.raises(ForbiddenAction) as refused:
        opened(replace(accepted(), closed_at=NOW))
    assert refused.value.extra == {"state": "closed", "allowed": []}


def test_a_child_gets_no_child() -> None:
    with pytest.raises(NotAParent):
        opened(accepted().with_facts(parent=CHILD))


def test_an_accusation_gets_no_child() -> None:
    with pytest.raises(SealedParent):
        opened(registered(kind="REP"), "sealed_officer", kind="DIS")


def test_a_new_child_is_not_merged_into_its_parent() -> None:
    with pytest.raises(ParentAndChild):
        opened(accepted(), decision={"action": "merge", "into": str(CASE)})


def test_a_parent_whose_flags_changed_meanwhile_is_judged_again() -> None:
    parent = accepted()
    late = parent.with_facts(flags=("SELF_HARM",))
    with pytest.raises(ParentChanged):
        register_child(None, command(parent), moment(version=0, others={CASE: late}))


def test_nobody_opens_a_child_under_another_districts_case() -> None:
    parent = accepted()
    there = moment(version=0, others={CASE: parent}, districts=frozenset({"990102"}))
    with pytest.raises(NotFound):
        register_child(None, command(parent), there)


def test_a_ruling_on_the_child_needs_its_own_role() -> None:
    with pytest.raises(Forbidden):
        opened(accepted(), decision={"action": "refuse", "reason_code": "IN_LITIGATION"})
