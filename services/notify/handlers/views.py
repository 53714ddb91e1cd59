"""What doors look at, as the store answers it."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import Protocol
from uuid import UUID

from services.notify.domain.case import Correspondence, Message, Received
from services.notify.domain.replies import Sent


@dataclass(frozen=True, slots=True)
class Listed:
    """A message in a list: with the case's version, the facts its text needs, and the number."""

    case: Correspondence
    message: Message
    version: int
    phone: str | None = field(repr=False)


class MessageViews(Protocol):
    """Messages for people; every read carries the caller's districts."""

    async def listed(
        self,
        districts: Collection[str],
        *,
        sealed: bool,
        case_id: UUID | None,
        state: str | None,
        after: UUID | None,
        limit: int,
    ) -> Sequence[Listed]: ...

    async def place_of(self, message_id: UUID, districts: Collection[str]) -> tuple[UUID, str] | None: ...


class Mail(Protocol):
    """Citizens' SMS before a case is found for them."""

    async def written_to(self, e164: str) -> Sequence[Sent]: ...

    async def keep_unknown(self, sms: Received, number: str) -> None: ...
