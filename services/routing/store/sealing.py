"""Fields that are sealed one by one, each under a key of its own, wrapped by the key `vault-routing`."""

from typing import Final, NamedTuple
from uuid import UUID

from libs.privacy.keyring import Keyring
from libs.privacy.vault import WrappedKey, new_data_key, seal, unseal_text, unwrap

VAULT: Final = "vault-routing"


class Sealed(NamedTuple):
    """A field as it is stored: ciphertext, its wrapped key, and the version of the key that wrapped it."""

    text: bytes | None = None
    key: bytes | None = None
    key_version: int | None = None


NOTHING: Final = Sealed()


def seal_field(keyring: Keyring, table: str, column: str, row: UUID, text: str | None) -> Sealed:
    """The text sealed for that place; nothing stays nothing."""
    if text is None:
        return NOTHING
    wrapped = new_data_key(keyring, VAULT)
    data_key = unwrap(keyring, wrapped)
    sealed = seal(text, data_key, table=table, column=column, row=row, key_version=wrapped.version)
    return Sealed(sealed, wrapped.wrapped, wrapped.version)


def open_field(keyring: Keyring, table: str, column: str, row: UUID, sealed: Sealed) -> str | None:
    """The text again; None where there is none."""
    if sealed.text is None or sealed.key is None or sealed.key_version is None:
        return None
    data_key = unwrap(keyring, WrappedKey(VAULT, sealed.key_version, sealed.key))
    return unseal_text(
        sealed.text, data_key, table=table, column=column, row=row, key_version=sealed.key_version
    )
