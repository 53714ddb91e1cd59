"""Why a message may not go out. Each reason is one small predicate; their order is the data's."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime

from services.notify.domain.case import Contact, Correspondence, Facts, Message
from services.notify.domain.rules import Rules, local_day
from services.notify.domain.texts import Template


@dataclass(frozen=True, slots=True)
class Question:
    """All that a reason may look at. What asks for a contact that is not here yet is asked again later."""

    case: Correspondence
    facts: Facts
    message: Message
    template: Template
    rules: Rules
    now: datetime

    @property
    def contact(self) -> Contact | None:
        """The way to the message's party. A respondent has none: the dossier's contact is the applicant's."""
        if self.message.party == "applicant":
            return self.case.contact if self.case.contact_is_current() else None
        return Contact(version=0, reachable=False, safe=True)


def suppression(case: Correspondence, message: Message, rules: Rules, now: datetime) -> str | None:
    """The first reason, in the order of the data, that stands against the message; None when it may go."""
    if case.facts is None:
        return None
    template = rules.templates[message.template]
    question = Question(case, case.facts, message, template, rules, now)
    return next((reason for reason in rules.suppress_order if REASONS[reason](question)), None)


def _sealed(q: Question) -> bool:
    """An accusation or report: its content reaches nobody but the competent organ (XF22 art 30). Asked before
    all others: by this reason mediation knows whose task stands in for the message."""
    return q.facts.kind == "REP"


def _risk(q: Question) -> bool:
    """A flag of danger is up: the phone may be in the wrong hands (DV15 arts 13, 15; MH18 art 28)."""
    return not q.rules.risk_flags.isdisjoint(q.facts.flags)


def _no_consent(q: Question) -> bool:
    """No consent to SMS (PIPL art 13), statutory or not: a person calls or writes. Asked of the applicant."""
    return q.message.party == "applicant" and not q.facts.sms_consent


def _unsafe_contact(q: Question) -> bool:
    return q.contact is not None and not q.contact.safe


def _anonymous(q: Question) -> bool:
    return q.message.party == "applicant" and q.facts.anonymous


def _no_phone(q: Question) -> bool:
    """No number, no mobile number, or one that nobody verified."""
    return q.contact is not None and not q.contact.reachable


def _opted_out(q: Question) -> bool:
    """The person sent the stop word; notices that the law asks for still come."""
    return q.contact is not None and q.contact.opted_out and not q.template.statutory


def _duplicate(q: Question) -> bool:
    """The same case, template, party and version of the trigger event has a message already."""
    return q.message.repeat > 0


def _daily_cap(q: Question) -> bool:
    """As many messages of this case went out today as a district allows itself."""
    if q.rules.daily_cap is None or q.template.statutory:
        return False
    today = local_day(q.now)
    sent = sum(
        1
        for other in q.case.messages.values()
        if other.id != q.message.id and other.attempt is not None and local_day(other.attempt.at) == today
    )
    return sent >= q.rules.daily_cap


def _template_not_approved(q: Question) -> bool:
    """Carriers block what was not filed with them."""
    return q.rules.practice.real_provider and q.template.filing_status != "APPROVED"


REASONS: Mapping[str, Callable[[Question], bool]] = {
    "SEALED": _sealed,
    "RISK": _risk,
    "NO_CONSENT": _no_consent,
    "UNSAFE_CONTACT": _unsafe_contact,
    "ANONYMOUS": _anonymous,
    "NO_PHONE": _no_phone,
    "OPTED_OUT": _opted_out,
    "DUPLICATE": _duplicate,
    "DAILY_CAP": _daily_cap,
    "TEMPLATE_NOT_APPROVED": _template_not_approved,
}
