"""Erasing what is known of people in a case (PIPL art 47): its codes stay, nobody can read it any more."""

from dataclasses import dataclass, replace

from libs.db.work import Decision, Moment, State
from libs.events.dossier import DossierSealed
from libs.events.intake import CaseErased
from libs.messaging.deadline import open_dates
from libs.web.errors import Busy, FieldError, Invalid, Refusal, Title
from services.intake.domain.case import FINISHED, SUPERVISORS, Case, audited, header, require, visible
from services.intake.domain.reference import Reference


class StillNeeded(Refusal):
    """Somebody works on the case, or a clock of it runs: erasing it would lose the matter, not only the data.

    Tells the state and the running clocks. A matter that the citizen takes back is withdrawn first.
    """

    STATUS, CODE, TITLE = (
        409,
        "still_needed",
        Title("案件尚在办理，不能删除", "The case is still being handled"),
    )


class Held(Refusal):
    """Somebody still needs the case for a reason of its own (`retention.py`): the hold is lifted first."""

    STATUS, CODE, TITLE = 409, "held", Title("案件已被保留，不能删除", "The case is held")


@dataclass(frozen=True, slots=True)
class Erase:
    """Erase a case for a coded reason (reasons.json, `erased`); words of a reason would be data again."""

    known: Reference
    reason_code: str


def erase(case: Case | None, command: Erase, moment: Moment) -> Decision[Case]:
    """Erase a finished case: a supervisor's act; of an accusation the sealed officer's.

    What was merged is held by the holds of the case that took it in as well, which must be among the moment's
    others. Every reader of the dossier finds its tombstone and forgets its copy; the event tells the others.
    """
    case = visible(case, moment.actor)
    require(moment.actor, SUPERVISORS, case)
    if command.reason_code not in command.known.erasure_reasons:
        raise Invalid(errors=[FieldError("/reason_code", "unknown_code")])
    _check_holds(case, moment)
    running = [due.rule for due in open_dates(case.deadlines)]
    if running or not (case.closed or case.stage in FINISHED):
        raise StillNeeded(state=case.state, clocks=running)
    version = case.facts.dossier_version + 1
    erased = replace(case, stage="erased", origin=None, attachments=()).with_facts(dossier_version=version)
    return Decision(
        erased,
        [CaseErased(**header(erased))],
        reply={"case_id": str(case.case_id), "state": "erased", "version": moment.version + 1},
        audit=audited("case.erased", case, reason_code=command.reason_code),
        state=[State(DossierSealed.TOPIC, str(case.case_id), version, None)],
    )


def _check_holds(case: Case, moment: Moment) -> None:
    if case.holds:
        raise Held(holds=list(case.holds))
    first = case
    while first.merged_into is not None:
        into = first.merged_into
        if into not in moment.others:  # it was merged on since the others were looked up
            raise Busy(retry_after=1)
        first = moment.others[into]
        if first.holds:
            raise Held(holds=list(first.holds), merged_into=str(into))
