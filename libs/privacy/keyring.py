"""Keys from outside the database: several versions of each valid at once, the newest one for writing.

A key is a file `<purpose>.<version>.key` with base64url of 32 bytes. Who rotates a key adds a higher version
beside it; who retires one deletes its file. Running processes follow: at once when a text names a version
they do not have, and within a minute otherwise.
"""

import hashlib
import hmac
import logging
import re
import secrets
import time
from base64 import b64decode
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Self

KEY_BYTES: Final = 32

_KID = re.compile(r"(?P<purpose>[a-z0-9]+(?:-[a-z0-9]+)*)\.(?P<version>[1-9][0-9]{0,8})")
_FILE = re.compile(rf"{_KID.pattern}\.key")
_READ_AGAIN_AFTER = 60.0  # seconds

_log = logging.getLogger(__name__)


class KeyMissing(Exception):
    """No such key is here: never made, not delivered yet, or retired."""

    def __init__(self, purpose: str, version: int | None = None) -> None:
        super().__init__(f"no key {purpose}" if version is None else f"no key {purpose}.{version}")
        self.purpose, self.version = purpose, version


class KeyUnreadable(Exception):
    """A key file that does not hold base64url of 32 bytes; names the file, never what it holds."""


@dataclass(frozen=True, slots=True)
class Key:
    """32 secret bytes, known by purpose and version; `repr` never shows them."""

    purpose: str
    version: int
    material: bytes = field(repr=False)

    @property
    def kid(self) -> str:
        """`<purpose>.<version>`: the name by which a sealed text says which key opens it."""
        return f"{self.purpose}.{self.version}"


class Keyring:
    """All keys of a folder. Only `open` fails on an unreadable file; later reads keep what they have."""

    def __init__(
        self, keys: Iterable[Key], folder: Path | None = None, now: Callable[[], float] = time.monotonic
    ) -> None:
        self._folder, self._now = folder, now
        self._take(keys)

    @classmethod
    def open(cls, folder: Path, now: Callable[[], float] = time.monotonic) -> Self:
        """Read every key of `folder`; KeyUnreadable when one is unsound. `now` is in seconds."""
        return cls(_read(folder), folder, now)

    @classmethod
    def ephemeral(cls, purposes: Iterable[str]) -> Self:
        """Fresh keys in memory alone, version 1 of each purpose: for tests."""
        return cls(Key(purpose, 1, secrets.token_bytes(KEY_BYTES)) for purpose in purposes)

    def current(self, purpose: str) -> Key:
        """The newest key of `purpose`, to write with; KeyMissing when there is none."""
        if purpose not in self._newest or self._now() - self._read_at > _READ_AGAIN_AFTER:
            self._read_again()
        try:
            return self._newest[purpose]
        except KeyError:
            raise KeyMissing(purpose) from None

    def get(self, purpose: str, version: int) -> Key:
        """The key a sealed text was made with; KeyMissing when it is not here, or not any more."""
        if (purpose, version) not in self._keys:
            self._read_again()
        try:
            return self._keys[purpose, version]
        except KeyError:
            raise KeyMissing(purpose, version) from None

    def by_kid(self, kid: str) -> Key:
        """As `get`, by the key's name; what is no name of a key is missing too."""
        named = _KID.fullmatch(kid)
        if named is None:
            raise KeyMissing("of an unknown form")
        return self.get(named["purpose"], int(named["version"]))

    def all(self, purpose: str) -> tuple[Key, ...]:
        """Every version of `purpose`, the newest first."""
        keys = (key for key in self._keys.values() if key.purpose == purpose)
        return tuple(sorted(keys, key=lambda key: key.version, reverse=True))

    def hmac(self, purpose: str, message: bytes) -> bytes:
        """HMAC-SHA256 of `message` under the newest key of `purpose`."""
        return hmac.digest(self.current(purpose).material, message, hashlib.sha256)

    def __repr__(self) -> str:
        return f"Keyring({', '.join(sorted(key.kid for key in self._keys.values()))})"

    def _take(self, keys: Iterable[Key]) -> None:
        self._keys = {(key.purpose, key.version): key for key in keys}
        self._newest = {key.purpose: key for key in sorted(self._keys.values(), key=lambda key: key.version)}
        self._read_at = self._now()

    def _read_again(self) -> None:
        """Follow the folder. A broken file there must not stop those who have their keys."""
        if self._folder is None:
            return
        try:
            self._take(_read(self._folder))
        except (KeyUnreadable, OSError) as error:
            _log.warning("keys not read again: %s", error)
            self._read_at = self._now()


def _read(folder: Path) -> list[Key]:
    named = ((path, _FILE.fullmatch(path.name)) for path in sorted(folder.iterdir()))
    return [Key(name["purpose"], int(name["version"]), _material(path)) for path, name in named if name]


def _material(path: Path) -> bytes:
    text = path.read_bytes().strip()
    try:
        material = b64decode(text + b"=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except ValueError:
        material = b""
    if len(material) != KEY_BYTES:
        raise KeyUnreadable(f"{path.name} does not hold base64url of {KEY_BYTES} bytes")
    return material
