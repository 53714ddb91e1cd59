"""Which messages an event asks for, and what is to become of one that was not sent yet."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from libs.events.base import Owned
from libs.events.intake import CaseForwarded, CaseMerged, CaseRefused, CaseRegistered
from libs.events.mediation import (
    AgreementReached,
    CaseClosed,
    CaseExtended,
    CaseOpened,
    CaseTakenUp,
    ConsentRequested,
    MediationEnded,
    ReplyIssued,
    SessionScheduled,
)
from services.notify.domain.case import Correspondence, Message
from services.notify.domain.rules import Rules
from services.notify.domain.suppression import suppression
from services.notify.domain.texts import Template, Unsendable, promised_day, spoken_time

Trigger = (
    CaseRegistered
    | CaseRefused
    | CaseForwarded
    | CaseMerged
    | CaseOpened
    | CaseTakenUp
    | ConsentRequested
    | SessionScheduled
    | AgreementReached
    | MediationEnded
    | CaseExtended
    | ReplyIssued
    | CaseClosed
)
"""The events that plan messages."""

NOT_RATED = frozenset({"REFUSED", "FINAL"})
"""Results of a closing after which the citizen is not asked for a rating (N17)."""


@dataclass(frozen=True, slots=True)
class Occasion:
    """An event as planning sees it: `version` is the event's in its topic, `now` when it is handled."""

    event: Trigger
    version: int
    now: datetime
    new_id: Callable[[], UUID]
    trace: str | None = None


def plan(case: Correspondence, occasion: Occasion, rules: Rules) -> list[Message]:
    """The messages that the event asks for: at most one per party, each already assessed.

    A text that lacks its date is failed at once: a person phones instead of a citizen hearing nothing.
    """
    if not speaks(occasion.event):
        return []
    return [
        assess(case, _message(case, template, party, occasion, rules), rules, occasion.now)
        for template, party in _wanted(case, occasion.event, rules.templates)
    ]


def speaks(event: Owned) -> bool:
    """One message for a registration decided in the same act: merge sends its own instead of N01, accept N01
    alone (N02 belongs to an acceptance decided later), refuse and forward N01 and their own."""
    match event:
        case CaseRegistered(decided=decided):
            return decided != "merge"
        case CaseOpened(case=facts):
            return facts.accepted_at is None or facts.accepted_at > facts.registered_at
        case CaseClosed(result=result):
            return result not in NOT_RATED
        case _:
            return True


def assess(case: Correspondence, message: Message, rules: Rules, now: datetime) -> Message:
    """What is to become of an unsent message by what is known now: planned means that it may go at once.

    Asked when it is planned, when something arrives that it waited for, and again just before the call, since
    flags, consent and contact may have changed in between.
    """
    if message.state not in ("planned", "deferred"):
        return message
    if case.contact is not None and case.contact.erased:
        return message.to("expired", now, "ERASED")
    if case.facts is None:
        return message.waiting("FACTS", now)
    if reason := suppression(case, message, rules, now):
        return message.to("suppressed", now, reason)
    if not case.contact_is_current():
        return message.waiting("CONTACT", now)
    if too_late(message, rules, now):
        return message.to("expired", now, "TOO_LATE")
    template = rules.templates[message.template]
    try:
        text(case, message, rules)
    except Unsendable as fault:
        return message.to("failed", now, fault.code)
    if rules.quiet_hours and not template.quiet_hours_exempt and (until := rules.quiet_hours.until(now)):
        return message.waiting("QUIET_HOURS", now, until)
    if message.not_before is not None and message.not_before > now:
        return message
    return message.to("planned", now, not_before=now)


def too_late(message: Message, rules: Rules, now: datetime) -> bool:
    """Whether it waited so long that what it says may no longer be true."""
    return now - message.planned_at > rules.practice.send_within


def text(case: Correspondence, message: Message, rules: Rules) -> str:
    """The SMS as it goes out. Raises Unsendable; a case whose facts are unknown has no query code to tell.

    The number is the case's own, but for a message that names another: that of the case it was joined to.
    """
    values = {"no": case.facts.query_code, **message.values} if case.facts else dict(message.values)
    values["tel"] = rules.telephones.get(case.district, "")
    template = rules.templates[message.template]
    return rules.letterhead.compose(template, {name: values.get(name, "") for name in template.placeholders})


def _wanted(
    case: Correspondence, event: Trigger, templates: Mapping[str, Template]
) -> Iterator[tuple[Template, str]]:
    track, topic, route = _codes(case, event)
    for party in _parties(case, event):
        suited = (
            template
            for template in templates.values()
            if template.trigger == event.TYPE
            and party in template.audience
            # A sealed case is planned too, and suppressed: that nothing goes out is then on record.
            and (template.suits(track, topic, route) or track == "SEALED")
        )
        if template := next(suited, None):
            yield template, party


def _parties(case: Correspondence, event: Trigger) -> tuple[str, ...]:
    """Whom the event concerns. A respondent who has not agreed to take part is only asked."""
    match event:
        case ConsentRequested(party=party):
            return (party,)
        case SessionScheduled(parties=parties):
            concerned: tuple[str, ...] = parties
        case _:
            concerned = ("applicant", "respondent")
    return tuple(party for party in concerned if party == "applicant" or case.respondent_agreed)


def _codes(case: Correspondence, event: Trigger) -> tuple[str | None, str | None, str | None]:
    facts = case.facts
    told = getattr(event, "track", None)
    if facts is None:
        return told, None, None
    return told or facts.track, facts.topic, facts.lawful_route


def _message(
    case: Correspondence, template: Template, party: str, occasion: Occasion, rules: Rules
) -> Message:
    event = occasion.event
    values: dict[str, str] = {}
    if day := promised_day(template, event.deadlines):
        values["d"] = day
    if isinstance(event, SessionScheduled):
        values["dt"] = spoken_time(event.starts_at)
    if isinstance(event, CaseMerged) and event.into_query_code is not None:
        values["no"] = event.into_query_code
    notice = (template.id, party, event.TYPE, occasion.version)
    return Message(
        occasion.new_id(),
        *notice,
        values=values,
        state="planned",
        planned_at=occasion.now,
        changed_at=occasion.now,
        allowed=rules.attempts,
        repeat=sum(other.notice == notice for other in case.messages.values()),
        trace=occasion.trace,
    )
