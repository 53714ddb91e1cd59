"""Outbox, relay, consumer, parking and dead letters on real PostgreSQL and real Kafka."""

from collections import defaultdict
from datetime import timedelta

import pytest
from uuid_utils.compat import uuid7

from libs.db.work import State
from libs.events.envelope import Envelope, to_headers
from libs.events.intake import CaseReminded, CaseWithdrawn
from libs.events.registry import encode
from libs.messaging import deadletter, outbox, parking
from libs.messaging.producer import BrokerAway
from libs.messaging.readback import ReadBack
from libs.messaging.reader import Reader
from libs.messaging.relay import VERSION_HEADER
from tests.support import chain, toy
from tests.support.wait import until


def reminded(case_id, version: int, count: int) -> tuple[bytes, bytes, list[tuple[str, bytes]]]:
    """A raw event as a relay would have sent it."""
    envelope = Envelope(
        uuid7(), "case.reminded", "/services/intake", case_id, version, chain.now(), chain.TOPIC
    )
    payload = CaseReminded(case_id=case_id, district=toy.DISTRICT, count=count, new_facts=False)
    return str(case_id).encode(), encode(payload), to_headers(envelope)


async def test_g7_every_event_arrives_once_and_in_order(database, kafka, stack, running):
    """G7, G8: 40 cases of 5 events, two relays, two consumers of one group; one effect per event."""
    source, sink = await chain.toy_database(database, "intake"), await chain.toy_database(database, "routing")
    place = await kafka(chain.TOPIC, partitions=4)
    for _ in range(2):
        running.start(chain.relay(source, place, stack, limit=7).run)
        running.start(chain.consumer(sink, place)[0].run)
    cases = [uuid7() for _ in range(40)]
    writer = chain.shell(source)
    for _ in range(5):
        await writer.run([toy.work(case_id, 1) for case_id in cases])

    async def done() -> bool:
        return await chain.scalar(sink, "select count(*) from event") == 200

    await until(done)
    # Each event says the running total at the source: 1 + 2 + 3 + 4 + 5 when each counted once.
    assert {await chain.total(sink, case_id) for case_id in cases} == {15}
    order = defaultdict(list)
    for envelope in await chain.envelopes(place):
        order[envelope.case_id].append(envelope.caseversion)
    assert all(list(dict.fromkeys(versions)) == [1, 2, 3, 4, 5] for versions in order.values())


async def test_g7_a_second_delivery_changes_nothing(database, kafka, stack, running):
    source, sink = await chain.toy_database(database, "intake"), await chain.toy_database(database, "routing")
    place = await kafka(chain.TOPIC)
    publishing = chain.relay(source, place, stack)
    case_id = uuid7()
    await chain.shell(source).run([toy.work(case_id, 5)])
    await publishing.once()
    async with source.transaction() as tx:
        assert await outbox.republish(tx) == 1
    await publishing.once()
    running.start(chain.consumer(sink, place)[0].run)

    async def read_both() -> bool:
        return await chain.scalar(sink, "select sum(next_offset) from consumer_offset") == 2

    await until(read_both)
    assert await chain.total(sink, case_id) == 5
    assert await chain.scalar(sink, "select count(*) from event") == 1


async def test_g10_a_consumer_reads_on_from_where_its_database_is(database, kafka, stack):
    """G10: Kafka's own commits count for nothing; a database put back reads again what it lost."""
    sink = await chain.toy_database(database, "routing")
    place = await kafka(chain.TOPIC, partitions=1)
    case_id = uuid7()
    await chain.produce(place, chain.TOPIC, [reminded(case_id, n, n) for n in (1, 2, 3)])

    async def all_read() -> bool:
        return await chain.total(sink, case_id) == 6

    first = chain.Running()
    first.start(chain.consumer(sink, place)[0].run)
    await until(all_read)
    await first.stop()
    async with sink.transaction() as tx:  # as if restored to the time after the first event
        await tx.execute("delete from inbox")
        await tx.execute("update consumer_offset set next_offset = 1")
        await tx.execute("update counter set total = 1")
    second = chain.Running()
    second.start(chain.consumer(sink, place)[0].run)
    await until(all_read)
    await second.stop()


async def test_what_concerns_others_leaves_nothing_but_its_place(database, kafka, running):
    """Passed over without an effect, and not read again after a restart."""
    sink = await chain.toy_database(database, "routing")
    place = await kafka(chain.TOPIC, partitions=1)
    case_id = uuid7()
    envelope = Envelope(uuid7(), "case.withdrawn", "/services/intake", case_id, 1, chain.now(), chain.TOPIC)
    payload = CaseWithdrawn(case_id=case_id, district=toy.DISTRICT)
    record = (str(case_id).encode(), encode(payload), to_headers(envelope))
    await chain.produce(place, chain.TOPIC, [record, record])
    running.start(chain.consumer(sink, place)[0].run)

    async def noted() -> bool:
        return await chain.scalar(sink, "select next_offset from consumer_offset") == 2

    await until(noted)
    assert await chain.scalar(sink, "select count(*) from inbox") == 0


