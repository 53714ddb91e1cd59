"""What people do to a case between registering and its end: flags, release to routing, reminders, reading."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from libs.db.work import Decision, Moment, State
from libs.events.base import Payload
from libs.events.intake import CaseFlagsChanged, CaseReleased, CaseReminded
from libs.web.errors import FieldError, ForbiddenAction, Invalid
from services.intake.domain.case import (
    REGISTRARS,
    SUPERVISORS,
    Case,
    Note,
    answer,
    audited,
    detail,
    header,
    require,
    visible,
)
from services.intake.domain.clocks import with_clocks_of_flags
from services.intake.domain.portal import told_to_portal
from services.intake.domain.reference import Reference
from services.intake.domain.statement import flag_faults

IN_HAND: Final = frozenset({"registered", "accepted"})
"""While the matter is here, or with those who are told what changes in it."""
UNFINISHED: Final = IN_HAND | {"forwarded"}
"""While somebody works on the matter: a danger to a person is the centre's duty wherever the matter lies."""


class DossierOutdated(Exception):
    """The dossier was sealed from a state that has changed since; it is sealed again and the act repeated."""


@dataclass(frozen=True, slots=True)
class ChangeFlags:
    """Flags to raise and to lower. `dossier` is the next record, for when what it shows changes with them."""

    known: Reference
    add: tuple[str, ...]
    remove: tuple[str, ...]
    note: Note | None
    dossier: State | None


def change_flags(case: Case | None, command: ChangeFlags, moment: Moment) -> Decision[Case]:
    """Raise flags, or lower them as a supervisor with a reason (`matching.lowering`).

    A flag that holds a case back takes an earlier release back with it. When the last such flag of an
    accepted case is lowered, nothing holds it any more: that is its release.
    """
    case = visible(case, moment.actor)
    require(moment.actor, SUPERVISORS if command.remove else REGISTRARS, case)
    if case.state not in UNFINISHED:
        raise ForbiddenAction(state=case.state, allowed=[])
    if faults := list(_flag_misfits(case, command)):
        raise Invalid(errors=faults)
    rules, before, case = command.known.flags, case, with_flags(case, command, moment.now)
    if case is before:
        return Decision(case, reply=answer(case, moment.version))
    case = case.noted(command.note)
    events: list[Payload] = [flags_told(before, case)]
    held = rules.holds_back(before.facts.flags)
    if case.stage == "accepted" and held and not rules.holds_back(case.facts.flags):
        case = case.with_facts(released=True)
        events.append(CaseReleased(**header(case), case=case.told_facts()))
    added, removed = list(raised(before, case)), list(command.remove)
    return Decision(
        case,
        events,
        reply=answer(case, moment.version + len(events)),
        audit=audited("case.flags_changed", case, added=added, removed=removed),
        state=next_dossier(before, case, command.dossier),
    )


def with_flags(case: Case, change: ChangeFlags, at: datetime) -> Case:
    """The case with its flags changed, and with them urgency, release, clocks and the version of the dossier;
    the same case where all stands already. Raises DossierOutdated."""
    rules, before = change.known.flags, case.facts
    flags = rules.sorted({*before.flags, *change.add} - set(change.remove))
    if flags == before.flags:
        return case
    added = tuple(flag for flag in flags if flag not in before.flags)
    case = case.with_facts(
        flags=flags,
        urgency=rules.urgency(case.said_urgency, flags),
        released=before.released and not rules.holds_back(added),
        dossier_version=_dossier_version(case, change, added),
    )
    return with_clocks_of_flags(case, change.known, added, at)


def raised(before: Case, after: Case) -> tuple[str, ...]:
    """The flags that came to the case."""
    return tuple(flag for flag in after.facts.flags if flag not in before.facts.flags)


def flags_told(before: Case, after: Case) -> CaseFlagsChanged:
    """What is told of a change of flags: of an accusation that there was one."""
    told = {} if after.secret else {"added": raised(before, after), "removed": raised(after, before)}
    return CaseFlagsChanged(**header(after), case=after.told_facts(), **told)


def next_dossier(before: Case, after: Case, dossier: State | None) -> list[State]:
    """The record to publish with the change, if it is shown anew."""
    return [dossier] if dossier and after.facts.dossier_version > before.facts.dossier_version else []


