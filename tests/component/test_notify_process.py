"""Notify as a process of its own: from Kafka to the phone and back, over a crash, and a clean stop."""

import asyncio
import os
import signal
import socket
import sys
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import UUID

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from uuid_utils.compat import uuid7

from libs.db.dsn import of_database
from libs.db.pool import Database
from libs.events.base import Payload
from libs.events.dossier import DossierSealed
from libs.events.envelope import Envelope, to_headers
from libs.events.registry import encode
from libs.messaging.reader import KafkaPlace
from libs.messaging.relay import VERSION_HEADER
from libs.privacy.dossier import seal_compartment
from libs.privacy.keyring import Keyring
from ops.simulator.app import Config, create_app
from ops.stack.home import Home
from ops.stack.keys import ensure_keys
from tests.component.notify_kit import CONTACT
from tests.support import chain, infrastructure
from tests.support.wait import until
from tests.unit.notify.correspondence import DISTRICT, NOON, case_facts, registered, taken_up

ROOT = Path(__file__).parents[2]


@dataclass
class Town:
    """Notify's surroundings: a broker, phones, keys and a database that outlive its process."""

    place: KafkaPlace
    home: Home
    prefix: str
    port: int
    phones: TestServer
    http: aiohttp.ClientSession
    database: Database

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def begin(self, gateway: str | None = None) -> asyncio.subprocess.Process:
        """The process, ready; its gateway is the simulated one where none is told."""
        environment = {
            **os.environ,
            "HESHI_HOME": str(self.home.root),
            "HESHI_POSTGRES": infrastructure.server(),
            "HESHI_DATABASE_PREFIX": self.prefix,
            "HESHI_KAFKA": self.place.bootstrap,
            "HESHI_TOPIC_PREFIX": self.place.prefix,
            "HESHI_PORT_BASE": str(self.port - 4),
            "NOTIFY_CALL_TIMEOUT_S": "1",
            "NOTIFY_CONSUMING__SESSION_TIMEOUT_MS": "6000",
            "HESHI_SMS_URL": gateway or str(self.phones.make_url("/cgi-bin/sendsms")),
        }
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "services.notify.main", "all", cwd=ROOT, env=environment
        )
        await until(self.ready, seconds=60)
        return process

    async def ready(self) -> bool:
        try:
            async with self.http.get(f"{self.address}/readyz") as answer:
                return answer.status == 200
        except aiohttp.ClientError:
            return False

    async def publish(self, case_id: UUID, *events: tuple[Payload, int]) -> None:
        """A case's dossier, then its events."""
        keyring, key = Keyring.open(self.home.keys), str(case_id).encode()
        token = seal_compartment(keyring, "notify", case_id, "contact", 1, CONTACT)
        record = DossierSealed(
            case_id=case_id, district=DISTRICT, version=1, compartments={"contact": {"notify": token}}
        )
        sealed = (key, record.model_dump_json().encode(), [(VERSION_HEADER, b"1")])
        await chain.produce(self.place, record.TOPIC, [sealed])
        for payload, version in events:
            envelope = Envelope(
                uuid7(), payload.TYPE, "/services/intake", case_id, version, NOON, payload.TOPIC
            )
            await chain.produce(self.place, payload.TOPIC, [(key, encode(payload), to_headers(envelope))])

    async def texts(self) -> list[str]:
        async with self.http.get(self.phones.make_url("/ledger")) as answer:
            return [item["text"] for item in (await answer.json())["items"]]

    async def states(self) -> list[str]:
        async with self.database.read() as tx:
            return [row["state"] for row in await tx.fetch("select state from message")]

    async def told(self) -> Counter[str]:
        """How often each type of event stands on notify's topic."""
        records = await chain.dump(self.place, "notify.message.v1")
        return Counter(dict(record.headers)["ce_type"].decode() for record in records)


@pytest.fixture
async def town(databases: Any, kafka: Any, tmp_path: Path) -> AsyncIterator[Town]:
    home = Home(tmp_path)
    ensure_keys(home)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    token = Keyring.open(home.keys).hmac("request", b"kannel-mo").hex()
    config = Config(tmp_path / "simulator", f"http://127.0.0.1:{port}/providers/kannel/mo", token)
    prefix = databases.set_of(("notify",))
    dsn = of_database(infrastructure.server(), f"{prefix}notify")
    database = await Database.open(dsn, name="test-notify", size=2)
    async with TestServer(await create_app(config)) as phones, aiohttp.ClientSession() as http:
        yield Town(await kafka(), home, prefix, port, phones, http, database)
    await database.close()


@asynccontextmanager
async def running(town: Town, gateway: str | None = None) -> AsyncIterator[asyncio.subprocess.Process]:
    """Notify until the end of the block, then stopped as a supervisor stops it."""
    process = await town.begin(gateway)
    try:
        yield process
        process.send_signal(signal.SIGTERM)
        assert await asyncio.wait_for(process.wait(), 40) == 0
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


def case_events(case_id: UUID) -> Sequence[tuple[Payload, int]]:
    facts = case_facts(query_code="K7M2P9QX")
    return (registered(case_id=case_id, case=facts), 1), (taken_up(case_id=case_id), 3)


async def test_from_the_topics_to_the_phone_and_back(town: Town) -> None:
    case_id = uuid7()
    async with running(town):
        await town.publish(case_id, *case_events(case_id))

        async def delivered() -> bool:
            return (await town.told())["heshi.message.delivered.v1"] == 2

        await until(delivered, seconds=30)
        texts = await town.texts()
        assert ["已登记" in texts[0], "已安排专人负责" in texts[1], len(texts)] == [True, True, 2]


@dataclass
class SilentGateway:
    """Takes every call and answers none; `calls` are their receipt addresses."""

    calls: list[str] = field(default_factory=list)

    async def take(self, request: web.Request) -> web.Response:
        form = await request.post()
        self.calls.append(str(form["dlr-url"]).replace("%d", "1"))
        await asyncio.sleep(60)
        return web.Response(status=202)

    async def called(self) -> bool:
        return bool(self.calls)


async def test_a_kill_during_the_call_sends_nothing_twice(town: Town) -> None:
    """The gateway took the message, and the process died before it heard so: only the receipt tells."""
    silent, case_id = SilentGateway(), uuid7()
    app = web.Application()
    app.add_routes([web.post("/cgi-bin/sendsms", silent.take)])
    server = TestServer(app)
    async with server:
        address = str(server.make_url("/cgi-bin/sendsms"))
        process = await town.begin(address)
        await town.publish(case_id, *case_events(case_id)[:1])
        await until(silent.called, seconds=30)
        process.kill()
        await process.wait()
        async with running(town, address):

            async def indeterminate() -> bool:
                return await town.states() == ["indeterminate"]

            await until(indeterminate, seconds=60)
            async with town.http.post(silent.calls[0]) as answer:
                assert answer.status == 200
            assert await town.states() == ["delivered"]
            assert len(silent.calls) == 1
