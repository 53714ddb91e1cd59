"""Reading cases. Whoever sees a person's data leaves an audit record before seeing it."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from libs.clocks.calendar import LOCAL
from libs.db.work import UseCase
from libs.privacy.blindindex import read_phone
from libs.web.errors import FieldError, Invalid, NotFound
from libs.web.principal import Principal
from services.intake.domain.case import SUPERVISORS, Case, answer
from services.intake.domain.disclosure import masked, masked_text, plain
from services.intake.domain.flagging import Look, look
from services.intake.domain.notices import Print, print_notice
from services.intake.domain.noting import REVEAL, ReadNotes, read_notes, told_note
from services.intake.domain.portal import told_to_portal
from services.intake.domain.statement import Reveal
from services.intake.domain.suggesting import told as as_told
from services.intake.handlers.acting import noted
from services.intake.handlers.desk import Asked, Desk, Query, paged, work
from services.intake.handlers.linking import screened, submit

LOOK: Final = UseCase("look", look)
PRINT: Final = UseCase("print_notice", print_notice)
READ_NOTES: Final = UseCase("read_notes", read_notes)

Page = tuple[Sequence[dict[str, Any]], UUID | None]
"""Cases of a list, and the one after which the next begin."""

Place = tuple[datetime, UUID]
"""Time and id: the order of the notes of a case."""

_LAST_FOUR: Final = re.compile(r"\d{4}")


async def read(desk: Desk, case_id: UUID, asked: Asked) -> tuple[dict[str, Any], int]:
    """A case with its personal fields masked, and its version; without a kind, what its text suggests, and
    before it is decided on the dangers that its text may tell and no flag says."""
    outcome = await submit(desk, work(LOOK, case_id, Look(), asked))
    kept = await desk.views.kept(case_id)
    if kept is None:
        raise NotFound
    hidden = desk.known.flags.hide_contact(await _flags(desk, case_id, outcome.body))
    hide = hidden and asked.actor.roles.isdisjoint(SUPERVISORS)
    said, told = desk.vault.open(kept), outcome.body
    shown = {**told, **masked(said, told["grid"], hide_applicant=hide)}
    if asked.actor.portal is not None:
        return shown, outcome.version
    lists = await desk.suggested.of(case_id) if told["kind"] is None else None
    shown["suggested"] = as_told(desk.known.suggester.reasoned(lists, shown["narrative"])) if lists else None
    undecided, narrative = told["state"] == "registered", said.story["narrative"]
    possible = desk.known.dangers.possible(narrative, told["flags"], shown["narrative"]) if undecided else []
    shown["possible_flags"] = [asdict(one) for one in possible]
    return shown, outcome.version


async def _flags(desk: Desk, case_id: UUID, told: Mapping[str, Any]) -> Sequence[str]:
    """The flags of a case; a portal is not told them."""
    if "flags" in told:
        flags: Sequence[str] = told["flags"]
        return flags
    case = await desk.views.case(case_id)
    return case.facts.flags if case else ()


async def reveal(desk: Desk, case_id: UUID, request: Reveal, asked: Asked) -> tuple[dict[str, Any], int]:
    """A case with its personal fields and the free texts of its acts in plain, for a purpose that is kept
    with the audit record."""
    purpose = await noted(desk, case_id, REVEAL, request.purpose, asked)
    if purpose is None:
        raise NotFound
    outcome = await submit(desk, work(LOOK, case_id, Look(purpose), asked))
    kept = await desk.views.kept(case_id)
    if kept is None:
        raise NotFound
    found = await desk.views.notes(case_id)
    texts = desk.vault.texts(kept, found)
    notes = [told_note(note, text) for note, text in zip(found, texts, strict=True)]
    shown = plain(desk.vault.open(kept), outcome.body["grid"])
    return {**outcome.body, **shown, "notes": notes}, outcome.version


async def notes(
    desk: Desk, case_id: UUID, asked: Asked, after: Place | None, limit: int
) -> tuple[Sequence[dict[str, Any]], Place | None]:
    """A page of the free texts that acts left on a case, the oldest first and masked, and the place after
    which the next begins."""
    outcome = await desk.shell.submit(work(READ_NOTES, case_id, ReadNotes(desk.known), asked))
    kept = await desk.views.kept(case_id)
    if kept is None:
        raise NotFound
    found = await desk.views.notes(case_id, **outcome.body, after=after, limit=limit + 1)
    page, last = paged(found, limit)
    said, texts = desk.vault.open(kept), desk.vault.texts(kept, page)
    items = [told_note(note, masked_text(said, text)) for note, text in zip(page, texts, strict=True)]
    return items, (last.at, last.note_id) if last else None


async def notice(desk: Desk, case_id: UUID, asked: Asked) -> dict[str, Any]:
    """The written notice of what was decided on a case; audited, for the applicant is named in it."""
    await desk.shell.submit(work(PRINT, case_id, Print(desk.known.notices, desk.known.flags), asked))
    case, kept = await desk.views.case(case_id), await desk.views.kept(case_id)
    if case is None or kept is None:
        raise NotFound
    addressee, today = desk.vault.open(kept).applicant["name"], asked.at.astimezone(LOCAL).date()
    return desk.known.notices.written(case, addressee, today)


async def find(desk: Desk, query: Query) -> Page:
    """A page of cases, newest first and without personal fields, and the case after which the next begins."""
    page, last = paged(await desk.views.find(query), query.limit)
    return await listed(desk, query, page), last[0].case_id if last else None


async def listed(desk: Desk, query: Query, cases: Sequence[tuple[Case, int]]) -> list[dict[str, Any]]:
    """The cases of a list as they are told to who asks for it."""
    tell = answer if query.portal is None else told_to_portal
    return await screened(desk, query, [tell(case, version) for case, version in cases])


def check_criteria(caller: Principal, **staff_only: str | None) -> None:
    """Let pass what this caller may ask lists by: a portal not by what staff think of its cases."""
    asked = [name for name, value in staff_only.items() if value is not None]
    if caller.portal is not None and asked:
        raise Invalid(errors=[FieldError(f"/{name}", "staff_only") for name in asked])


def phone_hashes(desk: Desk, phone: str, districts: frozenset[str]) -> dict[str, tuple[bytes, ...]]:
    """What to look for when a caller tells a number, or its last four digits; Invalid for what is neither."""
    if _LAST_FOUR.fullmatch(phone):
        traces = [desk.vault.trace(district, phone) for district in sorted(districts)]
        return {"last_fours": tuple(trace.last_four for trace in traces)}
    return number_hashes(desk, whole_number(phone), districts)


def whole_number(phone: str) -> str:
    """The number in E.164; Invalid for what is none."""
    e164 = read_phone(phone).e164
    if e164 is None:
        raise Invalid(errors=[FieldError("/phone", "invalid_phone")])
    return e164


def number_hashes(desk: Desk, e164: str, districts: frozenset[str]) -> dict[str, tuple[bytes, ...]]:
    """What to look for to find the matters of a whole number."""
    return {"phones": tuple(desk.vault.trace(district, e164).whole for district in sorted(districts))}
