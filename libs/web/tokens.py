"""Staff tokens: short-lived JWTs, signed with Ed25519 by the console or `heshi token`, verified by every
service.

A token says who (`sub`), in which roles, for which organisation and districts, from when (`iat`) until when
(`exp`). The header's `kid` is the version of the signing key; several public keys are valid at once, so a
key is changed by adding the next one and later deleting the old one.
"""

import json
import re
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import blake2b
from pathlib import Path
from typing import Any, Literal, TypeGuard

from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import OKPKey

from libs.web.errors import Unauthorised
from libs.web.principal import Principal

ISSUER = "heshi"
ALGORITHM = "Ed25519"
"""The name that RFC 9864 gives to EdDSA on this curve; no other algorithm is looked at."""

LONGEST = {"production": timedelta(minutes=5), "demo": timedelta(hours=12)}
"""How long a token may live, by mode; checked when it is issued and again when it is used."""

REMEMBERED = 10_000
"""Verified tokens that are kept until they expire: a signature costs 130 µs, remembering it 2."""

_EARLY = timedelta(seconds=30)
_LOOK_AGAIN = 10.0
_LONGEST_TEXT = 4_096
_PUBLIC = re.compile(r"token\.([A-Za-z0-9_-]{1,32})\.pub\.pem")
_PRIVATE = re.compile(r"token\.([0-9]{1,9})\.pem")

Mode = Literal["demo", "production"]


@dataclass(frozen=True, slots=True, repr=False)
class SigningKey:
    """A private key and the version by which its tokens name it."""

    version: str
    key: OKPKey


def staff_roles(data: Path) -> frozenset[str]:
    """The roles of people who sign in, in lower case, from `roles.json` of the data folder."""
    rows = json.loads((data / "roles.json").read_text(encoding="utf-8"))["roles"]
    return frozenset(row["id"].lower() for row in rows if row["where"] == "console")


def newest_signing_key(folder: Path) -> SigningKey:
    """The newest private key, a file `token.<version>.pem`; raises `FileNotFoundError` without one."""
    found = {int(name[1]): path for path in folder.iterdir() if (name := _PRIVATE.fullmatch(path.name))}
    if not found:
        raise FileNotFoundError(f"no token.<version>.pem in {folder}")
    version = max(found)
    return SigningKey(str(version), OKPKey.import_key(found[version].read_bytes()))


def issue(
    key: SigningKey,
    *,
    sub: str,
    roles: Iterable[str],
    districts: Iterable[str],
    now: datetime,
    ttl: timedelta,
    known_roles: frozenset[str],
    mode: Mode = "demo",
    org: str | None = None,
) -> str:
    """A signed token for a person; raises `ValueError` for an unknown role or too long a life."""
    given = sorted(set(roles))
    if unknown := set(given) - known_roles:
        raise ValueError(f"no such role: {', '.join(sorted(unknown))}")
    if not timedelta(0) < ttl <= LONGEST[mode]:
        raise ValueError(f"a token lives at most {LONGEST[mode]} in {mode} mode")
    issued = int(now.timestamp())
    claims = {
        "iss": ISSUER,
        "sub": sub,
        "roles": given,
        "org": org,
        "districts": sorted(set(districts)),
        "iat": issued,
        "exp": issued + int(ttl.total_seconds()),
    }
    return jwt.encode({"alg": ALGORITHM, "kid": key.version}, claims, key.key, algorithms=[ALGORITHM])


class Verifier:
    """Checks tokens against the public keys `token.<version>.pub.pem` of a folder.

    The folder is looked at again every 10 seconds: new keys count from then on, and the tokens of a deleted
    one no more. `now` is the service's clock (G17), `passed` counts seconds.
    """

    def __init__(
        self,
        folder: Path,
        *,
        mode: Mode,
        now: Callable[[], datetime],
        passed: Callable[[], float] = time.monotonic,
    ) -> None:
        self._folder = folder
        self._longest = LONGEST[mode]
        self._now = now
        self._passed = passed
        self._verified: OrderedDict[bytes, tuple[float, Principal]] = OrderedDict()
        self._keys: dict[str, OKPKey] = {}
        self._files: frozenset[tuple[str, int]] = frozenset()
        self._looked = float("-inf")

    def verify(self, token: str) -> Principal:
        """The person of a valid token; raises `Unauthorised`, whose detail says at most that it expired."""
        self._follow_folder()
        if len(token) > _LONGEST_TEXT:
            raise Unauthorised
        digest = blake2b(token.encode("utf-8", "replace"), digest_size=16).digest()
        if (known := self._verified.get(digest)) is None:
            known = self._checked(token)
            self._verified[digest] = known
            if len(self._verified) > REMEMBERED:
                self._verified.popitem(last=False)
        expires, person = known
        if self._now().timestamp() >= expires:
            self._verified.pop(digest, None)
            raise Unauthorised("the token expired")
        return person

    def _checked(self, token: str) -> tuple[float, Principal]:
        try:
            claims = jwt.decode(token, self._key_of, algorithms=[ALGORITHM]).claims
        except (JoseError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
            raise Unauthorised from None
        issued, expires = claims.get("iat"), claims.get("exp")
        if claims.get("iss") != ISSUER or not _is_number(issued) or not _is_number(expires):
            raise Unauthorised
        if issued > (self._now() + _EARLY).timestamp() or expires - issued > self._longest.total_seconds():
            raise Unauthorised
        return float(expires), _person(claims)

    def _key_of(self, token: Any) -> OKPKey:
        return self._keys[token.headers()["kid"]]

    def _follow_folder(self) -> None:
        if self._passed() - self._looked < _LOOK_AGAIN:
            return
        self._looked = self._passed()
        files = {
            name[1]: path for path in self._folder.glob("*.pub.pem") if (name := _PUBLIC.fullmatch(path.name))
        }
        state = frozenset((version, path.stat().st_mtime_ns) for version, path in files.items())
        if state != self._files:
            self._keys = {version: OKPKey.import_key(path.read_bytes()) for version, path in files.items()}
            self._files = state
            self._verified.clear()


def _is_number(value: object) -> TypeGuard[float]:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _person(claims: dict[str, Any]) -> Principal:
    sub, org = claims.get("sub"), claims.get("org")
    roles, districts = claims.get("roles"), claims.get("districts")
    if not isinstance(sub, str) or not sub or not isinstance(org, str | None):
        raise Unauthorised
    if not _is_texts(roles) or not _is_texts(districts):
        raise Unauthorised
    return Principal("staff", sub, frozenset(roles or ()), org, frozenset(districts or ()))


def _is_texts(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(part, str) for part in value)
