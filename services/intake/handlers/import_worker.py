"""The worker's part of an import: check every row, then take each sound one by the use case of the door."""

import asyncio
import io
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from itertools import islice
from typing import Any, Final, TypeVar

import orjson
import structlog

from libs.db.work import IdempotencyKey, Work
from libs.runtime.logging import fault
from libs.runtime.loops import Pulse
from libs.tables.faults import BadTable
from libs.tables.limits import Limits
from libs.tables.reading import Form, Row, read
from libs.web.errors import Refusal
from services.intake.domain.case import Case
from services.intake.domain.columns import Layout
from services.intake.domain.flagging import DossierOutdated
from services.intake.domain.importing import BROKEN, Faulty, faults_of
from services.intake.domain.places import Places
from services.intake.handlers.acting import with_next_dossier
from services.intake.handlers.desk import Asked, Desk, Job, LeaseLost
from services.intake.handlers.registering import registration, rehearse

LOOK: Final = 1.0
"""Seconds between looks for an import that waits."""
RENEWED_EVERY: Final = 3.0
"""Seconds between signs that an import is in hand while a thread reads its file."""
TIDY: Final = 600.0
"""Seconds between looks for what is kept too long."""
CHECKED_AT_ONCE, TAKEN_AT_ONCE = 200, 100

T = TypeVar("T")

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Sheet:
    """A file that is read: how its columns lie, and the rows below the headings."""

    layout: Layout
    rows: Iterator[Row]

    @classmethod
    def of(cls, form: Form, file: io.BytesIO, limits: Limits) -> "Sheet":
        """Raises BadTable."""
        file.seek(0)
        rows = read(form, file, limits)
        return cls(Layout.of(next(rows)), rows)


