"""Offers: each proposal has exactly one answer, each offer one end (G16)."""

from collections.abc import Callable
from datetime import date, timedelta
from uuid import UUID

import pytest

from libs.events.mediation import CaseOffered, CaseReturned, CaseTakenUp, OfferRefused, OfferWithdrawn
from libs.web.errors import Invalid, NotFound
from services.mediation.domain.offers import HandBack, Return, TakeUp
from tests.unit.mediation.play import Play


def test_a_proposal_is_offered_and_carries_the_term(play: Play) -> None:
    play.accept().propose()
    assert play.events == ["case.offered"]
    offered = play.told[-1]
    assert isinstance(offered, CaseOffered)
    assert (offered.state, offered.org_id, offered.attempt) == ("offered", "LAB-01", 1)
    assert "PROD-OFFER" in {due.rule for due in offered.deadlines}


def test_a_proposal_may_come_before_the_acceptance(play: Play) -> None:
    play.propose()
    assert play.state == "offered"
    play.accept()
    assert play.events == ["case.opened"]
    assert play.state == "offered"
    assert play.accept().last is not None
    assert play.last is not None
    assert play.last.ignored == "opened"


def test_a_repeated_proposal_gets_no_second_answer(play: Play) -> None:
    play.accept().propose()
    again = play.propose()
    assert again.events == []
    assert again.last is not None
    assert again.last.ignored == "answered"


def test_standing_acceptance_takes_up_at_once(play: Play) -> None:
    play.accept().propose(standing_acceptance=True)
    assert play.events == ["case.offered", "case.taken_up"]
    taken = play.told[-1]
    assert isinstance(taken, CaseTakenUp)
    assert taken.standing
    assert play.state == "taken_up"
    assert play.case is not None
    assert play.case.deadlines["PROD-OFFER"].status == "met"


def test_the_organisations_own_days_replace_the_term(new_play: Callable[..., Play]) -> None:
    play = new_play("2026-03-12T11:20").accept().propose(acceptance_working_days=1)
    assert play.case is not None
    clock = play.case.deadlines["PROD-OFFER"]
    assert clock.due_on == date(2026, 3, 13)
    assert clock.warn_at is not None
    assert clock.warn_at < clock.due_at


def test_a_newer_attempt_replaces_an_open_offer(play: Play) -> None:
    play.accept().propose(1, "LAB-01").propose(2, "PMC-YQ", by_person=True)
    assert play.events == ["case.offer_withdrawn", "case.offered"]
    withdrawn, offered = play.told[-2:]
    assert isinstance(withdrawn, OfferWithdrawn)
    assert (withdrawn.org_id, withdrawn.reason_code, withdrawn.state) == ("LAB-01", "SUPERSEDED", "offered")
    assert offered.org_id == "PMC-YQ"  # type: ignore[attr-defined]
    with pytest.raises(NotFound):
        play.take_up("LAB-01")


@pytest.mark.parametrize(
    ("state", "reason"),
    [
        ("taken_up", "TAKEN_UP"),
        ("in_mediation", "TAKEN_UP"),
        ("performing", "TAKEN_UP"),
        ("ended", "ENDED"),
        ("closed", "CLOSED"),
    ],
)
def test_a_case_in_hands_is_not_offered_again(play: Play, state: str, reason: str) -> None:
    play.reach(state).propose(2, "PMC-YQ")
    refused = play.told[-1]
    assert isinstance(refused, OfferRefused)
    assert (refused.reason_code, refused.attempt, refused.org_id) == (reason, 2, None)
    assert play.state == state
    assert play.case is not None
    assert play.case.org_id == "LAB-01"


def test_an_outdated_proposal_is_refused(play: Play) -> None:
    play.accept().propose(2).propose(1, "PMC-YQ", assignment_id=UUID(int=77))
    assert play.events == ["case.offer_refused"]
    play.act("return", Return("NO_CAPACITY")).propose(1, "LAW-01", assignment_id=UUID(int=78))
    assert play.told[-1].reason_code == "SUPERSEDED"  # type: ignore[attr-defined]


def test_the_organisation_complained_about_gets_no_offer(new_play: Callable[..., Play]) -> None:
    play = new_play(complained_about_org="LAB-01").accept().propose()
    assert play.told[-1].reason_code == "COMPLAINED_ABOUT"  # type: ignore[attr-defined]
    assert play.propose(2, "PMC-YQ").state == "offered"


def test_a_flag_against_routing_stops_the_machine_but_not_a_person(new_play: Callable[..., Play]) -> None:
    play = new_play(flags=("VIOLENCE",)).accept().propose()
    assert play.told[-1].reason_code == "FLAGGED"  # type: ignore[attr-defined]
    assert play.propose(2, by_person=True).state == "offered"
    released = new_play(flags=("VIOLENCE",), released=True).accept().propose()
    assert released.state == "offered"


