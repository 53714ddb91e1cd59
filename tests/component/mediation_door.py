"""Mediation as it runs, on a real database and behind the real server; records come as the broker gives them,
and only the clock is the test's."""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from itertools import count
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import aiohttp
from uuid_utils.compat import uuid7

from libs.db.batch import Surroundings
from libs.db.pool import Database
from libs.db.shell import Shell
from libs.events.base import Payload
from libs.events.dossier import DossierSealed
from libs.events.envelope import Envelope, to_headers
from libs.events.notify import MessageReceived
from libs.events.organisation import KeyHash, OrganisationChanged
from libs.events.registry import encode
from libs.messaging.consumer import EventRunner, ProjectionRunner, StateRunner
from libs.messaging.deadlines import Sweep
from libs.messaging.reader import KafkaPlace
from libs.messaging.relay import VERSION_HEADER
from libs.privacy.dossier import seal_compartment
from libs.privacy.keyring import Keyring
from libs.runtime.loops import Pulse
from libs.runtime.metrics import Metrics
from libs.runtime.readiness import Readiness
from libs.runtime.server import HttpServer
from libs.testing.clock import ManualClock
from libs.web import apikeys, tokens
from libs.web.app import create_app
from libs.web.auth import Edge
from libs.web.limits import RateLimit
from ops.stack.home import Home
from ops.stack.keys import ensure_keys
from services.mediation import consumers
from services.mediation.api import ROUTERS, Container
from services.mediation.domain.case import Case
from services.mediation.domain.codes import Codes
from services.mediation.handlers.cases import use_cases
from services.mediation.handlers.desk import Desk
from services.mediation.handlers.sealing import Vault
from services.mediation.handlers.sweeping import Sweeper
from services.mediation.handlers.tasking import Calls, TaskDesk
from services.mediation.store.cases import CaseStore
from services.mediation.store.copies import Dossiers, PartnerKeys, apply_organisations
from services.mediation.store.outages import beat
from services.mediation.store.tasks import TaskLists, TaskStore, add_calls
from services.mediation.store.views import Views
from tests.unit.mediation.play import DATA, DISTRICT

PLACE = KafkaPlace("nowhere:9", "t.")
ORGANISATIONS = {
    row["org_id"]: row for row in json.loads((DATA / "organisations.json").read_text())["organisations"]
}
STORY = {"applicant": {"name": "周小川"}, "respondents": [], "narrative": "三个月工资未发"}
CONTACT = {"phone": "+8613800000001", "name": "周小川", "safe_contact": True, "language": "zh"}

_NUMBERS = count(1)


@dataclass(frozen=True)
class Answer:
    """What came back."""

    status: int
    body: Any
    headers: Mapping[str, str]


@dataclass
class Door:
    """A client of mediation, the broker that feeds it, and what stands behind the door."""

    session: aiohttp.ClientSession
    database: Database
    keyring: Keyring
    keys: Path
    clock: ManualClock
    shell: Shell[Case]
    sweeper: Sweeper
    runners: Mapping[str, EventRunner[Case]]
    states: Mapping[str, StateRunner]
    calls: ProjectionRunner
    partners: dict[str, str] = field(default_factory=dict)
    heard: dict[tuple[str, UUID], int] = field(default_factory=dict)

    # --- the broker -----------------------------------------------------------------------------------------

    async def hear(self, *events: Payload) -> None:
        """Events arrive, those of one topic as one batch."""
        for topic in dict.fromkeys(event.TOPIC for event in events):
            records = [self.record(event) for event in events if event.TOPIC == topic]
            await self.runners[topic].handle(records, ())
            if topic == MessageReceived.TOPIC:
                await self.calls.handle(records, ())

    def record(self, event: Payload) -> Any:
        """The event as the relay would have published it."""
        place = (event.TOPIC, event.case_id)
        self.heard[place] = self.heard.get(place, 0) + 1
        envelope = Envelope(
            uuid7(),
            event.TYPE,
            "/services/x",
            event.case_id,
            self.heard[place],
            self.clock.now(),
            event.TOPIC,
        )
        return _record(event.TOPIC, str(event.case_id), encode(event), to_headers(envelope))

    async def put(self, topic: str, key: str, version: int, value: bytes | None) -> None:
        """A record of a compacted topic arrives."""
        header = [(VERSION_HEADER, str(version).encode())]
        await self.states[topic].handle([_record(topic, key, value, header)], ())

    async def organisation(self, org_id: str, version: int = 1, **changes: Any) -> str:
        """An organisation with a live key; the key."""
        key = apikeys.generate()
        known = KeyHash(
            key_id=f"key-{org_id}", hash=apikeys.hash_of(key).hex(), scopes=(), issued_at=self.clock.now()
        )
        said = {"district": DISTRICT, "version": version, "keys": (known,)} | changes
        row = OrganisationChanged(**ORGANISATIONS[org_id], **said)
        await self.put(row.TOPIC, org_id, version, row.model_dump_json(by_alias=True).encode())
        self.partners[org_id] = key
        return key

    async def dossier(self, case_id: UUID, version: int = 1, **parts: Any) -> None:
        """The citizen's dossier arrives, sealed for mediation."""
        contents = {"story": STORY, "contact": CONTACT} | parts
        record = DossierSealed(
            case_id=case_id,
            district=DISTRICT,
            version=version,
            compartments={
                name: {
                    "mediation": seal_compartment(self.keyring, "mediation", case_id, name, version, content)
                }
                for name, content in contents.items()
                if content is not None
            },
        )
        await self.put(record.TOPIC, str(case_id), version, record.model_dump_json().encode())

    async def keys_known(self) -> None:
        """The copy of the keys stands at the end of its topic now."""
        async with self.database.transaction() as tx:
            await tx.execute(
                """
                insert into consumer_offset (consumer, topic, partition, next_offset, as_of)
                values ($1, 'routing.organisation.v1', 0, 1, $2)
                on conflict (consumer, topic, partition) do update set as_of = excluded.as_of
                """,
                consumers.ORGANISATIONS,
                self.clock.now(),
            )

    async def sweep(self) -> int:
        """One pass over the clocks."""
        return await Sweep(self.database, self.clock.now, self.sweeper.fire).once()

    # --- people and organisations ---------------------------------------------------------------------------

    def token(self, *roles: str, user: str = "somebody", districts: tuple[str, ...] = (DISTRICT,)) -> str:
        """A staff token; a supervisor's unless told otherwise."""
        return tokens.issue(
            tokens.newest_signing_key(self.keys),
            sub=user,
            roles=roles or ("supervisor",),
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
        *,
        credential: str | None = None,
        headers: Mapping[str, str | None] | None = None,
    ) -> Answer:
        """One request with an idempotency key of its own; a header of None is left out."""
        given = {
            "authorization": f"Bearer {credential or self.token()}",
            "content-type": "application/json",
            "idempotency-key": f"key-{next(_NUMBERS)}",
            **(headers or {}),
        }
        sent = body if isinstance(body, bytes | None) else json.dumps(body).encode()
        named = {name: value for name, value in given.items() if value is not None}
        async with self.session.request(method, path, data=sent, headers=named) as answer:
            return Answer(answer.status, await answer.json(content_type=None), answer.headers.copy())

    async def partner(self, org_id: str, method: str, path: str, body: Any = None, **headers: Any) -> Answer:
        """A request of an organisation's software."""
        await self.keys_known()
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        return await self.ask(
            method, f"/partner/v1{path}", body, credential=self.partners[org_id], headers=given
        )

    async def act(self, org_id: str, case_id: UUID, action: str, body: Any, **headers: Any) -> Answer:
        """An act on a case, decided on its present version."""
        version = await self.version(case_id)
        return await self.partner(
            org_id, "POST", f"/cases/{case_id}/{action}", body, **{"if_match": f'"{version}"'} | headers
        )

    # --- behind the door ------------------------------------------------------------------------------------

    async def version(self, case_id: UUID) -> int:
        rows = await self.rows("select version from case_head where case_id = $1", case_id)
        return rows[0]["version"] if rows else 0

    async def rows(self, sql: str, *values: object) -> list[dict[str, Any]]:
        """What the database holds."""
        async with self.database.read() as tx:
            return [dict(row) for row in await tx.fetch(sql, *values)]

    async def events(self, case_id: UUID) -> list[tuple[int, str, Any]]:
        """Version, type and payload of the case's events, in order."""
        rows = await self.rows(
            "select version, type, payload from event where case_id = $1 order by version", case_id
        )
        return [(row["version"], row["type"], json.loads(row["payload"])) for row in rows]


