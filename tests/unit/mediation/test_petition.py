"""Petitions and suggestions: answered by a person, closed after the answer, reviewed when asked for."""

from datetime import date, timedelta
from typing import Any

import pytest

from libs.events.mediation import CaseOpened, ReplyIssued
from libs.web.errors import ForbiddenAction, Invalid, NotFound
from services.mediation.domain.closing import Close
from services.mediation.domain.petition import Reply
from tests.unit.mediation.play import Play, at

PETITION: dict[str, Any] = {"kind": "PET", "track": "PETITION", "category": None, "lawful_route": "R6"}
SUGGESTION: dict[str, Any] = {"kind": "SUG", "track": "PETITION_LIGHT", "category": None}


def reply(play: Play, **changes: Any) -> Reply:
    return Reply(**{"written": True, "content": play.words(), **changes})


@pytest.mark.parametrize(("facts", "first"), [(PETITION, "handling"), (SUGGESTION, "studying")])
def test_it_is_answered_and_then_closed(play: Play, facts: dict[str, Any], first: str) -> None:
    play.accept(**facts)
    assert play.state == first
    assert play.staff("reply", reply(play), role="dispatcher").state == "replied"
    assert play.events == ["reply.issued"]
    assert play.staff("close", Close("SOLVED")).state == "closed"


@pytest.mark.parametrize("facts", [PETITION, SUGGESTION])
def test_it_is_not_closed_unanswered(play: Play, facts: dict[str, Any]) -> None:
    play.accept(**facts)
    with pytest.raises(ForbiddenAction) as refused:
        play.staff("close", Close("SOLVED"))
    assert refused.value.extra == {"state": play.state, "allowed": ["reply"]}


def test_it_is_answered_once(play: Play) -> None:
    play.accept(**PETITION).staff("reply", reply(play))
    with pytest.raises(ForbiddenAction) as refused:
        play.staff("reply", reply(play))
    assert refused.value.extra == {"state": "replied", "allowed": ["close"]}


def test_a_dispute_is_not_answered(play: Play) -> None:
    with pytest.raises(ForbiddenAction):
        play.accept().staff("reply", reply(play))


def test_nobody_of_another_district_answers(play: Play) -> None:
    with pytest.raises(NotFound):
        play.accept(**PETITION).staff("reply", reply(play), district="990102")


def test_the_opinion_of_a_petition_proper_is_written(play: Play) -> None:
    play.accept(**PETITION)
    with pytest.raises(Invalid) as refused:
        play.staff("reply", reply(play, written=False))
    assert [(e.pointer, e.code) for e in refused.value.errors] == [("/form", "must_be_written")]
    assert play.state == "handling"


@pytest.mark.parametrize("facts", [{**PETITION, "lawful_route": "R5"}, SUGGESTION])
def test_other_answers_may_be_spoken(play: Play, facts: dict[str, Any]) -> None:
    play.accept(**facts).staff("reply", reply(play, written=False))
    assert play.told[-1].written is False


def test_an_answer_of_tomorrow_is_none(play: Play) -> None:
    play.accept(**PETITION)
    with pytest.raises(Invalid) as refused:
        play.staff("reply", reply(play, issued_on=play.now.date() + timedelta(days=1)))
    assert [(e.pointer, e.code) for e in refused.value.errors] == [("/issued_on", "in_future")]


def test_the_answer_meets_its_term_and_starts_that_of_the_review(play: Play) -> None:
    play.accept(**PETITION)
    assert play.case is not None
    assert play.case.deadlines["PET-FINISH"].open
    play.wait(days=3).staff("reply", reply(play, issued_on=date(2026, 3, 4)))
    clocks = play.case.deadlines
    assert clocks["PET-FINISH"].status == "met"
    # 30 calendar days from the answer on 4 March: 3 April; it does not start on the day it was told to us.
    assert clocks["PET-REVIEW-ASK"].due_on == date(2026, 4, 3)
    event = play.told[-1]
    assert isinstance(event, ReplyIssued)
    assert (event.written, event.issued_on, event.lawful_route) == (True, date(2026, 3, 4), "R6")
    assert "PET-FINISH" not in [due.rule for due in event.deadlines]


def test_the_answer_settles_what_persons_were_asked_to_do(play: Play) -> None:
    play.accept(**PETITION)
    assert play.case is not None
    assert [task.state for task in play.case.tasks] == ["open"]
    play.staff("reply", reply(play))
    assert [task.state for task in play.case.tasks] == ["done"]


def test_the_right_to_a_review_outlives_the_close(play: Play) -> None:
    play.accept(**PETITION).staff("reply", reply(play)).staff("close", Close("SOLVED"))
    assert play.case is not None
    assert play.case.deadlines["PET-REVIEW-ASK"].open


def test_the_clocks_of_a_danger_run_in_the_parent_alone(play: Play) -> None:
    flags = {"flags": ("MASS_EVENT",), "urgency": "RED"}
    parent = Play(play.codes, play.use_cases).accept(**PETITION, **flags)
    child = Play(play.codes, play.use_cases).accept(parent=play.new_id(), category="D11", **flags)
    assert parent.case is not None
    assert child.case is not None
    assert "PET-URGENT" in parent.case.deadlines
    assert "PET-URGENT" not in child.case.deadlines
    assert "LAB-TERM" in child.case.deadlines


def test_an_accepted_petition_tells_its_term_when_it_opens(play: Play) -> None:
    play.now = at("2026-09-08T10:00")
    play.accept(**PETITION, received_at=play.now, registered_at=play.now, accepted_at=play.now)
    (opened,) = [event for event in play.told if isinstance(event, CaseOpened)]
    assert {due.rule: due.due_on for due in opened.deadlines}["PET-FINISH"] == date(2026, 11, 9)
