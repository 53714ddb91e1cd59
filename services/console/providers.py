"""The other services over HTTP, for the person who is signed in: with a short-lived token of their own."""

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

import aiohttp
import orjson

from libs.web import tokens
from libs.web.errors import FieldError, Forbidden, KeyReused, NotFound, Refusal, Stale, Title, Unavailable
from services.console.domain.access import Account
from services.console.handlers.casework import Answer, Service

TOKEN: Final = timedelta(minutes=4)
"""How long a token lives; a new one is made a minute before."""
PATIENCE: Final = 8.0
"""Seconds for an answer: less than the page's own budget, so that the page can still say so."""

_KINDS: Final[Mapping[str, type[Refusal]]] = {
    "not_found": NotFound,
    "stale_version": Stale,
    "forbidden": Forbidden,
    "idempotency_key_reused": KeyReused,
}


class HttpServices:
    """Asks services at the addresses of `urls`; signs with the newest key of `keys`."""

    def __init__(
        self,
        urls: Mapping[str, str],
        keys: Path,
        roles: frozenset[str],
        mode: tokens.Mode,
        now: Callable[[], datetime],
    ) -> None:
        self._urls, self._keys, self._roles, self._mode, self._now = urls, keys, roles, mode, now
        self._session: aiohttp.ClientSession | None = None
        self._tokens: dict[tuple[str, frozenset[str], frozenset[str]], tuple[datetime, str]] = {}

    async def ask(
        self,
        account: Account,
        service: Service,
        method: str,
        path: str,
        body: Any = None,
        *,
        key: str | None = None,
        version: int | None = None,
        query: Mapping[str, str] | None = None,
    ) -> Answer:
        """One request, in Chinese; its answer or its refusal."""
        headers = {"Authorization": f"Bearer {self._token(account)}", "Accept-Language": "zh"}
        if key is not None:
            headers["Idempotency-Key"] = key
        if version is not None:
            headers["If-Match"] = f'"{version}"'
        sent = None
        if body is not None:
            sent, headers["Content-Type"] = orjson.dumps(body), "application/json"
        try:
            async with self._client().request(
                method, self._urls[service] + quote(path), params=query, data=sent, headers=headers
            ) as answer:
                told = orjson.loads(await answer.read() or b"null")
        except (TimeoutError, aiohttp.ClientError, ValueError) as error:
            raise Unavailable(f"{service} did not answer") from error
        if answer.status >= 400:
            raise _refusal(answer.status, told)
        return Answer(told, int(answer.headers.get("ETag", '"0"').strip('"')))

    async def close(self) -> None:
        """End the connections."""
        if self._session is not None:
            await self._session.close()

    def _client(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(PATIENCE))
        return self._session

    def _token(self, account: Account) -> str:
        who, now = (account.user, account.roles, account.districts), self._now()
        known = self._tokens.get(who)
        if known is None or known[0] - timedelta(minutes=1) < now:
            self._tokens = {name: kept for name, kept in self._tokens.items() if kept[0] > now}
            token = tokens.issue(
                tokens.newest_signing_key(self._keys),
                sub=account.user,
                roles=account.roles,
                districts=account.districts,
                org=account.org,
                now=now,
                ttl=TOKEN,
                known_roles=self._roles,
                mode=self._mode,
            )
            known = self._tokens[who] = (now + TOKEN, token)
        return known[1]


def _refusal(status: int, told: Any) -> Refusal:
    """The refusal that a service's problem document says; its titles are in Chinese already."""
    problem = told if isinstance(told, dict) else {}
    code = str(problem.get("code", "unavailable"))
    title = str(problem.get("title", "服务暂不可用"))
    known = {"type", "title", "status", "detail", "code", "trace_id", "errors"}
    return _KINDS.get(code, Refusal)(
        str(problem.get("detail", "")),
        code=code,
        status=status,
        title=Title(title, title),
        errors=[
            FieldError(str(error["pointer"]), str(error["code"]), str(error.get("detail", "")))
            for error in problem.get("errors", ())
        ],
        **{name: value for name, value in problem.items() if name not in known},
    )
