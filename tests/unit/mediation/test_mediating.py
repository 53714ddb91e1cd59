"""Contact, consent, mediators, sessions, agreement, end and close."""

from collections.abc import Callable
from datetime import date, timedelta
from uuid import UUID

import pytest

from libs.events.intake import CaseFlagsChanged
from libs.events.mediation import (
    AgreementReached,
    ConsentRequested,
    MediationEnded,
    SessionScheduled,
)
from libs.web.errors import ForbiddenAction, Invalid, NotFound
from services.mediation.domain.agreement import MustBeWritten, Performed
from services.mediation.domain.closing import Close, End, ResultNotPossible
from services.mediation.domain.consents import Consent, ContactAttempt, Mediator
from services.mediation.domain.sessions import NotSafe, SessionOutcome
from tests.unit.mediation.play import CASE, DISTRICT, Play


def test_once_reached_both_sides_are_asked(play: Play) -> None:
    play.reach("taken_up").contact()
    assert play.events == ["contact.attempted", "consent.requested", "consent.requested"]
    asked = [event.party for event in play.told if isinstance(event, ConsentRequested)]
    assert asked == ["applicant", "respondent"]
    assert play.contact().events == ["contact.attempted"]


def test_an_attempt_lies_in_the_past(play: Play) -> None:
    play.reach("taken_up")
    with pytest.raises(Invalid):
        play.act(
            "contact-attempts",
            ContactAttempt("applicant", "phone", play.now + timedelta(minutes=1), "reached"),
        )
    with pytest.raises(Invalid):
        play.act("consents", Consent("applicant", "agrees", play.now + timedelta(minutes=1)))


def test_an_answer_before_the_question_counts(play: Play) -> None:
    play.reach("taken_up").consent("applicant")
    assert play.events == ["consent.requested", "consent.requested", "consent.recorded"]
    assert play.state == "consent_pending"
    assert play.consent("respondent").state == "in_mediation"


@pytest.mark.parametrize("state", ["taken_up", "consent_pending", "in_mediation"])
@pytest.mark.parametrize("party", ["applicant", "respondent"])
def test_either_refusal_ends_the_mediation(play: Play, state: str, party: str) -> None:
    """PMA arts 17 and 23: at the beginning and at any time later."""
    play.reach(state).consent(party, "refuses")
    assert play.events[-2:] == ["consent.recorded", "mediation.ended"]
    ended = play.told[-1]
    assert isinstance(ended, MediationEnded)
    assert (ended.reason_code, ended.state) == ("REFUSED", "ended")
    assert ended.routes_told, "other routes are told (PMA art 26)"


def test_a_mediator_discloses_first(play: Play) -> None:
    play.reach("taken_up").act("mediators", Mediator(play.words(), play.words(), "parties"))
    assert play.events == ["mediator.appointed"]
    assert play.case is not None
    name, disclosure = play.case.notes[-2:]
    assert (name.kind, disclosure.kind) == ("mediator", "disclosure")
    assert name.about == disclosure.about


def test_a_session_is_set_and_held_once(play: Play) -> None:
    play.reach("in_mediation").session()
    assert play.last is not None
    assert play.last.status == 201
    scheduled = play.told[-1]
    assert isinstance(scheduled, SessionScheduled)
    assert play.last.reply["session_id"] == str(scheduled.session_id)
    play.session_held()
    assert play.events == ["session.held"]
    with pytest.raises(ForbiddenAction):
        play.session_held(False)
    with pytest.raises(NotFound):
        play.act("session-outcome", SessionOutcome(UUID(int=1), True))


def test_an_outcome_may_set_the_next_session(play: Play) -> None:
    play.reach("in_mediation").session()
    assert play.case is not None
    first = play.case.sessions[0]
    next_at = play.now + timedelta(days=3)
    play.act("session-outcome", SessionOutcome(first.session_id, True, play.words(), next_at))
    assert play.events == ["session.held", "session.scheduled"]
    assert (play.case.sessions[-1].starts_at, play.case.sessions[-1].mode) == (next_at, first.mode)


@pytest.mark.parametrize("days", [-2, 400])
def test_a_session_lies_within_the_work(play: Play, days: int) -> None:
    play.reach("in_mediation")
    with pytest.raises(Invalid) as refused:
        play.session(starts_at=play.now + timedelta(days=days))
    assert [error.pointer for error in refused.value.errors] == ["/starts_at"]


def test_nobody_is_put_face_to_face_with_violence(play: Play) -> None:
    """DV15 arts 13, 15: apart or by phone yes, together not."""
    play.reach("in_mediation")
    flagged = play.facts.model_copy(update={"flags": ("VIOLENCE",)})
    play.hear(CaseFlagsChanged(case_id=CASE, district=DISTRICT, case=flagged, added=("VIOLENCE",)))
    for mode in ("clinic", "call-out", "house-call"):
        with pytest.raises(NotSafe):
            play.session(mode=mode)
    play.session(mode="phone")
    play.session(mode="clinic", parties=("applicant",))


