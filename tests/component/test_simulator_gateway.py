"""The simulated gateway over real sockets: what it takes and refuses, and how it misbehaves."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from ops.simulator.app import Config, create_app

TEXT = "【临江解纷】您反映的事项已登记，编号K7M2P9QX。"
TOKEN = "token-of-the-gateway"


@dataclass
class Service:
    """What a service behind the gateway hears; it answers with `status`."""

    url: str = ""
    status: int = 200
    receipts: list[str] = field(default_factory=list)
    replies: list[tuple[str | None, dict[str, str]]] = field(default_factory=list)

    async def receipt(self, request: web.Request) -> web.Response:
        self.receipts.append(request.query["id"] + ":" + request.query["type"])
        return web.Response(status=self.status)

    async def reply(self, request: web.Request) -> web.Response:
        form = {name: str(value) for name, value in (await request.post()).items()}
        self.replies.append((request.headers.get("X-Kannel-Token"), form))
        return web.Response(status=self.status)


@dataclass
class Gateway:
    """The simulator and a client of it."""

    server: TestServer
    client: aiohttp.ClientSession
    service: Service

    def url(self, path: str) -> str:
        return str(self.server.make_url(path))

    async def send(self, **changes: str) -> tuple[int, str]:
        form = {
            "username": "heshi",
            "password": "secret",
            "from": "106900001",
            "to": "+8613800000001",
            "text": TEXT,
            "coding": "2",
            "charset": "UTF-8",
            "dlr-mask": "19",
            "dlr-url": f"{self.service.url}/dlr?id=m1&type=%d",
        }
        async with self.client.post(self.url("/cgi-bin/sendsms"), data=form | changes) as answer:
            return answer.status, await answer.text()

    async def behave(self, **behaviour: object) -> int:
        async with self.client.put(self.url("/behaviour"), json=behaviour) as answer:
            return answer.status

    async def ledger(self, **query: str) -> dict[str, Any]:
        async with self.client.get(self.url("/ledger"), params=query) as answer:
            assert answer.status == 200
            body: dict[str, Any] = await answer.json()
            return body

    async def texts(self) -> list[str]:
        return [item["text"] for item in (await self.ledger())["items"]]


@pytest.fixture
async def service() -> AsyncIterator[Service]:
    heard = Service()
    app = web.Application()
    app.add_routes([web.post("/dlr", heard.receipt), web.post("/mo", heard.reply)])
    async with TestServer(app) as server:
        heard.url = str(server.make_url("")).rstrip("/")
        yield heard


@pytest.fixture
async def gateway(service: Service, tmp_path: Path) -> AsyncIterator[Gateway]:
    app = await create_app(Config(tmp_path / "simulator", f"{service.url}/mo", TOKEN))
    async with TestServer(app) as server, aiohttp.ClientSession() as client:
        yield Gateway(server, client, service)


async def until(condition: Callable[[], bool | Awaitable[bool]], seconds: float = 10.0) -> None:
    async with asyncio.timeout(seconds):
        while True:
            met = condition()
            if met if isinstance(met, bool) else await met:
                return
            await asyncio.sleep(0.01)


async def test_an_accepted_call_is_in_the_ledger_and_brings_a_receipt(gateway: Gateway) -> None:
    assert await gateway.send() == (202, "0: Accepted for delivery")

    async def delivered() -> bool:
        return (await gateway.ledger())["items"][0]["state"] == "delivered"

    await until(delivered)
    assert gateway.service.receipts == ["m1:1"]
    item = (await gateway.ledger())["items"][0]
    assert (item["to"], item["from"], item["text"]) == ("+8613800000001", "106900001", TEXT)


async def test_the_ledger_is_read_by_number_with_or_without_country_and_in_pages(gateway: Gateway) -> None:
    for number in ("13800000001", "+8613800000002", "008613800000001"):
        assert (await gateway.send(to=number))[0] == 202
    page = await gateway.ledger(to="13800000001", limit="1")
    assert len(page["items"]) == 1
    rest = await gateway.ledger(to="+8613800000001", after=page["next"])
    assert [item["to"] for item in rest["items"]] == ["+8613800000001"]
    assert rest["next"] is None


@pytest.mark.parametrize(
    ("changes", "status"),
    [({"to": ""}, 400), ({"to": "somebody"}, 400), ({"text": ""}, 400), ({"charset": "no-such"}, 400)],
)
async def test_a_call_without_sense_is_refused_and_leaves_no_trace(
    gateway: Gateway, changes: dict[str, str], status: int
) -> None:
    assert (await gateway.send(**changes))[0] == status
    assert await gateway.texts() == []


async def test_a_get_with_utf_16_text_is_understood_as_kannel_does(gateway: Gateway) -> None:
    query = f"to=13800000001&coding=2&text={''.join(f'%{byte:02x}' for byte in '登记'.encode('utf-16-be'))}"
    async with gateway.client.get(gateway.url("/cgi-bin/sendsms") + "?" + query) as answer:
        assert answer.status == 202
    assert await gateway.texts() == ["登记"]


async def test_a_wrong_password_is_refused_where_one_is_set(service: Service, tmp_path: Path) -> None:
    app = await create_app(Config(tmp_path, f"{service.url}/mo", TOKEN, password="right"))
    async with TestServer(app) as server, aiohttp.ClientSession() as client:
        gateway = Gateway(server, client, service)
        assert (await gateway.send(password="wrong"))[0] == 403
        assert (await gateway.send(password="right"))[0] == 202


@pytest.mark.parametrize(
    ("mode", "status"),
    [("http_500", 500), ("throttle", 429), ("rejected", 400), ("unauthorised", 403)],
)
async def test_a_refusing_gateway_keeps_nothing(gateway: Gateway, mode: str, status: int) -> None:
    assert await gateway.behave(mode=mode) == 200
    assert (await gateway.send())[0] == status
    assert await gateway.texts() == []


async def test_a_reset_comes_after_the_sms_was_taken(gateway: Gateway) -> None:
    await gateway.behave(mode="reset_after_accept")
    with pytest.raises(aiohttp.ClientError):
        await gateway.send()
    assert await gateway.texts() == [TEXT]
    await until(lambda: gateway.service.receipts == ["m1:1"])


async def test_garbage_is_no_answer_of_kannels_but_the_sms_was_taken(gateway: Gateway) -> None:
    await gateway.behave(mode="garbage")
    status, body = await gateway.send()
    assert status == 200
    assert not body.startswith("0:")
    assert await gateway.texts() == [TEXT]


@pytest.mark.parametrize("mode", ["slow", "hang"])
async def test_a_waiting_gateway_answers_after_its_delay(gateway: Gateway, mode: str) -> None:
    await gateway.behave(mode=mode, delay_s=0.3)
    begun = asyncio.get_running_loop().time()
    status, _ = await gateway.send()
    assert asyncio.get_running_loop().time() - begun >= 0.3
    assert status == (202 if mode == "slow" else 503)
    assert await gateway.texts() == ([TEXT] if mode == "slow" else [])


async def test_receipts_are_withheld_repeated_late_or_bad(gateway: Gateway) -> None:
    for mode, sent_id in (("no_receipt", "a"), ("duplicate_receipt", "b"), ("undelivered", "c")):
        await gateway.behave(mode=mode)
        await gateway.send(**{"dlr-url": f"{gateway.service.url}/dlr?id={sent_id}&type=%d"})
    await gateway.behave(mode="late_receipt", delay_s=0.2)
    await gateway.send(**{"dlr-url": f"{gateway.service.url}/dlr?id=d&type=%d"})
    await until(lambda: "d:1" in gateway.service.receipts)
    heard = gateway.service.receipts
    assert (heard.count("a:1"), heard.count("b:1"), heard.count("c:2")) == (0, 10, 1)


async def test_a_share_of_zero_misbehaves_never(gateway: Gateway) -> None:
    await gateway.behave(mode="http_500", share=0)
    assert {(await gateway.send())[0] for _ in range(20)} == {202}


@pytest.mark.parametrize("behaviour", [{"mode": "angry"}, {"mode": "ok", "share": 2}, {"mood": "ok"}])
async def test_an_unknown_behaviour_is_422(gateway: Gateway, behaviour: dict[str, object]) -> None:
    assert await gateway.behave(**behaviour) == 422


async def test_a_receipt_is_repeated_until_the_service_takes_it(gateway: Gateway) -> None:
    gateway.service.status = 503
    await gateway.send()
    await until(lambda: len(gateway.service.receipts) >= 2)
    gateway.service.status = 200

    async def delivered() -> bool:
        return (await gateway.ledger())["items"][0]["state"] == "delivered"

    await until(delivered)


async def test_a_citizens_sms_is_handed_on_like_kannel_does(gateway: Gateway) -> None:
    await gateway.send()
    async with gateway.client.post(
        gateway.url("/inbox"), json={"from": "13800000001", "text": "１ 谢谢"}
    ) as answer:
        assert answer.status == 202
    await until(lambda: bool(gateway.service.replies))
    token, form = gateway.service.replies[0]
    assert token == TOKEN
    assert (form["from"], form["to"], form["text"]) == ("+8613800000001", "106900001", "１ 谢谢")
    assert form["id"]


@pytest.mark.parametrize("body", ['{"from": "x", "text": "1"}', '{"from": "13800000001"}', "no json"])
async def test_an_inbox_call_without_sense_is_422(gateway: Gateway, body: str) -> None:
    async with gateway.client.post(gateway.url("/inbox"), data=body) as answer:
        assert answer.status == 422


async def test_the_page_of_phones_follows_changes_and_asks_nobody_else(gateway: Gateway) -> None:
    async with gateway.client.get(gateway.url("/")) as answer:
        page = await answer.text()
    assert "短信模拟器" in page
    assert "http" not in page.replace("http_500", "").lower().replace("https", "http")
    await gateway.send(to="13800000001", **{"dlr-mask": "0"})
    await gateway.send(to="13800000002", **{"dlr-mask": "0"})
    async with gateway.client.get(gateway.url("/phones")) as answer:
        shown, etag = await answer.json(), answer.headers["ETag"]
    assert [phone["phone"] for phone in shown["phones"]] == ["+8613800000002", "+8613800000001"]
    async with gateway.client.get(gateway.url("/phones"), headers={"If-None-Match": etag}) as answer:
        assert answer.status == 304
