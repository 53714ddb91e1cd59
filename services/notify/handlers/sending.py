"""The steps of one message: claimed before the call, settled after it, confirmed by a receipt, given up."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from libs.db.work import Audit, Decision, Moment, ignored
from libs.web.errors import ForbiddenAction, NotFound
from services.notify.domain import sending
from services.notify.domain.case import Correspondence, Message
from services.notify.domain.planning import text
from services.notify.domain.sending import RESENDABLE, Answer, Receipt
from services.notify.handlers.desk import decided, desk


@dataclass(frozen=True, slots=True)
class Claim:
    """Take the message for a call to the number of this version of the contact."""

    message_id: UUID
    contact_version: int


@dataclass(frozen=True, slots=True)
class Settle:
    """The call of this attempt came to an answer."""

    message_id: UUID
    attempt: int
    answer: Answer


@dataclass(frozen=True, slots=True)
class Confirm:
    """The provider says later what became of the message."""

    message_id: UUID
    receipt: Receipt


@dataclass(frozen=True, slots=True)
class GiveUp:
    """The message has been silent for long: decide what that means."""

    message_id: UUID


@dataclass(frozen=True, slots=True)
class Resend:
    """A person wants the message sent once more."""

    message_id: UUID


@dataclass(frozen=True, slots=True)
class ToCall:
    """A claimed message as the sender needs it: its attempt is committed when this is seen."""

    attempt: int
    text: str
    trace: str | None


def claim(case: Correspondence | None, command: Claim, moment: Moment) -> Decision[Correspondence]:
    """`reply` is a `ToCall` when the message is ours to send, else None."""
    if case is None or command.message_id not in case.messages:
        return ignored(case, "no such message")
    rules = desk(moment).rules
    known = desk(moment).lay_out(case)
    before = known.messages[command.message_id]
    after = sending.claim(known, before, command.contact_version, rules, moment.now)
    taken = after.state == "sending" and after is not before
    reply = ToCall(after.attempts, text(known, after, rules), after.trace) if taken else None
    return decided(case, known.with_message(after), reply=reply)


def settle(case: Correspondence | None, command: Settle, moment: Moment) -> Decision[Correspondence]:
    """What came back from the provider; nothing when a receipt was faster."""
    rules = desk(moment).rules
    return _moved(
        case,
        command.message_id,
        lambda message: sending.settle(message, command.attempt, command.answer, rules, moment.now),
        "the attempt has its outcome already",
    )


def confirm(case: Correspondence | None, command: Confirm, moment: Moment) -> Decision[Correspondence]:
    """A receipt: the first final word stands, repeated, late and contradictory ones are only counted."""
    return _moved(
        case,
        command.message_id,
        lambda message: sending.receive(message, command.receipt, moment.now),
        "the message is in a final state",
    )


def give_up(case: Correspondence | None, command: GiveUp, moment: Moment) -> Decision[Correspondence]:
    """Silence has an end: a person phones instead (G19)."""
    rules = desk(moment).rules
    return _moved(
        case,
        command.message_id,
        lambda message: sending.overdue(message, rules, moment.now),
        "the message was heard of",
    )


def resend(case: Correspondence | None, command: Resend, moment: Moment) -> Decision[Correspondence]:
    """By a person, and judged anew before the call. Raises NotFound; ForbiddenAction while it is under way or
    has arrived: one message per event and party."""
    message = case.messages.get(command.message_id) if case else None
    if case is None or message is None:
        raise NotFound()
    if message.state not in RESENDABLE or message.repeat:
        raise ForbiddenAction(state=message.state, allowed=[])
    known = desk(moment).lay_out(case)
    after = sending.resent(message, desk(moment).rules, moment.now)
    return decided(
        case,
        known.with_message(after),
        reply={"id": str(message.id), "case_id": str(case.case_id), "state": after.state},
        status=202,
        audit=(Audit("message.resent", {"message_id": str(message.id), "template": message.template}),),
    )


def _moved(
    case: Correspondence | None, message_id: UUID, move: Callable[[Message], Message], otherwise: str
) -> Decision[Any]:
    if case is None or message_id not in case.messages:
        return ignored(case, "no such message")
    before = case.messages[message_id]
    after = move(before)
    if after is before:
        return ignored(case, otherwise)
    return decided(case, case.with_message(after))
