"""Notify is killed while it calls the provider: no SMS goes out twice, nobody is left in silence (G19)."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from uuid_utils.compat import uuid7

from libs.db.dsn import of_database
from libs.db.pool import Database
from libs.events.dossier import DossierSealed
from libs.events.envelope import Envelope, to_headers
from libs.events.registry import encode
from libs.messaging.reader import KafkaPlace
from libs.messaging.relay import VERSION_HEADER
from libs.privacy.dossier import seal_compartment
from libs.privacy.keyring import Keyring
from ops.stack.home import Home, free_port
from ops.stack.keys import ensure_keys
from tests.support import chain, infrastructure
from tests.support.process import ROOT, SHORTEST_SESSION_MS
from tests.support.wait import until
from tests.unit.notify.correspondence import DISTRICT, case_facts, registered

CONTACT = {"phone": "+8613800000001", "sms_capable": True, "safe_contact": True, "language": "zh"}
TOPICS = ("intake.case.v1", "intake.dossier.v1", "mediation.case.v1", "notify.message.v1")


@dataclass
class Gateway:
    """A provider that takes every message; before it answers it kills its `victim`, if it has one."""

    texts: list[str] = field(default_factory=list)
    victim: asyncio.subprocess.Process | None = None

    async def take(self, request: web.Request) -> web.Response:
        self.texts.append(str((await request.post())["text"]))
        if self.victim is not None:
            self.victim.kill()
            await self.victim.wait()
        return web.Response(status=202, text="0: Accepted for delivery")

    def told(self, query_code: str) -> int:
        """How many messages spoke of that case."""
        return sum(query_code in text for text in self.texts)


@dataclass
class Ground:
    """What a process of notify needs, and what the services before it would say."""

    gateway: Gateway
    place: KafkaPlace
    keyring: Keyring
    database: Database
    environment: dict[str, str]

    @asynccontextmanager
    async def notify(self) -> AsyncIterator[asyncio.subprocess.Process]:
        """A running process of notify; killed at the end."""
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "services.notify.main", "all", cwd=ROOT, env=self.environment
        )
        try:
            yield process
        finally:
            if process.returncode is None:
                process.kill()
            await process.wait()

    async def register(self, query_code: str) -> UUID:
        """Intake registered a case whose applicant can be reached by SMS."""
        case_id = uuid7()
        token = seal_compartment(self.keyring, "notify", case_id, "contact", 1, CONTACT)
        dossier = DossierSealed(
            case_id=case_id, district=DISTRICT, version=1, compartments={"contact": {"notify": token}}
        )
        value, key = dossier.model_dump_json().encode(), str(case_id).encode()
        await chain.produce(self.place, "intake.dossier.v1", [(key, value, [(VERSION_HEADER, b"1")])])
        event = registered(case_id=case_id, case=case_facts(query_code=query_code))
        envelope = Envelope(uuid7(), event.TYPE, "/services/intake", case_id, 1, chain.now(), event.TOPIC)
        await chain.produce(self.place, event.TOPIC, [(key, encode(event), to_headers(envelope))])
        return case_id

    async def state(self, case_id: UUID) -> str | None:
        return await chain.scalar(self.database, "select state from message where case_id = $1", case_id)


@pytest.fixture
async def ground(databases: Any, kafka: Any, tmp_path: Any) -> AsyncIterator[Ground]:
    home, port, place = Home(tmp_path / "home"), free_port(), await kafka(*TOPICS, partitions=1)
    ensure_keys(home)
    gateway, application = Gateway(), web.Application()
    application.router.add_post("/cgi-bin/sendsms", gateway.take)
    prefix = databases.set_of(("notify",))
    database = await Database.open(of_database(infrastructure.server(), f"{prefix}notify"), name="t", size=2)
    async with TestServer(application) as server:
        environment = {
            **os.environ,
            "HESHI_HOME": str(home.root),
            "HESHI_KEYS": str(home.keys),
            "HESHI_POSTGRES": infrastructure.server(),
            "HESHI_DATABASE_PREFIX": prefix,
            "HESHI_KAFKA": place.bootstrap,
            "HESHI_TOPIC_PREFIX": place.prefix,
            "HESHI_PORT_BASE": str(port - 4),
            "HESHI_SMS_URL": str(server.make_url("/cgi-bin/sendsms")),
            "NOTIFY_CONSUMING__SESSION_TIMEOUT_MS": str(SHORTEST_SESSION_MS),
        }
        yield Ground(gateway, place, Keyring.open(home.keys), database, environment)
    await database.close()


async def test_g19_killed_in_the_middle_of_a_call_it_never_sends_again(ground: Ground) -> None:
    async with ground.notify() as process:
        ground.gateway.victim = process
        cut = await ground.register("K7M2P9QX")
        await asyncio.wait_for(process.wait(), 60)
    ground.gateway.victim = None
    assert ground.gateway.told("K7M2P9QX") == 1

    async with ground.notify():
        await ground.register("M4N5P6Q7")

        async def sends_again() -> bool:
            return ground.gateway.told("M4N5P6Q7") > 0

        async def reached(state: str) -> bool:
            return await ground.state(cut) == state

        await until(sends_again, seconds=60)
        assert ground.gateway.told("K7M2P9QX") == 1
        assert await ground.state(cut) == "sending"
        async with ground.database.transaction() as tx:  # as if 31 seconds, then 11 minutes had passed
            await tx.execute(
                "update message set changed_at = changed_at - interval '31 s' where case_id = $1", cut
            )
        await until(lambda: reached("indeterminate"), seconds=30)
        async with ground.database.transaction() as tx:
            await tx.execute(
                "update message set changed_at = changed_at - interval '11 min' where case_id = $1", cut
            )
        await until(lambda: reached("failed"), seconds=30)
        reason = "select reason from message where case_id = $1"
        assert await chain.scalar(ground.database, reason, cut) == "INDETERMINATE"
    assert (ground.gateway.told("K7M2P9QX"), ground.gateway.told("M4N5P6Q7")) == (1, 1)
