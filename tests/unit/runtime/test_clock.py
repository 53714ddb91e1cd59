"""One clock for all services: the database's, as far as can be known (G17)."""

from datetime import UTC, datetime, timedelta

import pytest

from libs.runtime.clock import MEASURE_EVERY, DatabaseClock
from libs.runtime.loops import Pulse
from libs.testing.clock import ManualClock

NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)


class World:
    """A machine whose wall clock is an hour off, a database that is right, and answers that take time."""

    def __init__(self) -> None:
        self.passed = 1_000.0
        self.database = NOON
        self.answer_takes = 0.0
        self.asked = 0
        self.clock = DatabaseClock(
            self.read, monotonic=lambda: self.passed, wall=lambda: NOON.timestamp() - 3_600
        )

    def sleep(self, seconds: float) -> None:
        self.passed += seconds
        self.database += timedelta(seconds=seconds)

    async def read(self) -> datetime:
        self.asked += 1
        self.sleep(self.answer_takes / 2)
        answer = self.database
        self.sleep(self.answer_takes / 2)
        return answer


@pytest.fixture
def world() -> World:
    return World()


def test_before_the_first_look_the_machines_clock_counts(world: World) -> None:
    assert world.clock.now() == NOON - timedelta(hours=1)
    assert not world.clock.measured


async def test_after_a_look_it_tells_the_databases_time(world: World) -> None:
    assert await world.clock.measure()
    assert world.clock.now() == NOON
    world.sleep(90)
    assert world.clock.now() == NOON + timedelta(seconds=90)
    assert world.clock.measured


async def test_half_of_the_round_trip_is_allowed_for(world: World) -> None:
    world.answer_takes = 1.0
    await world.clock.measure()
    assert world.clock.now() == world.database


async def test_a_look_that_took_too_long_changes_nothing(world: World) -> None:
    await world.clock.measure()
    world.answer_takes = 2.5
    world.database += timedelta(hours=5)
    assert not await world.clock.measure()
    assert world.clock.now() == NOON + timedelta(seconds=2.5)


async def test_a_small_step_back_lets_time_stand_still(world: World) -> None:
    await world.clock.measure()
    before = world.clock.now()
    world.database -= timedelta(seconds=2)
    await world.clock.measure()
    assert world.clock.now() == before
    world.sleep(1)
    assert world.clock.now() == before
    world.sleep(2)
    assert world.clock.now() == before + timedelta(seconds=1)


async def test_a_great_step_back_is_followed(world: World) -> None:
    await world.clock.measure()
    before = world.clock.now()
    world.database -= timedelta(minutes=30)
    await world.clock.measure()
    assert world.clock.now() == before - timedelta(minutes=30)


async def test_a_step_forward_is_followed_at_once(world: World) -> None:
    await world.clock.measure()
    world.database += timedelta(minutes=3)
    await world.clock.measure()
    assert world.clock.now() == NOON + timedelta(minutes=3)


async def test_it_knows_how_far_the_machine_is_off(world: World) -> None:
    await world.clock.measure()
    assert world.clock.ahead() == timedelta(hours=1)


async def test_the_loop_looks_again_until_it_is_stopped(world: World) -> None:
    waits: list[float] = []

    class Counted(Pulse):
        async def pause(self, seconds: float) -> bool:
            waits.append(seconds)
            if len(waits) == 3:
                self.stop()
            return self.stopping

    await world.clock.follow(Counted(lambda: None))
    assert world.asked == 3
    assert waits == [MEASURE_EVERY] * 3


def test_a_manual_clock_moves_only_when_told() -> None:
    clock = ManualClock(NOON)
    assert clock.now() == clock.now() == NOON
    assert clock.advance(minutes=15) == NOON + timedelta(minutes=15)
    clock.set(NOON)
    assert clock.now() == NOON
    with pytest.raises(ValueError, match="time zone"):
        clock.set(NOON.replace(tzinfo=None))
