"""Accepting, refusing, forwarding, merging, taking back: who may, what is asked for, what is told."""

from dataclasses import replace
from typing import Any

import pytest

from libs.events.intake import CaseAccepted, CaseFlagsChanged, CaseForwarded, CaseMerged, CaseRefused
from libs.web.errors import Forbidden, ForbiddenAction, Invalid, NotFound
from services.intake.domain.case import Case
from services.intake.domain.flagging import ChangeFlags, DossierOutdated, change_flags
from services.intake.domain.ruling import NotMergeable, ParentAndChild, Settle, settle, settled
from services.intake.domain.statement import Ruling
from tests.unit.intake.build import CASE, NOW, OTHER, accepted, dossier, kept, known, moment, note, registered


def ruling(action: str, **fields: Any) -> Settle:
    return Settle(known(), Ruling.model_validate({"action": action, **fields}))


def dispute() -> Case:
    return registered(kind="DIS", category="D10")


def petition() -> Case:
    return registered(kind="PET", applicant={"name": "江北辰"}, place={"address": "云桥街道河埠花园"})


@pytest.mark.parametrize(
    ("action", "fields", "stage"),
    [
        ("accept", {}, "accepted"),
        ("refuse", {"reason_code": "IN_ARBITRATION"}, "refused"),
        ("forward", {"directed_to": "MR-01"}, "forwarded"),
    ],
)
def test_a_ruling_moves_the_case_and_ends_triage(action: str, fields: dict[str, Any], stage: str) -> None:
    decision = settle(dispute(), ruling(action, **fields), moment("dispatcher"))
    assert kept(decision).stage == stage
    assert kept(decision).deadlines["PROD-TRIAGE-BLUE"].status == "met"
    assert decision.reply["state"] == stage
    assert decision.reply["version"] == 2
    assert [entry.action for entry in decision.audit] == [f"case.{stage}"]


@pytest.mark.parametrize(
    ("case", "action", "fields", "roles"),
    [
        ("dispute", "refuse", {"reason_code": "NOT_OURS"}, ("operator",)),
        ("dispute", "forward", {"directed_to": "MR-01"}, ("operator",)),
        ("petition", "accept", {"lawful_route": "R6"}, ("operator",)),
        ("petition", "refuse", {"reason_code": "IN_LITIGATION"}, ("operator",)),
    ],
)
def test_an_operator_does_not_refuse_forward_or_decide_petitions(
    case: str, action: str, fields: dict[str, Any], roles: tuple[str, ...]
) -> None:
    with pytest.raises(Forbidden):
        settle({"dispute": dispute, "petition": petition}[case](), ruling(action, **fields), moment(*roles))


@pytest.mark.parametrize("role", ["operator", "dispatcher", "supervisor", "duty_officer"])
def test_everybody_at_the_door_accepts_a_dispute(role: str) -> None:
    (event,) = settle(dispute(), ruling("accept"), moment(role)).events
    assert isinstance(event, CaseAccepted)
    assert not event.with_registration


def test_accepting_a_petition_chooses_its_lawful_route() -> None:
    (event,) = settle(petition(), ruling("accept", lawful_route="R6"), moment("dispatcher")).events
    assert isinstance(event, CaseAccepted)
    assert event.case.lawful_route == "R6"
    assert [due.rule for due in event.deadlines] == ["PET-NOTICE"]


def test_a_refusal_names_reason_and_the_body_of_the_reason() -> None:
    asked = ruling("refuse", reason_code="IN_LITIGATION", lawful_route="R1")
    (event,) = settle(petition(), asked, moment("dispatcher")).events
    assert isinstance(event, CaseRefused)
    assert (event.reason_code, event.directed_to, event.case.lawful_route) == ("IN_LITIGATION", "COURT", "R1")
    assert event.case.accepted_at is None


def test_a_refusal_may_name_another_body() -> None:
    asked = ruling("refuse", reason_code="IN_LITIGATION", directed_to="CT-01")
    (event,) = settle(petition(), asked, moment("dispatcher")).events
    assert isinstance(event, CaseRefused)
    assert event.directed_to == "CT-01"


