"""The rate of one credential."""

import pytest

from libs.web import limits
from libs.web.errors import Overloaded
from libs.web.limits import RateLimit, Tries, Turns
from libs.web.refusals import TooManyRequests, TooManyTries


class Hand:
    def __init__(self) -> None:
        self.passed = 100.0

    def __call__(self) -> float:
        return self.passed


def test_a_burst_then_a_rate_and_the_wait_is_told() -> None:
    hand = Hand()
    rate = RateLimit(0.5, 3, hand)
    for _ in range(3):
        rate.take("staff:wang")
    with pytest.raises(TooManyRequests) as caught:
        rate.take("staff:wang")
    assert caught.value.status == 429
    assert caught.value.retry_after == 2
    hand.passed += 2
    rate.take("staff:wang")
    with pytest.raises(TooManyRequests):
        rate.take("staff:wang")


def test_a_refused_request_costs_nothing() -> None:
    hand = Hand()
    rate = RateLimit(1, 1, hand)
    rate.take("a")
    for _ in range(50):
        with pytest.raises(TooManyRequests):
            rate.take("a")
    hand.passed += 1
    rate.take("a")


def test_credentials_do_not_share_a_bucket() -> None:
    rate = RateLimit(1, 1, Hand())
    rate.take("a")
    rate.take("b")
    with pytest.raises(TooManyRequests):
        rate.take("a")


def test_rest_does_not_save_up_more_than_a_burst() -> None:
    hand = Hand()
    rate = RateLimit(10, 2, hand)
    rate.take("a")
    hand.passed += 3_600
    rate.take("a")
    rate.take("a")
    with pytest.raises(TooManyRequests):
        rate.take("a")


def test_what_is_remembered_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "REMEMBERED", 2)
    rate = RateLimit(1, 1, Hand())
    for credential in "abc":
        rate.take(credential)
    assert len(rate._buckets) == 2
    rate.take("a")


def test_looking_costs_nothing() -> None:
    rate = RateLimit(1, 1, Hand())
    rate.check("a")
    rate.take("a")
    with pytest.raises(TooManyRequests):
        rate.check("a")


def test_addresses_fail_each_for_itself_and_are_forgiven_in_time() -> None:
    hand = Hand()
    tries = Tries(0.5, 2, hand)
    for _ in range(2):
        tries.failed("192.0.2.1")
    with pytest.raises(TooManyTries) as caught:
        tries.check("192.0.2.1", b"key")
    assert (caught.value.status, caught.value.code, caught.value.retry_after) == (429, "too_many_tries", 2)
    tries.check("192.0.2.2", b"key")
    hand.passed += 2
    tries.check("192.0.2.1", b"key")


def test_good_keys_that_are_remembered_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "REMEMBERED", 2)
    tries = Tries(1, 1, Hand())
    for key in (b"a", b"b", b"c"):
        tries.succeeded(key)
    tries.failed("192.0.2.1")
    tries.check("192.0.2.1", b"c")
    with pytest.raises(TooManyTries):
        tries.check("192.0.2.1", b"a")


def test_turns_are_few_and_one_for_each_and_come_back_also_after_a_failure() -> None:
    turns = Turns(2)
    with turns.take("a"):
        with pytest.raises(TooManyRequests) as caught, turns.take("a"):
            pytest.fail("a second turn of one name")
        assert caught.value.retry_after == 2
        with turns.take("b"), pytest.raises(Overloaded), turns.take("c"):
            pytest.fail("a third turn")
        with turns.take("c"):
            pass
    with pytest.raises(KeyError), turns.take("a"):
        raise KeyError
    with turns.take("a"):
        pass