def _flag_misfits(case: Case, command: ChangeFlags) -> Iterator[FieldError]:
    yield from flag_faults(command.add, command.known, "/add")
    yield from flag_faults(command.remove, command.known, "/remove")
    present, why = case.facts.flags, "lowered_with_reason"
    yield from change_faults(command.add, command.remove, present, command.note, "not_raised", why)


def change_faults(
    add: Sequence[str],
    remove: Sequence[str],
    present: Collection[str],
    note: Note | None,
    absent: str,
    why: str,
) -> Iterator[FieldError]:
    """What is wrong with codes that come to a case and go from it: nothing to do, one to take away that is
    not there (a fault `absent`), or that without words of why (a detail `why`)."""
    if not add and not remove:
        yield FieldError("", "nothing_to_do")
    for nth, code in enumerate(remove):
        if code in add or code not in present:
            yield FieldError(f"/remove/{nth}", absent)
    if remove and note is None:
        yield FieldError("/reason", "required", why)


def _dossier_version(case: Case, change: ChangeFlags, added: tuple[str, ...]) -> int:
    """The version of the dossier after the change: the next one if the flags decide what it shows."""
    present = case.facts.dossier_version
    if case.secret or not change.known.flags.hide_contact((*added, *change.remove)):
        return present
    if change.dossier is None or change.dossier.version != present + 1:
        raise DossierOutdated
    return present + 1


@dataclass(frozen=True, slots=True)
class LetGo:
    """A person takes the responsibility for routing a case that a flag holds back."""

    known: Reference
    note: Note | None


def release(case: Case | None, command: LetGo, moment: Moment) -> Decision[Case]:
    """Release an accepted case to routing (finding 5 of domain.md: danger goes to people first)."""
    case = visible(case, moment.actor)
    require(moment.actor, SUPERVISORS, case)
    held = command.known.flags.holds_back(case.facts.flags) and not case.facts.released
    if case.state != "accepted" or not held:
        raise ForbiddenAction("not_held_back", state=case.state, allowed=[])
    case = case.with_facts(released=True).noted(command.note)
    event = CaseReleased(**header(case), case=case.told_facts())
    return Decision(
        case,
        [event],
        reply=answer(case, moment.version + 1),
        audit=audited("case.released", case, flags=list(case.facts.flags)),
    )


@dataclass(frozen=True, slots=True)
class Remind:
    """The citizen asks again, with or without new facts; the text is sealed. `danger`: the flags it tells."""

    new_facts: bool
    note: Note | None
    danger: ChangeFlags | None = None


def remind(case: Case | None, command: Remind, moment: Moment) -> Decision[Case]:
    """Count a reminder (催办). One for a merged case belongs to the case that took it in: 409 names it; what
    comes after a case was closed is a matter of its own, registered and related to it."""
    case = visible(case, moment.actor)
    require(moment.actor, REGISTRARS, case)
    if case.state not in UNFINISHED:
        into = str(case.merged_into) if case.merged_into else None
        raise ForbiddenAction(state=case.state, allowed=[], merged_into=into)
    case = replace(case, reminders=case.reminders + 1).noted(command.note)
    event = CaseReminded(
        **header(case), count=case.reminders, new_facts=command.new_facts and not case.secret
    )
    audit = audited("case.reminded", case, count=case.reminders)
    if command.danger is None:
        return Decision(case, [event], reply=answer(case, moment.version + 1), audit=audit)
    flagged = change_flags(case, command.danger, replace(moment, version=moment.version + 1))
    return replace(flagged, events=[event, *flagged.events], audit=[*audit, *flagged.audit])


@dataclass(frozen=True, slots=True)
class Look:
    """A person reads a case; with a purpose (sealed in `note`) the personal fields are shown unmasked."""

    note: Note | None = None


def look(case: Case | None, command: Look, moment: Moment) -> Decision[Case]:
    """Record who saw the case before it is shown. Unmasking is a supervisor's, with a purpose."""
    case = visible(case, moment.actor)
    if command.note is None:
        told = _read(case, moment) if moment.actor.portal is None else told_to_portal(case, moment.version)
        return Decision(case, reply=told, audit=audited("case.read", case))
    require(moment.actor, SUPERVISORS, case)
    return Decision(
        case.noted(command.note),
        reply=_read(case, moment),
        audit=audited("case.revealed", case, purpose=str(command.note.note_id)),
    )


def _read(case: Case, moment: Moment) -> dict[str, object]:
    return {**answer(case, moment.version), **detail(case)}
