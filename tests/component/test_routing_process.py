"""Routing as a process of its own: from an accepted case on Kafka to its proposal, and a clean stop."""

import asyncio
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from uuid import UUID

import aiohttp
import orjson
import pytest
from uuid_utils.compat import uuid7

from libs.events.base import Payload
from libs.events.dossier import DossierSealed
from libs.events.envelope import Envelope, to_headers
from libs.events.organisation import OrganisationChanged
from libs.events.registry import encode
from libs.messaging.beats import BEAT
from libs.messaging.reader import KafkaPlace
from libs.messaging.relay import VERSION_HEADER
from libs.privacy.dossier import seal_compartment
from libs.privacy.keyring import Keyring
from ops.stack.home import Home
from ops.stack.keys import ensure_keys
from tests.component.routing_kit import accepted
from tests.support import chain, infrastructure
from tests.support.wait import until
from tests.unit.routing.build import DISTRICT, MONDAY

ROOT = Path(__file__).parents[2]
PROPOSALS = "routing.assignment.v1"


@pytest.fixture
async def place(kafka: Any) -> KafkaPlace:
    made: KafkaPlace = await kafka()
    return made


@asynccontextmanager
async def routing(databases: infrastructure.Databases, place: KafkaPlace, home: Home) -> AsyncIterator[str]:
    """The process, ready; its address."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    environment = {
        **os.environ,
        "HESHI_HOME": str(home.root),
        "HESHI_POSTGRES": infrastructure.server(),
        "HESHI_DATABASE_PREFIX": databases.set_of(("routing",)),
        "HESHI_KAFKA": place.bootstrap,
        "HESHI_TOPIC_PREFIX": place.prefix,
        "HESHI_PORT_BASE": str(port - 2),
    }
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "services.routing.main", "all", cwd=ROOT, env=environment
    )
    address = f"http://127.0.0.1:{port}"
    try:
        await until(lambda: ready(address), seconds=60)
        yield address
        process.send_signal(signal.SIGTERM)
        assert await asyncio.wait_for(process.wait(), 30) == 0
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def ready(address: str) -> bool:
    try:
        async with aiohttp.ClientSession() as session, session.get(f"{address}/readyz") as answer:
            return answer.status == 200
    except aiohttp.ClientError:
        return False


async def publish(place: KafkaPlace, payload: Payload, version: int) -> None:
    envelope = Envelope(
        uuid7(), payload.TYPE, "/services/intake", payload.case_id, version, MONDAY, payload.TOPIC
    )
    key = str(payload.case_id).encode()
    await chain.produce(place, payload.TOPIC, [(key, encode(payload), to_headers(envelope))])


async def proposals(place: KafkaPlace) -> dict[UUID, tuple[str, int]]:
    """Organisation and version of each case's last proposal on the topic."""
    records = await chain.dump(place, PROPOSALS)
    told = {}
    for record in records:
        version = int(dict(record.headers)["ce_caseversion"])
        told[UUID(record.key.decode())] = (orjson.loads(record.value)["org_id"], version)
    return told


async def test_from_an_accepted_case_to_its_proposal(
    databases: Any, place: KafkaPlace, tmp_path: Path
) -> None:
    home = Home(tmp_path)
    ensure_keys(home)
    plain, needy = uuid7(), uuid7()
    async with routing(databases, place, home):
        await publish(place, accepted(plain), 2)
        await publish(place, accepted(needy, category="D03", has_needs=True, dossier_version=1), 2)
        await until(lambda: has(place, plain))
        assert await proposals(place) == {plain: ("LAB-01", 1)}
        await publish_needs(place, Keyring.open(home.keys), needy)
        await until(lambda: has(place, needy))
        assert (await proposals(place))[needy] == ("PMC-YQ-JY", 1)
        organisations = await chain.dump(place, OrganisationChanged.TOPIC)
        assert len({record.key for record in organisations} - {BEAT}) == 33


async def has(place: KafkaPlace, case_id: UUID) -> bool:
    return case_id in await proposals(place)


async def publish_needs(place: KafkaPlace, keyring: Keyring, case_id: UUID) -> None:
    needs = {"language": "ii", "language_help": True, "ethnic_support": True, "mode": None}
    record = DossierSealed(
        case_id=case_id,
        district=DISTRICT,
        version=1,
        compartments={"needs": {"routing": seal_compartment(keyring, "routing", case_id, "needs", 1, needs)}},
    )
    sent = (str(case_id).encode(), record.model_dump_json().encode(), [(VERSION_HEADER, b"1")])
    await chain.produce(place, record.TOPIC, [sent])
