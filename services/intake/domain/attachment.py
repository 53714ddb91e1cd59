"""A file that belongs to a case: what is known of it without its content, and which files are taken."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final, Literal
from uuid import UUID

from libs.clocks.calendar import instant
from libs.files.faults import PLACE, BadFile
from libs.files.limits import Limits
from libs.files.names import extension, tidy
from libs.privacy.masking import mask_name
from libs.web.errors import FieldError, Invalid

State = Literal["quarantined", "released", "rejected", "removed"]

INFECTED: Final = "INFECTED"
"""Why a file was rejected. Why one was removed is a code of reasons.json, `attachment_removed`."""
UNDECLARED: Final = frozenset(("", "application/octet-stream"))
"""Media types by which a sender says nothing."""


@dataclass(frozen=True, slots=True)
class Attachment:
    """What is known of a file. Only a released one is handed out; of one that was rejected or removed nothing
    is kept but this.

    `size`: bytes as kept. `sealed`: its name and its key, encrypted with the key of its case; None when the
    content is gone.
    """

    attachment_id: UUID
    media: str
    size: int
    state: State
    received_at: datetime
    by: str
    sealed: bytes | None
    reason: str | None = None
    settled_at: datetime | None = None

    @property
    def kept(self) -> bool:
        """Whether its content is there."""
        return self.sealed is not None

    def settled(self, state: State, at: datetime, reason: str | None = None) -> "Attachment":
        """The file after its fate was decided; only a released one keeps its content."""
        sealed = self.sealed if state == "released" else None
        return replace(self, state=state, settled_at=at, reason=reason, sealed=sealed)

    def told(self) -> dict[str, Any]:
        """As the door answers it, without its name: codes and dates, so it may be stored."""
        return {
            "attachment_id": str(self.attachment_id),
            "media_type": self.media,
            "size": self.size,
            "state": self.state,
            "reason": self.reason,
            "received_at": instant(self.received_at),
            "settled_at": self.settled_at and instant(self.settled_at),
        }


def masked_name(name: str) -> str:
    """`劳**.pdf`: what tells a file from its neighbours, and no name of a person."""
    ending = extension(name)
    stem = name.removesuffix(name[-len(ending) - 1 :]) if ending else name
    return f"{mask_name(stem)}.{ending}" if ending else mask_name(stem)


@dataclass(frozen=True, slots=True)
class FileType:
    """A kind of file that is taken. `also`: other names of its media type."""

    media: str
    extensions: frozenset[str]
    also: frozenset[str]
    max_bytes: int


@dataclass(frozen=True, slots=True)
class AttachmentRules:
    """Which files are taken, and how many of a case."""

    types: Mapping[str, FileType]
    most: int
    limits: Limits
    removal_reasons: frozenset[str]

    def check(self, media: str, size: int, name: str, declared: str) -> str:
        """The name under which a file of this content may be kept, empty for none.

        Raises BadFile for a kind that is not taken or too large, Invalid when the name or the sender says
        another kind than the content.
        """
        known = self.types.get(media)
        if known is None:
            raise BadFile("unknown_type")
        if size > known.max_bytes:
            raise BadFile("file_too_large")
        name = tidy(name)
        ending = extension(name)
        if ending and ending not in known.extensions:
            raise Invalid(errors=[FieldError(f"{PLACE}/name", "wrong_extension")])
        if declared not in UNDECLARED | {media} | known.also:
            raise Invalid(errors=[FieldError(f"{PLACE}/media_type", "wrong_media_type")])
        return name


def attachment_rules(data: Mapping[str, Any], limits: Mapping[str, int], reasons: Any) -> AttachmentRules:
    """The rules of `attachments.json`, the rows of `limits.json` and the reasons of a removal."""
    return AttachmentRules(
        types={
            row["media"]: FileType(
                row["media"], frozenset(row["extensions"]), frozenset(row["also"]), row["max_bytes"]
            )
            for row in data["types"]
        },
        most=limits["ATTACHMENTS_MAX"],
        limits=Limits(
            pixels=limits["ATTACHMENT_PIXELS_MAX"],
            parts=limits["ATTACHMENT_PARTS_MAX"],
            unpacked=limits["ATTACHMENT_UNPACKED_MAX"],
            ratio=limits["ATTACHMENT_RATIO_MAX"],
        ),
        removal_reasons=frozenset(row["code"] for row in reasons),
    )