def test_forwarding_for_a_reason_goes_to_the_body_of_the_reason() -> None:
    (event,) = settle(dispute(), ruling("forward", reason_code="EMERGENCY"), moment("dispatcher")).events
    assert isinstance(event, CaseForwarded)
    assert (event.reason_code, event.directed_to) == ("EMERGENCY", "POLICE")


@pytest.mark.parametrize(
    ("case", "action", "fields", "at", "code"),
    [
        ("dispute", "refuse", {}, "/reason_code", "required"),
        ("dispute", "refuse", {"reason_code": "BECAUSE"}, "/reason_code", "unknown_code"),
        ("dispute", "refuse", {"reason_code": "EMERGENCY"}, "/reason_code", "not_for_action"),
        ("dispute", "refuse", {"reason_code": "CONSENT_REFUSED"}, "/reason_code", "not_for_action"),
        ("dispute", "forward", {}, "/directed_to", "required"),
        ("dispute", "forward", {"directed_to": "NOBODY"}, "/directed_to", "unknown_code"),
        ("dispute", "forward", {"directed_to": "MR-01", "into": str(OTHER)}, "/into", "not_for_action"),
        ("dispute", "accept", {"reason_code": "NOT_OURS"}, "/reason_code", "not_for_action"),
        ("dispute", "withdraw", {"reason_code": "NOT_OURS"}, "/reason_code", "not_for_action"),
        ("dispute", "accept", {"directed_to": "MR-01"}, "/directed_to", "not_for_action"),
        ("dispute", "accept", {"lawful_route": "R6"}, "/lawful_route", "not_for_kind"),
        ("dispute", "merge", {}, "/into", "required"),
        ("petition", "accept", {}, "/lawful_route", "required"),
        ("petition", "accept", {"lawful_route": "R9"}, "/lawful_route", "unknown_code"),
    ],
)
def test_a_ruling_without_what_it_needs_or_with_more_is_refused(
    case: str, action: str, fields: dict[str, Any], at: str, code: str
) -> None:
    with pytest.raises(Invalid) as refused:
        settle(
            {"dispute": dispute, "petition": petition}[case](), ruling(action, **fields), moment("supervisor")
        )
    told = [(error.pointer, error.code) for error in refused.value.errors]
    assert (at, code) in told
    assert len(told) == len(set(told))


def test_a_matter_without_kind_has_no_track_to_be_accepted_on() -> None:
    with pytest.raises(Invalid) as refused:
        settle(registered(), ruling("accept"), moment())
    assert [error.pointer for error in refused.value.errors] == ["/kind"]


@pytest.mark.parametrize("stage", ["accepted", "refused", "forwarded", "merged", "withdrawn"])
def test_a_decided_case_is_not_decided_again(stage: Any) -> None:
    with pytest.raises(ForbiddenAction) as refused:
        settle(replace(dispute(), stage=stage), ruling("accept"), moment("supervisor"))
    still = ["withdraw"] if stage in ("accepted", "forwarded") else []
    assert refused.value.extra == {"state": stage, "allowed": still}


@pytest.mark.parametrize("stage", ["registered", "accepted", "forwarded"])
@pytest.mark.parametrize("case", [dispute(), petition()], ids=["dispute", "petition"])
def test_a_matter_may_be_taken_back_while_somebody_works_on_it(case: Case, stage: Any) -> None:
    decision = settle(replace(case, stage=stage), ruling("withdraw"), moment("operator"))
    assert kept(decision).stage == "withdrawn"
    assert [event.TYPE for event in decision.events] == ["case.withdrawn"]
    assert not any(clock.open for clock in kept(decision).deadlines.values())


@pytest.mark.parametrize("stage", ["refused", "merged", "withdrawn"])
def test_what_nobody_works_on_is_not_taken_back(stage: Any) -> None:
    with pytest.raises(ForbiddenAction):
        settle(replace(dispute(), stage=stage), ruling("withdraw"), moment("supervisor"))


def test_a_closed_case_is_not_taken_back() -> None:
    closed = replace(dispute(), stage="accepted", closed_at=NOW)
    with pytest.raises(ForbiddenAction) as refused:
        settle(closed, ruling("withdraw"), moment())
    assert refused.value.extra == {"state": "closed", "allowed": []}


