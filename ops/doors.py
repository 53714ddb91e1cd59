"""A service's doors as a command of `heshi` asks them, with a token made for that one command, and waiting
for what it caused."""

import asyncio
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from datetime import UTC, datetime
from typing import Any, Self

import aiohttp

from ops import tokens
from ops.installation import Installation
from ops.stack.errors import StackError


async def holds(condition: Callable[[], Awaitable[bool]], give_up: datetime) -> bool:
    """Whether the condition comes true in time."""
    while not await condition():
        if datetime.now(UTC) > give_up:
            return False
        await asyncio.sleep(0.25)
    return True


class Refused(StackError):
    """A door that said no, with the status that it answered."""

    def __init__(self, told: str, status: int) -> None:
        super().__init__(told)
        self.status = status


def refusal(name: str, status: int, problem: Mapping[str, Any]) -> str:
    """What a service (`name`) refused and why, with a line for each field that is at fault."""
    faults = [f"\n  {error['pointer']}: {error['detail']}" for error in problem.get("errors", ())]
    return f"{name} refused ({status} {problem['code']}): {problem['title']}." + "".join(faults)


class Doors:
    """The doors of one service, in one role and district."""

    def __init__(self, service: str, role: str, district: str) -> None:
        self.service = service
        self._url = Installation.current().url(service)
        self._token = tokens.issue(role, "heshi-command", district)

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession(
            headers={"Authorization": f"Bearer {self._token}", "Accept-Language": "en"},
            timeout=aiohttp.ClientTimeout(15),
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._session.close()

    async def call(
        self,
        method: str,
        path: str,
        body: object = None,
        *,
        query: Mapping[str, str] | None = None,
        version: int | None = None,
    ) -> Any:
        """The answer's JSON. `version` is the one that an act is decided on. Raises Refused, and StackError
        for silence."""
        headers = {"Idempotency-Key": str(uuid.uuid4())} if method == "POST" else {}
        if version is not None:
            headers["If-Match"] = f'"{version}"'
        name = self.service.capitalize()
        try:
            async with self._session.request(
                method, self._url + path, json=body, params=query, headers=headers
            ) as answer:
                content: Any = await answer.json(content_type=None) if answer.status != 204 else None
        except (aiohttp.ClientError, TimeoutError) as error:
            raise StackError(
                f"{name} does not answer at {self._url}: start it, see `heshi status`."
            ) from error
        if answer.status >= 400:
            raise Refused(refusal(name, answer.status, content), answer.status)
        return content

    async def items(self, path: str, **query: str) -> AsyncIterator[Any]:
        """All of a list, page by page."""
        after: dict[str, str] = {}
        while True:
            found = await self.call("GET", path, query={**query, "limit": "100", **after})
            for item in found["items"]:
                yield item
            if not found["next"]:
                return
            after = {"after": found["next"]}

    async def find(self, path: str) -> Any | None:
        """What stands there; None for 404."""
        try:
            return await self.call("GET", path)
        except Refused as refused:
            if refused.status != 404:
                raise
            return None
