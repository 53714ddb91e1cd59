"""Files of a case: looked at, sealed and kept as objects; the row decides whether there is one.

The object comes before the row: what a crash leaves between the two is an object without a row, which a loop
deletes (`attachment_worker`).
"""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

import structlog

from libs.db.work import Outcome, UseCase
from libs.files.objects import Missing
from libs.privacy.vault import SealBroken
from libs.runtime.logging import fault
from libs.web.errors import NotFound
from services.intake.domain.attaching import (
    Attach,
    ContentLost,
    HandOut,
    LetOut,
    ListFiles,
    TakeOut,
    attach,
    hand_out,
    let_out,
    list_files,
    take_out,
)
from services.intake.domain.attachment import Attachment, masked_name
from services.intake.domain.case import visible
from services.intake.domain.statement import Removal
from services.intake.handlers.acting import act
from services.intake.handlers.desk import Asked, Desk
from services.intake.handlers.sealing import SEALED_PART, ContentKey, Kept, parts_of

ATTACH: Final = UseCase("attach", attach)
LIST_FILES: Final = UseCase("list_files", list_files)
HAND_OUT: Final = UseCase("hand_out", hand_out)
LET_OUT: Final = UseCase("let_out", let_out)
TAKE_OUT: Final = UseCase("take_out", take_out)

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Content:
    """A file that is handed out."""

    name: str
    size: int
    pieces: AsyncIterator[bytes]


def object_name(attachment_id: UUID) -> str:
    """Under what a content is kept: it tells nothing of case or person, and spreads over 256 folders."""
    return f"{attachment_id.hex[-2:]}/{attachment_id.hex}"


async def admit(desk: Desk, case_id: UUID, asked: Asked) -> None:
    """Raise NotFound before a long body is read for a case that this caller may not know of."""
    visible(await desk.views.case(case_id), asked.actor)


async def receive(desk: Desk, case_id: UUID, name: str, media: str, content: bytes, asked: Asked) -> Outcome:
    """Take a file, of which the sender tells name and media type. Raises BadFile or Invalid for one that is
    not taken, Unavailable when it could not be stored."""
    async with desk.files.alone:
        file = await _stored(desk, case_id, name, media, content, asked)
    return await act(desk, ATTACH, case_id, Attach(desk.known, file), asked)


async def listed(desk: Desk, case_id: UUID, asked: Asked) -> dict[str, Any]:
    """The files of a case; their names in plain for those who may read them."""
    outcome = await act(desk, LIST_FILES, case_id, ListFiles(desk.known), asked)
    names = await _names(desk, case_id)
    if not outcome.body["named"]:
        names = {attachment_id: masked_name(name) for attachment_id, name in names.items()}
    return {"items": [{**item, "name": names.get(item["attachment_id"])} for item in outcome.body["items"]]}


async def handed_out(desk: Desk, case_id: UUID, attachment_id: UUID, asked: Asked) -> Content:
    """A released file. Raises NotReleased, ContentLost, and Unavailable when its place is away.

    Damage in a later part breaks `pieces` off, by SealBroken.
    """
    await act(desk, HAND_OUT, case_id, HandOut(desk.known, attachment_id), asked)
    kept, file = await _kept(desk, case_id), (await desk.files.known.of(case_id)).get(attachment_id)
    if file is None or not file.kept:
        raise NotFound
    name, key = desk.vault.open_attachment(kept, file)
    pieces = opened(desk, file, key)
    try:
        first = await anext(pieces)  # while a refusal can still be answered
    except (Missing, SealBroken) as error:
        log.error("attachment_broken", case_id=case_id, attachment_id=attachment_id, **fault(error))
        raise ContentLost from None
    return Content(name, file.size, _after(first, pieces))


async def let_go(desk: Desk, case_id: UUID, attachment_id: UUID, asked: Asked) -> Outcome:
    """Release a file from quarantine."""
    command = LetOut(attachment_id, scanned=desk.files.quarantine == "scanner")
    return await act(desk, LET_OUT, case_id, command, asked)


async def removed(desk: Desk, case_id: UUID, attachment_id: UUID, removal: Removal, asked: Asked) -> Outcome:
    """Destroy a file's content and name."""
    command = TakeOut(desk.known, attachment_id, removal.reason_code)
    return await act(desk, TAKE_OUT, case_id, command, asked)


async def filed(desk: Desk, case_id: UUID) -> list[dict[str, Any]]:
    """What is known of a case's files, with names, for the file of a person; and where to fetch each."""
    names = await _names(desk, case_id)
    return [
        {
            **file.told(),
            "name": names.get(str(file.attachment_id)),
            "content": f"/v1/cases/{case_id}/attachments/{file.attachment_id}" if file.kept else None,
        }
        for file in (await desk.files.known.of(case_id)).values()
    ]


async def opened(desk: Desk, file: Attachment, key: ContentKey) -> AsyncIterator[bytes]:
    """The content in plain, part by part. Raises Unavailable, Missing, or SealBroken when it is not whole."""
    number = 0
    async for sealed in desk.files.objects.read(object_name(file.attachment_id), SEALED_PART):
        yield await asyncio.to_thread(key.open, file.size, number, sealed)
        number += 1
    if number != parts_of(file.size):
        raise SealBroken("an attachment is not whole")


async def _after(first: bytes, pieces: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    yield first
    async for piece in pieces:
        yield piece


async def _stored(
    desk: Desk, case_id: UUID, name: str, media: str, content: bytes, asked: Asked
) -> Attachment:
    """The file, looked at, its content sealed and kept."""
    rules = desk.known.attachments
    found = await desk.files.examine(content, rules.limits)
    name = rules.check(found.media, len(found.content), name, media)
    kept, attachment_id = await _kept(desk, case_id), desk.new_id()
    sealed, key = desk.vault.attachment(kept, attachment_id, name)
    await desk.files.objects.put(object_name(attachment_id), await asyncio.to_thread(key.seal, found.content))
    return Attachment(
        attachment_id=attachment_id,
        media=found.media,
        size=len(found.content),
        state="released" if desk.files.quarantine == "none" else "quarantined",
        received_at=asked.at,
        by=asked.actor.label(),
        sealed=sealed,
    )


async def _kept(desk: Desk, case_id: UUID) -> Kept:
    kept = await desk.views.kept(case_id)
    if kept is None:
        raise NotFound
    return kept


async def _names(desk: Desk, case_id: UUID) -> dict[str, str]:
    """The names of a case's files by id; one that came without a name, or is gone, is left out."""
    kept = await _kept(desk, case_id)
    files = [file for file in (await desk.files.known.of(case_id)).values() if file.kept]
    names = {str(file.attachment_id): desk.vault.open_attachment(kept, file)[0] for file in files}
    return {attachment_id: name for attachment_id, name in names.items() if name}
