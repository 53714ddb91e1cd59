"""Warned once, missed once, and what a miss does; the sweep only narrows, the case decides."""

from collections.abc import Callable
from datetime import timedelta

import pytest

from libs.events.mediation import CaseEscalated, DeadlineMissed, DeadlineMoved, DeadlineWarned, MediationEnded
from tests.unit.mediation.play import Play, at


def test_a_clock_is_warned_of_once(play: Play) -> None:
    play.reach("taken_up")
    assert play.case is not None
    warn_at = play.case.deadlines["MED-TERM"].warn_at
    assert warn_at is not None
    play.now = warn_at
    play.sweep("MED-TERM", "warn")
    warned = play.told[-1]
    assert isinstance(warned, DeadlineWarned)
    assert (warned.rule, warned.tell) == ("MED-TERM", ("MEDIATOR", "PARTNER_LEAD"))
    assert play.sweep("MED-TERM", "warn").events == []


def test_never_early(play: Play) -> None:
    play.reach("taken_up")
    assert play.case is not None
    clock = play.case.deadlines["PROD-CONTACT"]
    play.now = clock.due_at - timedelta(seconds=1)
    assert play.sweep("PROD-CONTACT").events == []
    assert play.last is not None
    assert play.last.ignored == "not_due"
    play.now = clock.due_at
    assert play.sweep("PROD-CONTACT").events == ["deadline.missed", "case.escalated"]
    assert play.sweep("PROD-CONTACT").events == []


def test_the_act_that_came_first_wins(play: Play) -> None:
    play.reach("taken_up").contact().wait(days=9)
    assert play.sweep("PROD-CONTACT").events == []
    assert play.last is not None
    assert play.last.ignored == "stopped"


def test_a_missed_duty_climbs_to_the_first_level_of_its_rule(play: Play) -> None:
    play.reach("taken_up").wait(days=5).sweep("PROD-CONTACT")
    missed, escalated = play.told[-2:]
    assert isinstance(missed, DeadlineMissed)
    assert (missed.tell, missed.escalation) == (("PARTNER_LEAD", "DISPATCHER"), ("L4", "L5"))
    assert isinstance(escalated, CaseEscalated)
    assert (escalated.level, escalated.reason_code) == ("L4", "PROD-CONTACT")


def test_an_unanswered_offer_expires(play: Play) -> None:
    play.reach("offered").wait(days=7).sweep("PROD-OFFER")
    assert play.events == ["deadline.missed", "case.offer_expired"]
    assert play.told[-1].org_id == "LAB-01"  # type: ignore[attr-defined]
    assert play.told[-1].state == "awaiting_assignment"  # type: ignore[attr-defined]
    assert play.case is not None
    assert (play.state, play.case.org_id) == ("awaiting_assignment", None)


def test_a_mediation_over_term_may_go_on(play: Play) -> None:
    play.reach("in_mediation").wait(days=40).sweep("MED-TERM")
    assert play.events == ["deadline.missed"]
    assert play.state == "in_mediation"


def test_a_medical_mediation_over_term_has_failed(new_play: Callable[..., Play]) -> None:
    """MED18 art 38."""
    play = new_play(category="D12").reach("in_mediation").wait(days=60)
    play.sweep("MEDICAL-TERM")
    assert play.events == ["deadline.missed", "mediation.ended"]
    ended = play.told[-1]
    assert isinstance(ended, MediationEnded)
    assert ended.reason_code == "EXPIRED"
    assert ended.routes_told


def test_no_answer_to_the_question_of_consent_is_a_refusal(play: Play) -> None:
    play.reach("consent_pending").wait(days=10).sweep("PROD-CONSENT")
    assert play.events == ["deadline.missed", "mediation.ended"]
    assert play.told[-1].reason_code == "REFUSED"  # type: ignore[attr-defined]
    assert play.state == "ended"


def test_a_right_lapses_and_nothing_else(play: Play) -> None:
    play.reach("closed").wait(days=15).sweep("PROD-REOPEN")
    assert play.events == ["deadline.missed"]
    assert play.state == "closed"


@pytest.mark.parametrize(
    ("minutes", "later"),
    [(90, timedelta(minutes=90)), (60 * 24 * 3, timedelta(days=1))],
)
def test_g17_an_offer_waits_the_time_the_service_was_missing(
    new_play: Callable[..., Play], minutes: int, later: timedelta
) -> None:
    """G17: the missed time, at most one working day; given once; legal terms do not move."""
    play = new_play("2026-03-02T10:00").accept().propose()
    assert play.case is not None
    due_at = play.case.deadlines["PROD-OFFER"].due_at
    assert due_at == at("2026-03-05T00:00")
    back = due_at + timedelta(hours=1)
    outage = (back - timedelta(hours=1, minutes=minutes), due_at)
    play.now = back
    play.sweep("PROD-OFFER", outages=[outage])
    moved = play.told[-1]
    assert isinstance(moved, DeadlineMoved)
    assert moved.now is not None
    assert (moved.now.due_at, moved.why) == (due_at + later, "SERVICE_MISSING")
    assert play.state == "offered"
    play.now = due_at + later
    play.sweep("PROD-OFFER", outages=[outage])
    assert play.events == ["deadline.missed", "case.offer_expired"]


def test_an_outage_outside_the_term_gives_no_grace(play: Play) -> None:
    play.reach("offered").wait(days=7)
    play.sweep("PROD-OFFER", outages=[(at("2026-02-01T00:00"), at("2026-02-20T00:00"))])
    assert play.events == ["deadline.missed", "case.offer_expired"]


def test_an_outage_moves_no_other_clock(play: Play) -> None:
    play.reach("taken_up").wait(days=5)
    play.sweep("PROD-CONTACT", outages=[(at("2026-03-02T10:00"), play.now)])
    assert "deadline.missed" in play.events
