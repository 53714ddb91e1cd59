"""What becomes of a matter: accept (受理), refuse, forward (转送), merge (并入), withdraw (撤回)."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Final
from uuid import UUID

from libs.db.work import Decision, Moment, State
from libs.events.base import Payload
from libs.events.intake import (
    CaseAccepted,
    CaseForwarded,
    CaseMerged,
    CaseRefused,
    CaseReminded,
    CaseWithdrawn,
)
from libs.web.errors import FieldError, ForbiddenAction, Invalid, NotFound, Refusal, Title
from services.intake.domain.case import (
    DISPATCHERS,
    FINISHED,
    REGISTRARS,
    Case,
    Note,
    Stage,
    answer,
    audited,
    header,
    require,
    visible,
)
from services.intake.domain.clocks import (
    with_clocks_gone_over,
    with_clocks_of_forwarding,
    with_clocks_of_merged,
    with_clocks_of_ruling,
    with_clocks_of_withdrawal,
)
from services.intake.domain.flagging import ChangeFlags, flags_told, next_dossier, raised, with_flags
from services.intake.domain.reference import Reference
from services.intake.domain.statement import Ruling, ruling_faults

PETITION: Final = "PETITION"
BY_PUBLIC_BODIES: Final = frozenset({PETITION, "PETITION_LIGHT"})
"""Tracks whose matter a dispatcher directs to the organ with power to handle it (XF22 arts 22, 23)."""

OPEN_FOR_RULING: Final = frozenset({"registered"})
OPEN_FOR_WITHDRAWAL: Final = frozenset({"registered", "accepted", "forwarded"})
"""A citizen may take a matter back for as long as somebody works on it (PMA art 23: the parties may end a
mediation; XF22 leaves a petition to who filed it)."""
MERGE_TARGETS: Final = frozenset({"registered", "accepted", "forwarded"})
"""A repeated matter joins one that is still being handled (XF22 art 19)."""

_USES: Final[Mapping[str, frozenset[str]]] = {
    "accept": frozenset({"directed_to", "lawful_route"}),
    "refuse": frozenset({"reason_code", "directed_to", "lawful_route"}),
    "forward": frozenset({"reason_code", "directed_to", "lawful_route"}),
    "merge": frozenset({"reason_code", "into"}),
    "withdraw": frozenset(),
}
"""Which fields of a ruling mean something for which action; another one is a mistake, not decoration."""


class NotMergeable(Refusal):
    """The case named by `into` takes no further matter: it was merged or refused itself, or is the same."""

    CODE, TITLE = "not_mergeable", Title("目标案件不能并入", "That case takes no other in")


class ParentAndChild(Refusal):
    """One of the two stands under the other: they are two matters, and each goes its own way."""

    CODE, TITLE = (
        "parent_and_child",
        Title("母案与子案不能相互并入", "A case and its own child are not merged"),
    )


@dataclass(frozen=True, slots=True)
class Settle:
    """A ruling on a case, with its free text sealed; `at` is the pointer of the ruling in the body.

    `dossier_of_first` is the next one of the case that takes a merged matter in, for when a flag that comes
    along changes what it shows.
    """

    known: Reference
    ruling: Ruling
    note: Note | None = None
    at: str = ""
    dossier_of_first: State | None = None

    @property
    def with_registration(self) -> bool:
        """Whether the ruling is part of the act of registering."""
        return bool(self.at)


def settle(case: Case | None, command: Settle, moment: Moment) -> Decision[Case]:
    """`POST …/decision`: decide a case that is registered and undecided, or record that it was taken back."""
    case = visible(case, moment.actor)
    if command.ruling.action not in (allowed := _allowed(case)):
        raise ForbiddenAction(state=case.state, allowed=allowed)
    decision = settled(case, command, moment)
    assert decision.case is not None  # noqa: S101 - no ruling removes a case
    decision.reply = answer(decision.case, moment.version + len(decision.events))
    return decision


def _allowed(case: Case) -> list[str]:
    """The actions for which the case stands open."""
    if case.closed or case.stage not in OPEN_FOR_WITHDRAWAL:
        return []
    return list(_USES) if case.stage in OPEN_FOR_RULING else ["withdraw"]


def settled(case: Case, command: Settle, moment: Moment) -> Decision[Case]:
    """The case after the ruling, with its events; the answer is left to whoever asked. Raises Forbidden,
    Invalid, NotFound, NotMergeable, ParentAndChild or DossierOutdated."""
    ruling = command.ruling
    require(moment.actor, _roles(case, ruling), case)
    if faults := [*ruling_faults(ruling, command.known, command.at), *_misfits(case, command)]:
        raise Invalid(errors=faults)
    case = with_clocks_of_ruling(case.noted(command.note))
    decision = _RULINGS[ruling.action](case, command, moment)
    assert decision.case is not None  # noqa: S101 - no ruling removes a case
    if decision.case.stage in FINISHED:
        decision.case = replace(decision.case, ended_at=moment.now)
    return decision


def _roles(case: Case, ruling: Ruling) -> frozenset[str]:
    """An operator accepts, merges and records that a matter was taken back; refusing, forwarding and all else
    of a petition are a dispatcher's."""
    if ruling.action == "withdraw":
        return REGISTRARS
    if case.facts.track == PETITION or ruling.action in ("refuse", "forward"):
        return DISPATCHERS
    return REGISTRARS


