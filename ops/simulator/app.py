"""The simulator's HTTP doors: sendsms, the ledger, the citizen's SMS, the behaviour, the page."""

import asyncio
import hmac
import socket
import struct
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path

import aiohttp
import orjson
from aiohttp import web
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ops.simulator import kannel
from ops.simulator.behaviour import DUPLICATES, Behaviour, Mode
from ops.simulator.callbacks import PARALLEL, Callbacks
from ops.simulator.ledger import Ledger, LedgerError, Sms

PAGE = Path(__file__).with_name("phones.html")
LEDGER_LIMIT = 1000
SHOWN_PHONES, SHOWN_SMS = 30, 20
BODY_LIMIT = 256 * 1024


class Inbound(BaseModel):
    """An SMS that a citizen writes; `from` is any way to write the number."""

    model_config = ConfigDict(extra="forbid")

    sender: str = Field(alias="from", min_length=1, max_length=32)
    text: str = Field(max_length=1000)


@dataclass(frozen=True, slots=True)
class Config:
    """Where the ledger lies, and where a citizen's SMS is handed on and by which token.

    Without a `password` every caller may send, as on a laptop; with one Kannel's 403 answers a wrong one.
    """

    folder: Path
    mo_url: str
    mo_token: str
    password: str | None = None


class Simulator:
    """One gateway: a ledger, the way back to the service, and how it behaves now."""

    def __init__(self, config: Config, ledger: Ledger, callbacks: Callbacks) -> None:
        self._config, self._ledger, self._callbacks = config, ledger, callbacks
        self._behaviour = Behaviour()

    def routes(self) -> list[web.RouteDef]:
        return [
            web.get("/cgi-bin/sendsms", self.send),
            web.post("/cgi-bin/sendsms", self.send),
            web.get("/ledger", self.ledger),
            web.post("/inbox", self.inbox),
            web.get("/behaviour", self.show_behaviour),
            web.put("/behaviour", self.behave),
            web.get("/phones", self.phones),
            web.get("/", self.page),
            web.get("/livez", self.ready),
            web.get("/readyz", self.ready),
        ]

    async def send(self, request: web.Request) -> web.StreamResponse:
        """Kannel's sendsms: 202 once the SMS is in the ledger; else Kannel's status and words."""
        encoded = await request.read() or request.rel_url.raw_query_string.encode()
        mode = self._behaviour.drawn()
        delay = self._behaviour.delay(mode)
        try:
            call = self._checked(encoded, mode)
            if mode in ("slow", "hang"):
                await asyncio.sleep(delay)
            if mode == "hang":
                raise kannel.Refused(503, "Temporal failure, try again later.")
            await self._take(call, mode, delay)
        except kannel.Refused as refused:
            headers = {"Retry-After": "1"} if refused.status == 429 else None
            return web.Response(status=refused.status, text=refused.text, headers=headers)
        except LedgerError:
            return web.Response(status=503, text="Temporal failure, try again later.")
        if mode == "reset_after_accept":
            _reset(request)
        if mode == "garbage":
            return web.Response(text="<html>\0OK?</html>")
        return web.Response(status=202, text=kannel.ACCEPTED)

    async def ledger(self, request: web.Request) -> web.Response:
        """Accepted calls in order, from the one after `after` on, of one number only when `to` is given."""
        to, after = request.query.get("to"), request.query.get("after", "0")
        limit = request.query.get("limit", str(LEDGER_LIMIT))
        number = kannel.phone(to) if to else None
        if (to and number is None) or not after.isdecimal() or not limit.isdecimal():
            return _problem("to, after or limit makes no sense")
        wanted = min(max(int(limit), 1), LEDGER_LIMIT)
        found = self._ledger.sent_after(int(after), number, wanted + 1)
        items = [_public(sms) for sms in found[:wanted]]
        return _json({"items": items, "next": items[-1]["id"] if len(found) > wanted else None})

    async def inbox(self, request: web.Request) -> web.Response:
        """A citizen's SMS: 202 once it is in the ledger; it is handed on with retries."""
        try:
            message = Inbound.model_validate_json(await request.read())
        except ValidationError as error:
            return _problem(_said(error))
        number = kannel.phone(message.sender)
        if number is None:
            return _problem("from is not a phone number")
        earlier = self._ledger.phones.get(number, [])
        sms = Sms("in", _now(), number, earlier[-1].number if earlier else "", message.text, "received")
        try:
            await self._ledger.add(sms)
        except LedgerError as error:
            return _problem(str(error), 503)
        self._callbacks.start(sms)
        return _json({"id": str(sms.id)}, 202)

    async def show_behaviour(self, _: web.Request) -> web.Response:
        return _json(self._behaviour.model_dump())

    async def behave(self, request: web.Request) -> web.Response:
        """From now on behave like this; it lasts until told otherwise or the next start."""
        try:
            self._behaviour = Behaviour.model_validate_json(await request.read())
        except ValidationError as error:
            return _problem(_said(error))
        return _json(self._behaviour.model_dump())

    async def phones(self, request: web.Request) -> web.Response:
        """What the page shows: the phones by their last SMS, the newest first; 304 when nothing changed."""
        etag = f'"{self._ledger.version}"'
        if request.headers.get("If-None-Match") == etag:
            return web.Response(status=304)
        shown = [
            {"phone": phone, "messages": [_public(sms) for sms in self._ledger.phones[phone][-SHOWN_SMS:]]}
            for phone in islice(reversed(self._ledger.phones), SHOWN_PHONES)
        ]
        total = len(self._ledger.phones)
        return _json({"phones": shown, "total": total, "sent": len(self._ledger.sent)}, etag=etag)

    async def page(self, _: web.Request) -> web.FileResponse:
        return web.FileResponse(PAGE)

    async def ready(self, _: web.Request) -> web.Response:
        return _json({"ready": True})

    def _checked(self, encoded: bytes, mode: Mode) -> kannel.Call:
        call, expected = kannel.parse(encoded), self._config.password
        wrong = expected is not None and not hmac.compare_digest(call.password.encode(), expected.encode())
        if wrong or mode == "unauthorised":
            raise kannel.Refused(403, "Authorization failed for sendsms")
        if mode == "rejected":
            raise kannel.Refused(400, "Number(s) has/have been denied, rejected")
        if mode == "http_500":
            raise kannel.Refused(500, "Internal Server Error")
        if mode == "throttle":
            raise kannel.Refused(429, "Too many requests, try again later.")
        return call

    async def _take(self, call: kannel.Call, mode: Mode, delay: float) -> None:
        final = kannel.UNDELIVERED if mode == "undelivered" else kannel.DELIVERED
        sms = Sms(
            direction="out",
            at=_now(),
            phone=call.to,
            number=call.sender,
            text=call.text,
            state="accepted",
            parts=call.parts,
            dlr_url=call.dlr_url,
            receipts=() if mode == "no_receipt" else call.wanted(kannel.SUBMITTED, final),
            times=DUPLICATES if mode == "duplicate_receipt" else 1,
            delay_s=delay if mode == "late_receipt" else 0.0,
        )
        await self._ledger.add(sms)
        self._callbacks.start(sms)


