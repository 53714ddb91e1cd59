"""What people do to a case that exists. The door's command becomes a sealed one; the domain decides it."""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any, Final
from uuid import UUID

from libs.db.work import Outcome, State, UseCase, Work
from libs.web.errors import Busy
from services.intake.domain.case import Case, Note
from services.intake.domain.duties import Fulfil, fulfil
from services.intake.domain.erasing import Erase, erase
from services.intake.domain.flagging import (
    ChangeFlags,
    DossierOutdated,
    LetGo,
    Remind,
    change_flags,
    release,
    remind,
)
from services.intake.domain.flags import Entered
from services.intake.domain.objecting import TakeBack, take_back
from services.intake.domain.registration import Register
from services.intake.domain.relating import Relate, relate
from services.intake.domain.retention import ChangeHolds, change_holds
from services.intake.domain.ruling import Settle, settle
from services.intake.domain.statement import (
    Duty,
    Erasure,
    FlagChange,
    HoldChange,
    Objection,
    Relation,
    Release,
    Reminder,
    Ruling,
)
from services.intake.handlers.desk import Asked, Desk, work
from services.intake.handlers.linking import submit
from services.intake.handlers.sealing import note

SETTLE: Final = UseCase("settle", settle)
CHANGE_FLAGS: Final = UseCase("change_flags", change_flags)
TAKE_BACK: Final = UseCase("take_back", take_back)
RELEASE: Final = UseCase("release", release)
REMIND: Final = UseCase("remind", remind)
RELATE: Final = UseCase("relate", relate)
FULFIL: Final = UseCase("fulfil", fulfil)
ERASE: Final = UseCase("erase", erase)
CHANGE_HOLDS: Final = UseCase("change_holds", change_holds)

RESEALS: Final = 3
"""How often a dossier is sealed again when the case changed meanwhile."""

Sealed = Callable[[Desk, Work[Case, Any]], Awaitable[Work[Case, Any]]]
"""An act with the next dossier of the case whose flags it changes."""


async def act(
    desk: Desk,
    use_case: UseCase[Case, Any],
    case_id: UUID,
    command: Any,
    asked: Asked,
    also: tuple[UUID, ...] = (),
) -> Outcome:
    """Submit the command of an act; the outcome, or its refusal."""
    return await submit(desk, work(use_case, case_id, command, asked, also=also))


async def decide(desk: Desk, case_id: UUID, ruling: Ruling, asked: Asked) -> Outcome:
    """Accept, refuse, forward or merge a registered case."""
    command = Settle(desk.known, ruling, await noted(desk, case_id, ruling.action, ruling.reason_text, asked))
    also = (ruling.into,) if ruling.into and ruling.into != case_id else ()
    return await ruled(desk, work(SETTLE, case_id, command, asked, also=also))


async def ruled(desk: Desk, asked: Work[Case, Any]) -> Outcome:
    """Do a command that may merge; the dossier of the case that takes the matter in is sealed anew where it
    must be."""
    return await _resealing(desk, asked, with_next_dossier)


async def with_next_dossier(desk: Desk, asked: Work[Case, Any]) -> Work[Case, Any]:
    """The same command to merge, with the next dossier of the case that takes the matter in."""
    command = asked.command
    merged = command.judgement if isinstance(command, Register) else await desk.views.case(asked.case_id)
    change = FlagChange(add=merged.facts.flags if merged else ())
    dossier = await _next_dossier(desk, command.ruling.into, change)
    return replace(asked, command=replace(command, dossier_of_first=dossier))


async def objected(desk: Desk, case_id: UUID, objection: Objection, asked: Asked) -> Outcome:
    """Take a forwarded case back to which its body objects."""
    text = await noted(desk, case_id, "objection", objection.reason, asked)
    return await act(desk, TAKE_BACK, case_id, TakeBack(desk.known, objection.objected_at, text), asked)


async def flag(desk: Desk, case_id: UUID, change: FlagChange, asked: Asked) -> Outcome:
    """Raise and lower flags. Where they decide what the dossier shows, it is sealed anew with them."""
    text = await noted(desk, case_id, "flags", change.reason, asked)

    async def sealed(desk: Desk, flagging: Work[Case, Any]) -> Work[Case, Any]:
        dossier = await _next_dossier(desk, case_id, change)
        return replace(flagging, command=replace(flagging.command, dossier=dossier))

    command = ChangeFlags(desk.known, change.add, change.remove, text, None)
    flagging = await sealed(desk, work(CHANGE_FLAGS, case_id, command, asked))
    return await _resealing(desk, flagging, sealed)


