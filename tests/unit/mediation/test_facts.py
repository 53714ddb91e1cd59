"""What a later fact of intake, or a citizen's SMS, does in each state (G16)."""

from typing import Any
from uuid import UUID

import pytest

from libs.events.intake import CaseAmended, CaseFlagsChanged, CaseMerged, CaseReleased, CaseWithdrawn
from libs.events.mediation import CaseClosed, CaseRated, CaseRecalled, MediationEnded
from libs.events.notify import MessageReceived
from libs.web.errors import NotFound
from services.mediation.domain.closing import Close
from tests.unit.mediation.play import CASE, DISTRICT, Play

COMMON: dict[str, Any] = {"case_id": CASE, "district": DISTRICT}


def complain(play: Play, org: str = "LAB-01") -> Play:
    facts = play.facts.model_copy(update={"complained_about_org": org})
    return play.hear(CaseAmended(**COMMON, case=facts, changed=("complained_about_org",)))


def flag(play: Play, *flags: str) -> Play:
    facts = play.facts.model_copy(update={"flags": flags})
    return play.hear(CaseFlagsChanged(**COMMON, case=facts, added=flags))


def rate(play: Play, rating: int | None = 1, meaning: str = "rating") -> Play:
    return play.hear(MessageReceived(**COMMON, meaning=meaning, rating=rating))


def test_a_fact_before_the_acceptance_says_nothing(play: Play) -> None:
    play.hear(CaseWithdrawn(**COMMON))
    assert play.case is None
    play.propose()
    assert play.hear(CaseWithdrawn(**COMMON)).events == []
    assert play.state == "offered"


@pytest.mark.parametrize(
    ("state", "events"),
    [
        ("awaiting_assignment", ["case.closed"]),
        ("with_duty_desk", ["case.closed"]),
        ("referred", ["case.closed"]),
        ("offered", ["case.offer_withdrawn", "case.closed"]),
        ("taken_up", ["mediation.ended", "case.closed"]),
        ("consent_pending", ["mediation.ended", "case.closed"]),
        ("in_mediation", ["mediation.ended", "case.closed"]),
    ],
)
def test_who_takes_the_matter_back_closes_it(play: Play, state: str, events: list[str]) -> None:
    play.reach(state).hear(CaseWithdrawn(**COMMON))
    assert play.events == events
    closed = play.told[-1]
    assert isinstance(closed, CaseClosed)
    assert (closed.result, play.state) == ("WITHDRAWN", "closed")
    ended = [event for event in play.told if isinstance(event, MediationEnded)]
    assert all(event.reason_code == "WITHDRAWN" for event in ended)
    assert play.case is not None
    assert {c.rule for c in play.case.deadlines.values() if c.open} == {"PROD-REOPEN"}


@pytest.mark.parametrize(
    ("state", "reason"),
    [
        ("agreed", "agreement_stands"),
        ("performing", "agreement_stands"),
        ("ended", "ended"),
        ("closed", "closed"),
    ],
)
def test_what_is_settled_cannot_be_taken_back(play: Play, state: str, reason: str) -> None:
    play.reach(state).hear(CaseWithdrawn(**COMMON))
    assert (play.events, play.state) == ([], state)
    assert play.last is not None
    assert play.last.ignored == reason


def test_a_merged_case_closes_without_a_rating(play: Play) -> None:
    play.reach("offered").hear(
        CaseMerged(
            **COMMON,
            case=play.facts,
            into=UUID(int=5),
            reason_code="REPEAT_IN_HANDLING",
            with_registration=False,
        )
    )
    assert play.events == ["case.offer_withdrawn", "case.closed"]
    assert play.told[-1].result == "REFUSED"  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("state", "events", "after"),
    [
        ("awaiting_assignment", ["case.escalated"], "with_duty_desk"),
        ("offered", ["case.offer_withdrawn", "case.escalated"], "with_duty_desk"),
        ("taken_up", ["case.escalated"], "taken_up"),
        ("in_mediation", ["case.escalated"], "in_mediation"),
        ("performing", ["case.escalated"], "performing"),
        ("ended", ["case.escalated"], "ended"),
        ("with_duty_desk", [], "with_duty_desk"),
        ("closed", [], "closed"),
    ],
)
def test_a_flag_that_forbids_routing(play: Play, state: str, events: list[str], after: str) -> None:
    flag(play.reach(state), "VIOLENCE")
    assert (play.events, play.state) == (events, after)
    assert play.case is not None
    assert play.case.facts.flags == ("VIOLENCE",)


