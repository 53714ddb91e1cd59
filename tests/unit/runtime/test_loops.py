"""What a loop's pulse promises to whoever rests on it."""

import asyncio

from libs.runtime.loops import Pulse


async def test_a_rest_ends_when_woken_when_stopped_and_by_itself() -> None:
    beats: list[int] = []
    pulse, woken = Pulse(lambda: beats.append(1)), asyncio.Event()
    await pulse.rest(woken, 0.001)
    assert not woken.is_set()

    resting = asyncio.create_task(pulse.rest(woken, 60))
    await asyncio.sleep(0)
    woken.set()
    await asyncio.wait_for(resting, 5)

    woken.clear()
    resting = asyncio.create_task(pulse.rest(woken, 60))
    await asyncio.sleep(0)
    pulse.stop()
    await asyncio.wait_for(resting, 5)
    assert len(beats) == 3


async def test_nobody_rests_after_the_stop() -> None:
    pulse = Pulse(lambda: None)
    pulse.stop()
    await asyncio.wait_for(pulse.rest(asyncio.Event(), 60), 5)
