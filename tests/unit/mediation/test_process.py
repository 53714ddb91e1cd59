"""The state tables: every act in every state is either allowed, with where it leads, or refused with 409."""

from collections.abc import Callable
from datetime import date
from typing import Any

import pytest

from libs.web.errors import ForbiddenAction, NotFound, Stale
from services.mediation.domain.agreement import Performed
from services.mediation.domain.closing import Close, Extend
from services.mediation.domain.consents import Mediator
from services.mediation.domain.offers import HandBack, Return
from services.mediation.domain.sessions import SessionOutcome
from services.mediation.handlers.cases import PARTNER_RULES, STAFF_RULES
from services.mediation.process import ACTIONS, FACTS, FIRST_STATE, MEDIATION, STAFF
from tests.unit.mediation.play import Play

STATES = tuple(MEDIATION)

ALLOWED = {
    "offered": {"take-up": "taken_up", "return": "awaiting_assignment"},
    "taken_up": {
        "contact-attempts": "consent_pending",
        "consents": "consent_pending",
        "mediators": "taken_up",
        "end": "ended",
        "hand-back": "awaiting_assignment",
        "extend": "taken_up",
    },
    "consent_pending": {
        "contact-attempts": "consent_pending",
        "consents": "consent_pending",
        "mediators": "consent_pending",
        "sessions": "consent_pending",
        "session-outcome": "consent_pending",
        "end": "ended",
        "hand-back": "awaiting_assignment",
        "extend": "consent_pending",
    },
    "in_mediation": {
        "contact-attempts": "in_mediation",
        "consents": "in_mediation",
        "mediators": "in_mediation",
        "sessions": "in_mediation",
        "session-outcome": "in_mediation",
        "agreement": "agreed",
        "end": "ended",
        "hand-back": "awaiting_assignment",
        "extend": "in_mediation",
    },
    "agreed": {"contact-attempts": "agreed", "end": "ended", "close": "closed"},
    "performing": {
        "contact-attempts": "performing",
        "performance": "performing",
        "end": "ended",
        "close": "closed",
    },
    "ended": {"close": "closed"},
}
"""Written by hand, apart from the table under test: what each act of the commands below leads to."""


def prepared(play: Play, state: str) -> dict[str, Callable[[], Any]]:
    """Every act with a command that is right in itself, for a case in `state`."""
    reach = play.reach(state)
    if state in ("consent_pending", "in_mediation"):
        reach.session()
    sessions = reach.case.sessions if reach.case else ()
    session = sessions[-1].session_id if sessions else play.new_id()
    result = {"agreed": "SOLVED", "performing": "PARTLY", "ended": "UNSOLVED"}.get(state, "SOLVED")
    return {
        "take-up": play.take_up,
        "return": lambda: play.act("return", Return("NO_CAPACITY")),
        "contact-attempts": play.contact,
        "consents": lambda: play.consent("applicant"),
        "mediators": lambda: play.act("mediators", Mediator(play.words(), play.words(), "parties")),
        "sessions": play.session,
        "session-outcome": lambda: play.act("session-outcome", SessionOutcome(session, True)),
        "agreement": play.agree,
        "performance": lambda: play.act("performance", Performed(1, True, play.now.date())),
        "end": play.end,
        "hand-back": lambda: play.act("hand-back", HandBack("NO_CAPACITY")),
        "extend": lambda: play.act("extend", Extend(date(2026, 5, 1), True)),
        "close": lambda: play.close(result),
    }


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("action", PARTNER_RULES)
def test_every_act_in_every_state(play: Play, state: str, action: str) -> None:
    acts = prepared(play, state)
    before = play.version
    leads_to = ALLOWED.get(state, {}).get(action)
    if leads_to is not None:
        acts[action]()
        assert play.state == leads_to
        assert play.version > before, "every act tells an event"
    elif state in ("awaiting_assignment", "with_duty_desk", "referred"):
        with pytest.raises(NotFound):  # nobody holds the case, so no organisation may know of it
            acts[action]()
    else:
        with pytest.raises(ForbiddenAction) as refused:
            acts[action]()
        assert refused.value.status == 409
        assert refused.value.extra == {"state": state, "allowed": sorted(ALLOWED.get(state, {}))}
        assert play.version == before


def test_the_tables_know_the_acts_and_states_of_the_interface() -> None:
    named = {action for table in ACTIONS.values() for allowed in table.values() for action in allowed}
    assert named == set(PARTNER_RULES)
    assert {action for allowed in STAFF.values() for action in allowed} == set(STAFF_RULES)
    for track, table in ACTIONS.items():
        follows = {state for allowed in table.values() for states in allowed.values() for state in states}
        assert follows <= set(table), track
        assert not table["closed"], track


def test_every_fact_has_a_rule_in_every_state() -> None:
    states = {state for table in ACTIONS.values() for state in table}
    for fact, rules in FACTS.items():
        assert set(rules) == states, fact


@pytest.mark.parametrize(("track", "first"), FIRST_STATE.items())
def test_a_track_begins_in_its_first_state(new_play: Callable[..., Play], track: str, first: str) -> None:
    play = new_play(track=track).accept()
    assert play.state == first
    assert play.case is not None
    assert play.case.owner
    if track in ("PETITION", "PETITION_LIGHT", "SEALED"):
        assert [task.queue for task in play.case.tasks] == ["SEALED" if track == "SEALED" else "DUTY_DESK"]


def test_another_organisations_case_is_not_there(play: Play) -> None:
    play.reach("offered")
    with pytest.raises(NotFound):
        play.take_up(org="LAW-01")
    with pytest.raises(NotFound):  # not even by a version that would be stale
        play.act("take-up", None, org="LAW-01", expected=1)


def test_who_decided_on_an_older_version_decides_again(play: Play) -> None:
    play.reach("offered")
    with pytest.raises(Stale) as refused:
        play.act("take-up", None, expected=play.version - 1)
    assert refused.value.extra == {"version": play.version}


def test_advice_is_given_in_a_session_or_on_the_call(new_play: Callable[..., Play]) -> None:
    play = new_play(track="CONSULTATION", kind="CON").accept().propose().take_up()
    play.session(parties=("applicant",), mode="phone").session_held()
    assert play.state == "advised"
    assert play.close("CONSULTED").state == "closed"
    on_the_call = new_play(track="CONSULTATION", kind="CON").accept().propose().take_up()
    assert on_the_call.close("CONSULTED").state == "closed"


def test_staff_closes_what_no_organisation_holds(play: Play) -> None:
    play.reach("referred")
    assert play.case is not None
    assert play.case.owner == "COURT"
    with pytest.raises(NotFound):
        play.staff("close", Close("REFERRED"), district="990102")
    play.staff("close", Close("REFERRED"))
    assert play.events == ["case.closed"]
    assert {task.state for task in play.case.tasks} == {"done"}


def test_staff_does_not_close_what_an_organisation_holds(play: Play) -> None:
    play.reach("in_mediation")
    with pytest.raises(ForbiddenAction):
        play.staff("close", Close("SOLVED"))


def test_a_sealed_case_is_closed_by_the_sealed_officer_alone(new_play: Callable[..., Play]) -> None:
    """XF22 art 30: nobody else knows of it, and that role knows of no other case."""
    play = new_play(kind="REP", track="SEALED").accept()
    with pytest.raises(NotFound):
        play.staff("close", Close("REFERRED"))
    assert play.staff("close", Close("REFERRED"), role="sealed_officer").state == "closed"
    other = new_play().reach("referred")
    with pytest.raises(NotFound):
        other.staff("close", Close("REFERRED"), role="sealed_officer")
