"""Signing in and out, and knowing who asks."""

import asyncio
import hashlib
import hmac
import secrets
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Protocol

import structlog
from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from libs.web.errors import Refusal, Title, Unauthorised
from services.console.domain.access import BY_ADDRESS, BY_NAME, Account, Session, Tries

log = structlog.get_logger()

SIGNED_IN, SIGN_IN_REFUSED, SIGNED_OUT = "signed_in", "sign_in_refused", "signed_out"

TOUCH = timedelta(minutes=1)
"""A session's `seen_at` is written at most this often."""

LONGEST_WORDS = 256
"""Characters of a name or password; what is longer is wrong without being hashed."""


class WrongPassword(Unauthorised):
    """No such name, or not its password: which of the two is not told."""

    CODE, TITLE = "wrong_password", Title("用户名或密码不正确", "Wrong name or password")


class TooManyTries(Refusal):
    """Wrong passwords came too fast; `retry_after` seconds must pass."""

    STATUS, CODE, TITLE = 429, "too_many_tries", Title("尝试次数过多，请稍后再试", "Too many tries")


class Accounts(Protocol):
    """Who may sign in."""

    def find(self, user: str) -> Account | None: ...


class Sessions(Protocol):
    """Who is signed in, and how often passwords were wrong. Each call is one transaction."""

    async def count_try(
        self, keys: Sequence[bytes], now: datetime, wait: Callable[[Sequence[Tries]], timedelta]
    ) -> timedelta: ...

    async def forgive(self, keys: Sequence[bytes]) -> None: ...

    async def open(self, token_hash: bytes, session: Session) -> None: ...

    async def find(self, token_hash: bytes) -> Session | None: ...

    async def touch(self, token_hash: bytes, now: datetime) -> None: ...

    async def close(self, token_hash: bytes, user: str, now: datetime) -> None: ...


class Door:
    """Sign-in by name and password; a session is a random token that only the browser keeps.

    Promise: names cannot be found out by answers or their times; a stolen database opens no session; an
    account that is taken away ends its sessions with the next request.
    """

    def __init__(
        self, accounts: Accounts, sessions: Sessions, hasher: PasswordHasher, now: Callable[[], datetime]
    ) -> None:
        self._accounts = accounts
        self._sessions = sessions
        self._hasher = hasher
        self._now = now
        self._nobody = hasher.hash(secrets.token_urlsafe())
        self._free = asyncio.Semaphore(2)  # each verification takes 64 MiB

    async def sign_in(self, user: str, password: str, address: str) -> str:
        """A new session's token. Raises `WrongPassword`, `TooManyTries`."""
        now, keys = self._now(), [_key("name", user), _key("address", address)]
        wait = await self._sessions.count_try(keys, now, lambda tries: _wait(tries, now))
        if wait:
            log.warning(SIGN_IN_REFUSED, reason="too_many_tries")
            raise TooManyTries(retry_after=max(1, round(wait.total_seconds())))
        account = self._accounts.find(user)
        if not await self._right(account, password) or account is None:
            log.warning(SIGN_IN_REFUSED, reason="wrong_password")
            raise WrongPassword
        await self._sessions.forgive(keys)
        token = secrets.token_urlsafe(16)
        await self._sessions.open(_hash(token), Session(account.user, now, now))
        log.info(SIGNED_IN, user=account.user)
        return token

    async def person(self, token: str | None, *, touch: bool = True) -> Account | None:
        """Who a browser's token stands for; None: nobody, or not any more."""
        if not token:
            return None
        now, token_hash = self._now(), _hash(token)
        session = await self._sessions.find(token_hash)
        if session is None or not session.live(now):
            return None
        if touch and now - session.seen_at > TOUCH:
            await self._sessions.touch(token_hash, now)
        return self._accounts.find(session.user)

    async def sign_out(self, token: str, user: str) -> None:
        """End the session."""
        await self._sessions.close(_hash(token), user, self._now())
        log.info(SIGNED_OUT, user=user)

    async def _right(self, account: Account | None, password: str) -> bool:
        """Whether the password is the account's; as slow for an account that does not exist."""
        known = account.password_hash if account else self._nobody
        if len(password) > LONGEST_WORDS:
            return False
        async with self._free:
            try:
                return await asyncio.to_thread(self._hasher.verify, known, _bytes(password))
            except (VerificationError, InvalidHashError):
                return False


def form_token(token: str) -> str:
    """What the forms of a session carry against forged posts; it cannot be had without the session."""
    return hmac.new(token.encode(), b"form", hashlib.sha256).hexdigest()


def _wait(tries: Sequence[Tries], now: datetime) -> timedelta:
    by_name, by_address = tries
    return max(BY_NAME.wait(by_name, now), BY_ADDRESS.wait(by_address, now))


def _key(what: str, value: str) -> bytes:
    return hashlib.sha256(_bytes(f"{what}:{value[:LONGEST_WORDS]}")).digest()


def _hash(token: str) -> bytes:
    return hashlib.sha256(_bytes(token)).digest()


def _bytes(text: str) -> bytes:
    """The text as bytes, whatever a form or a cookie may have held."""
    return text.encode("utf-8", "surrogatepass")
