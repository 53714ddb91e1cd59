"""Files of a case: taken into quarantine, let out, handed out, taken away. None raises the case's version: it
tells nobody outside."""

from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

from libs.db.work import Decision, Moment, ignored
from libs.web.errors import FieldError, Forbidden, ForbiddenAction, Invalid, NotFound, Refusal, Title
from services.intake.domain.attachment import INFECTED, Attachment
from services.intake.domain.case import SUPERVISORS, Case, allowed, audited, readers, require, visible
from services.intake.domain.erasing import Held
from services.intake.domain.flagging import UNFINISHED
from services.intake.domain.portal import WAYS
from services.intake.domain.reference import Reference


class TooManyAttachments(Refusal):
    """The case has as many files as one may have; a supervisor can take some out."""

    STATUS, CODE, TITLE = (
        409,
        "too_many_attachments",
        Title("附件已达上限", "The case has as many files as one may have"),
    )


class NotReleased(Refusal):
    """The file is in quarantine, or it is gone: `state` and `reason` tell."""

    STATUS, CODE, TITLE = 409, "not_released", Title("该附件尚未放行或已移除", "The file is not handed out")


class ContentLost(Refusal):
    """What is kept of the file is damaged or missing: no repetition helps, but a backup may."""

    CODE, TITLE = (
        "content_lost",
        Title("附件内容已损坏或丢失", "The content of the file is damaged or missing"),
    )


class ScannerDecides(Refusal):
    """Where a scanner looks at files, no person lets one out before it."""

    STATUS, CODE, TITLE = 409, "scanner_decides", Title("由病毒扫描决定放行", "The scanner decides")


@dataclass(frozen=True, slots=True)
class Attach:
    """A file that was looked through, sealed and stored."""

    known: Reference
    attachment: Attachment


def attach(case: Case | None, command: Attach, moment: Moment) -> Decision[Case]:
    """Take a file for a matter that somebody works on; of a portal with a key that registers."""
    case = visible(case, moment.actor)
    if moment.actor.portal is not None and moment.actor.scopes.isdisjoint(WAYS):
        raise Forbidden
    if case.stage not in UNFINISHED or case.closed:
        into = str(case.merged_into) if case.merged_into else None
        raise ForbiddenAction(state=case.state, allowed=[], merged_into=into)
    if sum(file.kept for file in case.attachments) >= command.known.attachments.most:
        raise TooManyAttachments(most=command.known.attachments.most)
    file = command.attachment
    return Decision(
        replace(case, attachments=(*case.attachments, file)),
        reply=_told(case, file),
        status=201,
        audit=audited("attachment.received", case, attachment=str(file.attachment_id), state=file.state),
        location=f"/v1/cases/{case.case_id}/attachments/{file.attachment_id}",
    )


@dataclass(frozen=True, slots=True)
class ListFiles:
    """Who may read the files sees their names."""

    known: Reference


def list_files(case: Case | None, command: ListFiles, moment: Moment) -> Decision[Case]:
    """What is known of a case's files; `named` says whether this caller sees their names in plain."""
    case = visible(case, moment.actor)
    named = _may_read(case, command.known, moment)
    return Decision(
        case,
        reply={"items": [_told(case, file) for file in case.attachments], "named": named},
        audit=audited("attachment.listed", case, names="plain" if named else "masked"),
    )


@dataclass(frozen=True, slots=True)
class HandOut:
    """A person wants the content of a file."""

    known: Reference
    attachment_id: UUID


def hand_out(case: Case | None, command: HandOut, moment: Moment) -> Decision[Case]:
    """Record who reads a file before it is shown: nothing in it is masked. For those who decide; where
    secrecy was asked for, supervisors alone."""
    case = visible(case, moment.actor)
    if not _may_read(case, command.known, moment):
        raise Forbidden
    file = _of(case, command.attachment_id)
    if file.state != "released":
        raise NotReleased(state=file.state, reason=file.reason)
    return Decision(
        case,
        reply=_told(case, file),
        audit=audited("attachment.read", case, attachment=str(file.attachment_id)),
    )


@dataclass(frozen=True, slots=True)
class LetOut:
    """A person takes the responsibility for a file that nothing has scanned."""

    attachment_id: UUID
    scanned: bool
    """Whether a scanner looks at files here."""


def let_out(case: Case | None, command: LetOut, moment: Moment) -> Decision[Case]:
    """Release a file from quarantine, where no scanner does."""
    case = visible(case, moment.actor)
    require(moment.actor, SUPERVISORS, case)
    file = _of(case, command.attachment_id)
    if file.state != "quarantined":
        raise ForbiddenAction(state=file.state, allowed=["quarantined"])
    if command.scanned:
        raise ScannerDecides
    return _settled(case, file.settled("released", moment.now), "attachment.released")


@dataclass(frozen=True, slots=True)
class TakeOut:
    """A file that shall not be there, for a coded reason (reasons.json, `attachment_removed`)."""

    known: Reference
    attachment_id: UUID
    reason_code: str


def take_out(case: Case | None, command: TakeOut, moment: Moment) -> Decision[Case]:
    """Destroy a file's content and name; that it was there stays known. A supervisor's act; while
    the case is held nobody's."""
    case = visible(case, moment.actor)
    require(moment.actor, SUPERVISORS, case)
    if command.reason_code not in command.known.attachments.removal_reasons:
        raise Invalid(errors=[FieldError("/reason_code", "unknown_code")])
    if case.holds:
        raise Held(holds=list(case.holds))
    file = _of(case, command.attachment_id)
    if not file.kept:
        raise ForbiddenAction(state=file.state, allowed=["quarantined", "released"])
    gone = file.settled("removed", moment.now, command.reason_code)
    return _settled(case, gone, "attachment.removed", reason_code=command.reason_code)


@dataclass(frozen=True, slots=True)
class Scanned:
    """What the scanner found in a file."""

    attachment_id: UUID
    infected: bool


def scanned(case: Case | None, command: Scanned, moment: Moment) -> Decision[Case]:
    """Let a clean file out, destroy an infected one; of one that was settled meanwhile nothing changes."""
    file = _found(case, command.attachment_id)
    if case is None or file is None or file.state != "quarantined":
        return ignored(case, "settled")
    if command.infected:
        gone = file.settled("rejected", moment.now, INFECTED)
        return _settled(case, gone, "attachment.rejected", reason_code=INFECTED)
    return _settled(case, file.settled("released", moment.now), "attachment.released")


def _may_read(case: Case, known: Reference, moment: Moment) -> bool:
    return allowed(moment.actor, readers(case, known.flags), case)


def _found(case: Case | None, attachment_id: UUID) -> Attachment | None:
    files = case.attachments if case else ()
    return next((file for file in files if file.attachment_id == attachment_id), None)


def _of(case: Case, attachment_id: UUID) -> Attachment:
    file = _found(case, attachment_id)
    if file is None:
        raise NotFound
    return file


def _settled(case: Case, file: Attachment, act: str, **codes: str) -> Decision[Case]:
    files = tuple(file if one.attachment_id == file.attachment_id else one for one in case.attachments)
    return Decision(
        replace(case, attachments=files),
        reply=_told(case, file),
        audit=audited(act, case, attachment=str(file.attachment_id), **codes),
    )


def _told(case: Case, file: Attachment) -> dict[str, Any]:
    return {"case_id": str(case.case_id), **file.told()}
