"""The console as the stack runs it: a process that reads Kafka, shows the page, and ends when told."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from uuid_utils.compat import uuid7

from libs.events.envelope import to_headers
from libs.events.registry import encode
from libs.messaging.reader import KafkaPlace
from ops.stack.home import Home, free_port
from ops.stack.keys import ensure_accounts, ensure_keys
from services.console.consumers import TOPICS
from tests.component.test_console_board import Event, event
from tests.component.test_console_pages import Stream, sign_in
from tests.support import chain, infrastructure
from tests.support.wait import until
from tests.unit.console.test_board import intake, mediation

ROOT = Path(__file__).parents[2]


@dataclass
class Console:
    """The running process and what belongs to it."""

    process: asyncio.subprocess.Process
    browser: aiohttp.ClientSession
    place: KafkaPlace
    password: str

    async def ready(self) -> bool:
        assert self.process.returncode is None
        try:
            async with self.browser.get("/readyz") as answer:
                return answer.status == 200
        except aiohttp.ClientConnectionError:
            return False

    async def tell(self, *events: Event) -> None:
        for envelope, payload in events:
            record = (str(envelope.case_id).encode(), encode(payload), to_headers(envelope))
            await chain.produce(self.place, envelope.topic, [record])


@pytest.fixture
async def console(databases: Any, kafka: Any, tmp_path: Path) -> AsyncIterator[Console]:
    home, port, place = Home(tmp_path / "home"), free_port(), await kafka(*TOPICS)
    ensure_keys(home)
    environment = {
        **os.environ,
        "HESHI_HOME": str(tmp_path / "home"),
        "HESHI_KEYS": str(home.keys),
        "HESHI_POSTGRES": infrastructure.server(),
        "HESHI_DATABASE_PREFIX": databases.set_of(("console",)),
        "HESHI_KAFKA": place.bootstrap,
        "HESHI_TOPIC_PREFIX": place.prefix,
        "HESHI_PORT_BASE": str(port),
    }
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "services.console.main", "all", cwd=ROOT, env=environment
    )
    jar = aiohttp.CookieJar(unsafe=True)
    async with aiohttp.ClientSession(f"http://127.0.0.1:{port}", cookie_jar=jar) as browser:
        started = Console(process, browser, place, ensure_accounts(home)["operator"])
        try:
            await until(started.ready, seconds=60)
            yield started
        finally:
            if process.returncode is None:
                process.kill()
            await process.wait()


async def shown(stream: Stream) -> tuple[str, str, str]:
    """The one row that the next change of the page brings."""
    _, change = await stream.next()
    [row] = change["rows"]
    return row["id"], row["code"], row["state"]


async def test_events_on_kafka_appear_on_the_page_and_a_stop_is_clean(console: Console) -> None:
    assert (await sign_in(console.browser, password=console.password)).status == 303
    case_id = uuid7()
    async with console.browser.get("/events") as answer:
        stream = Stream(answer)
        assert await stream.next() == ("board", [])
        await console.tell(
            event(case_id, 1, mediation("case.taken_up")), event(case_id, 1, intake("case.accepted"))
        )
        _, change = await stream.next()
        [row] = change["rows"]
        assert (row["id"], row["code"], row["state"]) == (str(case_id), "K7M2P9QX", "已承接")
        console.process.send_signal(signal.SIGTERM)
        await answer.content.read()  # the stream ends instead of holding the stop up
    assert await asyncio.wait_for(console.process.wait(), 30) == 0


async def test_a_record_that_is_none_of_ours_does_not_hold_up_the_next(console: Console) -> None:
    await sign_in(console.browser, password=console.password)
    case_id = uuid7()
    async with console.browser.get("/events") as answer:
        stream = Stream(answer)
        await stream.next()
        await chain.produce(console.place, "intake.case.v1", [(b"poison", b"{", [("ce_type", b"junk")])])
        await console.tell(event(case_id, 1, intake("case.registered")))
        _, change = await stream.next()
        assert [row["id"] for row in change["rows"]] == [str(case_id)]