async def test_a_failing_event_parks_its_case_in_order_and_no_other(database, kafka, running):
    """Event 2 of a case fails twice; 3 waits behind it; another case goes on meanwhile."""
    sink = await chain.toy_database(database, "routing")
    place = await kafka(chain.TOPIC, partitions=1)
    sick, well = uuid7(), uuid7()
    failures = {"left": 2}

    def decide(case, command, moment):
        if command.count == 2 and failures["left"]:
            failures["left"] -= 1
            raise toy.NotYet
        return chain.counting(case, command, moment)

    await chain.produce(
        place,
        chain.TOPIC,
        [reminded(sick, 1, 1), reminded(sick, 2, 2), reminded(sick, 3, 3), reminded(well, 1, 7)],
    )
    reader, unparker, _ = chain.consumer(sink, place, decide)
    running.start(reader.run)

    async def well_done() -> bool:
        return await chain.total(sink, well) == 7

    await until(well_done)
    assert await chain.total(sink, sick) == 1
    assert await chain.scalar(sink, "select count(*) from parked") == 2
    running.start(unparker.run)

    async def healed() -> bool:
        return await chain.total(sink, sick) == 6

    await until(healed)
    assert await chain.scalar(sink, "select count(*) from parked") == 0
    assert await chain.scalar(sink, "select count(*) from inbox where status = 'done'") == 4


async def test_row_21_what_comes_out_of_order_counts_once_and_a_hole_is_told(database, kafka, running):
    """Row 21: version 3 before 2, and of another case version 2 never: no effect is lost or held up, and the
    hole stays told."""
    sink = await chain.toy_database(database, "routing")
    place = await kafka(chain.TOPIC, partitions=1)
    late, holed = uuid7(), uuid7()
    reader, _, _ = chain.consumer(sink, place)
    reader.numbered = True
    running.start(reader.run)
    records = [reminded(late, n, n) for n in (1, 3, 2)] + [reminded(holed, n, n) for n in (1, 3)]
    await chain.produce(place, chain.TOPIC, records + records)

    async def all_read() -> bool:
        return await chain.scalar(sink, "select sum(next_offset) from consumer_offset") == 10

    await until(all_read)
    assert (await chain.total(sink, late), await chain.total(sink, holed)) == (6, 4)
    assert reader.missing() == 1
    assert await chain.scalar(sink, "select count(*) from parked") == 0


async def test_a_poison_message_is_dead_with_its_reason_and_the_next_goes_on(database, kafka, stack, running):
    sink = await chain.toy_database(database, "routing")
    place = await kafka(chain.TOPIC, f"{chain.CONSUMER}.dlt", partitions=1)
    good = uuid7()
    key, value, headers = reminded(good, 1, 4)
    poison = [
        (b"k", b"{not json", headers),
        (b"k", value, [("ce_id", b"nonsense")]),
        (None, b"", []),
        (b"k", b"[" * 100_000, headers),
        (b"k", b'{"case_id": "\\u0000"}', headers),
        (b"k", value, [(n, b"heshi.case.unheard_of.v1" if n == "ce_type" else v) for n, v in headers]),
    ]
    await chain.produce(place, chain.TOPIC, [*poison, (key, value, headers)])
    running.start(chain.consumer(sink, place)[0].run)
    running.start(chain.relay(sink, place, stack).run)

    async def good_done() -> bool:
        return await chain.total(sink, good) == 4

    await until(good_done)

    async def dead() -> list:
        records = await chain.dump(place, f"{chain.CONSUMER}.dlt")
        return records if len(records) == len(poison) else []

    records = await until(dead)
    reasons = [dict(record.headers)["dlt_error_type"].decode() for record in records]
    assert sorted(reasons) == sorted(
        ["invalid_json", "missing_header", "missing_header", "invalid_json", "null_byte", "unknown_type"]
    )
    assert {dict(record.headers)["dlt_source_topic"] for record in records} == {chain.TOPIC.encode()}
    assert sorted(record.value or b"" for record in records) == sorted(value or b"" for _, value, _ in poison)


