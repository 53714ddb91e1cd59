"""The other services over HTTP, for the person who is signed in: with a short-lived token of their own."""

from collections.abc import AsyncIterator, Callable, Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

import aiohttp
import orjson

from libs.files.names import tidy
from libs.web import tokens
from libs.web.errors import FieldError, Forbidden, KeyReused, NotFound, Refusal, Stale, Title, Unavailable
from services.console.domain.access import Account
from services.console.handlers.casework import Answer, Download, Service, Upload

TOKEN: Final = timedelta(minutes=4)
"""How long a token lives; a new one is made a minute before."""
PATIENCE: Final = 8.0
"""Seconds for an answer: less than the page's own budget, so that the page can still say so."""

LONGEST_UPLOAD: Final = 60.0
"""Seconds for a file to be sent on and looked at."""
KEPT: Final = ("content-disposition", "content-length", "content-type", "content-security-policy")
"""Headers by which a browser keeps a file that is handed on, and does not show it."""

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
        headers = self._headers(account, key)
        if version is not None:
            headers["If-Match"] = f'"{version}"'
        sent = None
        if body is not None:
            sent, headers["Content-Type"] = orjson.dumps(body), "application/json"
        return await self._send(service, method, path, headers, data=sent, params=query)

    async def send_file(self, account: Account, path: str, file: Upload, key: str) -> Answer:
        """Send a file to intake, in a form; its answer or its refusal."""
        form = aiohttp.FormData(quote_fields=False)
        media = file.media or "application/octet-stream"
        form.add_field("file", file.content, filename=tidy(file.name), content_type=media)
        patience = aiohttp.ClientTimeout(LONGEST_UPLOAD)
        return await self._send(
            "intake", "PUT", path, self._headers(account, key), data=form, timeout=patience
        )

    async def fetch_file(self, account: Account, path: str) -> Download:
        """Fetch a file from intake; its refusal before the first byte."""
        url, headers = self._urls["intake"] + quote(path), self._headers(account)
        patience = aiohttp.ClientTimeout(sock_connect=PATIENCE, sock_read=PATIENCE)
        try:
            answer = await self._client().get(url, headers=headers, timeout=patience)
            if answer.status >= 400:
                raise _refusal(answer.status, orjson.loads(await answer.read()))
        except (TimeoutError, aiohttp.ClientError, ValueError) as error:
            raise Unavailable() from error
        return Download({name: answer.headers[name] for name in KEPT}, _pieces(answer))

    async def close(self) -> None:
        """End the connections."""
        if self._session is not None:
            await self._session.close()

    async def _send(
        self, service: Service, method: str, path: str, headers: Mapping[str, str], **how: Any
    ) -> Answer:
        """A request that is answered by JSON, or by nothing."""
        url = self._urls[service] + quote(path)
        try:
            async with self._client().request(method, url, headers=headers, **how) as answer:
                told = orjson.loads(await answer.read() or b"null")
        except (TimeoutError, aiohttp.ClientError, ValueError) as error:
            raise Unavailable() from error
        if answer.status >= 400:
            raise _refusal(answer.status, told)
        return Answer(told, int(answer.headers.get("ETag", '"0"').strip('"')))

    def _headers(self, account: Account, key: str | None = None) -> dict[str, str]:
        headers = {"Authorization": f"Bearer {self._token(account)}", "Accept-Language": "zh"}
        return headers if key is None else {**headers, "Idempotency-Key": key}

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


async def _pieces(answer: aiohttp.ClientResponse) -> AsyncIterator[bytes]:
    async with answer:
        async for piece in answer.content.iter_any():
            yield piece


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
