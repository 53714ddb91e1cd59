"""A forwarded matter that comes back: the body says in time, and in detail, that it is not its own, and
whoever forwarded it agrees (XF22 art 23)."""

from dataclasses import dataclass, replace
from datetime import datetime

from libs.clocks.calendar import instant
from libs.db.work import Decision, Moment
from libs.events.intake import CaseSentBack
from libs.web.errors import FieldError, ForbiddenAction, Invalid, Refusal, Title
from services.intake.domain.case import (
    DISPATCHERS,
    Case,
    Note,
    answer,
    audited,
    header,
    require,
    visible,
)
from services.intake.domain.clocks import OBJECTION, with_clocks_of_return
from services.intake.domain.reference import Reference


class ObjectionLate(Refusal):
    """The body objected after the term: the matter stays with it. Tells when the term ended."""

    STATUS, CODE, TITLE = (
        409,
        "objection_late",
        Title(
            "已超过异议期限，事项由承办单位办理", "The term for objecting is over: the body keeps the matter"
        ),
    )


@dataclass(frozen=True, slots=True)
class TakeBack:
    """Agree to an objection that was received at `objected_at` (None: now), not before the matter was
    forwarded; its reasons are sealed."""

    known: Reference
    objected_at: datetime | None
    note: Note | None


def take_back(case: Case | None, command: TakeBack, moment: Moment) -> Decision[Case]:
    """Put a forwarded case before intake again, as if nothing had been decided of it; triage begins anew."""
    case = visible(case, moment.actor)
    require(moment.actor, DISPATCHERS, case)
    if case.stage != "forwarded":
        raise ForbiddenAction(state=case.state, allowed=[])
    objected_at = command.objected_at or moment.now
    if objected_at > moment.now:
        raise Invalid(errors=[FieldError("/objected_at", "in_future")])
    if case.ended_at is not None and objected_at < case.ended_at:
        raise Invalid(errors=[FieldError("/objected_at", "before_forwarding")])
    term = case.deadlines.get(OBJECTION)
    if term is not None and objected_at >= term.due_at:
        raise ObjectionLate(due_at=instant(term.due_at))
    by = case.directed_to
    case = replace(case, stage="registered", directed_to=None, reason_code=None, ended_at=None)
    case = with_clocks_of_return(case.with_facts(lawful_route=None), command.known, moment.now)
    case = case.noted(command.note)
    event = CaseSentBack(**header(case), case=case.told_facts(), by=None if case.secret else by)
    return Decision(
        case,
        [event],
        reply=answer(case, moment.version + 1),
        audit=audited("case.sent_back", case, by=by),
    )
