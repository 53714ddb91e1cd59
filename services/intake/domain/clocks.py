"""Intake's own clocks: which an act starts, ends or lets fire (G18); their terms are in `deadlines.json`."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime, time
from functools import lru_cache
from typing import Any, Final, Literal, NamedTuple

from libs.clocks.calendar import LOCAL, Calendar
from libs.clocks.rules import Rule, RuleBook, due_for
from libs.db.work import Decision, Moment, ignored
from libs.events.intake import IntakeDeadlineMissed, IntakeDeadlineWarned
from libs.messaging.deadline import Deadline, of_due
from services.intake.domain.case import Case, audited, header
from services.intake.domain.reference import Reference

OURS: Final = ("PET-NOTICE", "PET-FORWARD", "PROD-TRIAGE-", "PROD-MORE-INFO", "RISK-")
"""Beginnings of the ids of intake's rules; other clocks of a case that goes on are mediation's (G18)."""

DANGER: Final = "RISK-"
TRIAGE: Final = "PROD-TRIAGE-"
MET_BY_RULING: Final = (TRIAGE, "PET-FORWARD")
"""Clocks of the duty to decide where a matter goes: any decision meets them (XF22 arts 22, 23)."""

OBJECTION: Final = "PET-OBJECTION"
"""In which a body may say that a forwarded petition is not its own (XF22 art 23)."""

REGISTERED: Final = "case.registered"
FLAGGED: Final = "case.flags_changed"
FORWARDED: Final = "case.forwarded"
"""A forwarded matter stays with intake, so all clocks that this event starts are intake's (decision 0017)."""


def with_clocks_of_registration(case: Case, known: Reference) -> Case:
    """The case with the clocks that receipt starts. Danger flags count from receipt as well (`events` of the
    data file: at registration `received_at`)."""
    received = case.facts.received_at
    return with_clocks_of_danger(_started(case, known, REGISTERED, received, case.facts.flags), known)


def with_clocks_of_danger(case: Case, known: Reference) -> Case:
    """The case with the clocks that its flags start at receipt."""
    return _started(case, known, FLAGGED, case.facts.received_at, case.facts.flags)


def with_clocks_of_child(case: Case, known: Reference, at: datetime) -> Case:
    """The clocks of a child opened at `at`: those of the request from the day that the parent came in, those
    of its own triage from now. The clocks of a danger run in the parent alone."""
    case = _triaged_by_urgency(case, known, at)
    from_request = _started(case, known, REGISTERED, case.facts.received_at, case.facts.flags)
    return replace(case, deadlines={**from_request.deadlines, **case.deadlines})


def with_clocks_of_flags(case: Case, known: Reference, added: Collection[str], at: datetime) -> Case:
    """The case after flags changed: new dangers start their clocks, those of lowered flags end, and while
    nobody has decided the triage clock is that of the present urgency."""
    running = {rule.id for rule in _ours(case, known, FLAGGED, at, case.facts.flags)}
    case = _closed(case, "ended", lambda rule: rule.startswith(DANGER) and rule not in running)
    case = _started(case, known, FLAGGED, at, added)
    return _triaged_by_urgency(case, known, at) if case.stage == "registered" else case


def with_clocks_of_amendment(case: Case, known: Reference, added: Collection[str], at: datetime) -> Case:
    """The case after what was said changed: clocks of registration that now apply start from receipt, those
    that do not apply any more end."""
    received = case.facts.received_at
    wanted = {rule.id: rule for rule in _ours(case, known, REGISTERED, received, case.facts.flags)}
    kept = {rule for rule in case.deadlines if rule.startswith((DANGER, TRIAGE))}
    case = _closed(case, "ended", lambda rule: rule not in wanted and rule not in kept)
    if case.stage == "registered":
        fresh = {
            rule.id: _clock(known, rule, received, case.district)
            for rule in wanted.values()
            if not rule.id.startswith(TRIAGE) and rule.id not in case.deadlines
        }
        case = replace(case, deadlines={**case.deadlines, **fresh})
    return with_clocks_of_flags(case, known, added, at)


