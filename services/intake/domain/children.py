"""A case under another one: the civil side of a petition, advice or support beside a dispute.

Parent and child are two cases with a number, a dossier and clocks each; the parent goes on (PMA art 17, XF22
art 34: nothing found that would pause its term). What was said and what is dangerous concern both.
"""

from dataclasses import dataclass, replace
from typing import Final
from uuid import UUID

from libs.db.work import Decision, Moment
from libs.events.intake import CaseLinked
from libs.web.errors import FieldError, ForbiddenAction, Invalid, Refusal, Title
from services.intake.domain.amending import amended, restated
from services.intake.domain.case import REGISTRARS, Case, Child, audited, header, require, visible
from services.intake.domain.clocks import with_clocks_of_child
from services.intake.domain.people import Personal
from services.intake.domain.reference import Reference
from services.intake.domain.registration import Judgement, Register, new_case, registered
from services.intake.domain.statement import ChildStatement, Statement

PARENTS: Final = frozenset({"registered", "accepted", "forwarded"})
"""Stages of a matter that somebody still works on."""

_NOT_INHERITED: Final = frozenset({"kind", "chosen_target", "mode"})
"""What a person wants of whom, and how: each case has its own."""


class NotAParent(Refusal):
    """The case is a child itself; its siblings stand under the same parent."""

    CODE, TITLE = "not_a_parent", Title("子案不能再立子案", "A child case has no children")


class SealedParent(Refusal):
    """An accusation has no children: each would be an open case that holds what it says (XF22 art 30)."""

    CODE, TITLE = (
        "sealed_parent",
        Title("检举控告不立子案，请另行登记", "An accusation has no children: register the matter apart"),
    )


class ParentChanged(Exception):
    """The parent's flags changed after the child was judged by them; it is judged again."""


@dataclass(frozen=True, slots=True)
class RegisterChild(Register):
    """A child, judged and sealed before it queues by the flags that its parent had then."""

    parent: UUID
    flags_of_parent: tuple[str, ...]


def register_child(_: Case | None, command: RegisterChild, moment: Moment) -> Decision[Case]:
    """Both cases in one transaction (G3): the child is registered, its parent tells of it.

    Raises NotFound, Forbidden, SealedParent or NotAParent; ForbiddenAction for a parent that nobody works on
    any more; ParentChanged when its flags are no longer those that the child was judged by.
    """
    parent = _parent_of(command, moment)
    case = with_clocks_of_child(new_case(command, moment), command.known, moment.now)
    act = registered(case, command, moment)
    act.others = {**act.others, parent.case_id: _linked(parent, act.case or case)}
    act.audit = [*act.audit, *audited("case.linked", parent, child=str(case.case_id))]
    return act


def statement_of_child(parent: Case, said: Personal, body: ChildStatement) -> Statement:
    """What the child's registration says: the body, and of the parent whatever the body leaves out, in its
    nested parts field by field.

    The request came in with the parent: terms that run from it run from that day (LDMA art 14).
    """
    own = body.model_dump(mode="json", exclude_unset=True)
    told = {**restated(parent, said), "district": parent.district}
    apart = _NOT_INHERITED if "category" not in own else _NOT_INHERITED | {"topic"}
    statement, _ = amended({name: part for name, part in told.items() if name not in apart}, own)
    return Statement.model_validate(statement)


def judged_as_child(judgement: Judgement, parent: Case, body: ChildStatement, known: Reference) -> Judgement:
    """The child's codes: dangers of the parent are its own. Words that were judged with the parent, where a
    person may have lowered a flag since, raise nothing anew."""
    own = judgement.facts.flags if "narrative" in body.model_fields_set else body.flags
    flags = known.flags.sorted({*parent.facts.flags, *own})
    urgency = known.flags.urgency(judgement.said_urgency, flags)
    changes = {"flags": flags, "urgency": urgency, "parent": parent.case_id}
    return replace(judgement, facts=judgement.facts.model_copy(update=changes))


def require_child_kind(kind: str, known: Reference) -> None:
    """Let pass what mediation, consultation, support or a service settles; Invalid for other kinds."""
    if kind in known.kinds and kind not in known.child_kinds:
        raise Invalid(errors=[FieldError("/kind", "not_for_child")])


def _parent_of(command: RegisterChild, moment: Moment) -> Case:
    parent = visible(moment.others.get(command.parent), moment.actor)
    require(moment.actor, REGISTRARS, parent)
    if parent.secret:
        raise SealedParent
    if parent.facts.parent is not None:
        raise NotAParent
    if parent.stage not in PARENTS or parent.closed:
        raise ForbiddenAction(state=parent.state, allowed=[])
    if parent.facts.flags != command.flags_of_parent:
        raise ParentChanged
    return parent


def _linked(parent: Case, child: Case) -> tuple[Case, list[CaseLinked]]:
    kind = child.facts.kind or ""
    added = Child(child.case_id, kind, child.facts.query_code)
    parent = replace(parent, children=(*parent.children, added))
    event = CaseLinked(**header(parent), case=parent.told_facts(), child=child.case_id, child_kind=kind)
    return parent, [event]
