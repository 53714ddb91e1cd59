"""What every use case works with, and how its decision is put together."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any
from uuid import UUID

from libs.db.work import Actor, Audit, Decision, Moment
from libs.events.base import Payload
from services.notify.domain.case import Contact, Correspondence
from services.notify.domain.news import news
from services.notify.domain.rules import Rules

OURSELVES = Actor("service", "notify")


@dataclass(frozen=True, slots=True)
class Desk:
    """What the store shares with a batch of decisions: the rules, and the contacts of its cases."""

    rules: Rules
    contacts: Mapping[UUID, Contact] = field(default_factory=dict)

    def lay_out(self, case: Correspondence) -> Correspondence:
        """The case with the contact as it is known now."""
        return replace(case, contact=self.contacts.get(case.case_id))


def desk(moment: Moment) -> Desk:
    shared: Desk = moment.shared
    return shared


def decided(
    before: Correspondence | None,
    after: Correspondence,
    *,
    events: tuple[Payload, ...] = (),
    reply: Any = None,
    status: int = 200,
    audit: tuple[Audit, ...] = (),
) -> Decision[Correspondence]:
    """The decision with the news of all messages that changed; an unchanged case is given back as it was."""
    told = (*news(before, after), *events)
    unchanged = before is not None and not told and _stored(after) == _stored(before)
    return Decision(before if unchanged else after, events=told, reply=reply, status=status, audit=audit)


def _stored(case: Correspondence) -> tuple[object, ...]:
    """What the store keeps of a case; its contact is a copy that others write."""
    return case.facts, case.respondent_agreed, case.messages, case.received
