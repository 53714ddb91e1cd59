"""G13: an erasure reaches the broker's log and every copy, also of a reader that was away for too long."""

from datetime import timedelta

import pytest
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from uuid_utils.compat import uuid7

from libs.messaging.beats import BEAT, Beats
from libs.messaging.consumer import HORIZON, StateReader, StateRunner
from libs.messaging.producer import Producer
from libs.messaging.reader import Reader
from libs.messaging.relay import VERSION_HEADER
from tests.support import chain
from tests.support.wait import until

DOSSIER = "intake.dossier.v1"
READER = "routing.intake-dossier"


def record(key: str, version: int, value: bytes | None):
    return key.encode(), value, [(VERSION_HEADER, str(version).encode())]


async def quick(place) -> None:
    """The topic's own settings in seconds instead of hours."""
    admin = AIOKafkaAdminClient(bootstrap_servers=place.bootstrap)
    await admin.start()
    settings = {
        "cleanup.policy": "compact,delete",
        "segment.ms": "1000",
        "max.compaction.lag.ms": "1000",
        "min.cleanable.dirty.ratio": "0.01",
    }
    try:
        await admin.alter_configs(
            [ConfigResource(ConfigResourceType.TOPIC, place.physical(DOSSIER), settings)]
        )
    finally:
        await admin.close()


@pytest.mark.timeout(180)
async def test_g13_beats_make_the_broker_drop_an_erased_dossier_on_a_quiet_partition(kafka, stack):
    place = await kafka(DOSSIER, partitions=1)
    await quick(place)
    key, kept = str(uuid7()), str(uuid7())
    await chain.produce(
        place,
        DOSSIER,
        [record(key, 1, b"what was said"), record(kept, 1, b"another"), record(key, 2, None)],
    )
    producer = Producer(place.bootstrap, client_id="test", timeout=10)
    stack.push_async_callback(producer.close)
    beats = Beats(producer, place, {DOSSIER: 1})

    async def gone() -> bool:
        await beats.once()
        values = [each.value for each in await chain.dump(place, DOSSIER)]
        return b"what was said" not in values and b"another" in values

    await until(gone, seconds=120)
    assert [each.value for each in await chain.dump(place, DOSSIER) if each.key == key.encode()] == [None]


async def test_g13_readers_pass_a_beat_over(database, kafka, running, stack):
    sink = await chain.toy_database(database, "routing")
    place = await kafka(DOSSIER, partitions=2)
    seen = []

    async def apply(tx, records):
        seen.extend(record.key for record in records)
        return ()

    state = StateRunner(StateReader(READER, DOSSIER, apply), sink, place, chain.now)
    running.start(Reader(READER, [DOSSIER], place, sink, state.handle).run)
    producer = Producer(place.bootstrap, client_id="test", timeout=10)
    stack.push_async_callback(producer.close)
    await Beats(producer, place, {DOSSIER: 2}).once()
    key = str(uuid7())
    await chain.produce(place, DOSSIER, [record(key, 1, b"sealed")])

    async def read() -> bool:
        return await chain.scalar(sink, "select sum(next_offset) from consumer_offset") == 3

    await until(read)
    assert seen == [key]
    assert [each.key for each in await chain.dump(place, DOSSIER)].count(BEAT) == 2
    assert await chain.scalar(sink, "select count(*) from dead_letter") == 0


@pytest.mark.parametrize(("minutes", "forgotten"), [(1, True), (-1, False)])
async def test_g13_a_reader_that_was_away_past_the_horizon_forgets_its_copy(
    database, kafka, minutes, forgotten
):
    sink = await chain.toy_database(database, "routing")
    place = await kafka(DOSSIER, partitions=1)
    emptied = []

    async def apply(tx, records):
        return ()

    async def empty(tx):
        emptied.append(True)

    state = StateRunner(StateReader(READER, DOSSIER, apply, empty), sink, place, chain.now)
    await state.forget_outdated()
    assert not emptied  # a reader that never read anything has nothing to forget
    async with sink.transaction() as tx:
        await tx.execute(
            "insert into consumer_offset (consumer, topic, partition, next_offset, as_of)"
            " values ($1, $2, 0, 7, $3)",
            READER,
            DOSSIER,
            chain.now() - HORIZON - timedelta(minutes=minutes),
        )
    await state.forget_outdated()
    assert bool(emptied) == forgotten
    assert await chain.scalar(sink, "select count(*) from consumer_offset") == (0 if forgotten else 1)
