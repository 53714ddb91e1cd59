"""The worker's part of attachments: let the scanner see what is in quarantine, delete contents that nobody
has a row for."""

import asyncio
from collections.abc import Sequence
from datetime import timedelta
from typing import Final, Protocol
from uuid import UUID

import structlog

from libs.db.work import Actor, UseCase
from libs.files.objects import Missing
from libs.privacy.vault import SealBroken
from libs.runtime.logging import fault
from libs.runtime.loops import Pulse
from libs.web.errors import Unavailable
from services.intake.domain.attaching import Scanned, scanned
from services.intake.handlers.attachments import object_name, opened
from services.intake.handlers.desk import Asked, Desk, Unscanned, work

SCANNED: Final = UseCase("scanned", scanned)

LOOK: Final = 2.0
"""Seconds between looks for what is to be done."""
AGAIN: Final = 60.0
"""Seconds until a file that could not be scanned is tried again; longer than one scan takes."""
SWEEP: Final = 3_600.0
"""Seconds between sweeps."""
ABANDONED: Final = timedelta(hours=1)
"""So old is an object without a row at least before it counts as left behind: the row follows in seconds."""
AT_ONCE: Final = 100

log = structlog.get_logger()


class Scanner(Protocol):
    """What looks for harm in files."""

    async def infected(self, content: bytes) -> str | None:
        """The name of what it found, None for a clean file; raises Unavailable without a clear answer."""


class Caretaker:
    """Looks after the contents of files. One of several workers may do the same at a time."""

    def __init__(self, desk: Desk, scanner: Scanner | None) -> None:
        """`desk` is the worker's."""
        self._desk = desk
        self._scanner = scanner

    async def run(self, pulse: Pulse) -> None:
        """Scan, delete and sweep until told to stop; a loop of the service."""
        next_sweep = 0.0
        while not pulse.stopping:
            try:
                busy = await self.delete() or await self.scan()
                if not busy and asyncio.get_running_loop().time() >= next_sweep:
                    await self.sweep(ABANDONED)
                    next_sweep = asyncio.get_running_loop().time() + SWEEP
            except Unavailable as error:
                log.warning("attachments_wait", detail=error.detail)
                busy = False
            if not busy:
                await pulse.pause(LOOK)
            pulse.beat()

    async def delete(self) -> bool:
        """Delete contents that are not wanted any more; whether there were some."""
        gone = await self._desk.files.known.gone(AT_ONCE)
        if gone:
            await self._desk.files.objects.drop([object_name(one) for one in gone])
            await self._desk.files.known.forget(gone)
        return bool(gone)

    async def scan(self) -> bool:
        """Let the scanner see the next file in quarantine; whether there was one. Raises Unavailable."""
        if self._scanner is None:
            return False
        waiting = await self._desk.files.known.unscanned(AGAIN)
        if waiting is None:
            return False
        content = await self._content(waiting)
        if content is None:
            return True
        found = await self._scanner.infected(content)
        if found is not None:
            log.warning("attachment_infected", attachment_id=waiting.file.attachment_id, signature=found)
        await self._settle(waiting, found is not None)
        return True

    async def sweep(self, age: timedelta) -> int:
        """Delete contents older than that which belong to no row; how many there were."""
        swept = 0
        async for names in self._desk.files.objects.older(age):
            unknown = await self._desk.files.known.unknown(_ids(names))
            await self._desk.files.objects.drop([object_name(one) for one in unknown])
            swept += len(unknown)
        if swept:
            log.info("attachments_swept", count=swept)
        return swept

    async def _content(self, waiting: Unscanned) -> bytes | None:
        """The content in plain; None when its case was erased meanwhile, or it is not what was kept."""
        kept = await self._desk.views.kept(waiting.case_id)
        if kept is None:
            return None
        try:
            _, key = self._desk.vault.open_attachment(kept, waiting.file)
            return b"".join([part async for part in opened(self._desk, waiting.file, key)])
        except (Missing, SealBroken) as error:
            told = {"case_id": waiting.case_id, "attachment_id": waiting.file.attachment_id}
            log.error("attachment_broken", **told, **fault(error))
            return None

    async def _settle(self, waiting: Unscanned, infected: bool) -> None:
        asked = Asked(Actor("service", "intake"), self._desk.now())
        command = Scanned(waiting.file.attachment_id, infected)
        (result,) = await self._desk.shell.run([work(SCANNED, waiting.case_id, command, asked)])
        if result.error is not None:
            log.error(
                "attachment_not_settled", attachment_id=waiting.file.attachment_id, **fault(result.error)
            )


def _ids(names: Sequence[str]) -> list[UUID]:
    """The attachments that objects were made for; what has another name is not ours."""
    found = []
    for name in names:
        try:
            attachment_id = UUID(name.rpartition("/")[2])
        except ValueError:
            continue
        if object_name(attachment_id) == name:
            found.append(attachment_id)
    return found
