"""A forwarded case that its body sends back: in time, with reasons, then as if nothing had been decided."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from libs.events.intake import CaseSentBack
from libs.web.errors import Forbidden, ForbiddenAction, Invalid
from services.intake.domain.case import Case
from services.intake.domain.objecting import ObjectionLate, TakeBack, take_back
from services.intake.domain.ruling import Settle, settle
from services.intake.domain.statement import Ruling
from tests.unit.intake.build import NOW, accepted, kept, known, moment, note, registered

TO = "DUTY-01"
TERM = datetime(2026, 3, 9, 16, 0, tzinfo=UTC)
"""The end of the fifth working day after Monday, 2 March, local time."""


def forwarded(kind: str = "PET") -> Case:
    return registered(kind=kind, roles=("dispatcher",), decision={"action": "forward", "directed_to": TO})


def back(case: Case, *, at: datetime | None = None, now: datetime = NOW, role: str = "dispatcher") -> Any:
    return take_back(case, TakeBack(known(), at, note("objection")), moment(role, version=2, now=now))


def test_it_is_registered_again_and_told() -> None:
    decision = back(forwarded())
    case = kept(decision)
    assert (case.stage, case.directed_to, case.reason_code, case.ended_at) == ("registered", None, None, None)
    (event,) = decision.events
    assert isinstance(event, CaseSentBack)
    assert (event.by, decision.reply["state"]) == (TO, "registered")
    assert [entry.action for entry in decision.audit] == ["case.sent_back"]


def test_its_triage_begins_anew_and_the_body_owes_nothing() -> None:
    now = NOW + timedelta(days=1)
    case = kept(back(forwarded(), now=now))
    clocks = {rule: clock.status for rule, clock in case.deadlines.items()}
    assert (clocks["PET-OBJECTION"], clocks["PET-FORWARD"]) == ("met", "met")
    triage = case.deadlines["PROD-TRIAGE-BLUE"]
    assert (triage.status, triage.started_at) == ("open", now)


def test_it_can_be_decided_anew() -> None:
    ruling = Ruling.model_validate({"action": "accept", "lawful_route": "R6"})
    decision = settle(kept(back(forwarded())), Settle(known(), ruling), moment("dispatcher", version=3))
    assert kept(decision).stage == "accepted"


def test_after_the_term_the_body_keeps_it() -> None:
    case, later = forwarded(), TERM + timedelta(days=2)
    assert case.deadlines["PET-OBJECTION"].due_at == TERM
    assert kept(back(case, at=TERM - timedelta(seconds=1), now=later)).stage == "registered"
    with pytest.raises(ObjectionLate) as refused:
        back(case, at=TERM, now=later)
    assert refused.value.extra == {"due_at": "2026-03-10T00:00:00+08:00"}


def test_what_is_no_petition_has_no_such_term() -> None:
    assert kept(back(forwarded("DIS"), now=TERM + timedelta(days=30))).stage == "registered"


@pytest.mark.parametrize(
    ("at", "code"),
    [(NOW + timedelta(days=1), "in_future"), (NOW - timedelta(seconds=1), "before_forwarding")],
)
def test_an_objection_of_tomorrow_or_of_before_the_forwarding_is_none(at: datetime, code: str) -> None:
    with pytest.raises(Invalid) as refused:
        back(forwarded(), at=at)
    assert [(fault.pointer, fault.code) for fault in refused.value.errors] == [("/objected_at", code)]


@pytest.mark.parametrize("case", [registered(kind="PET"), accepted()], ids=["registered", "accepted"])
def test_only_what_was_forwarded_comes_back(case: Case) -> None:
    with pytest.raises(ForbiddenAction):
        back(case)


def test_it_is_the_dispatchers_to_agree() -> None:
    with pytest.raises(Forbidden):
        back(forwarded(), role="operator")