def test_a_petition_is_never_offered(new_play: Callable[..., Play]) -> None:
    play = new_play(kind="PET", track="PETITION").accept().propose()
    assert play.told[-1].reason_code == "NOT_FOR_PARTNERS"  # type: ignore[attr-defined]
    assert play.state == "handling"


def test_a_return_says_why_and_frees_the_case(play: Play) -> None:
    play.reach("offered").act("return", Return("NOT_OURS", play.words(), "PMC-YQ"))
    returned = play.told[-1]
    assert isinstance(returned, CaseReturned)
    assert (returned.org_id, returned.reason_code, returned.proposed_org) == ("LAB-01", "NOT_OURS", "PMC-YQ")
    assert play.state == returned.state == "awaiting_assignment"
    assert play.case is not None
    assert play.case.deadlines["PROD-OFFER"].status == "met"
    assert [note.kind for note in play.case.notes] == ["return"]
    with pytest.raises(NotFound):
        play.take_up()


@pytest.mark.parametrize(
    ("command", "pointer"),
    [
        (Return("NOT_OURS"), "/proposed_org"),
        (Return("OUT_OF_AREA"), "/proposed_org"),
        (Return("OTHER"), "/reason_text"),
        (Return("REFUSED"), "/reason_code"),
    ],
)
def test_a_return_that_says_too_little_is_refused(play: Play, command: Return, pointer: str) -> None:
    play.reach("offered")
    with pytest.raises(Invalid) as refused:
        play.act("return", command)
    assert [error.pointer for error in refused.value.errors] == [pointer]
    assert play.state == "offered"


def test_a_first_contact_lies_ahead(play: Play) -> None:
    play.reach("offered")
    with pytest.raises(Invalid):
        play.act("take-up", TakeUp(None, play.now.date() - timedelta(days=1)))
    assert play.act("take-up", TakeUp(None, play.now.date())).state == "taken_up"


def test_after_a_hand_back_the_next_organisation_starts_afresh(play: Play) -> None:
    play.reach("in_mediation").act("hand-back", HandBack("VOLUNTEER_CANCELLED"))
    assert play.events == ["case.handed_back"]
    assert play.case is not None
    assert (play.state, play.case.org_id, dict(play.case.consents)) == ("awaiting_assignment", None, {})
    assert {c.rule for c in play.case.deadlines.values() if c.open} == set()
    play.propose(2, "PMC-YQ").take_up("PMC-YQ")
    assert play.case.deadlines["MED-TERM"].open
    assert play.case.deadlines["MED-TERM"].started_at == play.now


def test_a_labour_term_runs_on_through_a_hand_back(new_play: Callable[..., Play]) -> None:
    play = new_play(category="D10", topic="D10.1")
    play.reach("taken_up").act("hand-back", HandBack("NO_CAPACITY"))
    assert play.case is not None
    assert [c.rule for c in play.case.deadlines.values() if c.open] == ["LAB-TERM"]


def test_nobody_to_offer_it_to_is_a_task_for_a_person(play: Play) -> None:
    play.accept().exhaust("DUTY_DESK")
    assert play.events == ["case.escalated"]
    assert play.case is not None
    (task,) = play.case.tasks
    assert (task.queue, task.state, play.state, play.case.owner) == (
        "DUTY_DESK",
        "open",
        "with_duty_desk",
        "DUTY_DESK",
    )
    assert task.due_at > play.now


def test_a_referral_names_who_has_it_now(play: Play) -> None:
    play.accept().exhaust("REFERRAL", referral_type="MARKET_REG", referral_org="MR-01")
    assert play.case is not None
    assert (play.state, play.case.owner) == ("referred", "MR-01")


def test_exhausted_while_an_offer_is_open_takes_it_back(play: Play) -> None:
    play.reach("offered").exhaust("NO_ELIGIBLE")
    assert play.events == ["case.offer_withdrawn", "case.escalated"]
    assert play.told[-2].state == "with_duty_desk"  # type: ignore[attr-defined]


def test_a_person_offers_what_the_duty_desk_had(play: Play) -> None:
    play.reach("with_duty_desk").propose(2, by_person=True)
    assert play.state == "offered"
    assert play.case is not None
    assert {task.state for task in play.case.tasks} == {"done"}


def test_exhausted_says_nothing_of_a_case_in_hands(play: Play) -> None:
    play.reach("taken_up").exhaust()
    assert play.last is not None
    assert play.last.ignored == "taken_up"