async def test_a_bug_becomes_a_dead_letter_and_a_replay_takes_it_up_in_order(database, kafka, running):
    """The dead event blocks its case; its replay comes before what waits behind it; then both count."""
    sink = await chain.toy_database(database, "routing")
    place = await kafka(chain.TOPIC, partitions=1)
    case_id = uuid7()
    mended = {"yes": False}

    def decide(case, command, moment):
        if not mended["yes"]:
            raise toy.Boom
        return chain.counting(case, command, moment)

    await chain.produce(place, chain.TOPIC, [reminded(case_id, 1, 5), reminded(case_id, 2, 6)])
    reader, unparker, _ = chain.consumer(sink, place, decide)
    running.start(reader.run)

    async def both_parked() -> bool:
        return await chain.scalar(sink, "select count(*) from parked") == 2

    await until(both_parked)
    for _ in range(len(parking.BACKOFF)):  # every retry at once instead of over 14 hours
        async with sink.transaction() as tx:
            await tx.execute("update parked set next_at = now() - interval '1 second'")
        await unparker.once()
    assert await chain.scalar(sink, "select count(*) from dead_letter where status = 'dead'") == 1
    async with sink.transaction() as tx:
        await tx.execute("update parked set next_at = now() - interval '1 second'")
    assert await unparker.once() == 0  # the second stays behind the dead first
    mended["yes"] = True
    async with sink.transaction() as tx:
        [letter] = await deadletter.listing(tx)
        assert letter["error_type"] == "Boom"
        await deadletter.replay(
            tx,
            "routing",
            letter["id"],
            by="staff:admin",
            why="mended",
            now=chain.now() - timedelta(seconds=1),
        )
    async with sink.transaction() as tx:
        with pytest.raises(deadletter.Settled):
            await deadletter.waive(tx, "routing", letter["id"], by="staff:admin", why="", now=chain.now())
    assert await unparker.once() == 1
    assert await unparker.once() == 1
    assert await chain.total(sink, case_id) == 11
    assert await chain.scalar(sink, "select count(*) from audit where action = 'deadletter.replayed'") == 1


async def test_g2_an_infrastructure_fault_is_never_a_dead_letter(database, kafka, running, monkeypatch):
    sink = await chain.toy_database(database, "routing")
    place = await kafka(chain.TOPIC, partitions=1)
    case_id = uuid7()
    away = {"times": 3}
    real = toy.CounterStore.save

    async def save(self, tx, changes, shared):
        if away["times"]:
            away["times"] -= 1
            raise ConnectionResetError
        await real(self, tx, changes, shared)

    monkeypatch.setattr(toy.CounterStore, "save", save)
    await chain.produce(place, chain.TOPIC, [reminded(case_id, 1, 9)])
    running.start(chain.consumer(sink, place)[0].run)

    async def done() -> bool:
        return await chain.total(sink, case_id) == 9

    await until(done)
    assert away["times"] == 0
    assert (
        await chain.scalar(sink, "select (select count(*) from dead_letter) + (select count(*) from parked)")
        == 0
    )


async def test_a_state_goes_out_before_the_events_that_need_it_and_an_older_one_is_mended(
    database, kafka, stack, running
):
    """G12: a frozen relay's old record behind a newer one makes the owner publish the current state again."""
    source = await chain.toy_database(database, "intake")
    dossier = "intake.dossier.v1"
    place = await kafka(dossier, partitions=1)
    key = str(uuid7())
    publishing = chain.relay(source, place, stack)
    back = Reader("intake.readback", [dossier], place, source, ReadBack(source, place).handle)
    running.start(back.run)
    for version, value in ((1, b"old"), (2, None)):  # a dossier, then its erasure
        async with source.transaction() as tx:
            await outbox.append_states(tx, [State(dossier, key, version, value)])
        await publishing.once()
    await chain.produce(place, dossier, [(key.encode(), b"old", [(VERSION_HEADER, b"1")])])

    async def mended() -> bool:
        await publishing.once()
        values = [record.value for record in await chain.dump(place, dossier)]
        return values.count(b"old") == 2 and values[-1] is None

    await until(mended)
    async with source.transaction() as tx:  # a state only moves forward
        await outbox.append_states(tx, [State(dossier, key, 1, b"older")])
    assert await chain.scalar(source, "select value from state_record where key = $1", key) is None


async def test_g8_the_relay_publishes_states_first(database, kafka, stack):
    source = await chain.toy_database(database, "intake")
    place = await kafka("intake.dossier.v1", chain.TOPIC, partitions=1)
    sent: list[str] = []
    publishing = chain.relay(source, place, stack)
    real = publishing._producer.publish

    async def publish(records):
        sent.extend(record.topic.removeprefix(place.prefix) for record in records)
        await real(records)

    publishing._producer.publish = publish
    case_id = uuid7()
    await chain.shell(source).run([toy.work(case_id, 1)])
    async with source.transaction() as tx:
        await outbox.append_states(tx, [State("intake.dossier.v1", str(case_id), 1, b"sealed")])
    await publishing.once()
    assert sent == ["intake.dossier.v1", chain.TOPIC]


async def test_the_relay_waits_out_a_broker_that_is_away(database, kafka, stack, running):
    """The outbox keeps everything; when the broker is back all of it arrives."""
    source = await chain.toy_database(database, "intake")
    place = await kafka(chain.TOPIC)
    publishing = chain.relay(source, place, stack)
    real = publishing._producer.publish
    away = {"times": 2}

    async def publish(records):
        if away["times"]:
            away["times"] -= 1
            raise BrokerAway
        await real(records)

    publishing._producer.publish = publish
    await chain.shell(source).run([toy.work(uuid7(), 1) for _ in range(10)])
    running.start(publishing.run)

    async def empty() -> bool:
        return await chain.scalar(source, "select count(*) from outbox") == 0

    await until(empty)
    assert len(await chain.envelopes(place)) == 10
