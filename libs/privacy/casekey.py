"""A case's own key as services use it: JSON-able content sealed for one place, and opened there again."""

from typing import Any
from uuid import UUID

import orjson

from libs.privacy import vault
from libs.privacy.keyring import Keyring


class CaseKey:
    """The data key of one case, ready for use. Content opens only in the row and column it was sealed for."""

    def __init__(self, keyring: Keyring, wrapped: vault.WrappedKey) -> None:
        self.wrapped = wrapped
        self._key = vault.unwrap(keyring, wrapped)

    @classmethod
    def new(cls, keyring: Keyring, purpose: str) -> "CaseKey":
        """A fresh key, wrapped by the newest key of `purpose`; KeyMissing without one."""
        return cls(keyring, vault.new_data_key(keyring, purpose))

    def seal(self, table: str, column: str, row: UUID, content: Any) -> bytes:
        """The content as it may be stored there."""
        return vault.seal(orjson.dumps(content), self._key, **self._place(table, column, row))

    def open(self, table: str, column: str, row: UUID, sealed: bytes) -> Any:
        """The content again; raises SealBroken for one of another place."""
        return orjson.loads(vault.unseal(sealed, self._key, **self._place(table, column, row)))

    def _place(self, table: str, column: str, row: UUID) -> Any:
        return {"table": table, "column": column, "row": row, "key_version": self.wrapped.version}
