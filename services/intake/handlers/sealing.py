"""Sealing what was said, and opening it again: before the queue and outside every transaction."""

import secrets
from base64 import b64decode, b64encode
from collections.abc import Iterable, Set
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import Any, Final
from uuid import UUID

from libs.db.work import IdempotencyKey, State
from libs.events.base import CaseFacts
from libs.events.dossier import DossierSealed
from libs.privacy import searchtokens, vault
from libs.privacy.blindindex import blind_index, last_four_index
from libs.privacy.casekey import CaseKey
from libs.privacy.dossier import seal_compartment
from libs.privacy.keyring import KEY_BYTES, Keyring
from services.intake.domain.attachment import Attachment
from services.intake.domain.case import SEALED_KIND, Note, PhoneTrace, Sealed
from services.intake.domain.disclosure import compartments
from services.intake.domain.flags import FlagRules
from services.intake.domain.people import Personal, private_names
from services.intake.domain.searching import indexed
from services.intake.domain.text import fold

PURPOSE: Final = "vault-intake"
INDEX: Final = "index"
SEARCH: Final = "search"
PHONE: Final = "intake.applicant.phone"
RESPONDENT: Final = "intake.respondent.name"
"""The columns that hashes are bound to, so that hashes of two services say nothing of each other."""

PART: Final = 2**20
"""Bytes of an attachment that are sealed together, and in memory while it is handed out."""
SEALED_PART: Final = PART + vault.OVERHEAD


@dataclass(frozen=True, slots=True)
class Kept:
    """A row of the vault, as the store reads it."""

    case_id: UUID
    district: str
    key_version: int
    data_key: bytes
    applicant: bytes
    story: bytes


class FileKey:
    """The data key of one file that came in: its parts and what is kept of its rows open with it alone, each
    in its own place."""

    def __init__(self, keyring: Keyring, wrapped: vault.WrappedKey) -> None:
        self.wrapped = wrapped
        self._key = vault.unwrap(keyring, wrapped)

    def seal(self, table: str, file: UUID, number: int, content: bytes) -> bytes:
        """The content as it may be stored in that row."""
        return vault.seal(content, self._key, **self._place(table, file, number))

    def open(self, table: str, file: UUID, number: int, sealed: bytes) -> bytes:
        """The content again; raises SealBroken for that of another row."""
        return vault.unseal(sealed, self._key, **self._place(table, file, number))

    def _place(self, table: str, file: UUID, number: int) -> Any:
        row = f"{file}/{number}"
        return {"table": table, "column": "content", "row": row, "key_version": self.wrapped.version}


class ContentKey:
    """The key of one attachment's content, which is sealed in parts. Each opens only as that part of so many
    of that attachment of that case: none can be moved, left out or put in unseen."""

    def __init__(self, case_id: UUID, attachment_id: UUID, material: bytes) -> None:
        self.material = material
        self._of = f"{case_id}/{attachment_id}"
        self._key = vault.DataKey(material)

    def seal(self, content: bytes) -> bytearray:
        """The sealed parts, one behind the other."""
        size = len(content)
        sealed = bytearray(size + parts_of(size) * vault.OVERHEAD)
        for number in range(parts_of(size)):
            part = vault.seal(
                content[number * PART : (number + 1) * PART], self._key, **self._place(size, number)
            )
            sealed[number * SEALED_PART : number * SEALED_PART + len(part)] = part
        return sealed

    def open(self, size: int, number: int, sealed: bytes) -> bytes:
        """One part, counted from 0, of a content of `size` bytes. Raises SealBroken."""
        return vault.unseal(sealed, self._key, **self._place(size, number))

    def _place(self, size: int, number: int) -> Any:
        row = f"{self._of}/{number}/{parts_of(size)}"
        return {"table": "attachment", "column": "content", "row": row, "key_version": 1}


