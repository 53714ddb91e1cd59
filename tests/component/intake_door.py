"""Intake as it runs, on a real database and behind the real server; only the clock is the test's."""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from itertools import count
from pathlib import Path
from random import Random
from typing import Any
from uuid import UUID

import aiohttp
from uuid_utils.compat import uuid7

from libs.db.batch import Surroundings
from libs.db.erasure import Erasures
from libs.db.pool import Database
from libs.db.shell import Shell
from libs.files.checking import examine
from libs.files.examined import Examined
from libs.files.limits import Limits
from libs.files.objects import Objects
from libs.privacy.keyring import Keyring
from libs.runtime.loops import Pulse
from libs.runtime.metrics import Metrics
from libs.runtime.readiness import Readiness
from libs.runtime.server import HttpServer
from libs.testing.clock import ManualClock
from libs.web import erasures, tokens
from libs.web.app import create_app
from libs.web.auth import Edge
from libs.web.limits import RateLimit, Tries, Turns
from ops.stack.home import Home
from ops.stack.keys import ensure_keys
from services.intake.api import ROUTERS
from services.intake.domain.case import Case
from services.intake.handlers.desk import Desk, Files
from services.intake.handlers.sealing import Vault
from services.intake.store.areas import AreaCopy
from services.intake.store.attachments import AttachmentStore
from services.intake.store.cases import IntakeStore
from services.intake.store.channels import ChannelKeys, ChannelStore
from services.intake.store.erasure import HOLDINGS
from services.intake.store.imports import ImportStore
from services.intake.store.suggested import SuggestedStore
from services.intake.store.trail import AuditTrail
from services.intake.store.views import IntakeViews
from tests.unit.intake.build import DATA, DISTRICT, known

_KEYS = count(1)


@dataclass(frozen=True)
class Answer:
    """What came back."""

    status: int
    body: Any
    headers: Mapping[str, str]


@dataclass
class Door:
    """A client of intake, and what stands behind the door."""

    session: aiohttp.ClientSession
    database: Database
    keyring: Keyring
    keys: Path
    clock: ManualClock
    desk: Desk
    shell: Shell[Case]
    pulse: Pulse = field(default_factory=lambda: Pulse(lambda: None))

    def token(self, *roles: str, user: str = "somebody", districts: tuple[str, ...] = (DISTRICT,)) -> str:
        """A staff token; an operator's unless told otherwise."""
        return tokens.issue(
            tokens.newest_signing_key(self.keys),
            sub=user,
            roles=roles or ("operator",),
            districts=districts,
            now=self.clock.now(),
            ttl=timedelta(hours=1),
            known_roles=tokens.staff_roles(DATA),
        )

    async def ask(
        self,
        method: str,
        path: str,
        body: Any = None,
        *roles: str,
        headers: Mapping[str, str] | None = None,
        districts: tuple[str, ...] = (DISTRICT,),
    ) -> Answer:
        """One request; a body that is no bytes goes as JSON. Each has an idempotency key of its own."""
        sent = body if isinstance(body, bytes | None) else json.dumps(body).encode()
        given = {
            "authorization": f"Bearer {self.token(*roles, districts=districts)}",
            "content-type": "application/json",
            "idempotency-key": f"key-{next(_KEYS)}",
            **(headers or {}),
        }
        named = {name: value for name, value in given.items() if value}
        async with self.session.request(method, path, data=sent, headers=named) as answer:
            told = await answer.json(content_type=None) if answer.status != 204 else None
            return Answer(answer.status, told, answer.headers.copy())

    async def post(self, path: str, body: Any, *roles: str, **more: Any) -> Answer:
        return await self.ask("POST", path, body, *roles, **more)

    async def get(self, path: str, *roles: str, **more: Any) -> Answer:
        return await self.ask("GET", path, None, *roles, **more)

    async def register(self, *roles: str, **fields: Any) -> Answer:
        """Register a matter with the two fields that are asked for, and the ones given."""
        return await self.post(
            "/v1/cases", {"channel": "phone", "narrative": "门前路灯不亮", **fields}, *roles
        )

    async def rows(self, sql: str, *values: object) -> list[dict[str, Any]]:
        """What the database holds."""
        async with self.database.read() as tx:
            return [dict(row) for row in await tx.fetch(sql, *values)]

    async def events(self, case_id: str) -> list[tuple[int, str, Any]]:
        """Version, type and payload of the case's events, in order."""
        rows = await self.rows(
            "select version, type, payload from event where case_id = $1 order by version", UUID(case_id)
        )
        return [(row["version"], row["type"], json.loads(row["payload"])) for row in rows]


async def _examined(content: bytes, limits: Limits) -> Examined:
    """Here, which is quicker than apart."""
    return await asyncio.to_thread(examine, content, limits)


@asynccontextmanager
async def opened(
    database: Database, folder: Path, store: IntakeStore | None = None, seed: int = 4
) -> AsyncIterator[Door]:
    """Intake on this database until the block ends; `seed` decides the query codes."""
    home = Home(folder)
    ensure_keys(home)
    keyring, clock, readiness = Keyring.open(home.keys), ManualClock(), Readiness()
    store, vault = store or IntakeStore(), Vault(keyring, known().common)
    shell = Shell(database, store, Surroundings("intake", clock.now, uuid7))
    desk = Desk(
        shell=shell,
        views=IntakeViews(database),
        suggested=SuggestedStore(database),
        channels=ChannelStore(database),
        places=AreaCopy(database, known().levels, known().places, lambda: clock.now().timestamp()),
        vault=vault,
        imports=ImportStore(database, vault, lease=2),
        files=Files(
            known=AttachmentStore(database),
            objects=Objects.in_folder(folder / "attachments"),
            examine=_examined,
            turns=Turns(2),
            alone=asyncio.Lock(),
            quarantine="person",
        ),
        trail=AuditTrail(database),
        known=known(),
        now=clock.now,
        new_id=uuid7,
        chance=Random(seed),
    )
    edge = Edge(
        clock=clock,
        metrics=Metrics(),
        tokens=tokens.Verifier(home.keys, mode="demo", now=clock.now),
        mac=partial(keyring.hmac, "request"),
        rate=RateLimit(10_000, 10_000),
        tries=Tries(10_000, 10_000),
        keys=ChannelKeys(database, clock.now, lambda: clock.now().timestamp()),
    )
    routers = (*ROUTERS, erasures.router(Erasures("intake", database, HOLDINGS)))
    app = create_app("intake", routers=routers, container=desk, readiness=readiness, docs=False, edge=edge)
    server = HttpServer(app, "127.0.0.1", 0, drain=2)
    pulse = Pulse(lambda: None)
    running = [asyncio.create_task(server.run()), asyncio.create_task(shell.flush(pulse))]
    try:
        async with aiohttp.ClientSession(f"http://127.0.0.1:{server.port}") as session:
            yield Door(session, database, keyring, home.keys, clock, desk, shell, pulse)
    finally:
        readiness.stop()
        server.stop()
        pulse.stop()
        await asyncio.gather(*running)
