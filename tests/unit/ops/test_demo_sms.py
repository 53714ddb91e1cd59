"""Which SMS of the gateway's ledger belongs to which case, and which are its first."""

from typing import Any

import pytest

from ops.demo.sms import UNKNOWN, Sms, received

PHONE = "13800000001"


def message(case_id: str, template: str, text: str, trigger: str = "case.registered") -> dict[str, Any]:
    return {
        "case_id": case_id,
        "template": template,
        "text": text,
        "trigger": trigger,
        "trigger_version": 1,
        "state": "delivered",
    }


def entry(text: str, phone: str = PHONE) -> dict[str, Any]:
    return {"id": "1", "at": "2026-03-04T04:00:00.000+00:00", "to": f"+86{phone}", "text": text}


def test_entries_keep_the_order_of_the_ledger_and_get_the_names_of_their_messages() -> None:
    messages = [message("a", "N01", "登记"), message("b", "N01", "登记二"), message("a", "N07", "接手")]
    found = received(messages, [entry("接手"), entry("登记"), entry("登记二")])
    assert [(sms.case_id, sms.template) for sms in found] == [("a", "N07"), ("a", "N01"), ("b", "N01")]


def test_second_sms_with_the_words_of_one_message_is_accounted_for_by_nobody() -> None:
    found = received([message("a", "N01", "登记")], [entry("登记"), entry("登记")])
    assert [sms.template for sms in found] == ["N01", UNKNOWN]
    assert all(sms.concerns("a", PHONE) for sms in found)


def test_sms_of_another_case_on_the_same_phone_is_not_this_ones() -> None:
    [sms] = received([message("a", "N01", "登记")], [entry("登记")])
    assert not sms.concerns("b", PHONE)


@pytest.mark.parametrize("phone", ["13800000002", None])
def test_sms_that_nobody_accounts_for_belongs_to_whoever_got_it(phone: str | None) -> None:
    [sms] = received([], [entry("?")])
    assert sms.concerns("a", PHONE)
    assert not sms.concerns("a", phone)


@pytest.mark.parametrize(
    ("trigger", "version", "first"),
    [
        ("case.registered", 2, True),
        ("case.flags_changed", 3, False),
        ("case.taken_up", 4, True),
        ("consent.requested", 5, False),
        (None, 0, True),
    ],
)
def test_first_messages_are_those_that_events_up_to_the_mark_triggered(
    trigger: str | None, version: int, first: bool
) -> None:
    sms = Sms("", PHONE, "", trigger=trigger, trigger_version=version)
    assert sms.among_first(intake=2, mediation=4) is first