def test_a_flag_of_care_changes_no_course(play: Play) -> None:
    flag(play.reach("offered"), "VULNERABLE")
    assert (play.events, play.state) == ([], "offered")


def test_a_released_case_waits_for_a_proposal_again(play: Play) -> None:
    flag(play.reach("awaiting_assignment"), "MASS_EVENT")
    facts = play.facts.model_copy(update={"flags": ("MASS_EVENT",), "released": True})
    play.hear(CaseReleased(**COMMON, case=facts))
    assert play.state == "awaiting_assignment"
    assert play.propose(case=facts).state == "offered"


def test_a_release_that_comes_after_its_proposal_takes_nothing_back(play: Play) -> None:
    flag(play.reach("awaiting_assignment"), "MASS_EVENT")
    facts = play.facts.model_copy(update={"flags": ("MASS_EVENT",), "released": True})
    play.propose(case=facts)
    assert play.state == "offered"
    play.hear(CaseReleased(**COMMON, case=facts))
    assert play.state == "offered"


@pytest.mark.parametrize(
    ("state", "events", "after"),
    [
        ("offered", ["case.offer_withdrawn"], "awaiting_assignment"),
        ("taken_up", ["case.recalled"], "awaiting_assignment"),
        ("in_mediation", ["case.recalled"], "awaiting_assignment"),
        ("agreed", ["case.recalled", "case.escalated"], "with_duty_desk"),
        ("performing", ["case.recalled", "case.escalated"], "with_duty_desk"),
        ("ended", ["case.recalled", "case.escalated"], "with_duty_desk"),
        ("closed", [], "closed"),
    ],
)
def test_a_holder_complained_about_loses_the_case_at_once(
    play: Play, state: str, events: list[str], after: str
) -> None:
    complain(play.reach(state))
    assert (play.events, play.state) == (events, after)
    assert play.case is not None
    assert play.case.hidden_from("LAB-01")
    with pytest.raises(NotFound):
        play.act("close", Close("SOLVED"))
    for event in play.told[-len(events) :] if events else ():
        assert event.state == after  # type: ignore[attr-defined]


def test_a_recalled_case_names_the_offer_that_ends(play: Play) -> None:
    complain(play.reach("in_mediation"))
    recalled = play.told[-1]
    assert isinstance(recalled, CaseRecalled)
    assert (recalled.org_id, recalled.attempt, recalled.reason_code) == ("LAB-01", 1, "COMPLAINED_ABOUT")
    assert play.case is not None
    assert dict(play.case.consents) == {}


def test_a_complaint_that_comes_with_the_acceptance(play: Play) -> None:
    play.propose()
    play.accept(complained_about_org="LAB-01")
    assert play.events == ["case.opened", "case.offer_withdrawn"]


def test_a_complaint_about_another_changes_nothing(play: Play) -> None:
    complain(play.reach("taken_up"), "PMC-YQ")
    assert (play.events, play.state) == ([], "taken_up")


def test_an_older_fact_does_not_overwrite_a_newer_one(play: Play) -> None:
    play.reach("awaiting_assignment")
    flag(play, "VULNERABLE")
    assert play.case is not None
    newest = play.case.facts_version
    play.propose(case=play.facts)
    assert (play.case.facts.flags, play.case.facts_version) == (("VULNERABLE",), newest)


@pytest.mark.parametrize("state", ["awaiting_assignment", "in_mediation", "ended"])
def test_a_rating_before_the_close_says_nothing(play: Play, state: str) -> None:
    rate(play.reach(state))
    assert play.last is not None
    assert play.last.ignored == "not_closed"


def test_of_several_ratings_the_last_one_counts(play: Play) -> None:
    rate(play.reach("closed"), 3)
    assert isinstance(play.told[-1], CaseRated)
    assert rate(play, 3).events == []
    assert rate(play, 1).events == ["case.rated"]
    assert play.case is not None
    assert play.case.rating == 1


def test_a_rating_after_ten_days_is_too_late(play: Play) -> None:
    rate(play.reach("closed").wait(days=9), 2)
    assert play.events == ["case.rated"]
    rate(play.wait(days=6), 1)
    assert play.last is not None
    assert play.last.ignored == "too_late"


def test_other_words_are_no_rating(play: Play) -> None:
    rate(play.reach("closed"), None, "dispute")
    assert play.events == []
    rate(play, None)
    assert play.events == []
