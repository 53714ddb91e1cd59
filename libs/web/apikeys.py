"""API keys of partners and portals: their form, their checksum, and what is kept of them.

`heshi_live_` + 30 random characters of base62 + 6 of checksum. The checksum lets a typing error, or a
scanner for leaked keys, be told from a key without asking anybody; only the SHA-256 of a key is stored.
"""

import re
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import Literal, Protocol
from zlib import crc32

PREFIX = "heshi_live_"
ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"

_FORM = re.compile(rf"{PREFIX}([0-9A-Za-z]{{30}})([0-9A-Za-z]{{6}})")


@dataclass(frozen=True, slots=True)
class KeyRecord:
    """What a service knows of an issued key. `owner` is the organisation or the portal that holds it."""

    key_id: str
    kind: Literal["partner", "channel"]
    owner: str
    hash: bytes
    districts: frozenset[str] = frozenset()
    scopes: frozenset[str] = frozenset()
    expires_at: datetime | None = None


class KeyLookup(Protocol):
    """Where a service finds keys: its own table, or its copy of another service's."""

    async def find(self, hash: bytes) -> KeyRecord | None:
        """The live key with this hash; revoked ones are not found."""

    async def as_of(self) -> datetime | None:
        """When the copy was last known to be complete; the present for one's own table, None for never."""


def generate(choose: Callable[[str], str] = secrets.choice) -> str:
    """A new key; it is shown once."""
    body = "".join(choose(ALPHABET) for _ in range(30))
    return f"{PREFIX}{body}{checksum(body)}"


def checksum(body: str) -> str:
    """CRC-32 of the random part, as six characters of base62."""
    rest, digits = crc32(body.encode("ascii")), ""
    for _ in range(6):
        rest, digit = divmod(rest, 62)
        digits = ALPHABET[digit] + digits
    return digits


def well_formed(key: str) -> bool:
    """Whether the text can be a key at all."""
    found = _FORM.fullmatch(key)
    return found is not None and checksum(found[1]) == found[2]


def hash_of(key: str) -> bytes:
    """What is stored and looked up. A plain digest is enough: 178 random bits cannot be guessed."""
    return sha256(key.encode("ascii")).digest()


def shown(key: str) -> str:
    """The beginning by which people tell keys apart."""
    return key[: len(PREFIX) + 8]