def parts_of(size: int) -> int:
    """The number of parts of a content."""
    return -(-size // PART)


class Vault:
    """Seals and opens with the keys of this service; holds no plain text."""

    def __init__(self, keyring: Keyring, common: Set[str]) -> None:
        """`common`: the words that nobody finds a case by."""
        self._keyring = keyring
        self._common = common

    def new_key(self) -> CaseKey:
        """A data key of its own for a new case."""
        return CaseKey.new(self._keyring, PURPOSE)

    def key_of(self, kept: Kept) -> CaseKey:
        """The data key of a case that exists."""
        return CaseKey(self._keyring, vault.WrappedKey(PURPOSE, kept.key_version, kept.data_key))

    def new_file_key(self) -> FileKey:
        """A data key of its own for a file."""
        return FileKey(self._keyring, vault.new_data_key(self._keyring, PURPOSE))

    def file_key(self, version: int, wrapped: bytes) -> FileKey:
        """The data key of a file that is kept."""
        return FileKey(self._keyring, vault.WrappedKey(PURPOSE, version, wrapped))

    def attachment(self, kept: Kept, attachment_id: UUID, name: str) -> tuple[bytes, ContentKey]:
        """What is kept of a new file beside its content, and the key for that."""
        key = ContentKey(kept.case_id, attachment_id, secrets.token_bytes(KEY_BYTES))
        told = {"name": name, "key": b64encode(key.material).decode()}
        return self.key_of(kept).seal("attachment", "sealed", attachment_id, told), key

    def open_attachment(self, kept: Kept, file: Attachment) -> tuple[str, ContentKey]:
        """The name of a file whose content is kept, and the key of that."""
        told = self.key_of(kept).open("attachment", "sealed", file.attachment_id, file.sealed or b"")
        return told["name"], ContentKey(kept.case_id, file.attachment_id, b64decode(told["key"]))

    def row_key(self, file: UUID, number: int) -> IdempotencyKey:
        """What makes the taking of a file's row repeatable, also after a key was rotated."""
        scope = sha256(f"import\n{file}\n{number}".encode()).digest()
        return IdempotencyKey(scope, scope)

    def fingerprint(self, digest: bytes) -> bytes:
        """By what a file is known again: a keyed hash of its SHA-256."""
        return self._keyring.hmac(INDEX, b"file\n" + digest)

    def close(self, key: CaseKey, case_id: UUID, district: str, said: Personal, *, secret: bool) -> Sealed:
        """A case's personal part, and what it is found by: its applicant's phone, words of its narrative."""
        return Sealed(
            key_version=key.wrapped.version,
            data_key=key.wrapped.wrapped,
            applicant=key.seal("vault", "applicant", case_id, said.applicant),
            story=key.seal("vault", "story", case_id, said.story),
            phone=self.trace(district, said.phone.e164) if said.phone and said.phone.e164 else None,
            tokens=self.tokens(district, said, secret=secret),
            respondents=self.respondents(district, said, secret=secret),
        )

    def open(self, kept: Kept) -> Personal:
        """What was said, in plain."""
        key = self.key_of(kept)
        return Personal.of(
            key.open("vault", "applicant", kept.case_id, kept.applicant),
            key.open("vault", "story", kept.case_id, kept.story),
        )

    def texts(self, kept: Kept, notes: Iterable[Note]) -> list[str]:
        """The texts of these notes of a case, in plain."""
        key = self.key_of(kept)
        return [key.open("note", "text", note.note_id, note.text) for note in notes]

    def narrative(self, kept: Kept) -> str:
        """The text alone, for those who only compare it: opening all takes five times as long."""
        narrative: str = self.key_of(kept).open("vault", "story", kept.case_id, kept.story)["narrative"]
        return narrative

    def trace(self, district: str, e164: str) -> PhoneTrace:
        """The hashes under which a number is found in a district."""
        key = self._keyring.current(INDEX)
        return PhoneTrace(
            blind_index(key, district, PHONE, e164), last_four_index(key, district, PHONE, e164)
        )

    def tokens(self, district: str, said: Personal, *, secret: bool) -> tuple[int, ...]:
        """The hashes of the words by which a narrative is found, under the newest key."""
        token = searchtokens.tokens(self._keyring.current(SEARCH), scope(district, secret=secret))
        words = indexed(said.story["narrative"], private_names(said), self._common)
        return tuple(sorted({token[word] for word in words}))

    def respondents(self, district: str, said: Personal, *, secret: bool) -> tuple[bytes, ...]:
        """The hashes of the names on the other side; of an accusation none, it has no cluster."""
        names = [party["name"] for party in said.story["respondents"] if party["name"]]
        return () if secret else self.names([district], names)

    def names(self, districts: Iterable[str], names: Iterable[str]) -> tuple[bytes, ...]:
        """The hashes under which these names of respondents are found."""
        key = self._keyring.current(INDEX)
        folded = {fold(name).casefold() for name in names}
        return tuple(
            sorted(blind_index(key, district, RESPONDENT, name) for district in districts for name in folded)
        )

    def sought(self, scopes: Iterable[str], words: Set[str]) -> tuple[tuple[int, ...], ...]:
        """The hashes to look for, all of one of these: for each scope, under each key that is in use."""
        self._keyring.current(SEARCH)
        return tuple(
            tuple({token[word] for word in words})
            for key in self._keyring.all(SEARCH)
            for token in (searchtokens.tokens(key, one) for one in scopes)
        )

    def dossier(
        self, case_id: UUID, district: str, said: Personal, facts: CaseFacts, rules: FlagRules
    ) -> State:
        """The record of `intake.dossier.v1` that goes with the facts, each part sealed for its reader.

        That of an accusation is a tombstone: whoever had one before it was known as such forgets it.
        """
        version = facts.dossier_version
        if facts.kind == SEALED_KIND:
            return State(DossierSealed.TOPIC, str(case_id), version, None)
        record = DossierSealed(
            case_id=case_id,
            district=district,
            version=version,
            compartments={
                name: {
                    reader: seal_compartment(self._keyring, reader, case_id, name, version, content)
                    for reader, content in readers.items()
                }
                for name, readers in compartments(said, facts, rules).items()
            },
        )
        return State(record.TOPIC, str(case_id), version, record.model_dump_json().encode())


def scope(district: str, *, secret: bool) -> str:
    """Whose words share a key: those of a district; its accusations have one of their own, so that nothing
    tells which other cases they are like."""
    return f"{district}|{SEALED_KIND}" if secret else district


def note(key: CaseKey, note_id: UUID, act: str, at: datetime, by: str, text: str) -> Note:
    """A free text of an act, sealed with the key of its case."""
    return Note(note_id, act, at, by, key.seal("note", "text", note_id, text))
