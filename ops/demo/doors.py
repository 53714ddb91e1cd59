"""The doors of a running stack, used as operators, partners' software and citizens use them."""

import asyncio
import uuid
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import aiohttp

from ops import tokens
from ops.demo.waiting import Trouble, awaited
from ops.installation import Installation


class Refused(Trouble):
    """A door said no, and what it said. `passing`: the caller may look again and repeat the act."""

    def __init__(self, method: str, path: str, status: int, said: Any) -> None:
        told = {
            name: said[name] for name in ("code", "detail", "errors", "state", "allowed") if said.get(name)
        }
        super().__init__(f"{method} {path} was answered {status}: {told}")
        self.status = status
        self.passing = said.get("code") in ("stale_version", "busy")


@dataclass(frozen=True, slots=True)
class Answer:
    """What a door answered; `version` is that of its ETag, 0 without one."""

    body: Any
    version: int


@dataclass(frozen=True, slots=True)
class Door:
    """One service for one caller. Raises `Refused` for every answer but a good one, `Trouble` for silence."""

    session: aiohttp.ClientSession
    url: str
    credential: str | None = None

    async def get(self, path: str, **query: str) -> Answer:
        """Read."""
        return await self._ask("GET", path, params=query)

    async def post(self, path: str, body: object, *, version: int | None = None) -> Answer:
        """Act, once; `version` is the one that the act was decided on."""
        headers = {"Idempotency-Key": str(uuid.uuid4())}
        if version is not None:
            headers["If-Match"] = f'"{version}"'
        return await self._ask("POST", path, json=body, headers=headers)

    async def delete(self, path: str) -> None:
        """Take back."""
        await self._ask("DELETE", path)

    async def _ask(
        self, method: str, path: str, headers: dict[str, str] | None = None, **sent: Any
    ) -> Answer:
        bearer = {"Authorization": f"Bearer {self.credential}"} if self.credential else {}
        try:
            async with self.session.request(
                method, self.url + path, headers=bearer | (headers or {}), **sent
            ) as answer:
                body = await answer.json(content_type=None) if answer.status != 204 else None
        except (aiohttp.ClientError, TimeoutError, ValueError) as error:
            raise Trouble(f"{method} {self.url}{path} was not answered ({type(error).__name__})") from error
        if answer.status >= 400:
            raise Refused(method, path, answer.status, body)
        return Answer(body, int(answer.headers.get("ETag", '"0"').strip('"')))


@dataclass(slots=True)
class Doors:
    """Every door of the play. An organisation's key is issued when it first acts."""

    session: aiohttp.ClientSession
    intake: Door
    routing: Door
    mediation: Door
    notify: Door
    simulator: Door
    admin: Door
    mark: str = "0"
    """Where the gateway's ledger ended before the play."""
    _partners: dict[str, "asyncio.Task[Door]"] = field(default_factory=dict)
    _keys: list[str] = field(default_factory=list)

    @classmethod
    async def open(cls, session: aiohttp.ClientSession) -> "Doors":
        """The doors of the installation at hand, for an operator's and an administrator's token."""
        url, operator = Installation.current().url, tokens.issue("operator", "demo-operator")
        doors = cls(
            session,
            intake=Door(session, url("intake"), operator),
            routing=Door(session, url("routing"), operator),
            mediation=Door(session, url("mediation"), operator),
            notify=Door(session, url("notify"), operator),
            simulator=Door(session, url("simulator")),
            admin=Door(session, url("routing"), tokens.issue("admin", "demo-admin")),
        )
        sent = await doors.ledger()
        doors.mark = sent[-1]["id"] if sent else "0"
        return doors

    def officer(self, role: str, service: str) -> Door:
        """A service, for an officer of the district."""
        return Door(self.session, Installation.current().url(service), tokens.issue(role, f"demo-{role}"))

    async def partner(self, org_id: str) -> Door:
        """The partner API for an organisation's software, open as soon as this returns."""
        if org_id not in self._partners:
            self._partners[org_id] = asyncio.create_task(self._let_in(org_id))
        return await self._partners[org_id]

    async def take_keys_back(self) -> None:
        """No key of the play outlives it, unless routing has gone before."""
        with suppress(Trouble):
            while self._keys:
                await self.admin.delete(self._keys.pop())

    async def messages(self, case_id: str) -> list[dict[str, Any]]:
        """What notify has planned, sent and suppressed for a case."""
        told: list[dict[str, Any]] = (
            await self.notify.get("/v1/messages", case_id=case_id, limit="100")
        ).body["items"]
        return told

    async def attempts(self, case_id: str) -> list[dict[str, Any]]:
        """Where routing sent a case, attempt by attempt; none while routing has not heard of it."""
        try:
            answer = await self.routing.get(f"/v1/cases/{case_id}/assignments")
        except Refused as refused:
            if refused.status == 404:
                return []
            raise
        attempts: list[dict[str, Any]] = answer.body["items"]
        return attempts

    async def at_mediation(self, case_id: str) -> dict[str, Any] | None:
        """The case as mediation's staff see it; None while mediation has not heard of it."""
        try:
            seen: dict[str, Any] = (await self.mediation.get(f"/v1/cases/{case_id}")).body
        except Refused as refused:
            if refused.status == 404:
                return None
            raise
        return seen

    async def ledger(self, **query: str) -> list[dict[str, Any]]:
        """What the gateway accepted since the mark, in its order."""
        found: list[dict[str, Any]] = []
        after: str | None = self.mark
        while after is not None:
            page = (await self.simulator.get("/ledger", after=after, **query)).body
            found += page["items"]
            after = page["next"]
        return found

    async def _let_in(self, org_id: str) -> Door:
        issued = await self.admin.post(f"/v1/organisations/{org_id}/keys", {"scopes": []})
        self._keys.append(f"/v1/organisations/{org_id}/keys/{issued.body['key_id']}")
        door = Door(self.session, self.mediation.url, issued.body["key"])

        async def known() -> bool:
            try:
                await door.get("/partner/v1/cases", limit="1")
            except Refused as refused:
                if refused.status == 401:  # mediation's copy of the keys is a moment behind routing
                    return False
                raise
            return True

        await awaited(known, f"the key of {org_id} at mediation")
        return door
