"""Imports at the door: a file is kept, sealed, for the worker that takes it; its sender follows it."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Final
from uuid import UUID

import orjson

from libs.files.parts import parts
from libs.tables.limits import Limits
from libs.tables.reading import Form, check_beginning
from libs.tables.writing import WorkbookWriter, writer
from libs.web.errors import NotFound
from services.intake.domain.columns import COLUMNS, REASON, explained, reason
from services.intake.domain.importing import Import
from services.intake.handlers.desk import Asked, Desk
from services.intake.handlers.sealing import FileKey

PART: Final = 2**20
"""Bytes of a file that are held in memory while it comes in."""

SHEET: Final = "案件"
AT_ONCE: Final = 200


@dataclass(frozen=True, slots=True)
class Received:
    """A file that came in whole, kept in sealed parts, and not yet an import."""

    import_id: UUID
    form: Form
    content: bytes
    key: FileKey


async def receive(desk: Desk, form: Form, pieces: AsyncIterator[bytes]) -> Received:
    """Keep a file as it comes in. Raises UnsupportedMedia or BadTable by its beginning, before the rest of it
    is read."""
    import_id, key, digest, number = desk.new_id(), desk.vault.new_file_key(), sha256(), 0
    try:
        async for part in parts(pieces, PART):
            if number == 0:
                check_beginning(form, part, Limits())
            digest.update(part)
            await desk.imports.add_part(import_id, number, key.seal("import_part", import_id, number, part))
            number += 1
        if number == 0:
            check_beginning(form, b"", Limits())
    except Exception:
        await desk.imports.drop_parts(import_id)
        raise
    return Received(import_id, form, desk.vault.fingerprint(digest.digest()), key)


async def begin(desk: Desk, received: Received, asked: Asked) -> tuple[Import, bool]:
    """Make an import of the file, or find the one that was made of the same content; whether it was."""
    new = Import(received.import_id, received.form, "received", asked.at)
    try:
        return await desk.imports.open(new, received.content, received.key, asked)
    except Exception:
        await desk.imports.drop_parts(received.import_id)
        raise


async def progress(desk: Desk, import_id: UUID, asked: Asked) -> Import:
    """How far an import is; NotFound for all but its sender."""
    found = await desk.imports.find(import_id, asked.actor)
    if found is None:
        raise NotFound
    return found


async def errors(desk: Desk, import_id: UUID, asked: Asked) -> tuple[Form, AsyncIterator[bytes]]:
    """The rows that were refused, each with its reason, in the form that was sent; ForbiddenAction before the
    end, NotFound when they are erased. The reading is audited."""
    told = await progress(desk, import_id, asked)
    told.require_errors()
    headings, key = await desk.imports.layout(import_id)
    await desk.trail.record(asked.actor, asked.at, "import.errors_read", import_id=str(import_id))
    return told.form, _error_file(desk, told, headings, key)


def template(desk: Desk, form: Form) -> bytes:
    """An empty file with all headings; a workbook explains them on its second sheet."""
    made = writer(form, SHEET)
    begin = made.rows([[column.heading for column in COLUMNS]])
    if isinstance(made, WorkbookWriter):
        known = desk.known
        codes: dict[str, Sequence[str]] = {
            "/kind": sorted(known.kinds),
            "/category": sorted(known.categories),
            "/flags": sorted(known.flags.by_code),
            "/chosen_target": sorted(known.organisation_types),
            "/mode": sorted(known.modes),
            "/decision/lawful_route": sorted(known.lawful_routes),
            "/decision/reason_code": sorted(known.reasons),
            "/facts": sorted(known.rules.dated_facts),
        }
        made.sheet("说明")
        begin += made.rows([("列名", "填写"), *explained(codes)])
    return begin + made.end()


async def _error_file(
    desk: Desk, told: Import, headings: Sequence[str], key: FileKey | None
) -> AsyncIterator[bytes]:
    """Cells beyond all headings stay so, behind the reasons: sent again as it is, a row is refused again."""
    made, width = writer(told.form, SHEET), len(headings)
    yield made.rows([[*headings, REASON]])
    after = 0
    while key and (found := await desk.imports.faults(told.import_id, after, AT_ONCE)):
        after = found[-1].number
        rows = []
        for row in found:
            cells = orjson.loads(key.open("import_fault", told.import_id, row.number, row.content))
            rows.append([*cells[:width], reason(row.faults), *cells[width:]])
        yield made.rows(rows)
    yield made.end()