def _misfits(case: Case, command: Settle) -> Iterator[FieldError]:
    """What the action cannot do without, and what it has no use for."""
    ruling, known, at = command.ruling, command.known, command.at
    given = {name for name in _USES["refuse"] | _USES["merge"] if getattr(ruling, name) is not None}
    yield from (FieldError(f"{at}/{name}", "not_for_action") for name in sorted(given - _USES[ruling.action]))
    if ruling.action == "withdraw" and command.with_registration:
        yield FieldError(f"{at}/action", "not_with_registration")
    reason = known.reasons.get(ruling.reason_code or "")
    if reason is not None and reason.action != ruling.action and "reason_code" in _USES[ruling.action]:
        yield FieldError(f"{at}/reason_code", "not_for_action")
    missing = {
        "refuse": ("reason_code", ruling.reason_code is None),
        "forward": ("directed_to", _directed_to(command) is None),
        "merge": ("into", ruling.into is None),
    }.get(ruling.action)
    if missing and missing[1]:
        yield FieldError(f"{at}/{missing[0]}", "required")
    if ruling.action == "accept" and ruling.directed_to is not None:
        by_partner = known.type_of.get(ruling.directed_to, ruling.directed_to) in known.partner_types
        if by_partner or case.facts.track not in BY_PUBLIC_BODIES:
            yield FieldError(f"{at}/directed_to", "not_for_action", "public_body")
    yield from _route_misfits(case, command)


def _route_misfits(case: Case, command: Settle) -> Iterator[FieldError]:
    """Only a petition has a lawful route, and accepting it means choosing one (XF22 art 31)."""
    ruling, at = command.ruling, command.at
    kind = command.known.kinds.get(case.facts.kind or "")
    if kind is None and ruling.action == "accept":
        yield FieldError("/kind", "required", "kind_to_accept")
    routed = kind is not None and kind.lawful_route_required
    if ruling.lawful_route is not None and not routed:
        yield FieldError(f"{at}/lawful_route", "not_for_kind")
    if ruling.lawful_route is None and routed and ruling.action == "accept":
        yield FieldError(f"{at}/lawful_route", "required")


def _directed_to(command: Settle) -> str | None:
    """The body that the person is sent to: the one named, else that of the reason."""
    ruling = command.ruling
    reason = command.known.reasons.get(ruling.reason_code or "")
    return ruling.directed_to or (reason.directed_to if reason else None)


def _accept(case: Case, command: Settle, moment: Moment) -> Decision[Case]:
    to, known = command.ruling.directed_to, command.known
    case = replace(case, stage="accepted", directed_to=to).with_facts(
        accepted_at=moment.now,
        lawful_route=command.ruling.lawful_route,
        chosen_target=known.type_of.get(to, to) if to else case.facts.chosen_target,
    )
    event = CaseAccepted(**header(case), case=case.told_facts(), with_registration=command.with_registration)
    return Decision(case, [event], audit=audited("case.accepted", case, lawful_route=case.facts.lawful_route))


