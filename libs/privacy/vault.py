"""Personal fields at rest: AES-256-GCM under a data key per case, wrapped by a key from outside the database.

Without the wrapping key, or the case's wrapped one, its fields are unreadable everywhere, backups included.
A sealed field opens only in the place it was made for: table, column, row and key version are its associated
data, so nothing can be moved from one row or column to another unseen.

Unwrapped keys are not cached: unwrapping takes two microseconds, and so a destroyed key stops at once.
"""

import os
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.keywrap import InvalidUnwrap, aes_key_unwrap, aes_key_wrap

from libs.privacy.keyring import KEY_BYTES, Keyring

_NONCE_BYTES: Final = 12
OVERHEAD: Final = _NONCE_BYTES + 16
"""Bytes by which a sealed field is longer: nonce and tag."""


class SealBroken(Exception):
    """A sealed field or wrapped key that was altered, moved, or made with another key."""


@dataclass(frozen=True, slots=True)
class WrappedKey:
    """A case's data key as it may be stored: of no use without version `version` of the key `purpose`."""

    purpose: str
    version: int
    wrapped: bytes


class DataKey:
    """A case's data key ready for use; never stored, and nothing of it is shown."""

    __slots__ = ("cipher",)

    def __init__(self, material: bytes) -> None:
        self.cipher = AESGCM(material)


def new_data_key(keyring: Keyring, purpose: str) -> WrappedKey:
    """A fresh random data key, wrapped (RFC 3394) by the newest key of `purpose`; KeyMissing."""
    key = keyring.current(purpose)
    return WrappedKey(purpose, key.version, aes_key_wrap(key.material, os.urandom(KEY_BYTES)))


def unwrap(keyring: Keyring, wrapped: WrappedKey) -> DataKey:
    """The data key inside; KeyMissing without its wrapping key, SealBroken when it is not that key's."""
    key = keyring.get(wrapped.purpose, wrapped.version)
    try:
        return DataKey(aes_key_unwrap(key.material, wrapped.wrapped))
    except (InvalidUnwrap, ValueError) as error:
        raise SealBroken(f"a data key does not open with {key.kid}") from error


def seal(
    field: bytes | str, data_key: DataKey, *, table: str, column: str, row: UUID | str, key_version: int
) -> bytes:
    """The field as it may be stored in that place: nonce (96 random bits), ciphertext, tag."""
    nonce = os.urandom(_NONCE_BYTES)
    plain = field.encode() if isinstance(field, str) else field
    return nonce + data_key.cipher.encrypt(nonce, plain, _place(table, column, row, key_version))


def unseal(
    sealed: bytes, data_key: DataKey, *, table: str, column: str, row: UUID | str, key_version: int
) -> bytes:
    """The field again; SealBroken unless it was sealed for this very place with this key."""
    nonce, ciphertext = sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:]
    try:
        return data_key.cipher.decrypt(nonce, ciphertext, _place(table, column, row, key_version))
    except (InvalidTag, ValueError) as error:
        raise SealBroken(f"{table}.{column} does not open in its place") from error


def unseal_text(
    sealed: bytes, data_key: DataKey, *, table: str, column: str, row: UUID | str, key_version: int
) -> str:
    """As `unseal`, for a field that was text."""
    return unseal(sealed, data_key, table=table, column=column, row=row, key_version=key_version).decode()


def _place(table: str, column: str, row: UUID | str, key_version: int) -> bytes:
    parts = (table, column, str(row), str(key_version))
    if any("|" in part for part in parts):
        raise ValueError("a place must not contain the separator")
    return "|".join(parts).encode()
