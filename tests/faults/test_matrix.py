"""Rows of the fault matrix on the whole stack, in short: each fault strikes under load, then everything that
the checker knows has to hold. Long forms: `make faults`.

One stack for all of them: what an earlier row left behind would be found by a later one too.
"""

import asyncio
import os
import random
import signal
import time

import pytest

from faults import checker, evidence, history, load, nemesis
from faults.partners import Partners
from faults.points import POINTS
from faults.proxy import BOTH, Wire
from faults.world import world

pytestmark = pytest.mark.timeout(300)

RATE = 8.0
SEED = 4_711
SOONER_GONE = {
    f"{part.upper()}_CONSUMING__SESSION_TIMEOUT_MS": "10000" for part in ("routing", "mediation", "notify")
}
"""A worker that died is waited for 10 s instead of 30."""


class Running:
    """The stack with its clients, which go on from row to row."""

    def __init__(self, stack, client, partners, path):
        self.stack, self.client, self.partners, self.path = stack, client, partners, path
        self.hand = nemesis.Hand(stack, random.Random(SEED))

    async def judged(self, *, seconds=1.0, resume=True):
        """Come to rest after a little more load, and have no findings. Returns the evidence."""
        await asyncio.sleep(seconds)
        await self.stack.heal()
        assert await self.stack.all_ready(30), self.stack.ready()
        self.client.pause()
        self.partners.resting = True
        try:
            await asyncio.wait_for(self.client.all_answered(), 30)
            left = await evidence.at_rest(self.stack, 120)
            found = await evidence.gather(self.stack, list(history.read(self.path)))
            found.left, found.secrets = left, load.SECRETS
            findings = checker.check(found)
            assert not findings, checker.told(findings, found)
            return found
        finally:
            if resume:
                self.go_on()

    def go_on(self):
        self.partners.resting = False
        self.client.go_on()


@pytest.fixture(scope="module")
async def running(tmp_path_factory):
    path = tmp_path_factory.mktemp("faults") / "history.jsonl"
    async with world(short_clocks=False, settings=SOONER_GONE) as stack:
        client = load.Client(SEED, RATE, path, danger=False)  # clocks of danger run out at once, then in 10 s
        partners = Partners(await load.add_organisations())
        tasks = [asyncio.create_task(client.run()), asyncio.create_task(partners.run())]
        yield Running(stack, client, partners, path)
        partners.stop()
        client.stop()
        await asyncio.gather(*tasks)


def parts_of(point):
    return [point.part] if point.part else list(nemesis.PARTS_OF[point.name.partition(".")[0]])


@pytest.mark.parametrize(
    "families", [("api", "pool"), ("relay", "deadlines"), ("consumer", "copy"), ("provider",)], ids="-".join
)
async def test_rows_1_3_5_killed_at_every_point(running, families):
    """Each point of the families kills a process that has it; the next part of the same point another one."""
    points = [p for p in POINTS if p.name.startswith(families) and p.when != "now"]
    for nth, point in enumerate(points):
        part = parts_of(point)[nth % len(parts_of(point))]
        order = running.stack.arm(part, point.name, "kill", running.hand.draw.randint(1, 5))
        until = time.monotonic() + 30
        while order not in running.stack.fired():
            assert time.monotonic() < until, f"{part} never came to {point.name}"
            await asyncio.sleep(0.05)
        await asyncio.sleep(0.5)  # the supervisor has to see that it is gone
        assert await running.stack.all_ready(30), f"{part} was not back in time after {point.name}"
    await running.judged()


async def test_rows_4_25_frozen_in_mid_batch_or_without_a_processor(running):
    """One of two relays stands still with its claim and wakes late, another process loses its event loop."""
    await nemesis.another_worker(running.stack, "mediation")
    await asyncio.sleep(6)
    running.stack.arm("mediation", "relay.after_claim", "stop")
    running.stack.arm("routing", "pool.before_transaction", "block=4000")
    running.stack.send("notify", signal.SIGSTOP)
    await asyncio.sleep(8)
    running.stack.wake_all()
    await nemesis.starved(running.hand)
    await running.judged()


async def test_row_6_members_come_and_go_and_a_client_is_stuck(running):
    """Workers join and leave in mid-batch; a client whose poll does not return while the broker answers is
    given up and replaced, within half a minute and in its process (G27)."""
    pid = running.stack.process("routing").pid
    running.stack.arm("routing", "consumer.poll", "sleep=600000", 5)
    running.stack.arm("mediation", "consumer.before_handler", "sleep=2000")
    for part, number in (("notify", signal.SIGKILL), ("mediation", signal.SIGTERM)):
        worker = await nemesis.another_worker(running.stack, part)
        await asyncio.sleep(6)
        worker.send_signal(number)
    await running.judged()
    assert running.stack.process("routing").pid == pid


