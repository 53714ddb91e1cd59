"""The audit log as hash chains: who did what to which case, provable later (G25).

Each row's hash covers the one before it, so a changed, removed, moved or added row breaks its chain there,
and a cut tail shows against the head. Sixteen chains, because all writers would queue for a single head.
Signed heads go to a topic of their own (`libs.messaging.heads`), against which a rolled-back database shows.
Rows can never be erased, so they hold ids and codes only.
"""

import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final, Literal, Protocol
from uuid import UUID

import orjson
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from libs.privacy.keyring import Key

GENESIS: Final = bytes(32)
"""What the first row of every chain follows."""

_CODE = re.compile(r"[A-Za-z0-9_.:/-]{1,64}")
_PHONE = re.compile(r"(?<![0-9A-Za-z])(?:86)?1[3-9]\d{9}(?![0-9A-Za-z])")
_PHONE_AS_NUMBER = range(13_000_000_000, 20_000_000_000)
_ID_NUMBER = re.compile(r"(?<![0-9A-Za-z])\d{17}[\dXx](?![0-9A-Za-z])")
_LARGEST = 2**53  # beyond it JSON readers disagree, and the chain with them


class AuditRefused(ValueError):
    """An entry with more than ids and codes; says in which field, never what stands there."""


class Entry(Protocol):
    """What a hash covers besides the hash before it."""

    @property
    def at(self) -> datetime: ...
    @property
    def actor(self) -> str: ...
    @property
    def action(self) -> str: ...
    @property
    def case_id(self) -> UUID | None: ...
    @property
    def service(self) -> str: ...
    @property
    def detail(self) -> Mapping[str, object]: ...


@dataclass(frozen=True, slots=True)
class AuditRecord:
    """An entry to be appended; raises AuditRefused when it holds anything but ids and codes."""

    at: datetime
    actor: str
    action: str
    case_id: UUID | None
    service: str
    detail: Mapping[str, object] = field(default_factory=dict)

    def __post_init__(self) -> None:
        check_detail({"actor": self.actor, "action": self.action, "service": self.service})
        check_detail(self.detail)


@dataclass(frozen=True, slots=True)
class AuditRow:
    """An entry as it is stored: `prev` is the hash it follows, `hash` its own. Unchecked: `verify` judges."""

    chain: int
    seq: int
    at: datetime
    actor: str
    action: str
    case_id: UUID | None
    service: str
    detail: Mapping[str, object]
    prev: bytes
    hash: bytes


@dataclass(frozen=True, slots=True)
class Head:
    """Where a chain stands: the number and hash of its last row, 0 and GENESIS when it has none."""

    chain: int
    seq: int
    hash: bytes


BreakKind = Literal["ALTERED", "OUT_OF_PLACE", "REMOVED", "INSERTED", "CUT", "HEAD_DIFFERS", "FORGED"]


@dataclass(frozen=True, slots=True)
class Break:
    """A place where a chain does not hold.

    ALTERED: the row is not what was hashed. OUT_OF_PLACE: it is, but does not follow the row before it (one
    of the two was moved, added or rewritten, or a row between them is gone). REMOVED: the rows from `seq` on
    are missing before the next. INSERTED: a number given twice, or beyond the head. CUT: the rows from `seq`
    up to the head are missing. HEAD_DIFFERS: the row's hash is not that of the head of its number.
    FORGED: a published head of that number is not signed by the service's key.
    """

    chain: int
    seq: int
    kind: BreakKind


def link(prev: bytes, entry: Entry) -> bytes:
    """The hash of an entry that follows `prev`: SHA-256 over `prev` and the entry's canonical JSON."""
    canonical = {
        "at": entry.at.astimezone(UTC).isoformat(timespec="microseconds"),
        "actor": entry.actor,
        "action": entry.action,
        "case_id": str(entry.case_id) if entry.case_id else None,
        "service": entry.service,
        "detail": entry.detail,
    }
    return hashlib.sha256(prev + orjson.dumps(canonical, option=orjson.OPT_SORT_KEYS)).digest()


def chain(head: Head, records: Iterable[AuditRecord]) -> tuple[Head, list[AuditRow]]:
    """The rows that append `records` in order to the chain of `head`, and where it stands then."""
    rows: list[AuditRow] = []
    for record in records:
        row = AuditRow(
            chain=head.chain,
            seq=head.seq + 1,
            at=record.at,
            actor=record.actor,
            action=record.action,
            case_id=record.case_id,
            service=record.service,
            detail=record.detail,
            prev=head.hash,
            hash=link(head.hash, record),
        )
        rows.append(row)
        head = Head(row.chain, row.seq, row.hash)
    return head, rows


