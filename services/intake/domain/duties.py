"""Acts that a person owes and that no decision stands for: the written notice, the calls of a danger."""

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from libs.db.work import Decision, Moment
from libs.events.intake import IntakeDeadlineMet
from libs.web.errors import FieldError, ForbiddenAction, Invalid
from services.intake.domain.case import REGISTRARS, Case, Note, answer, audited, header, require, visible
from services.intake.domain.clocks import MET_BY_RULING

DONE_ALREADY: Final = ("met", "ended")


@dataclass(frozen=True, slots=True)
class Fulfil:
    """The act that the clock `rule` waits for was done at `done_at` (None: now); the text is sealed."""

    rule: str
    done_at: datetime | None
    note: Note | None


def fulfil(case: Case | None, command: Fulfil, moment: Moment) -> Decision[Case]:
    """Stop a clock whose duty was done, also late: a breach stays told, and what is done is recorded.

    Triage and forwarding are done by deciding. Raises Invalid for a clock that the case does not have and for
    an act of before its receipt, and ForbiddenAction for a clock that has stopped.
    """
    case = visible(case, moment.actor)
    require(moment.actor, REGISTRARS, case)
    deadline = case.deadlines.get(command.rule)
    done_at = command.done_at or moment.now
    if deadline is None or command.rule.startswith(MET_BY_RULING):
        raise Invalid(errors=[FieldError("/rule", "unknown_code")])
    if done_at > moment.now:
        raise Invalid(errors=[FieldError("/done_at", "in_future")])
    if done_at < case.facts.received_at:
        raise Invalid(errors=[FieldError("/done_at", "before_receipt")])
    if deadline.status in DONE_ALREADY:
        raise ForbiddenAction(state=case.stage, allowed=[], clock=deadline.status)
    met = {command.rule: replace(deadline, status="met")}
    case = replace(case, deadlines={**case.deadlines, **met}).noted(command.note)
    told = "SEALED" if case.secret else command.rule
    event = IntakeDeadlineMet(**header(case), rule=told, late=done_at >= deadline.due_at)
    return Decision(
        case,
        [event],
        reply=answer(case, moment.version + 1),
        audit=audited("deadline.met", case, rule=command.rule, late=event.late),
    )
