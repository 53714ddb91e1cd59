"""The free texts that acts left on a case: who reads them, and how each is told."""

from dataclasses import dataclass
from typing import Any, Final

from libs.clocks.calendar import instant
from libs.db.work import Decision, Moment
from libs.web.errors import Forbidden
from services.intake.domain.case import (
    AUDITORS,
    REGISTRARS,
    SUPERVISORS,
    Case,
    Note,
    allowed,
    audited,
    readers,
    visible,
)
from services.intake.domain.reference import Reference

REVEAL: Final = "reveal"
"""The act whose notes are purposes of unmasking."""


@dataclass(frozen=True, slots=True)
class ReadNotes:
    """A person wants to read what was written on a case."""

    known: Reference


def read_notes(case: Case | None, command: ReadNotes, moment: Moment) -> Decision[Case]:
    """Record who reads before anything is shown. The reply says what: `texts` of acts to who handles the
    case, where secrecy was asked for to supervisors alone; `purposes` of unmasking to supervisors, and to
    auditors, who see nothing else of a case."""
    case = visible(case, moment.actor, REGISTRARS | AUDITORS)
    shown = {
        "texts": allowed(moment.actor, readers(case, command.known.flags, REGISTRARS), case),
        "purposes": allowed(moment.actor, SUPERVISORS | AUDITORS, case),
    }
    if not any(shown.values()):
        raise Forbidden
    return Decision(case, reply=shown, audit=audited("case.notes_read", case, **shown))


def told_note(note: Note, text: str) -> dict[str, Any]:
    """A note as it is told, with its text as this reader may see it."""
    return {
        "note_id": str(note.note_id),
        "at": instant(note.at),
        "actor": note.by,
        "act": note.act,
        "text": text,
    }
