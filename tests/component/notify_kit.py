"""Notify over a fresh database and the simulated gateway: its sender, its doors, and citizens' phones."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any
from uuid import UUID

import aiohttp
import orjson
from aiohttp.test_utils import TestServer
from uuid_utils.compat import uuid7

from libs.db.batch import Surroundings
from libs.db.pool import Database
from libs.db.shell import Shell
from libs.db.work import Outcome, UseCase, Work
from libs.events.base import Payload
from libs.events.dossier import DossierSealed
from libs.events.envelope import Envelope
from libs.events.intake import IntakeEvent
from libs.messaging.consumer import StateRecord
from libs.privacy.dossier import seal_compartment
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
from ops.simulator.app import Config
from ops.simulator.app import create_app as create_simulator
from ops.stack.home import Home
from ops.stack.keys import ensure_keys
from services.notify import consumers
from services.notify.api import ROUTERS, Container
from services.notify.domain.case import Correspondence
from services.notify.domain.rules import Practice, Rules
from services.notify.handlers.callbacks import Callbacks
from services.notify.handlers.desk import OURSELVES
from services.notify.handlers.sender import Channel, Sender
from services.notify.handlers.upkeep import LISTEN_EVERY, Upkeep
from services.notify.main import in_one_transaction
from services.notify.providers import Kannel, KannelGateway
from services.notify.store.cases import CaseStore
from services.notify.store.contacts import Contacts
from services.notify.store.replies import Mailbox
from services.notify.store.sealing import Seals
from services.notify.store.views import Views
from tests.support.wait import until
from tests.unit.notify.conftest import DATA, rules_with
from tests.unit.notify.correspondence import DISTRICT, NOON

HANDLERS = dict(consumers.INTAKE.handlers) | dict(consumers.MEDIATION.handlers)
PHONE = "+8613800000001"
N01 = (
    "【临江解纷】您反映的事项已登记，编号K7M2P9QX。我们将在3月23日前告知您是否受理及办理途径。"
    "查询请拨0000-5550000。"
)
CONTACT = {"phone": PHONE, "sms_capable": True, "safe_contact": True, "language": "zh", "name": "周小川"}


@dataclass(frozen=True)
class Answer:
    """What came back from a door."""

    status: int
    body: Any


class Notify:
    """One process of notify, without Kafka: events and dossiers are handed in by the test."""

    phones: TestServer
    gateway: KannelGateway
    sender: Sender

    def __init__(self, database: Database, keys: Path, http: aiohttp.ClientSession, rules: Rules) -> None:
        self.database, self.keys, self.http, self.rules = database, keys, http, rules
        self.clock = ManualClock(NOON)
        self.keyring = Keyring.open(keys)
        self.seals, self.callbacks = Seals(self.keyring), Callbacks(self.keyring)
        around = Surroundings("notify", self.clock.now, uuid7)
        store = CaseStore(rules, self.seals)
        self.shell: Shell[Correspondence] = Shell(database, store, around, changed=self._committed)
        self.do = in_one_transaction(self.shell)
        self.contacts = Contacts(self.keyring, self.seals)
        self.views = Views(database, self.seals, consumers.INTAKE.name, consumers.DOSSIER)
        self.upkeep = Upkeep(self.views, self.do, self.clock.now, rules.practice)
        self.open: list[bool] = []
        self.server = HttpServer(self._app(), "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{self.server.port}"
        self._running: list[tuple[Pulse, asyncio.Task[None]]] = []

    # --- what comes in --------------------------------------------------------------------------------------

    async def hear(self, event: Payload, version: int = 1) -> None:
        """An event of intake or mediation is handled."""
        envelope = Envelope(
            event_id=uuid7(),
            type=event.TYPE,
            source="/services/intake" if isinstance(event, IntakeEvent) else "/services/mediation",
            case_id=event.case_id,
            caseversion=version,
            time=self.clock.now(),
            topic=event.TOPIC,
            traceparent="00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00",
        )
        await self.command(HANDLERS[type(event)], event.case_id, event, envelope)

    async def command(
        self, use_case: UseCase[Any, Any], case_id: UUID, command: Any, event: Envelope | None = None
    ) -> Outcome:
        work = Work(
            use_case=use_case,
            case_id=case_id,
            command=command,
            actor=OURSELVES,
            district=DISTRICT,
            received_at=self.clock.now(),
            event=event,
        )
        (result,) = await self.shell.run([work])
        if result.error is not None:
            raise result.error
        assert result.outcome is not None
        return result.outcome

    async def dossier(self, case_id: UUID, version: int = 1, **changes: Any) -> Sequence[UUID]:
        """A record of the dossier is read; the cases whose messages waited for it."""
        token = seal_compartment(self.keyring, "notify", case_id, "contact", version, CONTACT | changes)
        sealed = DossierSealed(
            case_id=case_id,
            district=DISTRICT,
            version=version,
            compartments={"contact": {"notify": token}},
        )
        return await self._apply(StateRecord(str(case_id), version, sealed.model_dump_json().encode()))

    async def tombstone(self, case_id: UUID, version: int) -> Sequence[UUID]:
        return await self._apply(StateRecord(str(case_id), version, None))

    async def _apply(self, record: StateRecord) -> Sequence[UUID]:
        async with self.database.transaction() as tx:
            return await self.contacts.apply(tx, [record])

    async def fresh(self, age: timedelta = timedelta(0)) -> None:
        """The copies of intake's facts and contacts are whole up to that age."""
        async with self.database.transaction() as tx:
            for name, topic in (
                (consumers.INTAKE.name, "intake.case.v1"),
                (consumers.DOSSIER, "intake.dossier.v1"),
            ):
                await tx.execute(
                    """
                    insert into consumer_offset (consumer, topic, partition, next_offset, as_of)
                    values ($1, $2, 0, 1, $3)
                    on conflict (consumer, topic, partition) do update set as_of = excluded.as_of
                    """,
                    name,
                    topic,
                    self.clock.now() - age,
                )

    # --- what can be seen -----------------------------------------------------------------------------------

    async def messages(self) -> list[tuple[str, str, str | None]]:
        """Template, state and reason of every message, in the order of their plan."""
        rows = await self.rows("select template, state, reason from message order by message_id")
        return [(row["template"], row["state"], row["reason"]) for row in rows]

    async def state(self) -> str:
        """The state of the one message there is."""
        ((_, state, _),) = await self.messages()
        return state

    async def events(self) -> list[tuple[str, dict[str, Any]]]:
        """Type and payload of every event, in order."""
        rows = await self.rows("select type, payload from event order by id")
        return [(row["type"], orjson.loads(row["payload"])) for row in rows]

    async def types(self) -> list[str]:
        return [kind.removeprefix("message.") for kind, _ in await self.events()]

    async def rows(self, sql: str, *args: object) -> list[Any]:
        async with self.database.read() as tx:
            return await tx.fetch(sql, *args)

    async def came(self, state: str, seconds: float = 20) -> None:
        """Wait until the one message has that state."""

        async def there() -> bool:
            return await self.state() == state

        await until(there, seconds=seconds)

    async def texts(self) -> list[str]:
        """What the phones got."""
        async with self.http.get(self.phones.make_url("/ledger")) as answer:
            return [item["text"] for item in (await answer.json())["items"]]

    # --- the gateway and the doors --------------------------------------------------------------------------

    async def behave(self, mode: str, **more: Any) -> None:
        async with self.http.put(self.phones.make_url("/behaviour"), json={"mode": mode, **more}) as answer:
            assert answer.status == 200

    async def write(self, text: str, phone: str = PHONE) -> None:
        """A citizen writes an SMS."""
        body = {"from": phone, "text": text}
        async with self.http.post(self.phones.make_url("/inbox"), json=body) as answer:
            assert answer.status == 202

    async def receipt(self, message_id: UUID, case_id: UUID, kind: str, mac: str | None = None) -> int:
        """The gateway brings a receipt (or a stranger one that is forged)."""
        query = self.callbacks.receipt_query(message_id, case_id, DISTRICT)
        if mac is not None:
            query = query.rpartition("=")[0] + "=" + mac
        async with self.http.get(f"{self.url}/providers/kannel/dlr?{query}&type={kind}") as answer:
            return answer.status

    async def mo(self, token: str | None = None, **form: str) -> int:
        """Somebody claims to bring a citizen's SMS."""
        secret = token or self.keyring.hmac("request", b"kannel-mo").hex()
        async with self.http.post(
            f"{self.url}/providers/kannel/mo", data=form, headers={"X-Kannel-Token": secret}
        ) as answer:
            return answer.status

    async def ask(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        role: str = "supervisor",
        districts: tuple[str, ...] = (DISTRICT,),
        **headers: str,
    ) -> Answer:
        """A request of staff in a role."""
        token = tokens.issue(
            tokens.newest_signing_key(self.keys),
            sub=role,
            roles=[role],
            districts=districts,
            org=None,
            now=self.clock.now(),
            ttl=timedelta(hours=1),
            known_roles=staff_roles(DATA),
        )
        given = {"authorization": f"Bearer {token}"} | {n.replace("_", "-"): v for n, v in headers.items()}
        async with self.http.request(method, self.url + path, json=body, headers=given) as answer:
            return Answer(answer.status, await answer.json())

    # --- life -----------------------------------------------------------------------------------------------

    def start(self, phones: TestServer) -> None:
        """The doors open, the queue of commands is served, and the gateway is known."""
        self._connect(phones)
        self._door = asyncio.create_task(self.server.run())
        self._loop(self.shell.flush)

    def send(self) -> None:
        """The sender runs from here on."""
        self._loop(self.sender.run)

    async def look(self) -> None:
        """Upkeep makes its round now, the long silences included."""
        self.upkeep._listened_at = -LISTEN_EVERY
        await self.upkeep.look()

    async def stop(self) -> None:
        self.server.stop()
        await self._door
        for pulse, _ in self._running:
            pulse.stop()
        await asyncio.gather(*(task for _, task in self._running))

    def _loop(self, run: Any) -> None:
        pulse = Pulse(lambda: None)
        self._running.append((pulse, asyncio.create_task(run(pulse))))

    def _committed(self) -> None:
        self.sender.wake()

    def _connect(self, phones: TestServer) -> None:
        self.phones = phones
        kannel = Kannel(
            url=str(phones.make_url("/cgi-bin/sendsms")),
            username="heshi",
            password="secret",
            sender="10690000",
            receipts=f"{self.url}/providers/kannel/dlr",
            real=False,
            timeout_s=1.0,
        )
        self.gateway = KannelGateway(kannel, self.callbacks, 8)
        channel = Channel(8, self.open.append)
        self.sender = Sender(self.views, self.gateway, self.do, self.clock.now, channel)

    def _app(self) -> Any:
        return create_app(
            "notify",
            routers=ROUTERS,
            container=Container(
                shell=self.shell,
                views=self.views,
                mail=Mailbox(self.database, self.keyring, self.seals, [DISTRICT]),
                rules=self.rules,
                callbacks=self.callbacks,
                new_id=uuid7,
            ),
            readiness=Readiness(),
            docs=True,
            edge=Edge(
                clock=self.clock,
                metrics=Metrics(),
                tokens=Verifier(self.keys, mode="demo", now=self.clock.now),
                mac=partial(self.keyring.hmac, "request"),
                rate=RateLimit(1000, 1000),
            ),
            roles=staff_roles(DATA),
        )


@asynccontextmanager
async def opened(database: Database, folder: Path, practice: Practice | None = None) -> AsyncIterator[Notify]:
    """Notify with its doors open and a gateway that behaves; the sender is started by the test."""
    home = Home(folder)
    ensure_keys(home)
    rules = rules_with(practice or Practice(quiet_hours=False, daily_cap=False))
    keyring = Keyring.open(home.keys)
    async with AsyncExitStack() as stack:
        http = await stack.enter_async_context(aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(20)))
        notify = Notify(database, home.keys, http, rules)
        token = keyring.hmac("request", b"kannel-mo").hex()
        config = Config(folder / "simulator", f"{notify.url}/providers/kannel/mo", token)
        phones = await stack.enter_async_context(TestServer(await create_simulator(config)))
        notify.start(phones)
        stack.push_async_callback(notify.gateway.close)
        stack.push_async_callback(notify.stop)
        await notify.fresh()
        yield notify


async def only_message(notify: Notify) -> UUID:
    """The id of the one message there is."""
    (row,) = await notify.rows("select message_id from message")
    message_id: UUID = row["message_id"]
    return message_id
