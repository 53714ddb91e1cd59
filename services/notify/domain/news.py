"""What others hear of a message: derived from how it was and how it is, so no step can be told wrongly."""

from collections.abc import Iterator

from libs.events.base import Payload
from libs.events.notify import (
    MessageDelivered,
    MessageEvent,
    MessageFailed,
    MessagePlanned,
    MessageSent,
    MessageSuppressed,
)
from services.notify.domain.case import UNSENT, Correspondence, Message


def news(before: Correspondence | None, after: Correspondence) -> list[Payload]:
    """The events of all messages that changed, in the order of the messages."""
    known = before.messages if before else {}
    return [
        event
        for message in after.messages.values()
        if (was := known.get(message.id)) is not message
        for event in _steps(after, was, message)
    ]


def _steps(case: Correspondence, was: Message | None, message: Message) -> Iterator[MessageEvent]:
    about = {
        "case_id": case.case_id,
        "district": case.district,
        "message_id": message.id,
        "template": message.template,
        "party": message.party,
        "trigger": message.trigger,
        "trigger_version": message.trigger_version,
    }
    if was is not None and was.state == message.state:
        return
    match message.state:
        case "planned" | "deferred" if was is None or was.state not in (*UNSENT, "sending"):
            yield MessagePlanned(**about)
        case "suppressed":
            yield MessageSuppressed(**about, reason=message.reason)
        case "sent":
            yield MessageSent(**about, attempt=message.attempts)
        case "delivered":
            if was is None or was.state != "sent":
                # The receipt was faster than the answer, or the only word that came.
                yield MessageSent(**about, attempt=message.attempts)
            yield MessageDelivered(**about)
        case "failed" | "expired":
            yield MessageFailed(**about, reason=message.reason)
