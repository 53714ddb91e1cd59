"""Matters that belong together though neither takes the other in: one that comes up again with new facts
after its end (BJ21 art 11(3)), or another side of the same quarrel."""

from dataclasses import dataclass, replace
from typing import Any, Final
from uuid import UUID

from libs.db.work import Decision, Moment
from libs.web.errors import FieldError, Invalid, NotFound, Refusal, Title
from services.intake.domain.case import REGISTRARS, Case, answer, audited, require, visible

MOST: Final = 50


class TooManyRelated(Refusal):
    """One of the cases is related to `MOST` others already; who needs more looks for a cluster."""

    CODE, TITLE = "too_many_related", Title("关联案件过多", "The case is related to too many others")


@dataclass(frozen=True, slots=True)
class Relate:
    """Whether a case and another one belong together."""

    other: UUID
    related: bool


def relate(case: Case | None, command: Relate, moment: Moment) -> Decision[Case]:
    """Note on both cases that they belong together, or that they do not; each keeps its own way.

    Nobody else goes by it, so it is no event. An accusation is related to accusations alone.
    """
    case = visible(case, moment.actor)
    require(moment.actor, REGISTRARS, case)
    if command.other == case.case_id:
        raise Invalid(errors=[FieldError("/case_id", "same_case")])
    other = visible(moment.others.get(command.other), moment.actor)
    if other.district != case.district or other.secret != case.secret:
        raise NotFound
    case, other = _with(case, other, command.related), _with(other, case, command.related)
    act = "case.related" if command.related else "case.unrelated"
    return Decision(
        case,
        reply=told(case, moment.version),
        audit=[
            *audited(act, case, other=str(other.case_id)),
            *audited(act, other, other=str(case.case_id)),
        ],
        others={other.case_id: (other, [])},
    )


def told(case: Case, version: int) -> dict[str, Any]:
    """The case with those that belong to it."""
    return {**answer(case, version), "related": [str(one) for one in case.related]}


def _with(case: Case, other: Case, related: bool) -> Case:
    rest = tuple(one for one in case.related if one != other.case_id)
    if not related:
        return replace(case, related=rest)
    if len(rest) >= MOST:
        raise TooManyRelated(state=case.state)
    return replace(case, related=(*rest, other.case_id))
