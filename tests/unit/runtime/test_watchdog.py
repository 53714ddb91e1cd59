"""A loop that no longer gets on ends the process."""

import threading

from libs.runtime.readiness import Readiness
from libs.runtime.watchdog import EXIT_STALLED, Watchdog


class Hand:
    """A watchdog's clock that goes on by regular looks."""

    def __init__(self) -> None:
        self.passed = 0.0
        self.dog = Watchdog(lambda: self.passed)

    def after(self, seconds: float) -> list[str]:
        """What the last of the looks finds that are taken every second until then."""
        found: list[str] = []
        end = self.passed + seconds
        while self.passed < end:
            self.passed = min(end, self.passed + 1)
            found = self.dog.stalled()
        return found


def test_silence_beyond_the_limit_is_a_stall_and_a_beat_ends_it() -> None:
    hand = Hand()
    hand.dog.watch("relay", 10)
    hand.dog.watch("consumer", 60)
    assert hand.after(10) == []
    assert hand.after(1) == ["relay"]
    hand.dog.beat("relay")
    assert hand.after(10) == []


def test_a_forgotten_loop_is_not_missed() -> None:
    hand = Hand()
    hand.dog.watch("relay", 10)
    hand.dog.forget("relay")
    hand.dog.beat("relay")
    assert hand.after(1_000) == []


def test_a_process_that_was_frozen_as_a_whole_is_no_stall() -> None:
    hand = Hand()
    hand.dog.watch("event_loop", 10)
    hand.passed += 3_600
    assert hand.dog.stalled() == []
    assert hand.after(10) == []
    assert hand.after(1) == ["event_loop"]


def test_the_guard_asks_to_give_up_and_then_ends_the_process() -> None:
    dog = Watchdog()
    dog.watch("event_loop", 0.02)
    asked: list[list[str]] = []
    ended: list[int] = []
    over = threading.Event()

    def end(code: int) -> None:
        ended.append(code)
        over.set()

    dog.guard(asked.append, grace=0.02, every=0.01, end=end)
    assert over.wait(10)
    assert asked == [["event_loop"]]
    assert ended == [EXIT_STALLED]


def test_a_process_that_stops_in_time_is_not_ended_hard() -> None:
    dog = Watchdog()
    dog.watch("event_loop", 0.02)
    ended: list[int] = []
    given_up = threading.Event()

    def stop(names: list[str]) -> None:
        dog.release()
        given_up.set()

    before = threading.active_count()
    dog.guard(stop, grace=30, every=0.01, end=ended.append)
    assert given_up.wait(10)
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
