"""What people do to a case besides deciding it."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from libs.events.intake import CaseFlagsChanged, CaseReleased, CaseReminded
from libs.web.errors import Forbidden, ForbiddenAction, Invalid, NotFound
from services.intake.domain.case import Case
from services.intake.domain.flagging import (
    ChangeFlags,
    DossierOutdated,
    LetGo,
    Look,
    Remind,
    change_flags,
    look,
    release,
    remind,
)
from tests.unit.intake.build import NOW, accepted, dossier, kept, known, moment, note, registered

ROLES = ("operator", "dispatcher", "supervisor", "duty_officer")


def change(add: tuple[str, ...] = (), remove: tuple[str, ...] = (), **others: Any) -> ChangeFlags:
    return ChangeFlags(known(), add, remove, others.get("note", note()), others.get("dossier", dossier()))


def test_a_raised_flag_raises_the_urgency_and_starts_its_clocks() -> None:
    later = NOW + timedelta(minutes=2)
    decision = change_flags(registered(), change(("SELF_HARM",)), moment(now=later))
    (event,) = decision.events
    assert isinstance(event, CaseFlagsChanged)
    assert (event.added, event.case.flags, event.case.urgency) == (("SELF_HARM",), ("SELF_HARM",), "RED")
    due = {deadline.rule: deadline.due_at for deadline in event.deadlines}
    assert due == {
        "RISK-CRISIS-NOW": later,
        "PROD-TRIAGE-RED": NOW + timedelta(hours=1),
        "RISK-CRISIS-CALLBACK": later + timedelta(hours=1),
    }


def test_a_triage_term_that_receipt_has_used_up_runs_from_the_raise() -> None:
    later = NOW + timedelta(hours=5)
    case = kept(change_flags(registered(), change(("VIOLENCE",)), moment(now=later)))
    assert case.deadlines["PROD-TRIAGE-RED"].due_at == later + timedelta(hours=1)
    assert case.deadlines["PROD-TRIAGE-BLUE"].status == "ended"


def test_lowering_the_flag_brings_the_urgency_of_the_words_back() -> None:
    case = registered(narrative="他拿刀，我受伤了")
    decision = change_flags(case, change(remove=("VIOLENCE",)), moment("supervisor"))
    case = kept(decision)
    assert (case.facts.flags, case.facts.urgency) == ((), "YELLOW")
    assert case.deadlines["RISK-VIOLENCE"].status == "ended"
    assert case.deadlines["PROD-TRIAGE-RED"].status == "ended"
    assert case.deadlines["PROD-TRIAGE-YELLOW"].open


def test_a_triage_clock_starts_again_when_its_urgency_comes_back() -> None:
    case = kept(change_flags(registered(), change(("VIOLENCE",)), moment()))
    case = kept(change_flags(case, change(remove=("VIOLENCE",)), moment("supervisor")))
    assert case.deadlines["PROD-TRIAGE-BLUE"].open


def test_the_clocks_of_a_flag_that_stays_run_on() -> None:
    case = registered(narrative="他拿刀")
    before = case.deadlines["RISK-VIOLENCE"]
    case = kept(change_flags(case, change(("MASS_EVENT",)), moment(now=NOW + timedelta(minutes=5))))
    assert case.deadlines["RISK-VIOLENCE"] == before


def test_after_the_ruling_no_triage_clock_starts() -> None:
    case = kept(change_flags(accepted(), change(("VULNERABLE",)), moment()))
    assert [rule for rule, deadline in case.deadlines.items() if deadline.open] == []


@pytest.mark.parametrize("role", ["operator", "dispatcher"])
def test_only_a_supervisor_lowers_a_flag(role: str) -> None:
    with pytest.raises(Forbidden):
        change_flags(registered(flags=["COLLECTIVE"]), change(remove=("COLLECTIVE",)), moment(role))


@pytest.mark.parametrize(
    ("add", "remove", "with_note", "at", "code"),
    [
        ((), (), True, "", "nothing_to_do"),
        (("BRAVE",), (), True, "/add/0", "unknown_code"),
        ((), ("BRAVE",), True, "/remove/0", "unknown_code"),
        ((), ("VIOLENCE",), True, "/remove/0", "not_raised"),
        (("COLLECTIVE",), ("COLLECTIVE",), True, "/remove/0", "not_raised"),
        ((), ("COLLECTIVE",), False, "/reason", "required"),
    ],
)
def test_a_change_that_makes_no_sense_is_refused(
    add: tuple[str, ...], remove: tuple[str, ...], with_note: bool, at: str, code: str
) -> None:
    asked = change(add, remove, note=note() if with_note else None)
    with pytest.raises(Invalid) as refused:
        change_flags(registered(flags=["COLLECTIVE"]), asked, moment("supervisor"))
    assert (at, code) in [(error.pointer, error.code) for error in refused.value.errors]


def test_a_flag_that_stands_already_changes_nothing() -> None:
    case = registered(flags=["COLLECTIVE"])
    decision = change_flags(case, change(("COLLECTIVE",)), moment())
    assert decision.case is case
    assert decision.events == ()
    assert decision.reply["version"] == 1


def test_a_danger_in_a_matter_that_another_body_has_is_the_centres_too() -> None:
    case = kept(change_flags(replace(registered(), stage="forwarded"), change(("SELF_HARM",)), moment()))
    assert case.facts.flags == ("SELF_HARM",)
    assert case.deadlines["RISK-CRISIS-NOW"].open


@pytest.mark.parametrize(
    "act",
    [
        lambda case: change_flags(case, change(("COLLECTIVE",)), moment()),
        lambda case: remind(case, Remind(new_facts=True, note=note()), moment()),
        lambda case: release(case, LetGo(known(), note()), moment("supervisor")),
    ],
    ids=["flags", "remind", "release"],
)
def test_what_comes_after_a_case_was_closed_is_a_matter_of_its_own(act: Any) -> None:
    with pytest.raises(ForbiddenAction) as refused:
        act(replace(accepted(narrative="他拿刀"), closed_at=NOW))
    assert refused.value.extra["state"] == "closed"


@pytest.mark.parametrize("stage", ["refused", "merged", "withdrawn"])
def test_a_finished_case_takes_no_flag(stage: Any) -> None:
    with pytest.raises(ForbiddenAction):
        change_flags(replace(registered(), stage=stage), change(("COLLECTIVE",)), moment())


def test_secrecy_comes_with_the_next_dossier() -> None:
    decision = change_flags(registered(), change(("CONFIDENTIAL",)), moment())
    assert [record.version for record in decision.state] == [2]
    assert kept(decision).facts.dossier_version == 2


def test_another_flag_leaves_the_dossier_as_it_is() -> None:
    decision = change_flags(registered(), change(("VULNERABLE",)), moment())
    assert decision.state == []
    assert kept(decision).facts.dossier_version == 1


@pytest.mark.parametrize("sealed", [None, dossier(version=1), dossier(version=3)])
def test_a_dossier_of_another_state_is_not_taken(sealed: Any) -> None:
    with pytest.raises(DossierOutdated):
        change_flags(registered(), change(("CONFIDENTIAL",), dossier=sealed), moment())


def test_the_flags_of_an_accusation_are_not_told() -> None:
    decision = change_flags(registered(kind="REP"), change(("VIOLENCE",)), moment("sealed_officer"))
    (event,) = decision.events
    assert isinstance(event, CaseFlagsChanged)
    assert (event.added, event.case.flags, event.deadlines) == ((), (), ())


def held() -> Case:
    return accepted(flags=["MASS_EVENT"])


@pytest.mark.parametrize("role", ["supervisor", "duty_officer"])
def test_a_person_releases_a_case_that_a_flag_holds(role: str) -> None:
    decision = release(held(), LetGo(known(), note()), moment(role))
    (event,) = decision.events
    assert isinstance(event, CaseReleased)
    assert event.case.released


@pytest.mark.parametrize("role", ["operator", "dispatcher"])
def test_nobody_else_does(role: str) -> None:
    with pytest.raises(Forbidden):
        release(held(), LetGo(known(), note()), moment(role))


@pytest.mark.parametrize(
    "case",
    [
        accepted(),
        accepted(flags=["VULNERABLE"]),
        held().with_facts(released=True),
        registered(flags=["MASS_EVENT"]),
    ],
)
def test_what_no_flag_holds_is_not_released(case: Case) -> None:
    with pytest.raises(ForbiddenAction):
        release(case, LetGo(known(), note()), moment("supervisor"))


def test_lowering_the_last_flag_that_holds_a_case_releases_it() -> None:
    decision = change_flags(held(), change(remove=("MASS_EVENT",)), moment("supervisor"))
    assert [event.TYPE for event in decision.events] == ["case.flags_changed", "case.released"]
    assert decision.reply["version"] == 3
    assert kept(decision).facts.released


def test_a_new_danger_takes_the_release_back() -> None:
    case = held().with_facts(released=True)
    case = kept(change_flags(case, change(("VIOLENCE",)), moment()))
    assert not case.facts.released


def test_a_harmless_flag_leaves_the_release() -> None:
    case = held().with_facts(released=True)
    assert kept(change_flags(case, change(("VULNERABLE",)), moment())).facts.released


@pytest.mark.parametrize("stage", ["registered", "accepted", "forwarded"])
def test_a_reminder_is_counted(stage: Any) -> None:
    case = replace(registered(), stage=stage, reminders=2)
    (event,) = remind(case, Remind(True, note()), moment()).events
    assert isinstance(event, CaseReminded)
    assert (event.count, event.new_facts, event.merged_from) == (3, True, None)


def test_a_reminder_of_a_merged_case_belongs_to_the_other() -> None:
    other = accepted().case_id
    case = replace(registered(), stage="merged", merged_into=other)
    with pytest.raises(ForbiddenAction) as refused:
        remind(case, Remind(False, None), moment())
    assert refused.value.extra["merged_into"] == str(other)


@pytest.mark.parametrize("role", ROLES)
def test_reading_leaves_a_record_of_who_read(role: str) -> None:
    decision = look(accepted(), Look(), moment(role))
    assert [entry.action for entry in decision.audit] == ["case.read"]
    assert decision.events == ()


@pytest.mark.parametrize("role", ["admin", "auditor", "sealed_officer", "partner_lead"])
def test_who_reads_no_case_finds_none(role: str) -> None:
    with pytest.raises(NotFound):
        look(accepted(), Look(), moment(role))


def test_unmasking_is_a_supervisors_and_its_purpose_is_kept() -> None:
    purpose = note("reveal")
    with pytest.raises(Forbidden):
        look(accepted(), Look(purpose), moment("dispatcher"))
    decision = look(accepted(), Look(purpose), moment("supervisor"))
    assert [(entry.action, dict(entry.detail)) for entry in decision.audit] == [
        ("case.revealed", {"purpose": str(purpose.note_id)})
    ]
    assert decision.case is not None
    assert decision.case.notes == (purpose,)
