"""Planning: which event makes which message, to whom, with which date."""

from dataclasses import replace
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from libs.events.intake import CaseForwarded, CaseMerged, CaseRefused
from libs.events.mediation import (
    AgreementReached,
    CaseClosed,
    CaseOpened,
    ConsentRequested,
    MediationEnded,
    ReplyIssued,
    SessionScheduled,
)
from services.notify.domain.planning import Trigger, assess, plan, text
from services.notify.domain.rules import Rules
from tests.unit.notify.correspondence import (
    CASE,
    DISTRICT,
    NOON,
    SHANGHAI,
    case_facts,
    correspondence,
    due,
    facts,
    occasion,
    planned,
    registered,
    taken_up,
)

COMMON: dict[str, Any] = {"case_id": CASE, "district": DISTRICT}
MEDIATION: dict[str, Any] = COMMON | {"state": "in_mediation", "track": "MEDIATION"}


def consent(party: str) -> ConsentRequested:
    return ConsentRequested(**MEDIATION, party=party, deadlines=(due("PROD-CONSENT", date(2026, 3, 27)),))


def session(*parties: str) -> SessionScheduled:
    return SessionScheduled(
        **MEDIATION,
        session_id=UUID(int=3),
        starts_at=datetime(2026, 3, 25, 14, 30, tzinfo=SHANGHAI),
        mode="clinic",
        parties=parties,
    )


def agreement() -> AgreementReached:
    return AgreementReached(
        **MEDIATION, form="written", partial=False, effective_on=date(2026, 3, 25), performance_items=0
    )


def ended() -> MediationEnded:
    return MediationEnded(**MEDIATION, reason_code="REFUSED_BY_PARTY", routes_told=("R2",))


def closed(result: str) -> CaseClosed:
    return CaseClosed(**MEDIATION, result=result)


def opened(**case: Any) -> CaseOpened:
    return CaseOpened(
        **COMMON,
        state="handling",
        track="PETITION",
        case=case_facts(kind="PET", track="PETITION", **case),
        deadlines=(due("PET-FINISH", date(2026, 5, 19)),),
    )


def refused() -> CaseRefused:
    return CaseRefused(
        **COMMON, case=case_facts(), reason_code="OUT_OF_SCOPE", directed_to=None, with_registration=True
    )


def forwarded() -> CaseForwarded:
    return CaseForwarded(
        **COMMON,
        case=case_facts(),
        reason_code=None,
        directed_to="CONSUMER",
        with_registration=True,
        deadlines=(due("CONS-ACCEPT", date(2026, 3, 31)),),
    )


def merged() -> CaseMerged:
    return CaseMerged(
        **COMMON,
        case=case_facts(),
        into=UUID(int=8),
        into_query_code="F2RSTCDE",
        reason_code="REPEAT_IN_HANDLING",
        with_registration=True,
    )


def replied() -> ReplyIssued:
    told = COMMON | {"state": "replied", "track": "PETITION"}
    return ReplyIssued(**told, written=True, issued_on=date(2026, 3, 20), lawful_route="R6")


def told(event: Trigger, rules: Rules, **case: Any) -> list[tuple[str, str]]:
    return [(m.template, m.party) for m in plan(correspondence(**case), occasion(event), rules)]


@pytest.mark.parametrize(
    ("event", "messages"),
    [
        (registered(), ["N01"]),
        (registered(decided="accept"), ["N01"]),
        (registered(decided="refuse"), ["N01"]),
        (registered(decided="forward"), ["N01"]),
        (registered(decided="merge"), []),
        (refused(), ["N03"]),
        (forwarded(), ["N04"]),
        (merged(), ["N05"]),
        (taken_up(), ["N07"]),
        (consent("applicant"), ["N08"]),
        (session("applicant", "respondent"), ["N09"]),
        (agreement(), ["N12"]),
        (ended(), ["N15"]),
        (closed("AGREED"), ["N17"]),
        (closed("REFUSED"), []),
        (closed("FINAL"), []),
    ],
    ids=lambda value: value.TYPE if hasattr(value, "TYPE") else "-".join(value) or "nothing",
)
def test_which_event_makes_which_message(rules: Rules, event: Trigger, messages: list[str]) -> None:
    assert told(event, rules) == [(name, "applicant") for name in messages]


def test_the_acceptance_of_the_registration_itself_is_not_told_again(rules: Rules) -> None:
    petition = {"facts": facts(kind="PET", track="PETITION")}
    assert told(opened(accepted_at=NOON), rules, **petition) == []
    assert told(opened(accepted_at=NOON + timedelta(hours=2)), rules, **petition) == [("N02", "applicant")]


