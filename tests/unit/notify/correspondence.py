"""Builders for the tests of notify: a case with its facts and contact, events, and a clock's times."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from itertools import count
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from libs.events.base import CaseFacts, DueDate
from libs.events.intake import CaseRegistered
from libs.events.mediation import CaseTakenUp
from services.notify.domain.case import Contact, Correspondence, Facts, Message
from services.notify.domain.planning import Occasion, Trigger, plan
from services.notify.domain.rules import Rules

SHANGHAI = ZoneInfo("Asia/Shanghai")
NOON = datetime(2026, 3, 20, 12, 0, tzinfo=SHANGHAI)
CASE = UUID(int=7)
DISTRICT = "990101"


def ids(first: int = 1) -> Callable[[], UUID]:
    numbers: Iterator[int] = count(first)
    return lambda: UUID(int=next(numbers))


def due(rule: str, on: date) -> DueDate:
    at = datetime.combine(on + timedelta(days=1), datetime.min.time(), SHANGHAI)
    return DueDate(rule=rule, due_on=on, due_at=at)


def case_facts(**changes: Any) -> CaseFacts:
    told: dict[str, Any] = {
        "channel": "phone",
        "kind": "DIS",
        "track": "MEDIATION",
        "category": "D10",
        "grid": "99010100100203",
        "urgency": "BLUE",
        "query_code": "K7M2P9QX",
        "received_at": NOON,
        "registered_at": NOON,
        "real_name": True,
        "anonymous": False,
        "share_with_partner": True,
        "sms_consent": True,
        "dossier_version": 1,
    }
    return CaseFacts.model_validate(told | changes)


def facts(version: int = 1, **changes: Any) -> Facts:
    return Facts.of(case_facts(**changes), version)


REACHABLE = Contact(version=1, reachable=True, safe=True)


def correspondence(**changes: Any) -> Correspondence:
    whole = Correspondence(case_id=CASE, district=DISTRICT, facts=facts(), contact=REACHABLE)
    return replace(whole, **changes)


def registered(**changes: Any) -> CaseRegistered:
    told: dict[str, Any] = {
        "case_id": CASE,
        "district": DISTRICT,
        "case": case_facts(),
        "deadlines": (due("PROD-TRIAGE-BLUE", date(2026, 3, 23)),),
    }
    return CaseRegistered.model_validate(told | changes)


def taken_up(**changes: Any) -> CaseTakenUp:
    told: dict[str, Any] = {
        "case_id": CASE,
        "district": DISTRICT,
        "state": "taken_up",
        "track": "MEDIATION",
        "assignment_id": UUID(int=9),
        "attempt": 1,
        "deadlines": (due("PROD-CONTACT", date(2026, 3, 23)), due("MED-TERM", date(2026, 4, 20))),
    }
    return CaseTakenUp.model_validate(told | changes)


def occasion(event: Trigger, version: int = 1, now: datetime = NOON) -> Occasion:
    """An event's arrival; the messages that it makes have ids of their own for each type and version."""
    first = 1 + 100 * version + 10_000 * sum(event.TYPE.encode())
    return Occasion(event, version, now.astimezone(UTC), ids(first))


def planned(rules: Rules, event: Trigger | None = None, **case: Any) -> tuple[Correspondence, Message]:
    """A case and the one message that an event (a registration) makes in it."""
    whole = correspondence(**case)
    (message,) = plan(whole, occasion(event or registered()), rules)
    return whole.with_message(message), message
