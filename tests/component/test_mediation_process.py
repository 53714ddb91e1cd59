"""Mediation as the stack runs it: a process between Kafka and the organisations' software."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from uuid_utils.compat import uuid7

from libs.events.base import Payload
from libs.events.envelope import Envelope, to_headers
from libs.events.organisation import KeyHash, OrganisationChanged
from libs.events.registry import encode
from libs.messaging.reader import KafkaPlace
from libs.messaging.relay import VERSION_HEADER
from libs.web import apikeys
from ops.stack.home import Home, free_port
from ops.stack.keys import ensure_keys
from tests.component.mediation_door import ORGANISATIONS
from tests.component.test_mediation_cases import ORG, accepted, proposed
from tests.support import chain, infrastructure
from tests.support.wait import until
from tests.unit.mediation.play import DISTRICT

ROOT = Path(__file__).parents[2]
TOPICS = (
    "intake.case.v1",
    "intake.dossier.v1",
    "routing.assignment.v1",
    "mediation.routing-assignment.dlt",
    "routing.organisation.v1",
    "mediation.case.v1",
    "notify.message.v1",
)


@dataclass
class Mediation:
    """The running process and what belongs to it."""

    process: asyncio.subprocess.Process
    client: aiohttp.ClientSession
    place: KafkaPlace

    async def ready(self) -> bool:
        assert self.process.returncode is None
        try:
            async with self.client.get("/readyz") as answer:
                return answer.status == 200
        except aiohttp.ClientConnectionError:
            return False

    async def tell(self, *events: Payload) -> None:
        """Events of the services before it; each is its case's first on its topic."""
        for event in events:
            envelope = Envelope(
                uuid7(), event.TYPE, "/services/x", event.case_id, 1, datetime.now(UTC), event.TOPIC
            )
            record = (str(event.case_id).encode(), encode(event), to_headers(envelope))
            await chain.produce(self.place, event.TOPIC, [record])

    async def told(self) -> list[str]:
        """What stands on its topic."""
        return [envelope.type for envelope in await chain.envelopes(self.place, "mediation.case.v1")]


@pytest.fixture
async def mediation(databases: Any, kafka: Any, tmp_path: Path) -> AsyncIterator[Mediation]:
    home, port, place = Home(tmp_path / "home"), free_port(), await kafka(*TOPICS)
    ensure_keys(home)
    environment = {
        **os.environ,
        "HESHI_HOME": str(tmp_path / "home"),
        "HESHI_KEYS": str(home.keys),
        "HESHI_POSTGRES": infrastructure.server(),
        "HESHI_DATABASE_PREFIX": databases.set_of(("mediation",)),
        "HESHI_KAFKA": place.bootstrap,
        "HESHI_TOPIC_PREFIX": place.prefix,
        "HESHI_PORT_BASE": str(port - 3),
    }
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "services.mediation.main", "all", cwd=ROOT, env=environment
    )
    async with aiohttp.ClientSession(f"http://127.0.0.1:{port}") as client:
        started = Mediation(process, client, place)
        try:
            await until(started.ready, seconds=60)
            yield started
        finally:
            if process.returncode is None:
                process.kill()
            await process.wait()


async def test_from_a_proposal_on_kafka_to_a_take_up_by_key(mediation: Mediation) -> None:
    key, case_id = apikeys.generate(), uuid7()
    known = KeyHash(key_id="key-1", hash=apikeys.hash_of(key).hex(), scopes=(), issued_at=datetime.now(UTC))
    row = OrganisationChanged(**ORGANISATIONS[ORG], district=DISTRICT, version=1, keys=(known,))
    value = row.model_dump_json(by_alias=True).encode()
    await chain.produce(mediation.place, row.TOPIC, [(ORG.encode(), value, [(VERSION_HEADER, b"1")])])
    await chain.produce(mediation.place, "routing.assignment.v1", [(b"poison", b"{", [("ce_type", b"junk")])])
    await mediation.tell(proposed(case_id), accepted(case_id))
    signed = {"authorization": f"Bearer {key}"}

    async def seen() -> Any:
        async with mediation.client.get(f"/partner/v1/cases/{case_id}", headers=signed) as answer:
            body = await answer.json()
            opened = answer.status == 200 and answer.headers["etag"] == '"2"'
            return body if opened else None

    assert (await until(seen))["state"] == "offered"
    acting = signed | {"if-match": '"2"', "idempotency-key": "1"}
    path = f"/partner/v1/cases/{case_id}/take-up"
    async with mediation.client.post(path, json={"handler": "承办人"}, headers=acting) as answer:
        assert (answer.status, (await answer.json())["state"]) == (200, "taken_up")

    async def published() -> bool:
        return sorted(await mediation.told()) == ["case.offered", "case.opened", "case.taken_up"]

    await until(published)
    mediation.process.send_signal(signal.SIGTERM)
    assert await asyncio.wait_for(mediation.process.wait(), 30) == 0