def _refuse(case: Case, command: Settle, moment: Moment) -> Decision[Case]:
    case = _directed(case, command, "refused")
    event = CaseRefused(
        **header(case),
        case=case.told_facts(),
        reason_code=case.reason_code,
        directed_to=case.directed_to,
        with_registration=command.with_registration,
    )
    return Decision(case, [event], audit=audited("case.refused", case, reason_code=case.reason_code))


def _forward(case: Case, command: Settle, moment: Moment) -> Decision[Case]:
    case = _directed(case, command, "forwarded")
    case = with_clocks_of_forwarding(case, command.known, case.directed_to, moment.now)
    event = CaseForwarded(
        **header(case),
        case=case.told_facts(),
        reason_code=case.reason_code,
        directed_to=case.directed_to,
        with_registration=command.with_registration,
    )
    return Decision(case, [event], audit=audited("case.forwarded", case, directed_to=case.directed_to))


def _merge(case: Case, command: Settle, moment: Moment) -> Decision[Case]:
    """Both cases change in one transaction (G3); the one that stays counts the repetition as a reminder.

    A danger goes on where the matter goes on: the flags are raised there and their clocks run there.
    """
    into = command.ruling.into
    assert into is not None  # noqa: S101 - `_misfits` asked for it
    target = _target(case, into, moment)
    reason = command.ruling.reason_code or next(
        code for code, reason in command.known.reasons.items() if reason.action == "merge"
    )
    flags = ChangeFlags(command.known, case.facts.flags, (), None, command.dossier_of_first)
    first = with_clocks_of_merged(with_flags(target, flags, moment.now), target, case)
    first = replace(first, reminders=target.reminders + 1)
    case = with_clocks_gone_over(replace(case, stage="merged", reason_code=reason, merged_into=into))
    merged = CaseMerged(
        **header(case),
        case=case.told_facts(),
        into=into,
        into_query_code=None if first.secret else first.facts.query_code,
        reason_code=reason,
        with_registration=command.with_registration,
    )
    told: list[Payload] = [
        CaseReminded(**header(first), count=first.reminders, new_facts=False, merged_from=case.case_id)
    ]
    by = str(case.case_id)
    audit = [*audited("case.merged", case, into=str(into)), *audited("case.reminded", first, by=by)]
    if added := raised(target, first):
        told.append(flags_told(target, first))
        audit += audited("case.flags_changed", first, added=list(added), removed=[], by=by)
    state = next_dossier(target, first, command.dossier_of_first)
    return Decision(case, [merged], audit=audit, state=state, others={into: (first, told)})


def _withdraw(case: Case, command: Settle, moment: Moment) -> Decision[Case]:
    """The citizen's own act; whoever works on the case hears of it and ends. A danger is watched on."""
    case = with_clocks_of_withdrawal(replace(case, stage="withdrawn"))
    return Decision(case, [CaseWithdrawn(**header(case))], audit=audited("case.withdrawn", case))


def _target(case: Case, into: UUID, moment: Moment) -> Case:
    if into == case.case_id:
        raise NotMergeable
    target = visible(moment.others.get(into), moment.actor)
    if target.district != case.district or target.secret != case.secret:
        raise NotFound
    if case.case_id == target.facts.parent or case.facts.parent == target.case_id:
        raise ParentAndChild
    if target.stage not in MERGE_TARGETS or target.closed:
        merged_into = str(target.merged_into) if target.merged_into else None
        raise NotMergeable(state=target.state, merged_into=merged_into)
    return target


def _directed(case: Case, command: Settle, stage: Stage) -> Case:
    ruling = command.ruling
    changed = replace(case, stage=stage, reason_code=ruling.reason_code, directed_to=_directed_to(command))
    return changed.with_facts(lawful_route=ruling.lawful_route)


_RULINGS: Final[Mapping[str, Callable[[Case, Settle, Moment], Decision[Case]]]] = {
    "accept": _accept,
    "refuse": _refuse,
    "forward": _forward,
    "merge": _merge,
    "withdraw": _withdraw,
}