def with_clocks_of_merged(first: Case, before: Case, merged: Case) -> Case:
    """The case `first` that takes another one in: the clocks of that one's dangers go over, running or met,
    but for those that ran here `before`, which run on. One that was missed is told there, and begins anew
    with its flag."""
    dangers = {
        rule: clock
        for rule, clock in merged.deadlines.items()
        if rule.startswith(DANGER) and clock.status in ("open", "met") and not _runs(before, rule)
    }
    return replace(first, deadlines={**first.deadlines, **dangers})


def with_clocks_gone_over(case: Case) -> Case:
    """The merged case, the clocks of whose dangers run in the one that took it in."""
    return _closed(case, "ended", lambda rule: rule.startswith(DANGER))


def with_clocks_of_ruling(case: Case) -> Case:
    """The case after it was decided where it goes. The written notice stays owed (XF22 art 23)."""
    return _closed(case, "met", lambda rule: rule.startswith(MET_BY_RULING))


def with_clocks_of_withdrawal(case: Case) -> Case:
    """The case after the citizen took it back: nobody owes an answer any more. The clocks of a danger run on:
    that a woman takes her matter back does not end the danger."""
    return _closed(case, "ended", lambda rule: not rule.startswith(DANGER))


def with_clocks_of_forwarding(case: Case, known: Reference, to: str | None, at: datetime) -> Case:
    """The case with the terms in which the body `to` owes an answer, or may object (XF22 art 23)."""
    target = known.type_of.get(to or "", to)
    facts = _Facts(case.facts.track, case.facts.urgency, case.facts.real_name, category=case.facts.category)
    rules = _rules(known.rules, FORWARDED, facts._replace(target=target), _day(at), case.district)
    fresh = {rule.id: _clock(known, rule, at, case.district) for rule in rules}
    return replace(case, deadlines={**case.deadlines, **fresh})


def with_clocks_of_return(case: Case, known: Reference, at: datetime) -> Case:
    """The case after the body it was forwarded to sent it back at `at`: that body owes nothing any more, and
    triage begins anew. That it was forwarded in time stands."""
    case = _closed(case, "met", lambda rule: rule == OBJECTION)
    case = _closed(case, "ended", lambda rule: not rule.startswith(OURS))
    for rule in _ours(case, known, REGISTERED, at, case.facts.flags):
        if rule.id.startswith(TRIAGE):
            case = _with(case, _clock(known, rule, at, case.district))
    return case


@dataclass(frozen=True, slots=True)
class Alarm:
    """A clock that ran out (`due`) or comes near (`warn`), as the sweep found it."""

    known: Reference
    rule: str
    kind: Literal["due", "warn"]


def ring(case: Case | None, alarm: Alarm, moment: Moment) -> Decision[Case]:
    """Tell of a clock once, and only if it really runs out now: the case may have moved since the sweep."""
    deadline = case.deadlines.get(alarm.rule) if case else None
    if case is None or deadline is None or not deadline.open:
        return ignored(case, "clock_stopped")
    rule = alarm.known.rules.rule(alarm.rule, case.district)
    if alarm.kind == "due":
        return _missed(case, rule, deadline, moment)
    return _warned(case, rule, deadline, moment)


def _missed(case: Case, rule: Rule, deadline: Deadline, moment: Moment) -> Decision[Case]:
    if moment.now < deadline.due_at:
        return ignored(case, "not_due")
    case = _with(case, replace(deadline, status="missed"))
    told = {"rule": rule.id, "tell": rule.breach_tell, "escalation": rule.escalation}
    event = IntakeDeadlineMissed(**header(case), **(_SECRET if case.secret else told))
    return Decision(case, [event], audit=audited("deadline.missed", case, rule=rule.id))


def _warned(case: Case, rule: Rule, deadline: Deadline, moment: Moment) -> Decision[Case]:
    if deadline.warned or deadline.warn_at is None or moment.now < deadline.warn_at:
        return ignored(case, "not_due")
    case = _with(case, replace(deadline, warned=True))
    told = {"rule": rule.id, "tell": rule.warn_tell}
    event = IntakeDeadlineWarned(**header(case), **(_SECRET if case.secret else told))
    return Decision(case, [event], audit=audited("deadline.warned", case, rule=rule.id))