class Importer:
    """Works on imports, one at a time.

    Promise: a row is registered once, whatever ends the process meanwhile. What was checked or taken is
    written down a batch at a time; the last batch may run again, and there the key of each row finds its
    first answer (kept for seven days).
    """

    def __init__(self, desk: Desk, limits: Limits, keep: timedelta) -> None:
        """`desk` is the worker's; `keep`: how long faulty rows are kept for their sender."""
        self._desk = desk
        self._limits = limits
        self._keep = keep
        self._holder = desk.new_id()

    async def run(self, pulse: Pulse) -> None:
        """Look for imports until told to stop; a loop of the service."""
        next_tidy = 0.0
        while not pulse.stopping:
            if not await self.work(pulse):
                if asyncio.get_running_loop().time() >= next_tidy:
                    await self._desk.imports.tidy(self._keep)
                    next_tidy = asyncio.get_running_loop().time() + TIDY
                await pulse.pause(LOOK)

    async def work(self, pulse: Pulse) -> bool:
        """Take up one import and bring it to its end, or to a stop; whether there was one."""
        imports = self._desk.imports
        job = await imports.lease(self._holder)
        if job is None:
            return False
        try:
            await self._work(job, pulse)
        except BadTable as error:
            await imports.give_up(job, error.errors[0])
        except LeaseLost:
            log.warning("import_left_to_another", import_id=job.told.import_id)
        return True

    async def _work(self, job: Job, pulse: Pulse) -> None:
        imports, file = self._desk.imports, io.BytesIO()
        async for part in imports.parts(job):
            file.write(part)
            await imports.renew(job)
            pulse.beat()
        if job.told.state == "checking":
            sheet = await self._apart(job, pulse, Sheet.of, job.told.form, file, self._limits)
            await self._check(job, sheet, pulse)
            if not pulse.stopping:
                job = await imports.all_checked(job, sheet.layout.headings)
        if not pulse.stopping:
            sheet = await self._apart(job, pulse, Sheet.of, job.told.form, file, self._limits)
            await self._take(job, sheet, pulse)
        if pulse.stopping:
            await imports.release(job)
        else:
            await imports.finish(job)

    async def _apart(self, job: Job, pulse: Pulse, call: Callable[..., T], *arguments: Any) -> T:
        """What takes long, in a thread; meanwhile the import stays this worker's. Raises LeaseLost."""
        working = asyncio.create_task(asyncio.to_thread(call, *arguments))
        try:
            while not (await asyncio.wait({working}, timeout=RENEWED_EVERY))[0]:
                await self._desk.imports.renew(job)
                pulse.beat()
            return working.result()
        finally:
            del working  # what it failed with would hold this frame, and with it the file

    async def _check(self, job: Job, sheet: Sheet, pulse: Pulse) -> None:
        places = await self._desk.places.current()
        rows = islice(sheet.rows, job.told.checked, None)
        while not pulse.stopping:
            batch: list[Row] = await self._apart(job, pulse, list, islice(rows, CHECKED_AT_ONCE))
            if not batch:
                return
            faulty = await self._apart(job, pulse, self._faulty, job, sheet.layout, batch, places)
            await self._desk.imports.checked(job, len(batch), faulty)
            pulse.beat()

    def _faulty(
        self, job: Job, layout: Layout, rows: Sequence[Row], places: Mapping[str, Places]
    ) -> list[Faulty]:
        """The rows that cannot be taken."""
        asked, faulty = _asked(job, None), []
        for row in rows:
            try:
                rehearse(self._desk, layout.said(row), asked, places)
            except Exception as error:
                faulty.append(_refused(job, layout, row, error))
        return faulty

    async def _take(self, job: Job, sheet: Sheet, pulse: Pulse) -> None:
        refused = await self._desk.imports.refused_rows(job)
        rows = (row for row in sheet.rows if row.number > job.upto and row.number not in refused)
        while not pulse.stopping:
            batch: list[Row] = await self._apart(job, pulse, list, islice(rows, TAKEN_AT_ONCE))
            if not batch or not await self._take_batch(job, sheet.layout, batch, pulse):
                return

    async def _take_batch(self, job: Job, layout: Layout, rows: Sequence[Row], pulse: Pulse) -> bool:
        """Whether each row of the batch was taken or refused; not when a stop came first."""
        places = await self._desk.places.current()
        prepared = await self._apart(job, pulse, self._prepared, job, layout, rows, places)
        faulty = [made for made in prepared.values() if isinstance(made, Faulty)]
        waiting = {row: made for row, made in prepared.items() if isinstance(made, Work)}
        by_number = {row.number: row for row in rows}
        taken = 0
        while waiting:
            results = await self._desk.shell.run(list(waiting.values()))
            again = {}
            for (number, work), result in zip(waiting.items(), results, strict=True):
                if result.outcome is not None:
                    taken += 1
                elif isinstance(result.error, Refusal) and result.error.retry_after is not None:
                    again[number] = work
                elif isinstance(result.error, DossierOutdated):
                    again[number] = await with_next_dossier(self._desk, work)
                else:
                    faulty.append(_refused(job, layout, by_number[number], result.error))
            if (waiting := again) and await pulse.pause(LOOK):
                return False
        await self._desk.imports.took(job, rows[-1].number, taken, faulty)
        pulse.beat()
        return True

    def _prepared(
        self, job: Job, layout: Layout, rows: Sequence[Row], places: Mapping[str, Places]
    ) -> dict[int, Work[Case, Any] | Faulty]:
        """The command of each row by its number, or why there is none."""
        made: dict[int, Work[Case, Any] | Faulty] = {}
        for row in rows:
            try:
                key = self._desk.vault.row_key(job.told.import_id, row.number)
                made[row.number] = registration(self._desk, layout.said(row), _asked(job, key), places)
            except Exception as error:
                made[row.number] = _refused(job, layout, row, error)
        return made


def _asked(job: Job, key: IdempotencyKey | None) -> Asked:
    """A row is asked for by the sender, at the time the file was received (G17)."""
    return Asked(job.actor, job.told.received_at, key, trace=job.trace)


def _refused(job: Job, layout: Layout, row: Row, error: BaseException | None) -> Faulty:
    told = job.told.import_id
    if isinstance(error, Refusal):
        faults = faults_of(error)
    else:
        log.error("import_row_failed", import_id=told, row=row.number, **(fault(error) if error else {}))
        faults = tuple(BROKEN)
    content = job.key.seal("import_fault", told, row.number, orjson.dumps(layout.kept(row)))
    return Faulty(row.number, faults, content)
