"""Sealing words and copies with the key of their case, before the queue and outside every decision."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from libs.privacy import vault
from libs.privacy.casekey import CaseKey
from libs.privacy.keyring import Keyring
from services.mediation.domain.case import Words

PURPOSE: Final = "vault-mediation"


class Vault:
    """Makes and opens the keys of cases; holds no plain text."""

    def __init__(self, keyring: Keyring) -> None:
        self.keyring = keyring

    def new(self) -> CaseKey:
        """A fresh key."""
        return CaseKey.new(self.keyring, PURPOSE)

    def of(self, key_version: int, wrapped: bytes) -> CaseKey:
        """A stored key, ready for use."""
        return CaseKey(self.keyring, vault.WrappedKey(PURPOSE, key_version, wrapped))


@dataclass(frozen=True, slots=True)
class Sealer:
    """Turns what somebody said into words that a command may carry."""

    key: CaseKey
    new_id: Callable[[], UUID]

    def must(self, text: str) -> Words:
        """The text, sealed for the note it becomes."""
        note_id = self.new_id()
        return Words(note_id, self.key.seal("note", "words", note_id, text))

    def __call__(self, text: str | None) -> Words | None:
        """The same, where nothing may have been said."""
        return None if text is None else self.must(text)
