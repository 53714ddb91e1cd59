"""Clocks that run out: warned once, missed once, and what a miss does (deadlines.json, breach_action).

The sweep only narrows; whether a clock really ran out is decided here, on the locked case (G1, G17).
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Literal

from libs.clocks import LOCAL, Rule
from libs.events.mediation import CaseEscalated, DeadlineMissed, DeadlineMoved, DeadlineWarned
from libs.messaging.deadline import Deadline
from services.mediation.domain import clocks, closing, offers
from services.mediation.domain.consents import CONSENT_TERM
from services.mediation.domain.turn import Turn

Outage = tuple[datetime, datetime]
"""From when to when the service did not run."""


@dataclass(frozen=True, slots=True)
class RanOut:
    """The sweep saw that a clock ran out or that its warning is due; `outages` are those it knows of."""

    rule: str
    kind: Literal["due", "warn"]
    outages: Sequence[Outage] = ()


def ran_out(turn: Turn, command: RanOut) -> None:
    """Warn or miss, if it is still so: the act may have been done between the look and the lock."""
    clock = turn.case.deadlines.get(command.rule)
    if clock is None or not clock.open:
        turn.ignore("stopped")
    elif command.kind == "warn":
        _warn(turn, clock)
    elif turn.now < clock.due_at:
        turn.ignore("not_due")
    else:
        _due(turn, clock, command.outages)


def _warn(turn: Turn, clock: Deadline) -> None:
    if clock.warned or clock.warn_at is None or turn.now < clock.warn_at or turn.now >= clock.due_at:
        turn.ignore("no_warning_due")
        return
    _put(turn, replace(clock, warned=True))
    turn.tell(DeadlineWarned, rule=clock.rule, tell=turn.codes.book.rule(clock.rule).warn_tell)


def _due(turn: Turn, clock: Deadline, outages: Sequence[Outage]) -> None:
    rule = turn.codes.book.rule(clock.rule)
    if rule.breach_action == "EXPIRE_OFFER":
        until = _with_grace(turn, clock, outages)
        if until > turn.now:
            _move(turn, clock, until)
            return
    clocks.stop(turn, rule.id, status="missed")
    turn.tell(DeadlineMissed, rule=rule.id, tell=rule.breach_tell, escalation=rule.escalation)
    _ACTIONS[rule.breach_action](turn, rule)


def _with_grace(turn: Turn, clock: Deadline, outages: Sequence[Outage]) -> datetime:
    """The end of the offer's term, later by the time that the service was missing in it.

    The organisation could not answer then. At most one working day more; counted from the term itself, so it
    is given once (G17).
    """
    offer = turn.case.offer
    term_end = offer.due_at if offer and offer.due_at else clock.due_at
    missing = sum(
        (min(to, term_end) - max(since, clock.started_at) for since, to in _within(outages, clock, term_end)),
        timedelta(),
    )
    last_day = (term_end - timedelta(microseconds=1)).astimezone(LOCAL).date()
    return min(term_end + missing, clocks.one_working_day_after(turn, last_day))


def _within(outages: Sequence[Outage], clock: Deadline, term_end: datetime) -> list[Outage]:
    return [(since, to) for since, to in outages if since < term_end and to > clock.started_at]


def _move(turn: Turn, clock: Deadline, due_at: datetime) -> None:
    moved = replace(clock, due_at=due_at, due_on=due_at.astimezone(LOCAL).date())
    _put(turn, moved)
    turn.tell(DeadlineMoved, rule=clock.rule, was=clock.public(), now=moved.public(), why="SERVICE_MISSING")


def _put(turn: Turn, clock: Deadline) -> None:
    turn.become(deadlines={**turn.case.deadlines, clock.rule: clock})


def _expire_offer(turn: Turn, _: Rule) -> None:
    if turn.case.offer is not None and turn.case.state == "offered":
        offers.expire(turn)


def _escalate(turn: Turn, rule: Rule) -> None:
    turn.tell(CaseEscalated, level=rule.escalation[0], reason_code=rule.id)


def _terminate(turn: Turn, rule: Rule) -> None:
    """The mediation counts as failed. No answer to the question of consent is a refusal (reasons.json)."""
    reason = "REFUSED" if rule.id == CONSENT_TERM else "EXPIRED"
    closing.end_mediation(turn, reason, closing.STATUTORY_ROUTES)


def _call(turn: Turn, rule: Rule) -> None:
    turn.ask_person("CALL", rule.id, clocks.act_by(turn))


def _nothing_more(turn: Turn, _: Rule) -> None:
    """The event says it: a right lapsed, another body's term passed, or other routes are open now."""


_ACTIONS: Mapping[str, Callable[[Turn, Rule], None]] = {
    "ESCALATE": _escalate,
    "EXPIRE_OFFER": _expire_offer,
    "TERMINATE": _terminate,
    "OTHER_ROUTES": _nothing_more,
    "CALL_TASK": _call,
    "LAPSE": _nothing_more,
    "RECORD": _nothing_more,
}
