"""A toy service behind the real doors and server. As a program it prints its port and runs until SIGTERM.

python -m tests.component.web_toy FOLDER [block]
"""

import asyncio
import hashlib
import hmac
import sys
import time
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, FastAPI, Form, Request
from joserfc.jwk import OKPKey
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response, StreamingResponse

from libs.db.faults import Away
from libs.db.work import Outcome
from libs.runtime import lifecycle
from libs.runtime.lifecycle import Lifecycle
from libs.runtime.loops import Loop, Pulse
from libs.runtime.metrics import Metrics
from libs.runtime.settings import Stopping
from libs.runtime.telemetry import traceparent
from libs.runtime.watchdog import Watchdog
from libs.testing.clock import ManualClock
from libs.web import tokens
from libs.web.answers import answer, json
from libs.web.app import create_app
from libs.web.asgi import received_at
from libs.web.auth import Edge, open_to_all, staff
from libs.web.body import accepts
from libs.web.idempotency import idempotency
from libs.web.limits import RateLimit
from libs.web.paging import After, Limit, decode, encode, page
from libs.web.principal import Principal

ROLES = frozenset({"operator", "auditor"})
FORM = "application/x-www-form-urlencoded"

router = APIRouter()
everybody = [Depends(open_to_all)]


class Place(BaseModel):
    model_config = ConfigDict(extra="forbid")

    address: str = Field(max_length=20)


class Thing(BaseModel):
    model_config = ConfigDict(extra="forbid")

    narrative: str = Field(max_length=20_000)
    places: list[Place] = []
    headcount: int = Field(1, ge=1)
    happened: datetime | None = None
    facts: dict[str, Any] = {}


class World:
    """What happened behind the door."""

    def __init__(self) -> None:
        self.seen: list[Any] = []
        self.finished: list[float] = []
        self.begun = asyncio.Event()


@router.post("/v1/things", status_code=201)
async def make(
    request: Request, thing: Thing, caller: Annotated[Principal, Depends(staff("operator"))]
) -> Response:
    key = idempotency(request, caller)
    request.app.state.container.seen.append((thing, key, received_at(request), traceparent()))
    return answer(Outcome(201, {"id": UUID(int=1)}, 1, location="/v1/things/1"))


@router.get("/v1/things")
async def show(
    caller: Annotated[Principal, Depends(staff("operator"))], limit: Limit = 50, after: After = None
) -> Response:
    place = decode("things", after, int)
    first = place[0] + 1 if place else 0
    return json(page(list(range(first, first + limit)), encode("things", first + limit - 1)))


@router.get("/v1/things/{thing_id}", dependencies=[Depends(staff("operator"))])
async def one(thing_id: UUID) -> Response:
    return json({"id": thing_id})


@router.post("/v1/slow/{seconds}", dependencies=everybody)
async def slow(request: Request, seconds: float) -> Response:
    world: World = request.app.state.container
    world.begun.set()
    await asyncio.sleep(seconds)
    world.finished.append(seconds)
    return json({"slept": seconds})


@router.get("/v1/begun", dependencies=everybody)
async def begun(request: Request) -> Response:
    return json({"begun": request.app.state.container.begun.is_set()})


@router.get("/v1/bug", dependencies=everybody)
async def bug() -> Response:
    raise ZeroDivisionError("citizen 13800000001")


@router.get("/v1/away", dependencies=everybody)
async def away() -> Response:
    raise Away("TimeoutError")


@router.get("/v1/stream/{seconds}", dependencies=everybody)
async def stream(seconds: float) -> Response:
    async def parts() -> AsyncIterator[bytes]:
        yield b"first,"
        await asyncio.sleep(seconds)
        yield b"last"

    return StreamingResponse(parts(), media_type="text/plain")


@router.get("/v1/broken", dependencies=everybody)
async def broken() -> Response:
    async def parts() -> AsyncIterator[bytes]:
        yield b"first,"
        raise ZeroDivisionError("citizen 13800000001")

    return StreamingResponse(parts(), media_type="text/plain")


@router.post("/v1/form", dependencies=everybody)
async def form(name: Annotated[str, Form()]) -> Response:
    return json({"name": name})


@router.post("/v1/callback", dependencies=everybody, openapi_extra=accepts(FORM))
async def callback(request: Request) -> Response:
    return json({"body": (await request.body()).decode()})


@router.post("/v1/upload", dependencies=everybody, openapi_extra=accepts("text/csv", max_bytes=2_000_000))
async def upload(request: Request) -> Response:
    return json({"bytes": sum([len(part) async for part in request.stream()])})


class Toy:
    """The application with what belongs to it."""

    def __init__(self, folder: Path, *, budget: float = 9.0, in_flight: int = 100, docs: bool = True) -> None:
        key = OKPKey.generate_key("Ed25519")
        (folder / "token.1.pub.pem").write_bytes(key.as_pem(private=False))
        self.clock = ManualClock()
        self.metrics = Metrics()
        self.life = Lifecycle(self.metrics, Stopping(requests_s=5), watchdog=Watchdog())
        self.world = World()
        self._key = tokens.SigningKey("1", key)
        edge = Edge(
            clock=self.clock,
            metrics=self.metrics,
            tokens=tokens.Verifier(folder, mode="demo", now=self.clock.now),
            mac=lambda text: hmac.digest(b"k" * 32, text, hashlib.sha256),
            rate=RateLimit(1_000, 1_000),
            budget=budget,
            in_flight=in_flight,
        )
        self.app: FastAPI = create_app(
            "toy",
            routers=[router],
            container=self.world,
            readiness=self.life.readiness,
            docs=docs,
            edge=edge,
            roles=ROLES,
            asyncapi=lambda: {"asyncapi": "3.0.0"},
        )

    def token(self, *roles: str) -> str:
        return tokens.issue(
            self._key,
            sub="wang",
            roles=roles,
            districts=["990101"],
            now=self.clock.now(),
            ttl=timedelta(hours=1),
            known_roles=ROLES,
        )


async def main(folder: Path, block: bool) -> int:
    toy = Toy(folder)
    if block:

        async def blocks(pulse: Pulse) -> None:
            pulse.beat()
            time.sleep(3_600)  # noqa: ASYNC251 - that is the fault to be noticed

        lifecycle.BLOCKED = 0.5
        toy.life.add(Loop("blocks", blocks))
        toy.life._longest_stop = lambda: 0.2  # type: ignore[method-assign]
    sys.stdout.write(f"{toy.life.serve(toy.app, '127.0.0.1', 0)}\n")
    sys.stdout.flush()
    return await toy.life.run()


if __name__ == "__main__":
    sys.exit(lifecycle.run(main(Path(sys.argv[1]), "block" in sys.argv)))
