"""What notify does, each use case with its decision: the service's contents page."""

from typing import Final

from libs.db.work import UseCase
from services.notify.handlers import events, replies, sending

TELL: Final = UseCase("tell", events.tell)
LEARN: Final = UseCase("learn", events.learn)
HEAR_CONSENT: Final = UseCase("hear_consent", events.hear_consent)
CONTACT_ARRIVED: Final = UseCase("contact_arrived", events.contact_arrived)
CLAIM: Final = UseCase("claim", sending.claim)
SETTLE: Final = UseCase("settle", sending.settle)
CONFIRM: Final = UseCase("confirm", sending.confirm)
GIVE_UP: Final = UseCase("give_up", sending.give_up)
RESEND: Final = UseCase("resend", sending.resend)
HEAR_REPLY: Final = UseCase("hear_reply", replies.hear_reply)
