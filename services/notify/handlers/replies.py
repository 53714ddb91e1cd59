"""What a citizen's SMS does: it is kept, and its meaning is told; never its words."""

from dataclasses import dataclass, field, replace
from uuid import UUID

from libs.db.work import Decision, Moment, ignored
from libs.events.notify import MessageReceived
from services.notify.domain import replies
from services.notify.domain.case import Correspondence, Received
from services.notify.handlers.desk import decided


@dataclass(frozen=True, slots=True)
class HearReply:
    """An SMS from the number of this case's applicant; `ref` is a digest of the provider's number of it."""

    received_id: UUID
    ref: bytes
    text: str = field(repr=False)


def hear_reply(case: Correspondence | None, command: HearReply, moment: Moment) -> Decision[Correspondence]:
    """A digit after the question rates, T stops what the law does not ask for, all else goes to a person."""
    if case is None:
        return ignored(case, "no such case")
    asked = replies.asking(case.messages.values())
    reply = replies.meaning(command.text, rating_asked=asked is not None)
    after = replace(
        case,
        received=(
            *case.received,
            Received(
                id=command.received_id,
                at=moment.now,
                meaning=reply.meaning,
                rating=reply.rating,
                in_reply_to=asked.id if asked else None,
                ref=command.ref,
                text=command.text,
            ),
        ),
    )
    if asked is not None and reply.rating is not None:
        after = after.with_message(replace(asked, answered_at=moment.now))
    told = MessageReceived(
        case_id=case.case_id,
        district=case.district,
        meaning=reply.meaning,
        rating=reply.rating,
        in_reply_to=asked.id if asked else None,
    )
    return decided(case, after, events=(told,), reply={"meaning": reply.meaning})
