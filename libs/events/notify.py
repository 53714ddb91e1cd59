"""Events of notify: what became of each message and what a reply means; never a text or a number."""

from typing import ClassVar
from uuid import UUID

from libs.events.base import Payload


class MessageEvent(Payload):
    """An event on `notify.message.v1` about one message."""

    TOPIC: ClassVar[str] = "notify.message.v1"

    message_id: UUID
    template: str
    party: str
    trigger: str
    trigger_version: int


class MessagePlanned(MessageEvent):
    """A message will be sent when its contact is known and fresh."""

    TYPE: ClassVar[str] = "message.planned"


class MessageSuppressed(MessageEvent):
    """The message will not be sent, for the reason named."""

    TYPE: ClassVar[str] = "message.suppressed"

    reason: str


class MessageSent(MessageEvent):
    """The provider took the message."""

    TYPE: ClassVar[str] = "message.sent"

    attempt: int


class MessageDelivered(MessageEvent):
    """The provider's receipt says that the message arrived."""

    TYPE: ClassVar[str] = "message.delivered"


class MessageFailed(MessageEvent):
    """The message did not go out or its fate stayed unknown; a person phones instead."""

    TYPE: ClassVar[str] = "message.failed"

    reason: str


class MessageReceived(Payload):
    """A citizen's SMS, by its meaning: `rating`, `stop`, `dispute` or `unclear`."""

    TYPE: ClassVar[str] = "message.received"
    TOPIC: ClassVar[str] = "notify.message.v1"

    meaning: str
    rating: int | None = None
    in_reply_to: str | None = None
