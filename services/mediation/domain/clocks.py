"""Which clocks run for a case: started by events, stopped by acts, all by the rows of `deadlines.json`."""

from collections.abc import Callable
from dataclasses import replace
from datetime import date, datetime, time

from libs.clocks import LOCAL, Rule, Term, count, due_for
from libs.clocks.calendar import DAY
from libs.events.mediation import DeadlineMoved
from libs.messaging.deadline import Deadline, Status, of_due
from services.mediation.domain.case import Case
from services.mediation.domain.turn import Turn

_INTAKES = ("PET-NOTICE", "PET-FORWARD", "PROD-MORE-INFO", "PROD-TRIAGE-", "RISK-")
"""Ids or their beginnings: these clocks are intake's, all others run here (G18)."""

OFFER_TERM = "PROD-OFFER"
_INTAKE_EVENTS = frozenset({"case.registered", "case.accepted", "case.flags_changed"})
_OF_THE_HOLDER = frozenset({"case.offered", "case.taken_up", "consent.requested"})
"""Clocks that these events start concern the organisation at hand and stop when it has the case no more."""


def start(turn: Turn, event: str, at: datetime | date, *, offer_days: int | None = None) -> None:
    """Start every clock that `event` starts for this case, from `at`; one that ran before begins anew.

    `offer_days` replaces the length of the offer's term by what the organisation agreed to (working days).
    """
    turn.become(deadlines={**turn.case.deadlines, **_started(turn, event, at, offer_days)})


def start_of_intake(turn: Turn) -> None:
    """Start what registering and accepting start; labour mediation counts from the request (LDMA art 14)."""
    flags_since = turn.case.facts.received_at
    turn.become(deadlines={**turn.case.deadlines, **_started_by_intake(turn, flags_since)})


def recount(turn: Turn) -> None:
    """Intake changed the codes of the case: clocks that rest on its events and no longer apply end, those
    that now apply start, those of a flag raised now from now. What ran out or was met before is not undone by
    a new code."""
    before, now_due = turn.case.deadlines, _started_by_intake(turn, turn.now)
    _stop_where(turn, lambda rule: _of_intake(turn, rule.start_event) and rule.id not in now_due, "ended")
    turn.become(deadlines={**now_due, **turn.case.deadlines})
    for rule_id in sorted(turn.case.deadlines):
        was, clock = before.get(rule_id), turn.case.deadlines[rule_id]
        if was is None or was.open != clock.open:
            _tell_moved(turn, was, clock)


def recount_provisional(turn: Turn) -> None:
    """A holiday table came: count again what was counted without it, and tell what moved (G17).

    A clock whose right end would lie in the past is not fired by that: a person gets a task. The offer's own
    short term and dates that the parties agreed on stay.
    """
    for clock in [c for c in turn.case.deadlines.values() if c.open and c.provisional]:
        if clock.rule == OFFER_TERM:
            continue
        rule = turn.codes.book.rule(clock.rule)
        due = due_for(rule, clock.started_at.astimezone(LOCAL), turn.codes.calendar)
        again = replace(of_due(rule, due, clock.started_at), warned=clock.warned)
        if again.due_at <= turn.now:
            turn.ask_person("SUPERVISOR", clock.rule, act_by(turn))
        elif again != clock:
            turn.become(deadlines={**turn.case.deadlines, clock.rule: again})
            if again.due_at != clock.due_at:
                turn.tell(
                    DeadlineMoved, rule=clock.rule, was=clock.public(), now=again.public(), why="CALENDAR"
                )


def stop(turn: Turn, *rules: str, status: Status = "met") -> None:
    """Stop these clocks where they run: by default the act that they wait for was done."""
    _stop_where(turn, lambda rule: rule.id in rules, status)


def stop_of_holder(turn: Turn) -> None:
    """The organisation has the case no more: its clocks stop; those of the case itself run on."""
    _stop_where(turn, lambda rule: rule.start_event in _OF_THE_HOLDER, "ended")


def stop_mediation(turn: Turn, status: Status) -> None:
    """The mediation came to its end: all that was owed in it is done (agreement) or owed no more."""
    _stop_where(turn, lambda rule: rule.track == "MEDIATION" and rule.nature != "information", status)


