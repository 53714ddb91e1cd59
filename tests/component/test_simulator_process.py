"""The simulator as a process: its ledger outlives `kill -9`, what it owed is brought after a restart."""

import asyncio
import base64
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import orjson
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from ops.simulator.ledger import Ledger, LedgerError, Sms


@asynccontextmanager
async def simulator(home: Path, **environment: str) -> AsyncIterator[tuple[asyncio.subprocess.Process, str]]:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "ops.simulator",
        stdout=asyncio.subprocess.PIPE,
        env={**os.environ, "HESHI_HOME": str(home), "HESHI_SIMULATOR_PORT": "0", **environment},
    )
    try:
        assert process.stdout is not None
        yield process, (await process.stdout.readline()).decode().strip()
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


@pytest.fixture
def home(tmp_path: Path) -> Path:
    keys = tmp_path / "keys"
    keys.mkdir()
    (keys / "request.1.key").write_bytes(base64.urlsafe_b64encode(bytes(range(32))))
    return tmp_path


def call(number: str, dlr_url: str = "") -> dict[str, str]:
    return {"to": number, "text": "您好", "charset": "UTF-8", "dlr-mask": "1", "dlr-url": dlr_url}


async def test_every_answered_call_outlives_a_kill(home: Path) -> None:
    answered: list[str] = []
    enough = asyncio.Event()

    async def caller(address: str, client: aiohttp.ClientSession, lane: int) -> None:
        for number in range(100):
            to = f"+861380000{lane:02d}{number:02d}"
            async with client.post(f"{address}/cgi-bin/sendsms", data=call(to)) as answer:
                assert answer.status == 202
            answered.append(to)
            if len(answered) >= 200:
                enough.set()

    async with simulator(home) as (process, address), aiohttp.ClientSession() as client:
        lanes = [asyncio.create_task(caller(address, client, lane)) for lane in range(8)]
        await enough.wait()
        process.kill()
        await asyncio.gather(*lanes, return_exceptions=True)
    promised = list(answered)
    async with simulator(home) as (_, address), aiohttp.ClientSession() as client:
        async with client.get(f"{address}/ledger") as answer:
            kept = [item["to"] for item in (await answer.json())["items"]]
    assert set(promised) <= set(kept)
    assert len(kept) == len(set(kept))


async def test_an_owed_receipt_is_brought_after_the_restart(home: Path) -> None:
    heard = asyncio.Event()

    async def receipt(_: web.Request) -> web.Response:
        heard.set()
        return web.Response()

    app = web.Application()
    app.add_routes([web.post("/dlr", receipt)])
    async with TestServer(app) as server, aiohttp.ClientSession() as client:
        async with simulator(home) as (process, address):
            await client.put(f"{address}/behaviour", json={"mode": "late_receipt", "delay_s": 0.5})
            url = str(server.make_url("/dlr"))
            async with client.post(f"{address}/cgi-bin/sendsms", data=call("13800000001", url)) as answer:
                assert answer.status == 202
            process.kill()
        assert not heard.is_set()
        async with simulator(home):
            await asyncio.wait_for(heard.wait(), 10)


async def test_it_ends_cleanly_when_asked(home: Path) -> None:
    async with simulator(home) as (process, address):
        async with aiohttp.ClientSession() as client, client.get(f"{address}/readyz") as answer:
            assert await answer.json() == {"ready": True}
        process.send_signal(signal.SIGTERM)
        assert await asyncio.wait_for(process.wait(), 10) == 0


async def test_a_line_torn_by_a_crash_is_cut_off(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path)
    await ledger.add(Sms("out", "2026-01-01T00:00:00+00:00", "+8613800000001", "1069", "一", "accepted"))
    await ledger.close()
    whole = ledger.path.read_bytes()
    ledger.path.write_bytes(whole + whole[: len(whole) // 2])
    again = Ledger(tmp_path)
    await again.add(Sms("out", "2026-01-01T00:00:01+00:00", "+8613800000001", "1069", "二", "accepted"))
    await again.close()
    assert [orjson.loads(line)["sms"]["text"] for line in again.path.read_bytes().splitlines()] == [
        "一",
        "二",
    ]


def test_a_damaged_ledger_is_refused_with_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "ledger.jsonl").write_bytes(b'{"id": 7, "state": "delivered"}\n')
    with pytest.raises(LedgerError, match="move it away"):
        Ledger(tmp_path)