_SECRET: Final[Mapping[str, Any]] = {"rule": "SEALED", "tell": ("SEALED_OFFICER",)}
"""What an event tells of an accusation's clock: the rule's name would tell its urgency (G14)."""


def _ours(case: Case, known: Reference, event: str, at: datetime, flags: Collection[str]) -> tuple[Rule, ...]:
    """The rules of intake that `event` starts for the case, as far as `flags` ask for them."""
    facts = _Facts(case.facts.track, case.facts.urgency, case.facts.real_name, frozenset(flags))
    return _rules(known.rules, event, facts, _day(at), case.district)


class _Facts(NamedTuple):
    """What the conditions of intake's rules ask about."""

    track: str | None
    urgency: str
    real_name: bool
    flags: frozenset[str] = frozenset()
    category: str | None = None
    target: str | None = None


_ASKED: Final = ("track", "urgency", "real_name", "flags", "categories", "target_types")
"""The same by the names of `applies_when`."""


@lru_cache(maxsize=4096)
def _rules(book: RuleBook, event: str, facts: _Facts, day: date, district: str) -> tuple[Rule, ...]:
    """The same for every case with these facts on a day: asked for each registration, answered once."""
    told = {name: fact for name, fact in zip(_ASKED, facts, strict=True) if fact is not None}
    started = book.started_by(event, told, day, district)
    return tuple(rule for rule in started if event == FORWARDED or rule.id.startswith(OURS))


def _day(at: datetime) -> date:
    return at.astimezone(LOCAL).date()


def _started(case: Case, known: Reference, event: str, at: datetime, flags: Collection[str]) -> Case:
    fresh = {rule.id: _clock(known, rule, at, case.district) for rule in _ours(case, known, event, at, flags)}
    return replace(case, deadlines={**case.deadlines, **fresh}) if fresh else case


def _clock(known: Reference, rule: Rule, at: datetime, district: str) -> Deadline:
    """The rule's clock, started at an instant. Only the day of it counts for a term of days."""
    if rule.term.is_clock:
        return of_due(rule, due_for(rule, at, known.calendar), at)
    clock = _clock_of_days(known.rules, known.calendar, rule.id, _day(at), district)
    return replace(clock, started_at=at)


@lru_cache(maxsize=4096)
def _clock_of_days(book: RuleBook, calendar: Calendar, rule: str, day: date, district: str) -> Deadline:
    row = book.rule(rule, district)
    start = datetime.combine(day, time.min, LOCAL)
    return of_due(row, due_for(row, day, calendar), start)


def _triaged_by_urgency(case: Case, known: Reference, at: datetime) -> Case:
    """Triage runs from receipt; a shorter term that receipt has already used up runs from the raise, since
    nobody could have kept it before."""
    rules = [
        rule
        for rule in _ours(case, known, REGISTERED, case.facts.received_at, case.facts.flags)
        if rule.id.startswith(TRIAGE) and _may_start(case.deadlines.get(rule.id))
    ]
    if not rules:
        return case
    case = _closed(case, "ended", lambda rule: rule.startswith(TRIAGE))
    for rule in rules:
        due = due_for(rule, case.facts.received_at, known.calendar)
        start = case.facts.received_at if due.due_at > at else at
        due = due_for(rule, start, known.calendar)
        case = _with(case, of_due(rule, due, start))
    return case


def _runs(case: Case, rule: str) -> bool:
    deadline = case.deadlines.get(rule)
    return deadline is not None and deadline.open


def _may_start(deadline: Deadline | None) -> bool:
    return deadline is None or deadline.status == "ended"


def _closed(case: Case, status: Literal["met", "ended"], which: Callable[[str], bool]) -> Case:
    stopped = {
        rule: deadline.closed(status) if which(rule) else deadline
        for rule, deadline in case.deadlines.items()
    }
    return replace(case, deadlines=stopped)


def _with(case: Case, deadline: Deadline) -> Case:
    return replace(case, deadlines={**case.deadlines, deadline.rule: deadline})
