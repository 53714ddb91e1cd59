"""Personal fields at rest: each under a data key of its own, beside it, wrapped by the key `vault-notify`."""

from dataclasses import dataclass
from typing import Final
from uuid import UUID

from libs.privacy.keyring import Keyring
from libs.privacy.vault import WrappedKey, new_data_key, seal, unseal_text, unwrap

VAULT: Final = "vault-notify"
_VERSION, _WRAPPED = 4, 40
"""Bytes: the version of the wrapping key, and a wrapped data key (RFC 3394)."""


@dataclass(frozen=True, slots=True)
class Seals:
    """Seals and opens the fields of rows; what it returns is one column's value."""

    keyring: Keyring

    def seal(self, table: str, column: str, row: UUID, text: str) -> bytes:
        """Key version, wrapped data key and ciphertext, bound to that place."""
        wrapped = new_data_key(self.keyring, VAULT)
        key = unwrap(self.keyring, wrapped)
        sealed = seal(text, key, table=table, column=column, row=row, key_version=wrapped.version)
        return wrapped.version.to_bytes(_VERSION, "big") + wrapped.wrapped + sealed

    def open(self, table: str, column: str, row: UUID, value: bytes) -> str:
        """The text again; KeyMissing without the wrapping key, SealBroken for a value of another place."""
        version = int.from_bytes(value[:_VERSION], "big")
        wrapped = WrappedKey(VAULT, version, value[_VERSION : _VERSION + _WRAPPED])
        sealed = value[_VERSION + _WRAPPED :]
        key = unwrap(self.keyring, wrapped)
        return unseal_text(sealed, key, table=table, column=column, row=row, key_version=version)
