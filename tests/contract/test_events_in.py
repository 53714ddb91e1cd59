"""Inbox, order, parking and dead letters: what the fake shell and the real one make of events.

Cannot catch: a broker's behaviour (rebalances, repeated polls), two workers at once, and the waits
themselves, since the clock is moved by hand: `tests/integration/test_chain.py` and `tests/faults` do.
"""

import pytest
from uuid_utils.compat import uuid7

from libs.db.batch import Offset
from libs.messaging.parking import BACKOFF
from libs.web.errors import ForbiddenAction, NotYet
from tests.contract.worlds import CONSUMER, LENIENT, Contract
from tests.support import toy
from tests.support.chain import TOPIC
from tests.support.stream import Stream


@pytest.fixture
def stream(world: Contract) -> Stream:
    return world.stream()


async def test_an_event_delivered_twice_counts_once(world: Contract, stream: Stream):
    case_id = uuid7()
    event = stream.event(case_id, 1, 5)
    first, second = await world.run([event, event])
    assert first.outcome is not None
    assert second.repeat
    [third] = await world.run([event])
    assert third.repeat
    seen = await world.seen()
    assert seen.totals == {case_id: 5}
    assert seen.inbox == {(CONSUMER, event.event.event_id): "done"}


async def test_what_an_event_causes_says_so(world: Contract, stream: Stream):
    event = stream.event(uuid7(), 1, 5)
    await world.run([event])
    [caused] = (await world.seen()).events
    assert caused.causation_id == event.event.event_id


async def test_each_consumer_has_an_inbox_of_its_own(world: Contract, stream: Stream):
    case_id = uuid7()
    event = stream.event(case_id, 1, 5)
    other = world.stream(LENIENT)
    twin = other.event(case_id, 1, 5)
    await world.run([event])
    await world.run([twin])
    assert (await world.seen()).totals == {case_id: 10}


async def test_offsets_are_kept_with_the_batch_and_never_go_back(world: Contract, stream: Stream):
    event = stream.event(uuid7(), 1, 5)
    await world.run([event], [Offset(CONSUMER, TOPIC, 0, 2), Offset(CONSUMER, TOPIC, 1, 9)])
    await world.run([event], [Offset(CONSUMER, TOPIC, 0, 1)])
    await world.run([], [Offset(CONSUMER, TOPIC, 2, 4)])
    assert (await world.seen()).offsets == {
        (CONSUMER, TOPIC, 0): 2,
        (CONSUMER, TOPIC, 1): 9,
        (CONSUMER, TOPIC, 2): 4,
    }


async def test_an_event_that_came_too_early_waits_and_its_followers_behind_it(
    world: Contract, stream: Stream
):
    """In one batch and in later ones; another case goes on; then all of it counts in order."""
    sick, well = uuid7(), uuid7()
    world.raising[2] = NotYet()
    one, two, three = (stream.event(sick, n, n) for n in (1, 2, 3))
    await world.run([one, two, three, stream.event(well, 1, 7)])
    four = stream.event(sick, 4, 4)
    await world.run([four])
    seen = await world.seen()
    assert seen.totals == {sick: 1, well: 7}
    ids = [work.event.event_id for work in (two, three, four)]
    assert seen.parked == [(ids[0], 1, "not_yet", 0.1), (ids[1], 0, "behind", 0), (ids[2], 0, "behind", 0)]
    assert [seen.inbox[CONSUMER, event_id] for event_id in ids] == ["parked"] * 3

    assert await world.retry() == 0  # not before its time
    del world.raising[2]
    world.clock.advance(seconds=0.1)
    assert [await world.retry() for _ in range(4)] == [1, 1, 1, 0]
    seen = await world.seen()
    assert seen.totals == {sick: 10, well: 7}
    assert seen.parked == []
    assert set(seen.inbox.values()) == {"done"}