def test_a_danger_is_watched_on_when_the_matter_is_taken_back() -> None:
    case = registered(kind="DIS", category="D01", narrative="丈夫又打我，身上都是伤", decision=None)
    dangers = {rule for rule, clock in case.deadlines.items() if rule.startswith("RISK-") and clock.open}
    assert dangers
    after = kept(settle(case, ruling("withdraw"), moment()))
    assert {rule for rule, clock in after.deadlines.items() if clock.open} == dangers


def test_a_matter_is_not_taken_back_in_the_act_of_registering() -> None:
    with pytest.raises(Invalid) as refused:
        settled(dispute(), replace(ruling("withdraw"), at="/decision"), moment())
    assert [(e.pointer, e.code) for e in refused.value.errors] == [
        ("/decision/action", "not_with_registration")
    ]


@pytest.mark.parametrize(
    "case", [None, replace(registered(), district="990102"), replace(registered(), stage="erased")]
)
def test_a_case_that_is_not_there_for_the_caller_is_not_found(case: Case | None) -> None:
    with pytest.raises(NotFound):
        settle(case, ruling("accept"), moment("supervisor"))


def test_an_accusation_is_not_found_by_anybody_but_the_sealed_officer() -> None:
    case = registered(kind="REP")
    with pytest.raises(NotFound):
        settle(case, ruling("accept"), moment("operator", "dispatcher", "supervisor", "duty_officer"))
    asked = ruling("forward", reason_code="SEALED_TRANSFER")
    (event,) = settle(case, asked, moment("sealed_officer")).events
    assert isinstance(event, CaseForwarded)
    assert (event.case.kind, event.case.query_code, event.directed_to) == ("REP", "", "DISCIPLINE")


def test_the_sealed_officer_finds_nothing_else() -> None:
    with pytest.raises(NotFound):
        settle(dispute(), ruling("accept"), moment("sealed_officer"))


def merge(case: Case, target: Case | None, **facts: Any) -> Any:
    others = {OTHER: target} if target else {}
    return settle(case, ruling("merge", into=str(OTHER)), moment(others=others))


@pytest.mark.parametrize("stage", ["registered", "accepted", "forwarded"])
def test_a_matter_joins_one_that_is_still_handled(stage: Any) -> None:
    decision = merge(dispute(), replace(accepted(OTHER), stage=stage))
    (event,) = decision.events
    assert isinstance(event, CaseMerged)
    assert event.into == OTHER
    assert kept(decision).merged_into == OTHER


@pytest.mark.parametrize("stage", ["refused", "merged", "withdrawn"])
def test_a_matter_joins_none_that_is_not(stage: Any) -> None:
    with pytest.raises(NotMergeable):
        merge(dispute(), replace(accepted(OTHER), stage=stage))


def test_a_matter_does_not_join_itself() -> None:
    with pytest.raises(NotMergeable):
        settle(dispute(), ruling("merge", into=str(CASE)), moment())


@pytest.mark.parametrize(
    "target", [None, replace(accepted(OTHER), district="990102"), registered(OTHER, kind="REP")]
)
def test_a_matter_joins_none_that_the_caller_may_not_know_of(target: Case | None) -> None:
    with pytest.raises(NotFound):
        merge(dispute(), target)


@pytest.mark.parametrize(
    ("case", "target"),
    [
        (dispute().with_facts(parent=OTHER), accepted(OTHER)),
        (dispute(), accepted(OTHER).with_facts(parent=CASE)),
    ],
)
def test_a_case_and_its_child_are_not_merged(case: Case, target: Case) -> None:
    with pytest.raises(ParentAndChild):
        merge(case, target)


def in_danger() -> Case:
    case = registered(kind="DIS", category="D10", narrative="他拿刀")
    assert case.facts.flags == ("VIOLENCE",)
    return case


