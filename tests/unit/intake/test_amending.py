"""Amending what was said: judged anew, told by names, never lowering a flag."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from libs.events.intake import CaseAmended, CaseFlagsChanged
from libs.web.errors import ForbiddenAction, Invalid, NotFound, Refusal
from services.intake.domain.amending import Amend, amend, amended, restated
from services.intake.domain.case import Case, Sealed
from services.intake.domain.flagging import DossierOutdated
from services.intake.domain.people import personal
from services.intake.domain.registration import judge
from services.intake.domain.statement import Amendment, Statement
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
    note,
    registered,
    said,
)

LATER = NOW + timedelta(hours=1)
SEALED = Sealed(1, b"key", b"new applicant", b"new story")


def amendment(case: Case, told: dict[str, Any], **fields: Any) -> Amend:
    """The command of an amendment, as the door makes it."""
    before = restated(case, personal(said(**told)))
    patch = Amendment.model_validate({"reason": "更正", **fields})
    after, changed = amended(before, patch.model_dump(mode="json", exclude_unset=True, exclude={"reason"}))
    statement, former = Statement.model_validate(after), Statement.model_validate(before)
    places = known().places[DISTRICT]
    new, old = (judge(one, personal(one).phone, known(), places, LATER) for one in (statement, former))
    return Amend(
        known=known(),
        judgement=new,
        raised=tuple(flag for flag in new.facts.flags if flag not in old.facts.flags),
        changed=changed,
        happened_on=statement.happened_on,
        sealed=SEALED,
        dossier=None if case.secret else dossier(CASE, case.facts.dossier_version + 1),
        note=note("amend"),
    )


def amending(case: Case, told: dict[str, Any], *roles: str, **fields: Any) -> Any:
    return amend(case, amendment(case, told, **fields), moment(*roles, now=LATER))


@pytest.mark.parametrize(
    ("told", "patch", "changed"),
    [
        ({}, {"kind": "DIS"}, ("kind",)),
        ({}, {"narrative": "门前路灯不亮"}, ()),
        ({}, {"narrative": "路灯亮了"}, ("narrative",)),
        ({}, {"applicant": {"name": "周小川"}}, ("applicant.name",)),
        (
            {"applicant": {"name": "周小川", "phone": "1"}},
            {"applicant": {"phone": None}},
            ("applicant.phone",),
        ),
        (
            {"place": {"address": "锦苑一期"}},
            {"place": {"address": "锦苑二期"}},
            ("place.address",),
        ),
        ({}, {"consents": {"sms": True}}, ("consents.sms",)),
        ({"facts": {"harm.known": "2026-01-01"}}, {"facts": {"harm.known": None}}, ("facts",)),
        ({}, {"respondents": [{"name": "某人"}]}, ("respondents",)),
    ],
)
def test_an_amendment_changes_what_it_names_and_nothing_else(
    told: dict[str, Any], patch: dict[str, Any], changed: tuple[str, ...]
) -> None:
    command = amendment(registered(**told), told, **patch)
    assert sorted(command.changed) == sorted(changed)


@pytest.mark.parametrize(
    ("patch", "verified"),
    [
        ({"phone": "13800000002"}, False),
        ({"phone": "13800000002", "phone_verified": None}, False),
        ({"phone": "13800000002", "phone_verified": True}, True),
        ({"phone": "13800000001"}, True),
        ({"name": "周小川"}, True),
    ],
)
def test_a_new_number_is_unverified_unless_somebody_says_otherwise(
    patch: dict[str, Any], verified: bool
) -> None:
    told = {"applicant": {"phone": "13800000001"}}
    after, _ = amended(restated(registered(**told), personal(said(**told))), {"applicant": patch})
    assert personal(Statement.model_validate(after)).applicant["phone_verified"] is verified


def test_a_statement_is_found_again_in_its_case() -> None:
    told = {
        "kind": "DIS",
        "category": "D10",
        "place": {"address": "锦苑小区"},
        "facts": {"harm.known": "2026-01-01"},
        "applicant": {"name": "周小川", "language": "ii"},
        "headcount": 3,
        "mode": "phone",
        "happened_on": "2026-01-02",
        "consents": {"sms": True, "share_with_partner": True},
    }
    again = Statement.model_validate(restated(registered(**told), personal(said(**told))))
    places = known().places[DISTRICT]
    facts = judge(again, None, known(), places, NOW).facts
    assert facts.model_copy(update={"query_code": "K7M2P9QX"}) == registered(**told).facts


def test_completing_the_kind_starts_the_clocks_of_its_track() -> None:
    told = {"applicant": {"name": "江北辰"}, "place": {"address": "河埠花园"}}
    decision = amending(registered(**told), told, kind="PET")
    (event,) = decision.events
    assert isinstance(event, CaseAmended)
    assert (event.changed, event.case.track) == (("kind",), "PETITION")
    assert {due.rule for due in event.deadlines} == {"PROD-TRIAGE-BLUE", "PET-NOTICE", "PET-FORWARD"}
    notice = kept(decision).deadlines["PET-NOTICE"]
    assert notice.started_at == NOW


def test_clocks_that_do_not_apply_any_more_end() -> None:
    told = {"kind": "PET", "applicant": {"name": "江北辰"}, "place": {"address": "河埠花园"}}
    case = kept(amending(registered(**told), told, kind="DIS"))
    assert {rule: clock.status for rule, clock in case.deadlines.items()} == {
        "PROD-TRIAGE-BLUE": "open",
        "PET-NOTICE": "ended",
        "PET-FORWARD": "ended",
    }


def test_new_words_raise_their_flags_from_now_on() -> None:
    decision = amending(registered(), {}, narrative="他拿刀")
    _, flagged = decision.events
    assert isinstance(flagged, CaseFlagsChanged)
    assert (flagged.added, flagged.case.urgency) == (("VIOLENCE",), "RED")
    assert kept(decision).deadlines["RISK-VIOLENCE"].due_at == LATER
    assert decision.reply["version"] == 3


def test_words_that_are_gone_lower_nothing() -> None:
    told = {"narrative": "他拿刀"}
    assert kept(amending(registered(**told), told, narrative="没事了")).facts.flags == ("VIOLENCE",)


def test_a_lowered_flag_stays_lowered_while_its_words_stand() -> None:
    told = {"narrative": "他拿刀"}
    case = registered(**told).with_facts(flags=(), urgency="BLUE")
    assert kept(amending(case, told, headcount=2)).facts.flags == ()


def test_a_closed_case_is_not_amended() -> None:
    with pytest.raises(ForbiddenAction) as refused:
        amending(replace(accepted(), closed_at=NOW), {"kind": "DIS"}, amount_fen=100)
    assert refused.value.extra["state"] == "closed"


def test_what_was_decided_and_drawn_stays() -> None:
    before = accepted().facts
    after = kept(amending(accepted(), {"kind": "DIS"}, amount_fen=100)).facts
    assert after.amount_fen == 100
    for name in ("query_code", "registered_at", "received_at", "accepted_at"):
        assert getattr(after, name) == getattr(before, name)


def test_the_dossier_and_the_vault_are_written_anew() -> None:
    decision = amending(registered(), {}, kind="DIS")
    assert decision.case is not None
    assert decision.case.sealed == SEALED
    assert decision.case.facts.dossier_version == 2
    assert [record.version for record in decision.state] == [2]
    outdated = replace(amendment(registered(), {}, kind="DIS"), dossier=dossier(CASE, 3))
    with pytest.raises(DossierOutdated):
        amend(registered(), outdated, moment())


def test_an_amendment_that_changes_nothing_is_no_event() -> None:
    decision = amending(registered(), {}, narrative="门前路灯不亮")
    assert (decision.events, decision.reply["version"]) == ((), 1)


@pytest.mark.parametrize(
    ("case", "told", "fields", "refusal"),
    [
        (accepted(), {"kind": "DIS"}, {"kind": "PET"}, Invalid),
        (replace(registered(), stage="refused"), {}, {"kind": "DIS"}, ForbiddenAction),
        (replace(registered(), stage="merged"), {}, {"kind": "DIS"}, ForbiddenAction),
        (registered(kind="REP"), {"kind": "REP"}, {"kind": "DIS"}, NotFound),
    ],
)
def test_what_stands_is_not_amended(
    case: Case, told: dict[str, Any], fields: dict[str, Any], refusal: type[Refusal]
) -> None:
    with pytest.raises(refusal):
        amending(case, told, **fields)


@pytest.mark.parametrize(("kind", "passes"), [("CON", True), ("REP", True), ("PET", False), (None, False)])
def test_a_child_stays_what_a_child_may_be(kind: str | None, passes: bool) -> None:
    child = registered(kind="DIS").with_facts(parent=OTHER)
    if passes:
        assert kept(amending(child, {"kind": "DIS"}, kind=kind)).facts.kind == kind
        return
    with pytest.raises(Invalid) as refused:
        amending(child, {"kind": "DIS"}, kind=kind)
    assert [(fault.pointer, fault.code) for fault in refused.value.errors] == [("/kind", "not_for_child")]


def test_an_accusation_stays_one() -> None:
    with pytest.raises(Invalid):
        amending(registered(kind="REP"), {"kind": "REP"}, "sealed_officer", kind="DIS")


def test_what_turns_out_to_be_an_accusation_is_told_as_such_alone() -> None:
    decision = amending(registered(), {}, kind="REP", narrative="他拿刀，收红包")
    (event,) = decision.events
    assert isinstance(event, CaseAmended)
    assert (event.case.kind, event.changed, event.deadlines, event.case.flags) == ("REP", (), (), ())


def test_the_notes_of_two_acts_of_one_batch_are_both_kept() -> None:
    first, second = note(), note()
    case = registered().noted(first).noted(second).noted(None)
    assert case.notes == (first, second)
