"""Loops are kept running, and a stop is ordered, bounded and never raises."""

import asyncio
from collections.abc import Awaitable, Callable

from libs.runtime.lifecycle import Lifecycle
from libs.runtime.loops import Loop, Pulse
from libs.runtime.metrics import Metrics
from libs.runtime.settings import Stopping
from libs.runtime.watchdog import EXIT_STALLED

Told = list[str]


def life(**budgets: float) -> Lifecycle:
    return Lifecycle(Metrics(), Stopping(**budgets))


def steady(name: str, told: Told, **options: float) -> Loop:
    """A loop that says when it began and when it ended its last round."""

    async def run(pulse: Pulse) -> None:
        told.append(f"{name} begins")
        while not await pulse.pause(60):
            pass
        told.append(f"{name} ends")

    return Loop(name, run, **options)  # type: ignore[arg-type]


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110 - what is awaited has no event of its own
            await asyncio.sleep(0.005)


async def stopped(process: Lifecycle, when: Callable[[], bool], code: int = 0) -> int:
    running = asyncio.create_task(process.run())
    await until(when)
    process.stop(code)
    async with asyncio.timeout(10):
        return await running


def closing(name: str, told: Told) -> Callable[[], Awaitable[None]]:
    async def close() -> None:
        told.append(f"{name} closed")

    return close


async def test_stages_start_upwards_and_stop_downwards_before_resources_close() -> None:
    told: Told = []
    process = life()
    process.add(steady("consumer", told, stage=2))
    process.add(steady("relay", told, stage=0))
    process.close_last("pool", closing("pool", told))
    process.close_last("producer", closing("producer", told))
    assert await stopped(process, lambda: not process.readiness.missing()) == 0
    assert told == [
        "relay begins",
        "consumer begins",
        "consumer ends",
        "relay ends",
        "producer closed",
        "pool closed",
    ]


async def test_ready_only_when_every_needed_loop_has_beaten_once() -> None:
    told: Told = []
    waits = asyncio.Event()

    async def slow(pulse: Pulse) -> None:
        await waits.wait()
        await pulse.pause(60)

    process = life()
    process.add(Loop("slow", slow))
    process.add(Loop("extra", slow, needed=False))
    process.add(steady("quick", told))
    running = asyncio.create_task(process.run())
    await until(lambda: process.readiness.missing() == {"slow": "starting"})
    waits.set()
    await until(lambda: not process.readiness.missing())
    process.stop()
    await running
    assert process.readiness.missing() == {"process": "stopping"}


async def test_a_crashed_loop_runs_again_is_counted_and_holds_readiness_back() -> None:
    seen: list[dict[str, str]] = []
    metrics = Metrics()
    process = Lifecycle(metrics, Stopping())

    async def crashing(pulse: Pulse) -> None:
        seen.append(process.readiness.missing())
        if len(seen) == 1:
            pulse.beat()
            raise RuntimeError("a poison of some kind")
        await pulse.pause(60)

    process.add(Loop("consumer", crashing))
    assert await stopped(process, lambda: len(seen) == 2 and not process.readiness.missing()) == 0
    assert seen == [{"consumer": "starting"}, {"consumer": "restarting after a crash"}]
    assert metrics.registry.get_sample_value("heshi_loop_restarts_total", {"loop": "consumer"}) == 1


async def test_a_loop_that_returns_by_itself_is_started_again() -> None:
    runs: list[int] = []

    async def short(pulse: Pulse) -> None:
        runs.append(1)

    process = life()
    process.add(Loop("short", short))
    assert await stopped(process, lambda: len(runs) >= 2) == 0


async def test_a_loop_whose_driver_cancels_its_own_waiter_is_started_again() -> None:
    """It raises what a cancelled task raises; the loop was gone without a word until the watchdog looked."""
    runs: list[int] = []

    async def waiting(pulse: Pulse) -> None:
        runs.append(1)
        pulse.beat()
        if len(runs) == 1:
            waiter = asyncio.get_running_loop().create_future()
            waiter.cancel()
            await waiter
        await pulse.pause(60)

    process = life()
    process.add(Loop("waiting", waiting))
    assert await stopped(process, lambda: len(runs) == 2) == 0


async def test_a_loop_that_does_not_end_is_cut_after_its_budget() -> None:
    told: Told = []

    async def deaf(pulse: Pulse) -> None:
        pulse.beat()
        try:
            await asyncio.sleep(3_600)
        except asyncio.CancelledError:
            told.append("cut")
            raise

    process = life()
    process.add(Loop("deaf", deaf, drain=0.05))
    process.close_last("pool", closing("pool", told))
    assert await stopped(process, lambda: not process.readiness.missing()) == 0
    assert told == ["cut", "pool closed"]


async def test_a_batch_in_hand_is_finished_and_not_cancelled() -> None:
    told: Told = []

    async def working(pulse: Pulse) -> None:
        pulse.beat()
        while not pulse.stopping:
            told.append("batch begun")
            await asyncio.sleep(0.05)
            told.append("batch done")

    process = life()
    process.add(Loop("working", working))
    await stopped(process, lambda: told[-1:] == ["batch begun"])
    assert told[-1] == "batch done"


async def test_a_step_that_fails_or_hangs_does_not_keep_the_others_from_closing() -> None:
    told: Told = []

    async def failing() -> None:
        raise OSError("gone")

    async def hanging() -> None:
        await asyncio.sleep(3_600)

    process = life()
    process.close_last("first opened", closing("first opened", told))
    process.close_last("failing", failing)
    process.close_last("hanging", hanging, budget=0.02)
    assert await stopped(process, lambda: True) == 0
    assert told == ["first opened closed"]


async def test_the_first_stop_gives_the_code() -> None:
    process = life()
    process.stop(3)
    process.stop(0)
    assert await process.run() == 3


async def test_a_stalled_loop_ends_the_process_with_its_code() -> None:
    async def stuck(pulse: Pulse) -> None:
        pulse.beat()
        await pulse.wait(3_600)

    process = life()
    process.add(Loop("stuck", stuck, stalled_after=0.1))
    async with asyncio.timeout(10):
        assert await process.run() == EXIT_STALLED