async def create_app(config: Config) -> web.Application:
    """The simulator as an application; it takes up what an earlier run owed. LedgerError: it cannot open."""
    ledger = Ledger(config.folder)
    session = aiohttp.ClientSession(
        timeout=aiohttp.ClientTimeout(total=10), connector=aiohttp.TCPConnector(limit=PARALLEL)
    )
    callbacks = Callbacks(ledger, session, config.mo_url, config.mo_token)
    app = web.Application(client_max_size=BODY_LIMIT)
    app.add_routes(Simulator(config, ledger, callbacks).routes())

    async def resume(_: web.Application) -> None:
        callbacks.resume()

    async def close(_: web.Application) -> None:
        await callbacks.close()
        await session.close()
        await ledger.close()

    app.on_startup.append(resume)
    app.on_cleanup.append(close)
    return app


def _public(sms: Sms) -> dict[str, object]:
    return {
        "id": str(sms.id),
        "direction": sms.direction,
        "at": sms.at,
        "to": sms.phone if sms.direction == "out" else sms.number,
        "from": sms.number if sms.direction == "out" else sms.phone,
        "text": sms.text,
        "parts": sms.parts,
        "state": sms.state,
    }


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")


def _json(body: object, status: int = 200, etag: str | None = None) -> web.Response:
    headers = {"ETag": etag} if etag else None
    return web.Response(
        body=orjson.dumps(body), status=status, content_type="application/json", headers=headers
    )


def _problem(detail: str, status: int = 422) -> web.Response:
    body = {
        "type": "/problems/invalid",
        "title": "输入有误",
        "status": status,
        "code": "invalid",
        "detail": detail,
    }
    return web.Response(body=orjson.dumps(body), status=status, content_type="application/problem+json")


def _said(error: ValidationError) -> str:
    return "; ".join(f"{'.'.join(map(str, item['loc'])) or 'body'}: {item['msg']}" for item in error.errors())


def _reset(request: web.Request) -> None:
    """Cut the connection with a reset, as a gateway does that dies after it took the SMS."""
    transport = request.transport
    if transport is not None:
        peer: socket.socket = transport.get_extra_info("socket")
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        transport.abort()