def _record(topic: str, key: str, value: bytes | None, headers: Sequence[tuple[str, bytes]]) -> Any:
    return SimpleNamespace(
        topic=PLACE.physical(topic),
        partition=0,
        offset=next(_NUMBERS),
        key=key.encode(),
        value=value,
        headers=headers,
    )


@asynccontextmanager
async def opened(database: Database, folder: Path) -> AsyncIterator[Door]:
    """Mediation on this database until the block ends."""
    home = Home(folder)
    ensure_keys(home)
    keyring, clock, readiness = Keyring.open(home.keys), ManualClock(), Readiness()
    codes, vault = Codes.load(DATA), Vault(keyring)
    uses, views = use_cases(codes), Views(database, vault)
    shell = Shell(database, CaseStore(), Surroundings("mediation", clock.now, uuid7))
    edge = Edge(
        clock=clock,
        metrics=Metrics(),
        tokens=tokens.Verifier(home.keys, mode="demo", now=clock.now),
        mac=partial(keyring.hmac, "request"),
        rate=RateLimit(10_000, 10_000),
        keys=PartnerKeys(database, consumers.ORGANISATIONS),
    )
    sheets = Shell(database, TaskStore(), Surroundings("mediation", clock.now, uuid7))
    tasks = TaskDesk(sheets, TaskLists(database))
    container = Container(Desk(shell, views, uses, uuid7), views, tasks, codes.book, codes.calendar)
    app = create_app(
        "mediation",
        routers=ROUTERS,
        container=container,
        readiness=readiness,
        docs=False,
        edge=edge,
        roles=tokens.staff_roles(DATA),
    )
    server = HttpServer(app, "127.0.0.1", 0, drain=2)
    pulse = Pulse(lambda: None)
    running = [asyncio.create_task(server.run()), asyncio.create_task(shell.flush(pulse))]
    dossiers = Dossiers(vault)
    states = consumers.states(dossiers.apply, dossiers.empty, apply_organisations)
    try:
        async with aiohttp.ClientSession(f"http://127.0.0.1:{server.port}") as session:
            yield Door(
                session,
                database,
                keyring,
                home.keys,
                clock,
                shell,
                Sweeper(shell, uses.clock, clock.now, partial(beat, database)),
                {
                    consumer.topic: EventRunner(consumer, shell, database, PLACE, "mediation", clock.now)
                    for consumer in consumers.events(uses)
                },
                {reader.topic: StateRunner(reader, database, PLACE, clock.now) for reader in states},
                ProjectionRunner(
                    *consumers.projections(Calls(codes, add_calls).apply), database, PLACE, clock.now
                ),
            )
    finally:
        readiness.stop()
        server.stop()
        pulse.stop()
        await asyncio.gather(*running)
