"""The whole embedded stack as a test sees it: its doors, its ledger, its topics, and the end of its parts."""

import asyncio
import time
import uuid
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import aiohttp
import psutil
from aiokafka import AIOKafkaProducer
from uuid_utils.compat import uuid7

from libs.events import topics as declared
from libs.events.envelope import Envelope, to_headers
from libs.messaging.reader import KafkaPlace
from ops import tokens
from ops.demo import samples, sms
from ops.demo.doors import Doors, Refused
from ops.demo.waiting import Trouble
from ops.installation import Installation
from ops.stack.child import running
from tests.component.test_stack_life import Heshi, eventually
from tests.support.wait import until

BUDGET = 10.0
"""Seconds within which every request is answered, whatever is down."""


@asynccontextmanager
async def opened() -> AsyncIterator[Doors]:
    """The doors of the running stack."""
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(2 * BUDGET)) as session:
        yield await Doors.open(session)


def place() -> KafkaPlace:
    """The stack's broker."""
    return KafkaPlace(Installation.current().kafka)


@dataclass(frozen=True, slots=True)
class Heard:
    """An answer as it came, good or not, and how long it took."""

    status: int
    headers: Mapping[str, str]
    body: Any
    seconds: float


async def ask(doors: Doors, method: str, service: str, path: str, body: Any = None, key: str = "") -> Heard:
    """A request by a dispatcher, whatever is answered."""
    headers = {"Authorization": f"Bearer {tokens.issue('dispatcher')}"}
    if method == "POST":
        headers["Idempotency-Key"] = key or str(uuid.uuid4())
    begun = time.monotonic()
    url = Installation.current().url(service) + path
    async with doors.session.request(method, url, json=body, headers=headers) as answer:
        told = await answer.json(content_type=None)
        return Heard(answer.status, answer.headers, told, time.monotonic() - begun)


async def enter(doors: Doors, number: int) -> str:
    """A sample case, entered as it stands; its id."""
    [sample] = samples.inputs([number])
    answer = await doors.intake.post("/v1/cases", sample.input)
    return str(answer.body["case_id"])


async def offered(doors: Doors, case_id: str) -> str:
    """The organisation that the case is offered to, once it is."""

    async def look() -> str | None:
        seen = await doors.at_mediation(case_id)
        return seen["org_id"] if seen and seen["state"] == "offered" else None

    return str(await until(look))


async def answered(doors: Doors, case_id: str) -> bool:
    """Whether routing has heard what became of its proposals (G16)."""
    told = (await doors.routing.get(f"/v1/cases/{case_id}/assignments")).body
    return bool(told["items"]) and all(attempt["state"] != "pending" for attempt in told["items"])


async def take_up(doors: Doors, case_id: str) -> None:
    """The organisation that holds the offer takes the case up by its software."""
    door = await doors.partner(await offered(doors, case_id))
    path = f"/partner/v1/cases/{case_id}"

    async def taken() -> bool:
        seen = await door.get(path)
        try:
            await door.post(f"{path}/take-up", {"handler": "值班调解员"}, version=seen.version)
        except Refused as refused:
            if refused.passing:  # a clock or an event moved the case in between: look again
                return False
            raise
        return True

    await until(taken)


async def ledger(doors: Doors, case_id: str) -> list[str]:
    """The templates of what the gateway took for the case, in its order."""
    got = sms.received(await doors.messages(case_id), await doors.ledger())
    return [one.template for one in got if one.case_id == case_id]


async def arrives(doors: Doors, case_id: str, *templates: str) -> None:
    """Wait until exactly these SMS, in this order, are in the gateway's ledger for the case."""

    async def look() -> bool:
        return await ledger(doors, case_id) == list(templates)

    await until(look)


async def on_their_way(doors: Doors, case_id: str) -> bool:
    """Whether no message of the case waits to be given to the gateway."""
    told = await doors.messages(case_id)
    return bool(told) and all(message["state"] not in ("planned", "deferred") for message in told)


async def all_that_is_known(doors: Doors, case_id: str) -> dict[str, Any]:
    """A case in every service, with its SMS."""
    return {
        "intake": (await doors.intake.get(f"/v1/cases/{case_id}")).body,
        "routing": (await doors.routing.get(f"/v1/cases/{case_id}/assignments")).body,
        "mediation": await doors.at_mediation(case_id),
        "notify": await doors.messages(case_id),
        "ledger": await doors.ledger(),
    }


async def at_rest(doors: Doors, case_id: str) -> dict[str, Any] | None:
    """All that is known of a case when none of it has changed for a second; what services tell each other of
    it may still be on its way after its SMS came."""
    known = await all_that_is_known(doors, case_id)
    await asyncio.sleep(1)
    return known if await all_that_is_known(doors, case_id) == known else None


async def answers(look: Any) -> Any:
    """What a door says once it answers well again."""

    async def tried() -> Any:
        try:
            return await look()
        except Trouble:
            return None

    return await until(tried, seconds=30)


async def poison(topic: str) -> int:
    """Put a record that nobody can read on every partition of a topic; how many there are."""
    count = declared.load().topics[topic].partitions
    client = AIOKafkaProducer(bootstrap_servers=place().bootstrap)
    await client.start()
    try:
        for partition in range(count):
            case_id = uuid7()
            envelope = Envelope(
                uuid7(), "case.accepted", "/services/intake", case_id, 1, datetime.now(UTC), topic
            )
            await client.send_and_wait(
                topic, b"{poison", str(case_id).encode(), partition=partition, headers=to_headers(envelope)
            )
    finally:
        await client.stop()
    return count


@contextmanager
def down(heshi: Heshi, part: str) -> Iterator[None]:
    """A part is killed and stays away while the block runs; then its supervisor may start it again."""
    supervisor, pid = heshi.supervisor(), heshi.pid_of(part)
    assert pid is not None
    supervisor.suspend()
    try:
        psutil.Process(pid).kill()
        eventually(lambda: not running(heshi.home, part))
        yield
        assert not running(heshi.home, part)
    finally:
        supervisor.resume()


def kill_everything(heshi: Heshi) -> None:
    """SIGKILL to every process of the stack, the supervisor first."""
    supervisor = heshi.supervisor()
    everybody = [supervisor, *running(heshi.home)]
    for process in everybody:
        try:
            process.kill()
        except psutil.NoSuchProcess:
            continue
    eventually(lambda: not running(heshi.home))