async def let_go(desk: Desk, case_id: UUID, request: Release, asked: Asked) -> Outcome:
    """Release a case that a flag holds back."""
    text = await noted(desk, case_id, "release", request.reason, asked)
    return await act(desk, RELEASE, case_id, LetGo(desk.known, text), asked)


async def reminded(desk: Desk, case_id: UUID, reminder: Reminder, asked: Asked) -> Outcome:
    """Record that the citizen asked again; the flags of a danger that is told by it are raised."""
    text = await noted(desk, case_id, "reminder", reminder.text, asked)
    change = FlagChange(add=desk.known.flags.judge(reminder.text or "", Entered()).flags)
    danger = ChangeFlags(desk.known, change.add, (), None, None)

    async def sealed(desk: Desk, reminding: Work[Case, Any]) -> Work[Case, Any]:
        told = replace(danger, dossier=await _next_dossier(desk, case_id, change))
        return replace(reminding, command=replace(reminding.command, danger=told))

    reminding = work(REMIND, case_id, Remind(reminder.new_facts, text), asked)
    return await _resealing(desk, await sealed(desk, reminding) if change.add else reminding, sealed)


async def connected(desk: Desk, case_id: UUID, relation: Relation, asked: Asked) -> Outcome:
    """Note that two cases belong together, or that they do not."""
    also = (relation.case_id,) if relation.case_id != case_id else ()
    command = Relate(relation.case_id, relation.related)
    return await act(desk, RELATE, case_id, command, asked, also)


async def done(desk: Desk, case_id: UUID, duty: Duty, asked: Asked) -> Outcome:
    """Record that an act was done that one of intake's clocks waits for."""
    text = await noted(desk, case_id, "duty", duty.text, asked)
    return await act(desk, FULFIL, case_id, Fulfil(duty.rule, duty.done_at, text), asked)


async def erased(desk: Desk, case_id: UUID, erasure: Erasure, asked: Asked) -> Outcome:
    """Erase what is known of people in a finished case."""
    command = Erase(desk.known, erasure.reason_code)
    return await act(desk, ERASE, case_id, command, asked, await took_in(desk, case_id))


async def took_in(desk: Desk, case_id: UUID) -> tuple[UUID, ...]:
    """The case that took this one in, the one that took in that, and so on."""
    case, found = await desk.views.case(case_id), list[UUID]()
    while case is not None and case.merged_into is not None:
        found.append(case.merged_into)
        case = await desk.views.case(case.merged_into)
    return tuple(found)


async def hold(desk: Desk, case_id: UUID, change: HoldChange, asked: Asked) -> Outcome:
    """Put holds on a case, and lift them."""
    text = await noted(desk, case_id, "holds", change.reason, asked)
    return await act(
        desk, CHANGE_HOLDS, case_id, ChangeHolds(desk.known, change.add, change.remove, text), asked
    )


async def noted(desk: Desk, case_id: UUID, act: str, text: str | None, asked: Asked) -> Note | None:
    """The free text of an act, sealed; None without text, or without a case (whose absence the act finds)."""
    kept = await desk.views.kept(case_id) if text else None
    if kept is None or text is None:
        return None
    key = desk.vault.key_of(kept)
    return note(key, desk.new_id(), act, asked.at, asked.actor.label(), text)


async def _resealing(desk: Desk, asked: Work[Case, Any], sealed: Sealed) -> Outcome:
    """Submit an act that may change flags; again with the next dossier when another act came between."""
    for _ in range(RESEALS):
        try:
            return await submit(desk, asked)
        except DossierOutdated:
            asked = await sealed(desk, asked)
    raise Busy(retry_after=1)


async def _next_dossier(desk: Desk, case_id: UUID, change: FlagChange) -> State | None:
    """The next dossier with the flags as they will be; None where they do not decide what it shows."""
    rules = desk.known.flags
    touched = [flag for flag in (*change.add, *change.remove) if flag in rules.by_code]
    if not rules.hide_contact(touched):
        return None
    kept, case = await desk.views.kept(case_id), await desk.views.case(case_id)
    if kept is None or case is None or case.secret:
        return None
    flags = rules.sorted({*case.facts.flags, *change.add} - set(change.remove))
    then = case.facts.model_copy(update={"flags": flags, "dossier_version": case.facts.dossier_version + 1})
    return desk.vault.dossier(case_id, kept.district, desk.vault.open(kept), then, rules)