@pytest.mark.parametrize(("route", "messages"), [("R6", ["N16"]), ("R5", []), (None, [])])
def test_only_the_answer_to_a_petition_proper_is_told(
    rules: Rules, route: str | None, messages: list[str]
) -> None:
    petition = facts(kind="PET", track="PETITION", lawful_route=route)
    assert [name for name, _ in told(replied(), rules, facts=petition)] == messages


def test_a_merged_case_is_told_under_the_number_of_the_first(rules: Rules) -> None:
    case = correspondence(facts=facts())
    (message,) = plan(case, occasion(merged()), rules)
    assert "F2RSTCDE" in text(case, message, rules)
    assert "K7M2P9QX" not in text(case, message, rules)


def test_a_respondent_hears_only_after_it_agreed_to_take_part(rules: Rules) -> None:
    for event in (session("applicant", "respondent"), agreement(), ended()):
        assert [party for _, party in told(event, rules)] == ["applicant"]
        agreed = told(event, rules, respondent_agreed=True)
        assert [party for _, party in agreed] == ["applicant", "respondent"]


def test_a_session_concerns_only_the_parties_it_is_for(rules: Rules) -> None:
    assert told(session("respondent"), rules, respondent_agreed=True) == [("N09", "respondent")]


def test_the_respondent_is_asked_by_a_text_of_its_own(rules: Rules) -> None:
    assert told(consent("respondent"), rules) == [("N20", "respondent")]


def test_a_respondents_number_is_not_known_here_so_a_person_calls(rules: Rules) -> None:
    (message,) = plan(correspondence(), occasion(consent("respondent")), rules)
    assert (message.state, message.reason) == ("suppressed", "NO_PHONE")


def test_a_template_is_meant_for_its_tracks_alone(rules: Rules) -> None:
    support = {"facts": facts(kind="PSY", track="SUPPORT")}
    assert told(closed("DONE"), rules, **support) == [("N17", "applicant")]
    assert told(CaseClosed(**COMMON, state="closed", track="SUPPORT", result="DONE"), rules, **support) == []


def test_a_case_whose_kind_is_still_open_is_told_of_its_registration(rules: Rules) -> None:
    undecided = facts(kind=None, track=None)
    assert told(registered(case=case_facts(kind=None, track=None)), rules, facts=undecided) == [
        ("N01", "applicant")
    ]


def test_a_sealed_case_leaves_a_record_that_nothing_was_sent(rules: Rules) -> None:
    (message,) = plan(correspondence(facts=facts(kind="REP", track="SEALED")), occasion(registered()), rules)
    assert (message.state, message.reason) == ("suppressed", "SEALED")


@pytest.mark.parametrize(
    ("event", "words"),
    [
        (registered(), "您反映的事项已登记，编号K7M2P9QX。我们将在3月23日前告知"),
        (taken_up(), "工作人员将在3月23日前电话联系您"),
        (consent("applicant"), "请在3月27日前拨0000-5550000答复"),
        (session("applicant"), "编号K7M2P9QX事项安排于3月25日14时30分面谈"),
        (agreement(), "编号K7M2P9QX事项已形成一致意见"),
        (ended(), "未能达成一致。其他依法途径可拨0000-5550000咨询"),
        (closed("AGREED"), "请回复1满意2基本满意3不满意"),
    ],
    ids=lambda value: getattr(value, "TYPE", ""),
)
def test_the_texts_say_what_happened(rules: Rules, event: Trigger, words: str) -> None:
    case, message = planned(rules, event)
    said = text(case, message, rules)
    assert words in said
    assert len(said) <= 70


def test_a_message_before_intakes_event_waits_for_the_facts(rules: Rules) -> None:
    (message,) = plan(correspondence(facts=None), occasion(taken_up()), rules)
    assert (message.template, message.state, message.reason) == ("N07", "deferred", "FACTS")
    known = correspondence()
    assert assess(known, message, rules, NOON).state == "planned"


def test_a_text_without_its_date_is_a_call_for_a_person(rules: Rules) -> None:
    _, message = planned(rules, taken_up(deadlines=()))
    assert (message.state, message.reason) == ("failed", "MISSING_VALUE")


def test_older_facts_never_replace_newer_ones() -> None:
    case = correspondence(facts=facts(version=3, flags=("VIOLENCE",)))
    assert case.knowing(facts(version=0)).facts == case.facts
    assert case.knowing(facts(version=3)).facts == case.facts
    assert case.knowing(facts(version=4)).facts == facts(version=4)


def test_a_message_that_waited_too_long_is_not_sent_any_more(rules: Rules) -> None:
    case, message = planned(rules, contact=None)
    late = NOON + rules.practice.send_within + timedelta(seconds=1)
    known = replace(case, contact=correspondence().contact)
    assert assess(known, message, rules, late).reason == "TOO_LATE"
