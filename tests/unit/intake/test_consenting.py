"""Consents on record: what was given and taken back, when, by whose hand, by which words."""

import json
from dataclasses import replace
from datetime import timedelta

from services.intake.domain.case import Case, Consent, detail
from services.intake.domain.consenting import ASKED, changed_consents
from tests.unit.intake.build import DATA, NOW, known, moment, registered

LATER = NOW + timedelta(days=1)


def changed(case: Case, **facts: bool) -> Case:
    """The case after an amendment that changes these consents."""
    after = case.with_facts(**facts)
    new = changed_consents(after.facts, case.facts, known(), moment(now=LATER))
    return replace(after, consents=(*case.consents, *new))


def test_silence_is_no_consent() -> None:
    assert registered().consents == ()


def test_what_was_given_at_registration_is_on_record() -> None:
    case = registered(consents={"sms": True})
    wording = known().wordings["sms"]
    assert case.consents == (Consent("sms", True, NOW, "staff:somebody", wording),)


def test_what_is_taken_back_stays_beside_what_was_given() -> None:
    case = changed(registered(consents={"sms": True, "share_with_partner": True}), share_with_partner=False)
    told = [(one["code"], one["given"], one["at"]) for one in detail(case)["consent_history"]]
    assert told == [
        ("share_with_partner", True, "2026-03-02T10:00:00+08:00"),
        ("sms", True, "2026-03-02T10:00:00+08:00"),
        ("share_with_partner", False, "2026-03-03T10:00:00+08:00"),
    ]


def test_nothing_changed_is_nothing_on_record() -> None:
    case = registered(consents={"sms": True})
    assert changed(case).consents == case.consents


def test_each_consent_has_words_in_both_languages() -> None:
    rows = json.loads((DATA / "consents.json").read_text("utf-8"))["consents"]
    assert {row["code"] for row in rows} == set(ASKED)
    assert all(row["zh"] and row["en"] and row["version"] for row in rows)
