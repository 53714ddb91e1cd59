"""Sign-in, sessions and their end, over sessions that are kept in memory."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from argon2 import PasswordHasher

from services.console.domain.access import IDLE, Account, Session, Tries
from services.console.handlers.door import TOUCH, Door, TooManyTries, WrongPassword, form_token

HASHER = PasswordHasher(time_cost=1, memory_cost=64, parallelism=1)
PASSWORD = "right-horse"
ACCOUNT = Account(
    "operator", "话务员", frozenset({"operator"}), frozenset({"990101"}), None, HASHER.hash(PASSWORD)
)


class Memory:
    """`Sessions` without a database."""

    def __init__(self) -> None:
        self.tries: dict[bytes, Tries] = {}
        self.sessions: dict[bytes, Session] = {}

    async def count_try(
        self, keys: Sequence[bytes], now: datetime, wait: Callable[[Sequence[Tries]], timedelta]
    ) -> timedelta:
        tries = [self.tries.get(key, Tries()) for key in keys]
        held = wait(tries)
        if not held:
            self.tries |= {key: Tries(old.count + 1, now) for key, old in zip(keys, tries, strict=True)}
        return held

    async def forgive(self, keys: Sequence[bytes]) -> None:
        del self.tries[keys[0]]

    async def open(self, token_hash: bytes, session: Session) -> None:
        self.sessions[token_hash] = session

    async def find(self, token_hash: bytes) -> Session | None:
        return self.sessions.get(token_hash)

    async def touch(self, token_hash: bytes, now: datetime) -> None:
        self.sessions[token_hash] = replace(self.sessions[token_hash], seen_at=now)

    async def close(self, token_hash: bytes, user: str, now: datetime) -> None:
        self.sessions.pop(token_hash, None)


class House:
    """A door with a clock that the test moves and an account that it may take away."""

    def __init__(self) -> None:
        self.now = datetime(2026, 2, 5, 9, tzinfo=UTC)
        self.accounts = {ACCOUNT.user: ACCOUNT}
        self.sessions = Memory()
        self.door = Door(self, self.sessions, HASHER, lambda: self.now)

    def find(self, user: str) -> Account | None:
        return self.accounts.get(user)

    async def sign_in(self, password: str = PASSWORD, user: str = "operator", address: str = "a") -> str:
        return await self.door.sign_in(user, password, address)


@pytest.fixture
def house() -> House:
    return House()


async def test_the_right_password_opens_a_session(house: House) -> None:
    token = await house.sign_in()
    assert await house.door.person(token) == ACCOUNT


async def test_a_token_has_128_bits_and_is_never_the_same(house: House) -> None:
    first, second = await house.sign_in(), await house.sign_in()
    assert first != second
    assert len(first) == 22


async def test_what_is_kept_opens_no_session(house: House) -> None:
    token = await house.sign_in()
    [kept] = house.sessions.sessions
    assert token.encode() not in kept
    assert await house.door.person(kept.hex()) is None


@pytest.mark.parametrize(
    ("user", "password"),
    [
        ("operator", "wrong"),
        ("nobody", PASSWORD),
        ("operator", ""),
        ("", ""),
        ("operator", "x" * 100_000),
        ("operator\x00", PASSWORD),
        ("\ud800", "\ud800"),
    ],
    ids=["password", "name", "empty", "nothing", "long", "null", "surrogate"],
)
async def test_anything_else_is_refused_alike(house: House, user: str, password: str) -> None:
    with pytest.raises(WrongPassword) as error:
        await house.sign_in(password, user)
    assert error.value.detail == ""
    assert not house.sessions.sessions


async def test_an_unreadable_hash_lets_nobody_in(house: House) -> None:
    house.accounts["operator"] = replace(ACCOUNT, password_hash="plain")
    with pytest.raises(WrongPassword):
        await house.sign_in("plain")


async def test_guessing_slows_down_even_for_the_right_password(house: House) -> None:
    for _ in range(5):
        with pytest.raises(WrongPassword):
            await house.sign_in("wrong")
    with pytest.raises(TooManyTries) as error:
        await house.sign_in()
    assert error.value.retry_after == 1
    house.now += timedelta(seconds=1)
    assert await house.sign_in()


async def test_waiting_tries_are_not_listened_to_and_do_not_count(house: House) -> None:
    for _ in range(5):
        with pytest.raises(WrongPassword):
            await house.sign_in("wrong")
    for _ in range(50):
        with pytest.raises(TooManyTries):
            await house.sign_in("wrong")
    house.now += timedelta(seconds=1)
    assert await house.sign_in()


async def test_the_right_password_starts_afresh(house: House) -> None:
    for _ in range(3):
        for _ in range(4):
            with pytest.raises(WrongPassword):
                await house.sign_in("wrong")
        await house.sign_in()


async def test_another_name_from_another_address_does_not_wait(house: House) -> None:
    for _ in range(6):
        with pytest.raises((WrongPassword, TooManyTries)):
            await house.sign_in("wrong", address="evil")
    house.accounts["other"] = replace(ACCOUNT, user="other")
    assert await house.sign_in(user="other", address="b")


async def test_many_names_from_one_address_slow_down(house: House) -> None:
    for number in range(20):
        with pytest.raises(WrongPassword):
            await house.sign_in("wrong", user=f"guess{number}", address="evil")
    with pytest.raises(TooManyTries):
        await house.sign_in(address="evil")
    assert await house.sign_in(address="desk")


async def test_a_session_ends_when_it_is_idle(house: House) -> None:
    token = await house.sign_in()
    house.now += IDLE
    assert await house.door.person(token) is None


async def test_a_click_keeps_a_session_and_the_stream_does_not(house: House) -> None:
    token = await house.sign_in()
    house.now += IDLE / 2
    assert await house.door.person(token)
    house.now += IDLE * 3 / 4
    assert await house.door.person(token, touch=False)
    house.now += IDLE / 2
    assert await house.door.person(token, touch=False) is None


async def test_a_busy_page_writes_its_session_once_a_minute(house: House) -> None:
    token = await house.sign_in()
    house.now += TOUCH
    await house.door.person(token)
    [kept] = house.sessions.sessions.values()
    assert kept.seen_at == kept.opened_at


async def test_signing_out_ends_the_session(house: House) -> None:
    token = await house.sign_in()
    await house.door.sign_out(token, "operator")
    assert await house.door.person(token) is None


async def test_an_account_that_is_taken_away_ends_its_sessions(house: House) -> None:
    token = await house.sign_in()
    house.accounts.clear()
    assert await house.door.person(token) is None


@pytest.mark.parametrize("token", [None, "", "unknown", "\ud800"])
async def test_no_token_or_a_foreign_one_is_nobody(house: House, token: str | None) -> None:
    assert await house.door.person(token) is None


async def test_the_form_token_belongs_to_its_session(house: House) -> None:
    first, second = await house.sign_in(), await house.sign_in()
    assert form_token(first) == form_token(first)
    assert form_token(first) != form_token(second)
