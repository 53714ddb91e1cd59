"""Routing's doors behind the real server, over a seeded database; only the clock is the test's."""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

import aiohttp

from libs.db.pool import Database
from libs.events.organisation import OrganisationProfile
from libs.privacy.keyring import Keyring
from libs.runtime.loops import Pulse
from libs.runtime.metrics import Metrics
from libs.runtime.readiness import Readiness
from libs.runtime.server import HttpServer
from libs.testing.clock import ManualClock
from libs.web import tokens
from libs.web.app import create_app
from libs.web.auth import Edge
from libs.web.limits import RateLimit
from libs.web.tokens import Verifier, staff_roles
from ops.stack.home import Home
from ops.stack.keys import ensure_keys
from services.routing.api import ROUTERS, Container
from tests.component.routing_kit import Kit
from tests.unit.routing.build import DATA, DISTRICT, LEVELS, MONDAY, REFERENCE, VOCABULARY

_KEYS = count(1)


@dataclass(frozen=True)
class Answer:
    """What came back."""

    status: int
    body: Any
    headers: Mapping[str, str]

    @property
    def faults(self) -> list[tuple[str, str]]:
        """The places and codes of a 422."""
        return [(error["pointer"], error["code"]) for error in self.body["errors"]]


@dataclass
class Door:
    """A client of routing, and the parts behind the door."""

    session: aiohttp.ClientSession
    kit: Kit
    clock: ManualClock
    folder: Path

    async def ask(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        role: str = "admin",
        districts: tuple[str, ...] = (DISTRICT,),
        org: str | None = None,
        **headers: str,
    ) -> Answer:
        """One request of staff in a role, with an idempotency key of its own; an empty header is left out."""
        token = tokens.issue(
            tokens.newest_signing_key(self.folder),
            sub=role,
            roles=[role],
            districts=districts,
            org=org,
            now=self.clock.now(),
            ttl=timedelta(hours=1),
            known_roles=staff_roles(DATA),
        )
        given = {"idempotency_key": f"key-{next(_KEYS)}", "authorization": f"Bearer {token}", **headers}
        named = {name.replace("_", "-"): value for name, value in given.items() if value}
        if body is not None:
            named["content-type"] = "application/json"
        sent = None if body is None else json.dumps(body)
        async with self.session.request(method, path, data=sent, headers=named) as answer:
            text = await answer.text()
            return Answer(answer.status, json.loads(text) if text else None, answer.headers.copy())


@asynccontextmanager
async def opened(database: Database, folder: Path) -> AsyncIterator[Door]:
    """The doors over a database with the sample district in it."""
    home = Home(folder)
    home.keys.mkdir(parents=True, exist_ok=True)
    ensure_keys(home)
    keyring, clock = Keyring.open(home.keys), ManualClock(MONDAY)
    kit = Kit(database, keyring)
    rows = REFERENCE["organisations"]
    parts = ("organisations", "referral_targets")
    await kit.seed(*(OrganisationProfile.model_validate(row) for part in parts for row in rows[part]))
    app = create_app(
        "routing",
        routers=ROUTERS,
        container=Container(kit.shell, kit.registry, LEVELS, kit.views, VOCABULARY),
        readiness=Readiness(),
        docs=True,
        edge=Edge(
            clock=clock,
            metrics=Metrics(),
            tokens=Verifier(home.keys, mode="demo", now=clock.now),
            mac=partial(keyring.hmac, "request"),
            rate=RateLimit(1000, 1000),
        ),
        roles=staff_roles(DATA),
    )
    server, pulse = HttpServer(app, "127.0.0.1", 0), Pulse(lambda: None)
    running = [asyncio.create_task(server.run()), asyncio.create_task(kit.shell.flush(pulse))]
    try:
        async with aiohttp.ClientSession(
            f"http://127.0.0.1:{server.port}", timeout=aiohttp.ClientTimeout(20)
        ) as session:
            yield Door(session, kit, clock, home.keys)
    finally:
        server.stop()
        pulse.stop()
        await asyncio.gather(*running)
