"""The use cases of routing: proposals, waiting for needs, the next one, a person's choice, loads."""

from collections import Counter
from typing import Any
from uuid import uuid4

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from libs.events import mediation as m
from libs.events.intake import CaseAmended, CaseFlagsChanged, CaseReleased, CaseWithdrawn
from libs.events.routing import AssignmentExhausted, AssignmentProposed
from libs.web.errors import ForbiddenAction, Invalid, NotFound
from services.routing import handlers
from services.routing.domain.board import Needs
from services.routing.domain.case import Status
from services.routing.handlers.cases import CannotTakeIt, ChooseOrganisation, NeedsArrived
from tests.unit.routing.build import DISTRICT, RULES, an_organisation
from tests.unit.routing.play import Stage, facts

RELEASES = [
    m.CaseReturned,
    m.OfferExpired,
    m.CaseHandedBack,
    m.CaseRecalled,
    m.OfferRefused,
    m.OfferWithdrawn,
]


def three() -> Stage:
    return Stage([an_organisation(f"LAB-{n}") for n in (1, 2, 3)])


def choose(stage: Stage, case_id: Any, org_id: str) -> Any:
    return stage.do(handlers.CHOOSE_BY_HAND, case_id, ChooseOrganisation(org_id, "熟悉此事"))


def test_an_accepted_case_is_proposed_and_its_place_reserved() -> None:
    stage = three()
    case_id = stage.accept()
    event = stage.last(AssignmentProposed)
    assert (event.case_id, event.attempt, event.org_id, event.org_type) == (case_id, 1, "LAB-1", "LAB")
    assert event.assignment_id == stage.cases[case_id].attempts[0].assignment_id
    assert (event.rule_version, event.acceptance_working_days) == (RULES.version, 2)
    assert stage.cases[case_id].status is Status.PROPOSED
    assert stage.open_cases() == {"LAB-1": 1}


def test_the_proposal_says_whether_it_is_taken_up_at_once() -> None:
    stage = Stage([an_organisation(standing_acceptance=True)])
    stage.accept()
    assert stage.last(AssignmentProposed).standing_acceptance


def test_a_case_for_a_person_is_told_as_exhausted_with_its_referral() -> None:
    stage = Stage([an_organisation("MR-1", type="MARKET_REG", capacity=None)])
    case_id = stage.accept(category="D15")
    event = stage.last(AssignmentExhausted)
    assert (event.reason, event.referral_type, event.referral_org) == ("REFERRAL", "MARKET_REG", "MR-1")
    assert stage.cases[case_id].status is Status.EXHAUSTED
    assert stage.open_cases() == {}


def test_a_released_case_is_proposed_after_all() -> None:
    stage = three()
    case_id = stage.accept(flags=["SELF_HARM"])
    assert stage.exhausted() == ["DUTY_DESK"]
    released = facts(flags=["SELF_HARM"], released=True)
    stage.do(handlers.PROPOSE, case_id, CaseReleased(case_id=case_id, district=DISTRICT, case=released))
    assert stage.last(AssignmentProposed).attempt == 2


def test_a_release_before_the_acceptance_waits_for_it() -> None:
    stage, case_id = three(), uuid4()
    early = facts(accepted_at=None, released=True)
    decision = stage.do(
        handlers.PROPOSE, case_id, CaseReleased(case_id=case_id, district=DISTRICT, case=early)
    )
    assert decision.ignored
    assert stage.cases == {}


def test_a_release_of_a_case_that_is_offered_proposes_nothing_more() -> None:
    stage = three()
    case_id = stage.accept()
    stage.do(
        handlers.PROPOSE, case_id, CaseReleased(case_id=case_id, district=DISTRICT, case=facts(released=True))
    )
    assert stage.proposed() == ["LAB-1"]
    assert stage.cases[case_id].facts == facts(released=True)


def test_a_case_waits_for_the_needs_that_its_facts_name() -> None:
    stage = Stage([an_organisation("LAB-1"), an_organisation("LAB-2", languages=["ii"])])
    case_id = stage.accept(has_needs=True, dossier_version=2)
    assert (stage.cases[case_id].status, stage.events) == (Status.WAITING_NEEDS, [])
    stage.know_needs(case_id, 1, Needs())
    stage.do(handlers.NEEDS_ARRIVED, case_id, NeedsArrived())
    assert stage.events == []
    stage.know_needs(case_id, 2, Needs(language="ii"))
    stage.do(handlers.NEEDS_ARRIVED, case_id, NeedsArrived())
    assert stage.proposed() == ["LAB-2"]