def verify(rows: Iterable[AuditRow], heads: Iterable[Head]) -> list[Break]:
    """Every place where the chains do not hold; none when all do.

    `rows` come ordered by chain and number, read in one snapshot with the current heads; `heads` may hold
    earlier, signed heads besides. After a break the chain is followed on from what is stored, so each change
    is named by itself.
    """
    marks = {(head.chain, head.seq): head.hash for head in heads}
    reached: dict[int, Head] = {}
    ends: dict[int, int] = {}
    for number, seq in marks:
        reached[number] = Head(number, 0, GENESIS)
        ends[number] = max(seq, ends.get(number, 0))
    breaks: list[Break] = []
    for row in rows:
        before = reached.get(row.chain, Head(row.chain, 0, GENESIS))
        breaks += (Break(row.chain, *found) for found in _judge(row, before, ends.get(row.chain, 0)))
        if marks.get((row.chain, row.seq), row.hash) != row.hash:
            breaks.append(Break(row.chain, row.seq, "HEAD_DIFFERS"))
        reached[row.chain] = Head(row.chain, row.seq, row.hash)
    cut = [
        Break(number, reached[number].seq + 1, "CUT")
        for number, end in ends.items()
        if reached[number].seq < end
    ]
    return breaks + cut


def _judge(row: AuditRow, before: Head, end: int) -> Iterator[tuple[int, BreakKind]]:
    if row.seq <= before.seq or row.seq == end + 1:
        yield row.seq, "INSERTED"
    elif row.seq > before.seq + 1:
        yield before.seq + 1, "REMOVED"
    elif row.prev != before.hash:
        yield row.seq, "OUT_OF_PLACE"
    if not _is_what_was_hashed(row):
        yield row.seq, "ALTERED"


def _is_what_was_hashed(row: AuditRow) -> bool:
    try:
        return link(row.prev, row) == row.hash
    except TypeError:  # stored values that no record could have held
        return False


def check_detail(detail: Mapping[str, object]) -> None:
    """Raise AuditRefused unless names and values are codes, ids, whole numbers, bools, or lists of them."""
    for name, value in detail.items():
        if not _CODE.fullmatch(name):
            raise AuditRefused("a field's name is no code")
        if not all(_is_plain(item) for item in (value if isinstance(value, list | tuple) else (value,))):
            raise AuditRefused(f"{name} holds more than an id or a code")


def _is_plain(value: object) -> bool:
    match value:
        case bool():
            return True
        case int():
            return abs(value) < _LARGEST and value not in _PHONE_AS_NUMBER
        case str():
            return bool(_CODE.fullmatch(value)) and not (_PHONE.search(value) or _ID_NUMBER.search(value))
        case _:
            return False


@dataclass(frozen=True, slots=True)
class SignedHead:
    """Where a chain of a service stood, as the service said and signed it; `kid` names its key."""

    service: str
    head: Head
    kid: str
    signature: bytes

    @classmethod
    def of(cls, key: Ed25519PrivateKey, kid: str, service: str, head: Head) -> "SignedHead":
        """Sign a head."""
        return cls(service, head, kid, key.sign(_signed(service, head)))

    @classmethod
    def read(cls, service: str, told: Mapping[str, Any]) -> "SignedHead":
        """What `told` wrote; KeyError, TypeError or ValueError for anything else."""
        head = Head(int(told["chain"]), int(told["seq"]), bytes.fromhex(told["hash"]))
        return cls(str(service), head, str(told["kid"]), bytes.fromhex(told["signature"]))

    def told(self) -> dict[str, object]:
        """As it is published."""
        head = self.head
        stands = {"chain": head.chain, "seq": head.seq, "hash": head.hash.hex()}
        return {**stands, "kid": self.kid, "signature": self.signature.hex()}

    def signed_by(self, key: Ed25519PublicKey) -> bool:
        """Whether the service with that key said so."""
        try:
            key.verify(self.signature, _signed(self.service, self.head))
        except InvalidSignature:
            return False
        return True


def signing_key(key: Key) -> Ed25519PrivateKey:
    """The key pair that signs heads, from a key of the purpose `audit`."""
    return Ed25519PrivateKey.from_private_bytes(key.material)


def _signed(service: str, head: Head) -> bytes:
    stands = {"service": service, "chain": head.chain, "seq": head.seq, "hash": head.hash.hex()}
    return b"heshi.audit.head.v1\n" + orjson.dumps(stands, option=orjson.OPT_SORT_KEYS)
