"""The life of a message between its plan and its receipt."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

from services.notify.domain.case import AT_PROVIDER, UNSENT, Attempt, Correspondence, Message
from services.notify.domain.planning import assess, too_late
from services.notify.domain.rules import Rules


class Result(StrEnum):
    """What a call of the provider came to."""

    ACCEPTED = "accepted"
    REJECTED = "rejected"
    """The provider will never take this message."""
    RETRYABLE = "retryable"
    """It did not take it now; the attempt counts."""
    THROTTLED = "throttled"
    """Too fast; the attempt does not count."""
    REFUSED_US = "refused_us"
    """It refuses us, not the message: credentials, address; the attempt does not count."""
    UNREACHABLE = "unreachable"
    """Nothing reached it; the attempt does not count."""
    INDETERMINATE = "indeterminate"
    """Nobody knows whether it took the message: it must not be sent again."""


@dataclass(frozen=True, slots=True)
class Answer:
    """A call's result, the provider's code (a status or the kind of fault), how long it asks to wait."""

    result: Result
    code: str
    retry_after: timedelta | None = None


class Receipt(StrEnum):
    """What the provider says later about a message that it took."""

    DELIVERED = "delivered"
    UNDELIVERED = "undelivered"
    UNDER_WAY = "under_way"


def claim(
    case: Correspondence, message: Message, contact_version: int, rules: Rules, now: datetime
) -> Message:
    """The message with a fresh attempt when it may be sent at once; else what is to become of it.

    One call per case at a time, so that a citizen hears of the steps in their order. `contact_version` is
    that of the number at hand: one that was changed meanwhile is not written to.
    """
    if message.state not in UNSENT or any(m.state == "sending" for m in case.messages.values()):
        return message
    assessed = assess(case, message, rules, now)
    due = assessed.not_before is not None and assessed.not_before <= now
    if assessed.state != "planned" or not due:
        return assessed
    if case.contact is None or case.contact.version != contact_version:
        return assessed
    number = assessed.attempts + 1
    return assessed.to("sending", now, attempts=number, attempt=Attempt(number, now))


def settle(message: Message, number: int, answer: Answer, rules: Rules, now: datetime) -> Message:
    """The message after the call of attempt `number`, which gets its outcome once. A receipt that was faster
    has the better word about the message itself."""
    attempt = message.attempt
    if attempt is None or attempt.number != number or attempt.outcome is not None:
        return message
    ended = replace(attempt, outcome=answer.result.value, code=answer.code, ended_at=now)
    if message.state not in ("sending", "indeterminate"):
        return replace(message, attempt=ended)
    match answer.result:
        case Result.ACCEPTED:
            return message.to("sent", now, attempt=ended)
        case Result.REJECTED:
            return message.to("failed", now, "REJECTED", attempt=ended)
        case Result.INDETERMINATE:
            return message.to("indeterminate", now, attempt=ended)
        case Result.RETRYABLE:
            return _again(replace(message, attempt=ended), rules, now)
        case Result.THROTTLED | Result.REFUSED_US | Result.UNREACHABLE:
            wait = answer.retry_after or timedelta(seconds=1)
            free = replace(message, attempt=ended, allowed=message.allowed + 1)
            return free.waiting("RETRY", now, now + wait)


def receive(message: Message, receipt: Receipt, now: datetime) -> Message:
    """The message after a receipt; unchanged in a final state: the first final word counts, later ones and
    contradictions are only counted."""
    if message.state not in AT_PROVIDER:
        return message
    match receipt:
        case Receipt.DELIVERED:
            return message.to("delivered", now)
        case Receipt.UNDELIVERED:
            return message.to("failed", now, "UNDELIVERED")
        case Receipt.UNDER_WAY:
            return message if message.state == "sent" else message.to("sent", now)


def overdue(message: Message, rules: Rules, now: datetime) -> Message:
    """The message after too long a silence: a lost call is indeterminate (G19), an indeterminate one failed,
    one without receipt or never sent expired, so that a person phones and nobody is left in silence."""
    silent, practice = now - message.changed_at, rules.practice
    if message.state in UNSENT and too_late(message, rules, now):
        return message.to("expired", now, "TOO_LATE")
    if message.state == "sending" and silent > practice.call_lost_after:
        return message.to("indeterminate", now)
    if message.state == "indeterminate" and silent > practice.indeterminate_for:
        return message.to("failed", now, "INDETERMINATE")
    if message.state == "sent" and silent > practice.receipt_within:
        return message.to("expired", now, "NO_RECEIPT")
    return message


def resent(message: Message, rules: Rules, now: datetime) -> Message:
    """The message planned once more by a person, with as many attempts as a new one."""
    allowed = message.attempts + rules.attempts
    return message.to("planned", now, not_before=now, planned_at=now, allowed=allowed)


RESENDABLE = frozenset({"failed", "expired", "suppressed"})


def _again(message: Message, rules: Rules, now: datetime) -> Message:
    if message.attempts >= message.allowed or not rules.retry_after:
        return message.to("failed", now, "RETRIES")
    left = message.allowed - message.attempts
    wait = rules.retry_after[max(0, len(rules.retry_after) - left)]
    return message.waiting("RETRY", now, now + wait)