def test_needs_that_are_here_already_hold_nothing_up() -> None:
    stage, case_id = (
        Stage([an_organisation("LAB-1"), an_organisation("LAB-2", modes=["house-call"])]),
        uuid4(),
    )
    stage.know_needs(case_id, 3, Needs(mode="house-call"))
    stage.accept(case_id, has_needs=True, dossier_version=2)
    assert stage.proposed() == ["LAB-2"]


def test_needs_that_nobody_waits_for_change_nothing() -> None:
    stage = three()
    case_id = stage.accept()
    assert stage.do(handlers.NEEDS_ARRIVED, case_id, NeedsArrived()).ignored
    assert stage.do(handlers.NEEDS_ARRIVED, uuid4(), NeedsArrived()).ignored
    assert stage.proposed() == ["LAB-1"]


@pytest.mark.parametrize("kind", RELEASES)
def test_after_a_release_the_next_is_proposed_and_the_first_never_again(kind: type[m.MediationEvent]) -> None:
    stage = three()
    case_id = stage.accept()
    stage.tell(case_id, m.CaseOffered)
    stage.tell(case_id, kind)
    assert stage.proposed() == ["LAB-1", "LAB-2"]
    event = stage.last(AssignmentProposed)
    assert event.attempt == 2
    assert [(out.org_id, out.reasons) for out in event.out] == [("LAB-1", ("DECLINED",))]
    assert stage.open_cases() == {"LAB-2": 1}


def test_after_two_returns_the_duty_desk_rules() -> None:
    stage = three()
    case_id = stage.accept()
    stage.tell(case_id, m.CaseReturned)
    stage.tell(case_id, m.CaseReturned)
    assert (stage.proposed(), stage.exhausted()) == (["LAB-1", "LAB-2"], ["DUTY_DESK"])
    assert stage.open_cases() == {}


def test_expired_offers_are_no_returns_and_end_when_nobody_is_left() -> None:
    stage = three()
    case_id = stage.accept()
    for _ in range(3):
        stage.tell(case_id, m.OfferExpired)
    assert (stage.proposed(), stage.exhausted()) == (["LAB-1", "LAB-2", "LAB-3"], ["NO_ELIGIBLE"])


@pytest.mark.parametrize("state", ["with_duty_desk", "taken_up", "closed", "referred"])
def test_nothing_is_proposed_that_mediation_does_not_wait_for(state: str) -> None:
    stage = three()
    case_id = stage.accept()
    stage.tell(case_id, m.OfferRefused, state=state)
    assert stage.proposed() == ["LAB-1"]
    assert stage.open_cases() == {}


def test_an_answer_to_an_unknown_assignment_is_ignored() -> None:
    stage = three()
    case_id = stage.accept()
    before = stage.cases[case_id]
    stage.tell(case_id, m.CaseReturned, assignment_id=uuid4())
    assert stage.cases[case_id] is before


def test_states_follow_mediation() -> None:
    stage = three()
    case_id = stage.accept()
    states = []
    for kind in (m.CaseOffered, m.CaseTakenUp):
        stage.tell(case_id, kind)
        states.append(stage.cases[case_id].status)
    stage.close(case_id)
    assert [*states, stage.cases[case_id].status] == [Status.OFFERED, Status.TAKEN_UP, Status.CLOSED]


def test_the_place_is_free_when_the_case_is_closed_once() -> None:
    stage = three()
    case_id, other = stage.accept(), stage.accept()
    stage.tell(case_id, m.CaseTakenUp)
    stage.close(case_id)
    stage.close(case_id)
    assert stage.open_cases() == {"LAB-2": 1}
    assert stage.cases[other].status is Status.PROPOSED


def test_a_case_that_closed_before_its_acceptance_came_is_never_proposed() -> None:
    stage, case_id = three(), uuid4()
    stage.close(case_id)
    stage.accept(case_id)
    assert (stage.cases[case_id].status, stage.events) == (Status.CLOSED, [])