async def test_rows_7_14_the_broker_is_killed_restarted_frozen_not_heard_and_slow(running):
    os.kill(running.stack.kafka.child.pid, signal.SIGKILL)
    await running.stack.restart(running.stack.kafka)
    await nemesis.broker_restarted(running.hand)
    os.kill(running.stack.kafka.child.pid, signal.SIGSTOP)
    await asyncio.sleep(8)
    os.kill(running.stack.kafka.child.pid, signal.SIGCONT)
    wire = running.stack.wires["kafka"]
    wire.wire = Wire(silent=frozenset({"down"}))
    await asyncio.sleep(8)
    wire.reset()
    wire.wire = Wire(latency=0.1, jitter=0.05)
    await asyncio.sleep(5)
    await running.judged()


async def test_row_8_cases_are_taken_while_the_broker_is_away(running):
    await asyncio.to_thread(running.stack.kafka.stop)
    sent, begun = running.client.sent, time.time()
    await asyncio.sleep(15)
    lines = [line for line in history.read(running.path) if line.at > begun]
    refused = [line for line in lines if line.outcome not in ("asked", "ok")]
    assert not refused, refused[:3]
    assert running.client.sent - sent > 8 * RATE
    await running.stack.restart(running.stack.kafka)
    await running.judged()


async def test_row_9_a_full_replay_changes_nothing(running):
    """Every consumer of events begins at the first record again; nothing comes of it."""
    before = await running.judged(resume=False)
    try:
        for service in ("routing", "mediation", "notify", "intake"):
            async with running.stack.database(service) as database:
                await database.execute("delete from consumer_offset")
            running.stack.send(service, signal.SIGKILL)
        await asyncio.sleep(2)
        after = await running.judged(resume=False)
    finally:
        running.go_on()
    assert {e.event_id for e in after.events} == {e.event_id for e in before.events}
    assert sorted(after.ledger) == sorted(before.ledger)


async def test_rows_10_12_13_postgres_stops_throws_everybody_out_and_is_locked(running):
    for strike in (
        nemesis.postgres_stopped,
        nemesis.postgres_backend_killed,
        nemesis.postgres_sessions_ended,
        nemesis.postgres_locked,
        nemesis.row_conflicts,
        nemesis.raise_at_point,
    ):
        await strike(running.hand)
        await asyncio.sleep(1)
    await running.judged()


async def test_rows_11_14_postgres_is_silent(running):
    """Requests end in time with 503; pools heal without a restart from connections that are dead untold."""
    wire, begun = running.stack.wires["postgres"], time.time()
    pids = {part: running.stack.process(part).pid for part in ("intake", "routing", "mediation", "notify")}
    wire.wire = Wire(silent=BOTH)
    await asyncio.sleep(12)
    wire.lose()
    await wire.heal()
    found = await running.judged()
    put_off = [line for line in found.history if line.at > begun and line.status == 503]
    assert put_off
    assert {part: running.stack.process(part).pid for part in pids} == pids


async def test_row_26_every_service_ends_in_order_under_load(running):
    """A refused connection or a 503 that succeeds with the same key counts as drained."""
    for part in ("intake", "routing", "mediation", "notify", "console"):
        running.stack.send(part, signal.SIGTERM)
        await nemesis.back_in_service(running.stack, lambda: running.client.last_ok, time.monotonic())
    found = await running.judged()
    assert not [line for line in found.history if line.status >= 500 and line.status != 503]


async def test_row_27_services_that_start_before_their_servers_wait(running):
    await asyncio.to_thread(running.stack.kafka.stop)
    await asyncio.to_thread(running.stack.postgres.stop)
    for part in ("intake", "routing", "mediation", "notify"):
        running.stack.send(part, signal.SIGKILL)
    await asyncio.sleep(8)
    await running.stack.restart(running.stack.postgres)
    await running.stack.restart(running.stack.kafka)
    await running.judged()


async def test_rows_20_31_32_repeats_a_burst_and_a_hot_case(running):
    """Events come again in the middle of a burst; meanwhile somebody holds a case, and the others go on."""
    running.client.rate = 8 * RATE
    await asyncio.sleep(3)
    running.client.rate = RATE
    await nemesis.duplicates(running.hand)
    hot = [line for line in history.read(running.path) if line.outcome == "ok"][-1].case_id
    async with running.stack.database("mediation") as database, database.transaction() as tx:
        await tx.fetch("select from case_head where case_id = $1 for update", hot)
        opened = (
            "select count(*) from event where type = 'case.opened' and occurred_at > now() - interval '4 s'"
        )
        await asyncio.sleep(5)
        async with running.stack.database("mediation") as other, other.read() as reading:
            assert await reading.fetchval(opened) > 0
    found = await running.judged()
    assert len(found.records) > len({record.event_id for record in found.records})
