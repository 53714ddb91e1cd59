"""Replies: a digit rates, T stops, everything else reaches a person."""

from dataclasses import replace
from datetime import timedelta
from uuid import UUID

import pytest

from services.notify.domain.case import Message
from services.notify.domain.replies import asking, meaning
from services.notify.domain.rules import Rules
from tests.unit.notify.correspondence import NOON, planned


@pytest.mark.parametrize(
    ("text", "rating"),
    [("1", 1), ("２", 2), (" 3 ", 3), ("1。", 1), ("1满意", 1), ("基本满意", 2), ("③", 3), ("不满意", 3)],
)
def test_a_digit_of_any_width_rates(text: str, rating: int) -> None:
    reply = meaning(text, rating_asked=True)
    assert (reply.meaning, reply.rating) == ("rating", rating)


@pytest.mark.parametrize("text", ["T", "t", "Ｔ", " T。"])
def test_the_stop_word_stops_whatever_was_asked(text: str) -> None:
    assert meaning(text, rating_asked=True).meaning == "stop"
    assert meaning(text, rating_asked=False).meaning == "stop"


@pytest.mark.parametrize("text", ["0", "4", "12", "1满意2", "1不满意", "", "谢谢", "我1个月后再说", "TD"])
def test_what_is_neither_goes_to_a_person(text: str) -> None:
    assert meaning(text, rating_asked=True).meaning == "unclear"


@pytest.mark.parametrize("text", ["我有异议", "不同意，钱没给", "问题没解决"])
def test_words_against_the_result_are_a_dispute(text: str) -> None:
    assert meaning(text, rating_asked=True).meaning == "dispute"


def test_a_digit_rates_nothing_when_no_rating_was_asked() -> None:
    assert meaning("1", rating_asked=False).meaning == "unclear"


def sent(rules: Rules, template: str, minutes: int, **changes: object) -> Message:
    at = NOON + timedelta(minutes=minutes)
    message = replace(planned(rules)[1], id=UUID(int=minutes), template=template, planned_at=at, attempts=1)
    return replace(message, **{"state": "delivered", **changes})  # type: ignore[arg-type]


def test_the_last_message_that_went_out_is_the_one_answered(rules: Rules) -> None:
    rating, later = sent(rules, "N17", 5), sent(rules, "N01", 9)
    assert asking([sent(rules, "N07", 1), rating]) == rating
    assert asking([rating, later]) is None
    assert asking([rating, replace(later, attempts=0, state="suppressed")]) == rating
    assert asking([]) is None


def test_a_message_whose_fate_is_unknown_may_have_been_read(rules: Rules) -> None:
    rating = sent(rules, "N17", 5, state="indeterminate")
    assert asking([rating]) == rating