def test_a_late_answer_to_a_closed_case_takes_no_place() -> None:
    stage = three()
    case_id = stage.accept()
    stage.close(case_id)
    stage.tell(case_id, m.CaseTakenUp)
    assert (stage.cases[case_id].status, stage.open_cases()) == (Status.CLOSED, {})


def test_new_facts_count_for_the_next_attempt() -> None:
    stage = three()
    case_id = stage.accept()
    amended = facts(complained_about_org="LAB-2")
    stage.do(
        handlers.RECORD_FACTS,
        case_id,
        CaseAmended(case_id=case_id, district=DISTRICT, case=amended, changed=("complained_about_org",)),
    )
    stage.tell(case_id, m.CaseReturned)
    assert stage.proposed() == ["LAB-1", "LAB-3"]


def test_a_flag_raised_after_the_proposal_is_recorded_and_holds_the_next_one() -> None:
    stage = three()
    case_id = stage.accept()
    raised = CaseFlagsChanged(
        case_id=case_id, district=DISTRICT, case=facts(flags=["VIOLENCE"]), added=("VIOLENCE",)
    )
    stage.do(handlers.RECORD_FACTS, case_id, raised)
    assert stage.proposed() == ["LAB-1"]
    stage.tell(case_id, m.OfferExpired)
    assert stage.exhausted() == ["DUTY_DESK"]


def test_facts_of_a_case_that_is_not_accepted_are_ignored() -> None:
    stage, case_id = three(), uuid4()
    raised = CaseFlagsChanged(case_id=case_id, district=DISTRICT, case=facts(), added=("VIOLENCE",))
    assert stage.do(handlers.RECORD_FACTS, case_id, raised).ignored


def test_a_withdrawal_frees_the_place_unless_the_case_was_taken_up() -> None:
    stage = three()
    open_case, taken = stage.accept(), stage.accept()
    stage.tell(taken, m.CaseTakenUp)
    for case_id in (open_case, taken):
        stage.do(handlers.WITHDRAW, case_id, CaseWithdrawn(case_id=case_id, district=DISTRICT))
    assert stage.open_cases() == {"LAB-2": 1}
    assert stage.cases[open_case].status is Status.CLOSED
    assert stage.cases[taken].status is Status.TAKEN_UP


def test_a_supervisor_chooses_and_the_open_offer_holds_until_mediation_answers() -> None:
    stage = three()
    case_id = stage.accept()
    stage.tell(case_id, m.CaseOffered)
    decision = choose(stage, case_id, "LAB-3")
    event = stage.last(AssignmentProposed)
    assert (event.org_id, event.attempt, event.by_person) == ("LAB-3", 2, True)
    assert decision.status == 202
    assert decision.reply == {
        "case_id": str(case_id),
        "assignment_id": str(event.assignment_id),
        "attempt": 2,
        "org_id": "LAB-3",
        "state": "pending",
    }
    assert [audit.action for audit in decision.audit] == ["assignment.chosen"]
    assert stage.open_cases() == {"LAB-1": 1, "LAB-3": 1}
    stage.tell(case_id, m.OfferWithdrawn, attempt=0, state="offered")
    stage.tell(case_id, m.CaseOffered)
    assert (stage.open_cases(), stage.proposed()) == ({"LAB-3": 1}, ["LAB-1", "LAB-3"])


def test_a_choice_that_comes_too_late_leaves_the_case_with_who_took_it_up() -> None:
    stage = three()
    case_id = stage.accept()
    choose(stage, case_id, "LAB-3")
    stage.tell(case_id, m.CaseTakenUp, attempt=0)
    stage.tell(case_id, m.OfferRefused, state="taken_up")
    assert stage.cases[case_id].status is Status.TAKEN_UP
    assert (stage.open_cases(), stage.proposed()) == ({"LAB-1": 1}, ["LAB-1", "LAB-3"])


def test_a_person_may_set_aside_what_only_the_router_minds() -> None:
    stage = Stage(
        [an_organisation("LAB-1"), an_organisation("PMC-1", type="PMC", areas=["990101002"], hours=[])]
    )
    case_id = stage.accept(flags=["CONFIDENTIAL"])
    assert stage.exhausted() == ["DUTY_DESK"]
    choose(stage, case_id, "PMC-1")
    assert stage.last(AssignmentProposed).org_id == "PMC-1"


