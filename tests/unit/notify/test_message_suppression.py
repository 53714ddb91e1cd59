"""Suppression: each reason by itself, the order between them, and what is asked again when more is known."""

from dataclasses import replace
from datetime import datetime, time, timedelta
from typing import Any

import pytest

from services.notify.domain.case import Attempt, Correspondence
from services.notify.domain.planning import assess, plan
from services.notify.domain.rules import QuietHours, Rules
from services.notify.domain.suppression import REASONS, suppression
from services.notify.domain.texts import LOCAL
from tests.unit.notify.correspondence import (
    NOON,
    REACHABLE,
    SHANGHAI,
    correspondence,
    facts,
    ids,
    occasion,
    planned,
    registered,
    taken_up,
)


@pytest.mark.parametrize(
    ("case", "reason"),
    [
        ({"facts": facts(flags=("SELF_HARM",))}, "RISK"),
        ({"facts": facts(flags=("VIOLENCE",))}, "RISK"),
        ({"facts": facts(flags=("MINOR_AT_RISK",))}, "RISK"),
        ({"facts": facts(flags=("MASS_EVENT",))}, "RISK"),
        ({"facts": facts(flags=("VULNERABLE", "COLLECTIVE", "CONFIDENTIAL"))}, None),
        ({"facts": facts(sms_consent=False)}, "NO_CONSENT"),
        ({"contact": replace(REACHABLE, safe=False)}, "UNSAFE_CONTACT"),
        ({"facts": facts(anonymous=True)}, "ANONYMOUS"),
        ({"contact": replace(REACHABLE, reachable=False)}, "NO_PHONE"),
        ({"facts": facts(kind="REP", track="SEALED")}, "SEALED"),
        ({}, None),
    ],
)
def test_each_reason_by_itself(rules: Rules, case: dict[str, Any], reason: str | None) -> None:
    whole, message = planned(rules, **case)
    assert suppression(whole, message, rules, NOON) == reason
    assert (message.state, message.reason) == (("suppressed", reason) if reason else ("planned", None))


def test_the_first_reason_in_the_order_of_the_data_is_recorded(rules: Rules) -> None:
    everything: dict[str, Any] = {
        "facts": facts(flags=("VIOLENCE",), sms_consent=False, anonymous=True, kind="REP", track="SEALED"),
        "contact": replace(REACHABLE, safe=False, reachable=False),
    }
    assert planned(rules, **everything)[1].reason == "SEALED"
    in_danger = everything | {"facts": facts(flags=("VIOLENCE",), sms_consent=False, anonymous=True)}
    assert planned(rules, **in_danger)[1].reason == "RISK"
    without_risk = everything | {"facts": facts(sms_consent=False, anonymous=True)}
    assert planned(rules, **without_risk)[1].reason == "NO_CONSENT"


def test_every_reason_of_the_data_has_its_rule(rules: Rules) -> None:
    assert set(rules.suppress_order) == set(REASONS)


def test_the_stop_word_stops_all_but_what_the_law_asks_for(rules: Rules) -> None:
    opted_out = replace(REACHABLE, opted_out=True)
    assert planned(rules, taken_up(), contact=opted_out)[1].reason == "OPTED_OUT"
    assert planned(rules, registered(), contact=opted_out)[1].state == "planned"


def test_a_template_that_was_not_filed_is_kept_from_a_real_provider(
    rules: Rules, carrier_rules: Rules
) -> None:
    assert planned(carrier_rules)[1].reason == "TEMPLATE_NOT_APPROVED"
    assert planned(rules)[1].state == "planned"


def test_a_second_message_for_the_same_version_of_the_event_is_a_duplicate(rules: Rules) -> None:
    case, first = planned(rules)
    (again,) = plan(case, replace(occasion(registered()), new_id=ids(999)), rules)
    assert (first.state, again.state, again.reason) == ("planned", "suppressed", "DUPLICATE")
    assert assess(case.with_message(again), first, rules, NOON).state == "planned"


def test_the_same_event_in_another_version_is_no_duplicate(rules: Rules) -> None:
    case, _ = planned(rules, taken_up())
    (again,) = plan(case, occasion(taken_up(), version=5), rules)
    assert again.state == "planned"


