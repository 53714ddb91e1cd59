"""The life of a message: claimed, called, settled, confirmed; each crash and each late word has its place."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from services.notify.domain.case import Correspondence, Message, State
from services.notify.domain.planning import assess, plan
from services.notify.domain.rules import Rules
from services.notify.domain.sending import (
    Answer,
    Receipt,
    Result,
    claim,
    overdue,
    receive,
    resent,
    settle,
)
from tests.unit.notify.correspondence import NOON, REACHABLE, facts, occasion, planned, registered, taken_up

ACCEPTED = Answer(Result.ACCEPTED, "202")
RETRYABLE = Answer(Result.RETRYABLE, "503")
LOST = Answer(Result.INDETERMINATE, "timeout")


def claimed(rules: Rules, **case: Any) -> tuple[Correspondence, Message]:
    whole, message = planned(rules, **case)
    sending = claim(whole, message, 1, rules, NOON)
    assert sending.state == "sending"
    return whole.with_message(sending), sending


def in_state(rules: Rules, state: State) -> Message:
    return replace(claimed(rules)[1], state=state)


def test_a_claim_makes_an_attempt_before_the_call(rules: Rules) -> None:
    _, message = claimed(rules)
    assert (message.attempts, message.allowed) == (1, 3)
    assert message.attempt is not None
    assert (message.attempt.number, message.attempt.at, message.attempt.outcome) == (1, NOON, None)


def test_what_was_claimed_is_not_claimed_again(rules: Rules) -> None:
    case, message = claimed(rules)
    assert claim(case, message, 1, rules, NOON) is message


def test_one_call_per_case_at_a_time(rules: Rules) -> None:
    case, first = claimed(rules)
    (second,) = plan(case, occasion(taken_up()), rules)
    case = case.with_message(second)
    assert claim(case, second, 1, rules, NOON).state == "planned"
    done = case.with_message(settle(first, 1, ACCEPTED, rules, NOON))
    assert claim(done, second, 1, rules, NOON).state == "sending"


def test_a_number_that_changed_meanwhile_is_not_written_to(rules: Rules) -> None:
    case, message = planned(rules)
    changed = replace(case, contact=replace(REACHABLE, version=2))
    assert claim(changed, message, 1, rules, NOON).state == "planned"
    assert claim(changed, message, 2, rules, NOON).state == "sending"


def test_the_reasons_against_sending_are_asked_again_at_the_claim(rules: Rules) -> None:
    case, message = planned(rules)
    raised = case.knowing(facts(version=2, flags=("SELF_HARM",)))
    assert claim(raised, message, 1, rules, NOON).reason == "RISK"


def test_accepted_is_sent(rules: Rules) -> None:
    _, message = claimed(rules)
    sent = settle(message, 1, ACCEPTED, rules, NOON)
    assert sent.state == "sent"
    assert sent.attempt is not None
    assert (sent.attempt.outcome, sent.attempt.code, sent.attempt.ended_at) == ("accepted", "202", NOON)


def test_rejected_is_failed_at_once(rules: Rules) -> None:
    failed = settle(claimed(rules)[1], 1, Answer(Result.REJECTED, "400"), rules, NOON)
    assert (failed.state, failed.reason) == ("failed", "REJECTED")


def test_two_retries_with_growing_pauses_then_a_person_calls(rules: Rules) -> None:
    case, message = planned(rules)
    now, pauses = NOON, []
    for number in (1, 2, 3):
        sending = claim(case, message, 1, rules, now)
        assert (sending.state, sending.attempts) == ("sending", number)
        message = settle(sending, number, RETRYABLE, rules, now)
        if message.not_before is not None:
            pauses.append(message.not_before - now)
            assert claim(case, message, 1, rules, message.not_before - timedelta(seconds=1)) == message
            now = message.not_before
    assert pauses == [timedelta(seconds=5), timedelta(seconds=60)]
    assert (message.state, message.reason) == ("failed", "RETRIES")


@pytest.mark.parametrize("result", [Result.THROTTLED, Result.REFUSED_US, Result.UNREACHABLE])
def test_what_is_not_the_messages_fault_burns_no_attempt(rules: Rules, result: Result) -> None:
    _, message = claimed(rules)
    put_off = settle(message, 1, Answer(result, "x", timedelta(seconds=9)), rules, NOON)
    assert (put_off.state, put_off.reason) == ("deferred", "RETRY")
    assert put_off.not_before == NOON + timedelta(seconds=9)
    assert put_off.allowed - put_off.attempts == message.allowed - message.attempts + 1


def test_an_unknown_fate_is_not_sent_again(rules: Rules) -> None:
    case, message = claimed(rules)
    lost = settle(message, 1, LOST, rules, NOON)
    assert lost.state == "indeterminate"
    assert claim(case.with_message(lost), lost, 1, rules, NOON + timedelta(hours=1)) is lost


def test_a_lost_call_is_indeterminate_then_failed_after_ten_minutes(rules: Rules) -> None:
    _, message = claimed(rules)
    assert overdue(message, rules, NOON + timedelta(seconds=30)) is message
    found = NOON + timedelta(seconds=31)
    lost = overdue(message, rules, found)
    assert lost.state == "indeterminate"
    assert overdue(lost, rules, found + timedelta(minutes=10)) is lost
    failed = overdue(lost, rules, found + timedelta(minutes=10, seconds=1))
    assert (failed.state, failed.reason) == ("failed", "INDETERMINATE")


def test_a_receipt_reconciles_a_lost_call(rules: Rules) -> None:
    lost = settle(claimed(rules)[1], 1, LOST, rules, NOON)
    assert receive(lost, Receipt.DELIVERED, NOON).state == "delivered"


def test_an_outcome_that_comes_after_the_restart_still_counts(rules: Rules) -> None:
    lost = overdue(claimed(rules)[1], rules, NOON + timedelta(minutes=1))
    assert settle(lost, 1, ACCEPTED, rules, NOON).state == "sent"


def test_an_outcome_counts_once_and_only_for_its_attempt(rules: Rules) -> None:
    _, message = claimed(rules)
    assert settle(message, 2, ACCEPTED, rules, NOON) is message
    lost = settle(message, 1, LOST, rules, NOON)
    assert settle(lost, 1, ACCEPTED, rules, NOON) is lost


def test_a_receipt_may_be_faster_than_the_answer(rules: Rules) -> None:
    _, message = claimed(rules)
    delivered = receive(message, Receipt.DELIVERED, NOON)
    assert delivered.state == "delivered"
    settled = settle(delivered, 1, ACCEPTED, rules, NOON)
    assert settled.state == "delivered"
    assert settled.attempt is not None
    assert settled.attempt.outcome == "accepted"


@pytest.mark.parametrize(
    ("before", "receipt", "after"),
    [
        ("sending", Receipt.UNDER_WAY, "sent"),
        ("sent", Receipt.UNDER_WAY, "sent"),
        ("sent", Receipt.DELIVERED, "delivered"),
        ("sent", Receipt.UNDELIVERED, "failed"),
        ("indeterminate", Receipt.UNDELIVERED, "failed"),
        ("delivered", Receipt.DELIVERED, "delivered"),
        ("delivered", Receipt.UNDELIVERED, "delivered"),
        ("failed", Receipt.DELIVERED, "failed"),
        ("expired", Receipt.DELIVERED, "expired"),
        ("suppressed", Receipt.DELIVERED, "suppressed"),
        ("planned", Receipt.DELIVERED, "planned"),
        ("deferred", Receipt.UNDELIVERED, "deferred"),
    ],
)
def test_the_first_final_word_stands(rules: Rules, before: State, receipt: Receipt, after: State) -> None:
    assert receive(in_state(rules, before), receipt, NOON).state == after


def test_a_message_without_receipt_expires_after_three_days(rules: Rules) -> None:
    sent = settle(claimed(rules)[1], 1, ACCEPTED, rules, NOON)
    assert overdue(sent, rules, NOON + timedelta(hours=72)) is sent
    assert overdue(sent, rules, NOON + timedelta(hours=72, seconds=1)).reason == "NO_RECEIPT"


def test_a_message_whose_contact_never_comes_does_not_wait_in_silence(rules: Rules) -> None:
    _, waiting = planned(rules, contact=None)
    assert overdue(waiting, rules, NOON + timedelta(hours=24)) is waiting
    assert overdue(waiting, rules, NOON + timedelta(hours=24, seconds=1)).reason == "TOO_LATE"


def test_a_message_sent_again_by_a_person_has_all_its_attempts(rules: Rules) -> None:
    case, message = planned(rules, registered())
    failed = replace(message, state="failed", attempts=3, reason="RETRIES")
    again = resent(failed, rules, NOON + timedelta(days=2))
    assert (again.state, again.allowed - again.attempts) == ("planned", 3)
    assert assess(case, again, rules, NOON + timedelta(days=2)).state == "planned"