@pytest.mark.parametrize(
    ("changes", "case", "reason"),
    [
        ({"capacity": 0}, {}, "CAPACITY"),
        ({"paused": True}, {}, "PAUSED"),
        ({}, {"complained_about_org": "LAB-2"}, "COMPLAINED_ABOUT"),
        ({}, {"share_with_partner": False}, "NO_CONSENT"),
    ],
)
def test_what_no_person_sets_aside(changes: dict[str, Any], case: dict[str, Any], reason: str) -> None:
    stage = Stage([an_organisation("LAB-1"), an_organisation("LAB-2", **changes)])
    case_id = stage.accept(**case)
    with pytest.raises(CannotTakeIt) as refused:
        choose(stage, case_id, "LAB-2")
    assert refused.value.extra["reasons"] == [reason]


def test_a_taken_up_or_closed_case_gets_no_other_organisation() -> None:
    stage = three()
    case_id = stage.accept()
    stage.tell(case_id, m.CaseTakenUp)
    with pytest.raises(ForbiddenAction) as refused:
        choose(stage, case_id, "LAB-2")
    assert refused.value.extra == {"state": "taken_up", "allowed": []}
    stage.close(case_id)
    with pytest.raises(ForbiddenAction):
        choose(stage, case_id, "LAB-2")


@pytest.mark.parametrize("kind", ["PET", "SUG", "REP"])
def test_what_only_an_organ_decides_goes_to_no_partner_by_hand(kind: str) -> None:
    stage = three()
    case_id = stage.accept(kind=kind)
    with pytest.raises(ForbiddenAction):
        choose(stage, case_id, "LAB-1")


def test_only_a_partner_of_the_district_can_be_chosen() -> None:
    stage = Stage([an_organisation("LAB-1"), an_organisation("CT-1", type="COURT", capacity=None)])
    case_id = stage.accept()
    for org_id in ("CT-1", "NOBODY"):
        with pytest.raises(Invalid):
            choose(stage, case_id, org_id)
    with pytest.raises(NotFound):
        choose(stage, uuid4(), "LAB-1")


def test_who_is_asked_already_is_not_asked_twice() -> None:
    stage = three()
    case_id = stage.accept()
    with pytest.raises(CannotTakeIt):
        choose(stage, case_id, "LAB-1")


def test_a_choice_by_hand_does_not_wait_for_needs() -> None:
    stage = three()
    case_id = stage.accept(has_needs=True, dossier_version=1)
    choose(stage, case_id, "LAB-2")
    assert stage.cases[case_id].status is Status.PROPOSED


STEPS = st.lists(
    st.tuples(
        st.sampled_from(
            ["accept", "offered", "taken_up", "returned", "expired", "handed_back", "close", "choose"]
        ),
        st.integers(0, 11),
        st.integers(1, 3),
    ),
    max_size=60,
)


@settings(max_examples=60)
@given(STEPS, st.lists(st.integers(0, 4), min_size=3, max_size=3))
def test_no_burst_ever_exceeds_a_capacity(steps: list[tuple[str, int, int]], capacities: list[int]) -> None:
    stage = Stage([an_organisation(f"LAB-{n}", capacity=c) for n, c in enumerate(capacities, 1)])
    told = {
        "offered": m.CaseOffered,
        "taken_up": m.CaseTakenUp,
        "returned": m.CaseReturned,
        "expired": m.OfferExpired,
        "handed_back": m.CaseHandedBack,
    }
    ids = [uuid4() for _ in range(12)]
    for act, which, org in steps:
        case_id = ids[which]
        case = stage.cases.get(case_id)
        if act == "accept":
            stage.accept(case_id)
        elif act == "close":
            stage.close(case_id)
        elif act == "choose" and case and case.facts:
            try:
                choose(stage, case_id, f"LAB-{org}")
            except (CannotTakeIt, ForbiddenAction):
                continue
        elif act in told and case and case.status in (Status.PROPOSED, Status.OFFERED, Status.TAKEN_UP):
            if case.attempts[-1].result in ("pending", "offered", "taken_up"):
                stage.tell(case_id, told[act])
        held = sum((c.reservations for c in stage.cases.values()), start=Counter[str]())
        assert dict(held) == stage.open_cases()
        assert all(held[f"LAB-{n}"] <= capacity for n, capacity in enumerate(capacities, 1))