async def test_a_parked_event_that_fails_again_stays_parked_and_is_not_lost(world: Contract, stream: Stream):
    case_id = uuid7()
    world.raising[5] = NotYet()
    event = stream.event(case_id, 1, 5)
    await world.run([event])
    for attempts, wait in ((2, 0.5), (3, 2), (4, 1), (5, 10)):
        world.clock.advance(days=1)
        assert await world.retry() == 0
        seen = await world.seen()
        assert seen.parked == [(event.event.event_id, attempts, "not_yet", wait)]
        assert seen.inbox == {(CONSUMER, event.event.event_id): "parked"}
    world.raising.clear()
    world.clock.advance(days=1)
    assert await world.retry() == 1
    assert (await world.seen()).totals == {case_id: 5}


async def test_a_parked_event_that_comes_again_is_parked_once(world: Contract, stream: Stream):
    case_id = uuid7()
    world.raising[5] = NotYet()
    event = stream.event(case_id, 1, 5)
    await world.run([event])
    [again] = await world.run([event])
    assert again.repeat
    assert len((await world.seen()).parked) == 1


async def test_waiting_for_another_event_never_makes_a_dead_letter(world: Contract, stream: Stream):
    world.raising[5] = NotYet()
    await world.run([stream.event(uuid7(), 1, 5)])
    for _ in range(3 * len(BACKOFF)):
        world.clock.advance(days=1)
        await world.retry()
    seen = await world.seen()
    assert (len(seen.parked), seen.dead) == (1, [])


async def die(world: Contract) -> None:
    """Let the parked events fail as often as it takes."""
    for _ in BACKOFF:
        world.clock.advance(days=1)
        assert await world.retry() == 0


@pytest.mark.parametrize(
    ("error", "told"), [(toy.Boom("a name"), "Boom"), (ForbiddenAction("no"), "refused")]
)
async def test_what_fails_every_time_becomes_a_dead_letter_without_its_text(
    world: Contract, stream: Stream, error: Exception, told: str
):
    world.raising[5] = error
    event = stream.event(uuid7(), 1, 5)
    await world.run([event])
    await die(world)
    seen = await world.seen()
    assert seen.dead == [(event.event.event_id, len(BACKOFF) + 1, told)]
    assert seen.parked == []
    assert seen.inbox == {(CONSUMER, event.event.event_id): "dead"}
    assert "a name" not in repr(seen)


async def test_a_dead_event_holds_up_its_case_and_no_other(world: Contract, stream: Stream):
    sick, well = uuid7(), uuid7()
    world.raising[5] = toy.Boom()
    await world.run([stream.event(sick, 1, 5)])
    await die(world)
    follower = stream.event(sick, 2, 6)
    await world.run([follower, stream.event(well, 1, 7)])
    world.clock.advance(days=1)
    assert await world.retry() == 0
    seen = await world.seen()
    assert seen.totals == {well: 7}
    assert [(event_id, kind) for event_id, _, kind, _ in seen.parked] == [(follower.event.event_id, "behind")]


async def test_where_a_dead_event_does_not_block_its_case_goes_on(world: Contract):
    stream, case_id = world.stream(LENIENT), uuid7()
    world.raising[5] = toy.Boom()
    await world.run([stream.event(case_id, 1, 5)])
    waiting = stream.event(case_id, 2, 6)
    await world.run([waiting])
    assert len((await world.seen()).parked) == 2  # while it is parked they wait all the same
    await die(world)
    assert await world.retry() == 1
    await world.run([stream.event(case_id, 3, 7)])
    seen = await world.seen()
    assert seen.totals == {case_id: 13}
    assert len(seen.dead) == 1


async def test_one_consumer_s_parked_event_does_not_hold_up_another_consumer(world: Contract, stream: Stream):
    case_id = uuid7()
    world.raising[5] = NotYet()
    await world.run([stream.event(case_id, 1, 5)])
    await world.run([world.stream(LENIENT).event(case_id, 1, 6)])
    assert (await world.seen()).totals == {case_id: 6}
