"""Events of notify: what became of each message and what a reply means; never a text or a number."""

from typing import ClassVar
from uuid import UUID

from libs.events.base import Code, Count, Payload, Rating


class MessageEvent(Payload):
    """An event on `notify.message.v1` about one message."""

    TOPIC: ClassVar[str] = "notify.message.v1"

    message_id: UUID
    template: Code
    party: Code
    trigger: Code
    trigger_version: Count


class MessagePlanned(MessageEvent):
    """A message will be sent when its contact is known and fresh."""

    TYPE: ClassVar[str] = "message.planned"


class MessageSuppressed(MessageEvent):
    """The message will not be sent, for the reason named."""

    TYPE: ClassVar[str] = "message.suppressed"

    reason: Code


class MessageSent(MessageEvent):
    """The provider took the message."""

    TYPE: ClassVar[str] = "message.sent"

    attempt: Count


class MessageDelivered(MessageEvent):
    """The provider's receipt says that the message arrived."""

    TYPE: ClassVar[str] = "message.delivered"


class MessageFailed(MessageEvent):
    """The message did not go out or its fate stayed unknown; a person phones instead."""

    TYPE: ClassVar[str] = "message.failed"

    reason: Code


class MessageReceived(Payload):
    """A citizen's SMS, by its meaning: `rating`, `stop`, `dispute` or `unclear`; `in_reply_to` is the message
    that it answers."""

    TYPE: ClassVar[str] = "message.received"
    TOPIC: ClassVar[str] = "notify.message.v1"

    meaning: Code
    rating: Rating | None = None
    in_reply_to: UUID | None = None