def stop_at_close(turn: Turn) -> None:
    """Nothing is owed in a closed case; rights of the parties run on until they lapse."""
    _stop_where(turn, lambda rule: rule.nature != "right", "ended")


def running_term(turn: Turn) -> Deadline | None:
    """The clock of the mediation that both parties may prolong together, running or already missed."""
    return next(
        (
            clock
            for clock in turn.case.deadlines.values()
            if clock.status in ("open", "missed") and _prolonged_by_parties(turn.codes.book.rule(clock.rule))
        ),
        None,
    )


def prolong(turn: Turn, clock: Deadline, until: date) -> None:
    """Move a day term's end to the end of `until`; it runs again, and is warned of as before its old end."""
    due_at = datetime.combine(until + DAY, time(), LOCAL)
    warn_at = clock.warn_at + (due_at - clock.due_at) if clock.warn_at else None
    moved = replace(clock, due_on=until, due_at=due_at, warn_at=warn_at, status="open", warned=False)
    moved = replace(moved, provisional=False)  # an agreed date is not counted
    turn.become(deadlines={**turn.case.deadlines, clock.rule: moved})


def act_by(turn: Turn) -> datetime:
    """By when a person should have acted on a task: the district's own triage term for that urgency."""
    rule = turn.codes.book.rule(f"PROD-TRIAGE-{turn.case.facts.urgency}")
    return due_for(rule, turn.now, turn.codes.calendar).due_at


def one_working_day_after(turn: Turn, day: date) -> datetime:
    """The end of the first working day after `day`."""
    return count(day, Term(1, "day", "working"), turn.codes.calendar).due_at


def facts_of(case: Case) -> dict[str, object]:
    """What the rows' conditions ask about, as far as it is known of this case."""
    facts = case.facts
    known: dict[str, object] = {
        "track": case.track,
        "categories": facts.category,
        "topics": facts.topic,
        "flags": facts.flags,
        "urgency": facts.urgency,
        "real_name": facts.real_name,
        "lawful_route": facts.lawful_route,
        "target_types": facts.chosen_target,
    }
    return {name: value for name, value in known.items() if value is not None}


def _ours(rule: Rule) -> bool:
    return rule.nature != "service_level" and not rule.id.startswith(_INTAKES)


def _prolonged_by_parties(rule: Rule) -> bool:
    return rule.extension is not None and rule.extension.by == "BOTH_PARTIES"


def _stop_where(turn: Turn, applies: Callable[[Rule], bool], status: Status) -> None:
    rule = turn.codes.book.rule
    turn.become(
        deadlines={
            id_: clock.closed(status) if clock.open and applies(rule(id_)) else clock
            for id_, clock in turn.case.deadlines.items()
        }
    )


def _started(
    turn: Turn, event: str, at: datetime | date, offer_days: int | None = None
) -> dict[str, Deadline]:
    codes = turn.codes
    begun = at if isinstance(at, datetime) else datetime.combine(at, time(), LOCAL)
    rules = codes.book.started_by(event, facts_of(turn.case), begun.astimezone(LOCAL).date())
    clocks = {}
    for rule in filter(_ours, rules):
        due = due_for(rule, at, codes.calendar, length=offer_days if rule.id == OFFER_TERM else None)
        clocks[rule.id] = of_due(rule, due, begun)
    return clocks


def _started_by_intake(turn: Turn, flags_since: datetime) -> dict[str, Deadline]:
    facts = turn.case.facts
    clocks = _started(turn, "case.registered", facts.received_at)
    if facts.accepted_at:
        clocks |= _started(turn, "case.accepted", facts.accepted_at)
    if facts.flags and facts.parent is None:  # a danger's clocks run in the parent, once
        clocks |= _started(turn, "case.flags_changed", flags_since)
    for event, on in facts.facts.items():
        if event in turn.codes.book.dated_facts:
            clocks |= _started(turn, event, on)
    return clocks


def _of_intake(turn: Turn, event: str) -> bool:
    return event in _INTAKE_EVENTS or event in turn.codes.book.dated_facts


def _tell_moved(turn: Turn, was: Deadline | None, clock: Deadline) -> None:
    turn.tell(
        DeadlineMoved,
        rule=clock.rule,
        was=was.public() if was and was.open else None,
        now=clock.public() if clock.open else None,
        why="AMENDED",
    )