@pytest.mark.parametrize("flag", ["SELF_HARM", "MINOR_AT_RISK"])
def test_a_crisis_stops_mediating(play: Play, flag: str) -> None:
    play.reach("in_mediation")
    flagged = play.facts.model_copy(update={"flags": (flag,)})
    play.hear(CaseFlagsChanged(case_id=CASE, district=DISTRICT, case=flagged, added=(flag,)))
    with pytest.raises(NotSafe):
        play.session(mode="phone", parties=("applicant",))
    with pytest.raises(NotSafe):
        play.agree()


def test_an_agreement_with_nothing_left_to_do(play: Play) -> None:
    play.reach("in_mediation").agree(means=("约", "法"))
    reached = play.told[-1]
    assert isinstance(reached, AgreementReached)
    assert (reached.state, reached.performance_items, reached.means) == ("agreed", 0, ("约", "法"))
    assert play.close("SOLVED").state == "closed"


@pytest.mark.parametrize("category", ["D10", "D11"])
def test_a_labour_agreement_is_written(new_play: Callable[..., Play], category: str) -> None:
    """LDMA art 14."""
    play = new_play(category=category).reach("in_mediation")
    with pytest.raises(MustBeWritten) as refused:
        play.agree(form="oral")
    assert refused.value.status == 422
    assert play.agree(form="written").state == "agreed"


def test_other_agreements_may_be_oral(play: Play) -> None:
    assert play.reach("in_mediation").agree(form="oral").state == "agreed"


def test_an_agreement_takes_effect_no_later_than_today(play: Play) -> None:
    play.reach("in_mediation")
    with pytest.raises(Invalid):
        play.agree(effective_on=play.now.date() + timedelta(days=1))


def test_what_was_promised_is_performed_before_it_is_solved(play: Play) -> None:
    play.reach("performing")
    with pytest.raises(ResultNotPossible) as refused:
        play.close("SOLVED")
    assert refused.value.extra == {"state": "performing", "possible": ["PARTLY", "UNSOLVED"]}
    play.act("performance", Performed(1, True, play.now.date()))
    assert play.last is not None
    assert [item["done"] for item in play.last.reply["items"]] == [True, None]
    with pytest.raises(ResultNotPossible):
        play.close("SOLVED")
    play.act("performance", Performed(2, True, play.now.date()))
    assert play.close("SOLVED").state == "closed"


@pytest.mark.parametrize("item", [0, 3, -1])
def test_performance_is_of_an_item_of_the_agreement(play: Play, item: int) -> None:
    play.reach("performing")
    with pytest.raises(Invalid):
        play.act("performance", Performed(item, True, play.now.date()))


def test_a_partial_agreement_solves_partly(play: Play) -> None:
    play.reach("in_mediation").agree(partial=True)
    with pytest.raises(ResultNotPossible):
        play.close("SOLVED")
    assert play.close("PARTLY").state == "closed"


@pytest.mark.parametrize(
    ("command", "pointer"),
    [
        (End("NO_AGREEMENT", ()), "/routes_told"),
        (End("NO_AGREEMENT", ("R1", "R9")), "/routes_told/1"),
        (End("SOLVED", ("R1",)), "/reason_code"),
    ],
)
def test_who_ends_tells_the_other_routes(play: Play, command: End, pointer: str) -> None:
    """PMA art 26."""
    play.reach("in_mediation")
    with pytest.raises(Invalid) as refused:
        play.act("end", command)
    assert [error.pointer for error in refused.value.errors] == [pointer]


@pytest.mark.parametrize("result", ["SOLVED", "CONSULTED"])
def test_an_ended_mediation_solved_nothing(play: Play, result: str) -> None:
    play.reach("ended")
    with pytest.raises(ResultNotPossible):
        play.close(result)
    assert play.close("UNSOLVED").events == ["case.closed"]


@pytest.mark.parametrize("result", ["REFUSED", "WITHDRAWN", "FINAL", "NONE"])
def test_some_results_are_not_for_organisations(play: Play, result: str) -> None:
    play.reach("ended")
    with pytest.raises(Invalid):
        play.act("close", Close(result))


def test_words_never_reach_an_event(play: Play) -> None:
    play.reach("closed")
    for event in play.told:
        assert b"sealed" not in event.model_dump_json().encode()


def test_dates_of_items_are_kept(play: Play) -> None:
    play.reach("performing")
    assert play.case is not None
    assert play.case.agreement is not None
    assert [item.due_on for item in play.case.agreement.items] == [date(2026, 12, 1)] * 2