@pytest.mark.parametrize("stage", ["registered", "accepted", "forwarded"])
def test_a_danger_goes_on_in_the_case_that_takes_the_matter_in(stage: Any) -> None:
    danger = in_danger()
    decision = merge(danger, replace(accepted(OTHER), stage=stage).with_facts(released=True))
    first, (reminded, flagged) = decision.others[OTHER]
    assert isinstance(flagged, CaseFlagsChanged)
    assert (flagged.added, flagged.case.urgency, flagged.case.released) == (("VIOLENCE",), "RED", False)
    assert {due.rule for due in reminded.deadlines} >= {"RISK-VIOLENCE"}
    assert first.deadlines["RISK-VIOLENCE"] == danger.deadlines["RISK-VIOLENCE"]
    assert kept(decision).deadlines["RISK-VIOLENCE"].status == "ended"
    told = [(entry.action, entry.case_id, dict(entry.detail)) for entry in decision.audit][-1]
    assert told == ("case.flags_changed", OTHER, {"added": ["VIOLENCE"], "removed": [], "by": str(CASE)})


@pytest.mark.parametrize(
    ("here", "there", "after"),
    [("met", None, "met"), ("met", "open", "open"), ("open", "met", "open"), ("missed", None, "open")],
)
def test_the_clocks_of_a_danger_go_over(here: Any, there: Any, after: str) -> None:
    danger, first = in_danger(), accepted(OTHER)
    clock = danger.deadlines["RISK-VIOLENCE"]
    danger = replace(danger, deadlines={"RISK-VIOLENCE": replace(clock, status=here)})
    if there is not None:
        first = kept(change_flags(first, ChangeFlags(known(), ("VIOLENCE",), (), None, None), moment()))
        first = replace(first, deadlines={"RISK-VIOLENCE": replace(clock, status=there)})
    taken, (reminded, *_) = merge(danger, first).others[OTHER]
    assert taken.deadlines["RISK-VIOLENCE"].status == after
    assert ("RISK-VIOLENCE" in {due.rule for due in reminded.deadlines}) == (after == "open")


def test_secrecy_that_comes_with_a_matter_seals_the_dossier_anew() -> None:
    case, first = registered(kind="DIS", flags=["CONFIDENTIAL"]), accepted(OTHER)
    with pytest.raises(DossierOutdated):
        merge(case, first)
    asked = replace(ruling("merge", into=str(OTHER)), dossier_of_first=dossier(OTHER, 2))
    decision = settle(case, asked, moment(others={OTHER: first}))
    assert decision.state == [dossier(OTHER, 2)]
    assert decision.others[OTHER][0].facts.dossier_version == 2


def test_the_free_text_of_a_ruling_is_kept_sealed() -> None:
    text = note("accept")
    decision = settle(dispute(), replace(ruling("accept"), note=text), moment())
    assert decision.case is not None
    assert decision.case.notes == (text,)
    assert "sealed" not in str(decision.events)


@pytest.mark.parametrize(("to", "target"), [("SD-NT", "STREET_DUTY"), ("COURT", "COURT")])
def test_an_accepted_petition_is_directed_to_the_body_that_handles_it(to: str, target: str) -> None:
    decision = settle(petition(), ruling("accept", lawful_route="R6", directed_to=to), moment("dispatcher"))
    assert kept(decision).directed_to == to
    assert kept(decision).facts.chosen_target == target


@pytest.mark.parametrize("to", ["LAB-01", "PMC"])
def test_no_partner_decides_a_petition(to: str) -> None:
    with pytest.raises(Invalid) as refused:
        settle(petition(), ruling("accept", lawful_route="R6", directed_to=to), moment("dispatcher"))
    assert [(e.pointer, e.code) for e in refused.value.errors] == [("/directed_to", "not_for_action")]


@pytest.mark.parametrize("code", ["K7M2P9QX", "9NTW4XGJ"])
def test_a_merged_case_tells_the_number_of_the_first_whatever_it_begins_with(code: str) -> None:
    first = accepted(OTHER).with_facts(query_code=code)
    decision = settle(dispute(), ruling("merge", into=str(OTHER)), moment(others={OTHER: first}))
    (event,) = decision.events
    assert isinstance(event, CaseMerged)
    assert event.into_query_code == code
