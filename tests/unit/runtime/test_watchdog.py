"""A loop that no longer gets on ends the process."""

import threading

from libs.runtime.readiness import Readiness
from libs.runtime.watchdog import EXIT_STALLED, Watchdog


class Hand:
    def __init__(self) -> None:
        self.passed = 0.0

    def __call__(self) -> float:
        return self.passed


def test_silence_beyond_the_limit_is_a_stall_and_a_beat_ends_it() -> None:
    hand = Hand()
    dog = Watchdog(hand)
    dog.watch("relay", 10)
    dog.watch("consumer", 60)
    hand.passed = 10
    assert dog.stalled() == []
    hand.passed = 10.1
    assert dog.stalled() == ["relay"]
    dog.beat("relay")
    assert dog.stalled() == []


def test_a_forgotten_loop_is_not_missed() -> None:
    hand = Hand()
    dog = Watchdog(hand)
    dog.watch("relay", 10)
    dog.forget("relay")
    dog.beat("relay")
    hand.passed = 1_000
    assert dog.stalled() == []


def test_the_guard_asks_to_give_up_and_then_ends_the_process() -> None:
    hand = Hand()
    dog = Watchdog(hand)
    dog.watch("event_loop", 10)
    asked: list[list[str]] = []
    ended: list[int] = []
    over = threading.Event()

    def end(code: int) -> None:
        ended.append(code)
        over.set()

    hand.passed = 11
    dog.guard(asked.append, grace=0.05, every=0.01, end=end)
    assert over.wait(10)
    assert asked == [["event_loop"]]
    assert ended == [EXIT_STALLED]


def test_a_process_that_stops_in_time_is_not_ended_hard() -> None:
    hand = Hand()
    dog = Watchdog(hand)
    dog.watch("event_loop", 10)
    ended: list[int] = []
    hand.passed = 11
    before = threading.active_count()
    dog.guard(lambda names: dog.release(), grace=30, every=0.01, end=ended.append)
    for thread in threading.enumerate():
        if thread.name == "watchdog":
            thread.join(10)
    assert threading.active_count() == before
    assert ended == []


def test_readiness_tells_what_is_missing() -> None:
    readiness = Readiness()
    assert readiness.missing() == {}
    readiness.lacks("kafka", "not connected")
    readiness.lacks("relay", "starting")
    readiness.has("kafka")
    assert readiness.missing() == {"relay": "starting"}
    readiness.has("relay")
    readiness.stop()
    assert readiness.missing() == {"process": "stopping"}
    assert readiness.stopping