def test_without_a_contact_the_facts_are_judged_and_the_rest_waits(rules: Rules) -> None:
    assert planned(rules, contact=None, facts=facts(anonymous=True))[1].reason == "ANONYMOUS"
    waiting = planned(rules, contact=None)[1]
    assert (waiting.state, waiting.reason, waiting.not_before) == ("deferred", "CONTACT", None)


def test_a_contact_older_than_the_facts_is_waited_for(rules: Rules) -> None:
    case, message = planned(rules, facts=facts(dossier_version=3))
    assert (message.state, message.reason) == ("deferred", "CONTACT")
    newer = replace(case, contact=replace(REACHABLE, version=3, safe=False))
    assert assess(newer, message, rules, NOON).reason == "UNSAFE_CONTACT"


def test_a_flag_raised_after_the_plan_stops_the_message_before_the_call(rules: Rules) -> None:
    case, message = planned(rules)
    raised = case.knowing(facts(version=2, flags=("VIOLENCE",)))
    assert assess(raised, message, rules, NOON).reason == "RISK"


def test_an_erased_case_is_not_written_to(rules: Rules) -> None:
    case, message = planned(rules)
    erased = replace(case, contact=replace(REACHABLE, version=2, erased=True))
    assert (assess(erased, message, rules, NOON).state) == "expired"


def sent_today(case: Correspondence, rules: Rules, number: int, at: datetime) -> Correspondence:
    for version in range(2, 2 + number):
        (message,) = plan(case, occasion(taken_up(), version), rules)
        out = replace(message.to("sent", at), attempts=1, attempt=Attempt(1, at))
        case = case.with_message(out)
    return case


def test_the_daily_cap_counts_what_went_out_today(strict_rules: Rules) -> None:
    full = sent_today(correspondence(), strict_rules, 3, NOON)
    (capped,) = plan(full, occasion(taken_up(), version=9), strict_rules)
    assert capped.reason == "DAILY_CAP"
    (statutory,) = plan(full, occasion(registered()), strict_rules)
    assert statutory.state == "planned"


def test_yesterdays_messages_do_not_count_towards_the_cap(strict_rules: Rules) -> None:
    full = sent_today(correspondence(), strict_rules, 3, NOON - timedelta(days=1))
    (message,) = plan(full, occasion(taken_up(), version=9), strict_rules)
    assert message.state == "planned"


def test_the_cap_is_off_in_demo(rules: Rules) -> None:
    full = sent_today(correspondence(), rules, 9, NOON)
    assert plan(full, occasion(taken_up(), version=99), rules)[0].state == "planned"


@pytest.mark.parametrize(
    ("hour", "minute", "until"),
    [
        (20, 59, None),
        (21, 0, datetime(2026, 3, 21, 8, 0, tzinfo=LOCAL)),
        (23, 59, datetime(2026, 3, 21, 8, 0, tzinfo=LOCAL)),
        (0, 0, datetime(2026, 3, 20, 8, 0, tzinfo=LOCAL)),
        (7, 59, datetime(2026, 3, 20, 8, 0, tzinfo=LOCAL)),
        (8, 0, None),
    ],
)
def test_the_quiet_hours_end_in_the_morning(
    strict_rules: Rules, hour: int, minute: int, until: datetime | None
) -> None:
    assert strict_rules.quiet_hours is not None
    now = datetime(2026, 3, 20, hour, minute, tzinfo=SHANGHAI)
    assert strict_rules.quiet_hours.until(now) == until


def test_quiet_hours_within_a_day_are_understood_too() -> None:
    siesta = QuietHours(time(12), time(14))
    assert siesta.until(NOON) == datetime(2026, 3, 20, 14, tzinfo=LOCAL)
    assert siesta.until(NOON + timedelta(hours=2)) is None


def test_a_message_of_the_night_waits_for_the_morning_and_goes_then(strict_rules: Rules) -> None:
    night = datetime(2026, 3, 20, 22, 0, tzinfo=SHANGHAI)
    case = correspondence()
    (message,) = plan(case, occasion(registered(), now=night), strict_rules)
    morning = datetime(2026, 3, 21, 8, 0, tzinfo=SHANGHAI)
    assert (message.state, message.reason, message.not_before) == ("deferred", "QUIET_HOURS", morning)
    assert assess(case, message, strict_rules, morning - timedelta(seconds=1)).state == "deferred"
    assert assess(case, message, strict_rules, morning).state == "planned"
