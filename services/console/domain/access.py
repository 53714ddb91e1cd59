"""Who may sign in, how long a session lasts, how fast a password may be guessed, and which cases one sees."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

IDLE = timedelta(hours=2)
"""A session without a click ends; the live stream is no click."""
LONGEST = timedelta(hours=12)
"""One shift: after it everyone signs in again."""

CASE_READERS = frozenset({"operator", "dispatcher", "supervisor", "duty_officer"})
SEALED_READERS = frozenset({"sealed_officer"})
PARTNER_READERS = frozenset({"partner_handler", "partner_lead"})

SEALED_KIND = "REP"
"""Reports (检举控告) are for the sealed officer alone (XF22 art 30)."""


@dataclass(frozen=True, slots=True)
class Account:
    """A member of staff, or of a partner organisation (`org`)."""

    user: str
    name: str
    roles: frozenset[str]
    districts: frozenset[str]
    org: str | None
    password_hash: str

    @property
    def may_enter(self) -> bool:
        """Whether this person registers matters."""
        return bool(self.roles & CASE_READERS)

    def may_read(self, kind: str | None) -> bool:
        """Whether who registered a matter of this kind may open it afterwards."""
        return bool(self.roles & (SEALED_READERS if kind == SEALED_KIND else CASE_READERS))


@dataclass(frozen=True, slots=True)
class Session:
    """A signed-in browser: who it is, since when, and when it last asked for something."""

    user: str
    opened_at: datetime
    seen_at: datetime

    def live(self, now: datetime) -> bool:
        """Whether it still counts."""
        return now - self.opened_at < LONGEST and now - self.seen_at < IDLE


@dataclass(frozen=True, slots=True)
class Scope:
    """Which cases of which districts one sees: `ordinary` ones, sealed ones (kind REP), or (`org`) only those
    that one's organisation holds and that are not about it."""

    districts: frozenset[str]
    ordinary: bool
    sealed: bool
    org: str | None = None


def scope_of(account: Account) -> Scope | None:
    """What a member of staff sees; None: no case at all (administrators, auditors)."""
    ordinary = bool(account.roles & CASE_READERS)
    sealed = bool(account.roles & SEALED_READERS)
    if ordinary or sealed:
        return Scope(account.districts, ordinary, sealed)
    if account.roles & PARTNER_READERS and account.org is not None:
        return Scope(account.districts, ordinary=True, sealed=False, org=account.org)
    return None


@dataclass(frozen=True, slots=True)
class Tries:
    """Wrong passwords in a row, by one name or from one address."""

    count: int = 0
    last_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Throttle:
    """After `free` wrong passwords each further one doubles the wait, from one second up to `longest`.

    A name's longest wait is short: who knows the name only must not be able to lock its owner out.
    """

    free: int
    longest: timedelta

    def wait(self, tries: Tries, now: datetime) -> timedelta:
        """How long until the next try is listened to; zero: now."""
        if tries.last_at is None or tries.count < self.free:
            return timedelta()
        doublings = min(tries.count - self.free, 20)
        until = tries.last_at + min(timedelta(seconds=2**doublings), self.longest)
        return max(until - now, timedelta())


BY_NAME = Throttle(free=5, longest=timedelta(minutes=1))
BY_ADDRESS = Throttle(free=20, longest=timedelta(minutes=15))


def account_of(row: Mapping[str, object]) -> Account:
    """An account as its file tells it. Raises `ValueError` naming what is missing, never the hash."""
    user, password_hash, roles, districts = (
        row.get(field) for field in ("user", "password_hash", "roles", "districts")
    )
    if not (isinstance(user, str) and user and isinstance(password_hash, str)):
        raise ValueError("an account needs `user` and `password_hash`")
    if not (isinstance(roles, list) and isinstance(districts, list)):
        raise ValueError(f"account {user}: `roles` and `districts` are lists")
    name, org = row.get("name"), row.get("org")
    return Account(
        user=user,
        name=name if isinstance(name, str) and name else user,
        roles=frozenset(map(str, roles)),
        districts=frozenset(map(str, districts)),
        org=org if isinstance(org, str) else None,
        password_hash=password_hash,
    )
