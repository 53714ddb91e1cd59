"""HTTP in (interfaces.md 3): parse, let in, call one handler, answer."""

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query
from starlette.requests import Request
from starlette.responses import Response

from libs.events.base import Area
from libs.web import paging
from libs.web.answers import answer, json
from libs.web.etag import etag, if_match
from libs.web.paging import After, Limit
from libs.web.principal import Principal
from services.intake.api.common import (
    Caller,
    Dispatcher,
    NoteReader,
    Reader,
    Registering,
    Supervisor,
    command_of,
    desk_of,
    inquiry_of,
)
from services.intake.domain.statement import (
    Amendment,
    ChildStatement,
    Code,
    Day,
    Draft,
    Duty,
    Erasure,
    FlagChange,
    HoldChange,
    Lack,
    Objection,
    PersonFile,
    Relation,
    Release,
    Reminder,
    Reveal,
    Ruling,
    Search,
    Statement,
    check_codes,
    check_days,
)
from services.intake.handlers import (
    acting,
    amending,
    persons,
    reading,
    registering,
    searching,
    suggesting,
)
from services.intake.handlers.desk import Desk
from services.intake.handlers.desk import Query as Wanted

CASES = "cases"
NOTES = "notes"

router = APIRouter(prefix="/v1/cases", tags=["cases"])
drafts = APIRouter(prefix="/v1/suggestions", tags=["cases"])
people = APIRouter(prefix="/v1/persons", tags=["persons"])


@router.post("", status_code=201)
async def register(request: Request, said: Statement, caller: Registering) -> Response:
    """Register a matter, with flags, urgency and grid; a decision may come with it."""
    return answer(await registering.register(desk_of(request), said, command_of(request, caller)))


@router.get("")
async def list_cases(
    request: Request,
    caller: Reader,
    state: Code | None = None,
    kind: Code | None = None,
    category: Code | None = None,
    area: Area | None = None,
    flag: Code | None = None,
    query_code: Code | None = None,
    needs: Annotated[Lack | None, Query()] = None,
    registered_from: Day | None = None,
    registered_to: Day | None = None,
    limit: Limit = paging.DEFAULT_LIMIT,
    after: After = None,
) -> Response:
    """The newest cases of the caller's districts, of a portal its own; `needs` is the triage queue,
    `registered_from` and `registered_to` are local days, both included."""
    criteria = {
        "state": state,
        "kind": kind,
        "category": category,
        "area": area,
        "flag": flag,
        "query_code": query_code,
        "needs": needs,
        "registered_from": registered_from,
        "registered_to": registered_to,
    }
    check_days(registered_from, registered_to, "/query")
    return await _page(desk_of(request), caller, limit, after, criteria, at="/query")


@router.post("/search")
async def search(request: Request, search: Search, caller: Reader) -> Response:
    """The same list, also by a text of the narrative (`q`) and by phone: whole, or its last four digits.

    Parts of `q`, divided by blanks or punctuation, stand in the narrative in any order; names are not found.
    A page may be short and still have a next one.
    """
    desk = desk_of(request)
    criteria = searching.criteria_of(desk, search, caller.districts)
    return await _page(desk, caller, search.limit, search.after, criteria, search.q)


@router.get("/{case_id}")
async def read(request: Request, case_id: UUID, caller: Reader) -> Response:
    """One case, its personal fields masked."""
    body, version = await reading.read(desk_of(request), case_id, inquiry_of(request, caller))
    return json(body, etag=etag(version))


@router.patch("/{case_id}")
async def amend(request: Request, case_id: UUID, amendment: Amendment, caller: Caller) -> Response:
    """Change what was said, with a reason; what was said before is kept. Needs `If-Match`."""
    asked = command_of(request, caller, version=if_match(request))
    return answer(await amending.change(desk_of(request), case_id, amendment, asked))


@router.post("/{case_id}/reveal")
async def reveal(request: Request, case_id: UUID, purpose: Reveal, caller: Supervisor) -> Response:
    """One case and its `notes` in plain, for a purpose that stays with the audit record."""
    body, version = await reading.reveal(desk_of(request), case_id, purpose, inquiry_of(request, caller))
    return json(body, etag=etag(version))


@router.get("/{case_id}/notes")
async def notes(
    request: Request,
    case_id: UUID,
    caller: NoteReader,
    limit: Limit = paging.DEFAULT_LIMIT,
    after: After = None,
) -> Response:
    """The free texts that acts left on a case (reasons, reminders), the oldest first, names and numbers
    masked; where secrecy was asked for they are a supervisor's. Purposes of unmasking are for supervisors,
    and all that an auditor sees: `note_id` is the `purpose` of the audit entry."""
    begin = paging.decode(NOTES, after, datetime, UUID)
    items, last = await reading.notes(desk_of(request), case_id, inquiry_of(request, caller), begin, limit)
    return json(paging.page(items, paging.encode(NOTES, last[0], str(last[1])) if last else None))


@router.get("/{case_id}/notice")
async def notice(request: Request, case_id: UUID, caller: Dispatcher) -> Response:
    """The written notice of what was decided, to be printed: addressee, paragraphs, number, date."""
    return json(await reading.notice(desk_of(request), case_id, inquiry_of(request, caller)))


@router.post("/{case_id}/decision")
async def decide(request: Request, case_id: UUID, ruling: Ruling, caller: Caller) -> Response:
    """Accept, refuse, forward or merge; needs `If-Match`."""
    asked = command_of(request, caller, version=if_match(request))
    return answer(await acting.decide(desk_of(request), case_id, ruling, asked))


@router.post("/{case_id}/objection")
async def take_back(request: Request, case_id: UUID, objection: Objection, caller: Dispatcher) -> Response:
    """Take a forwarded case back to which its body objects in time (XF22 art 23); needs `If-Match`."""
    asked = command_of(request, caller, version=if_match(request))
    return answer(await acting.objected(desk_of(request), case_id, objection, asked))


@router.post("/{case_id}/flags")
async def change_flags(request: Request, case_id: UUID, change: FlagChange, caller: Caller) -> Response:
    """Raise flags; lower them as a supervisor, with a reason."""
    return answer(await acting.flag(desk_of(request), case_id, change, command_of(request, caller)))


@router.post("/{case_id}/release")
async def release(request: Request, case_id: UUID, why: Release, caller: Supervisor) -> Response:
    """Let a case go to routing that a flag holds back; needs `If-Match`."""
    asked = command_of(request, caller, version=if_match(request))
    return answer(await acting.let_go(desk_of(request), case_id, why, asked))


@router.post("/{case_id}/reminders")
async def remind(request: Request, case_id: UUID, reminder: Reminder, caller: Caller) -> Response:
    """Record that the citizen asked again (催办)."""
    return answer(await acting.reminded(desk_of(request), case_id, reminder, command_of(request, caller)))


@router.post("/{case_id}/related")
async def relate(request: Request, case_id: UUID, relation: Relation, caller: Caller) -> Response:
    """Note that another case belongs to this one, such as the one that ended before new facts came up."""
    return answer(await acting.connected(desk_of(request), case_id, relation, command_of(request, caller)))


@router.post("/{case_id}/children", status_code=201)
async def open_child(request: Request, case_id: UUID, said: ChildStatement, caller: Caller) -> Response:
    """Open a dispute, consultation, support or service case under this one; what is left out is its own."""
    return answer(await registering.open_child(desk_of(request), case_id, said, command_of(request, caller)))


@router.post("/{case_id}/duties")
async def fulfil(request: Request, case_id: UUID, duty: Duty, caller: Caller) -> Response:
    """Record that an act was done that one of intake's clocks waits for."""
    return answer(await acting.done(desk_of(request), case_id, duty, command_of(request, caller)))


@router.post("/{case_id}/erasure")
async def erase(request: Request, case_id: UUID, erasure: Erasure, caller: Supervisor) -> Response:
    """Erase the personal data of a finished case, in every service; needs `If-Match`. Cannot be undone."""
    asked = command_of(request, caller, version=if_match(request))
    return answer(await acting.erased(desk_of(request), case_id, erasure, asked))


@router.post("/{case_id}/holds")
async def hold(request: Request, case_id: UUID, change: HoldChange, caller: Supervisor) -> Response:
    """Keep a case from being erased, for coded reasons, or let it go again."""
    return answer(await acting.hold(desk_of(request), case_id, change, command_of(request, caller)))


@drafts.post("")
async def suggest(request: Request, draft: Draft, caller: Caller) -> Response:
    """What a text suggests, each with its reasons, best first; nothing is kept."""
    return json(await suggesting.suggest(desk_of(request), draft, caller))


@people.post("/file")
async def file(request: Request, wanted: PersonFile, caller: Supervisor) -> Response:
    """All that is kept of an applicant, found by their present number, in plain (PIPL art 45); each case is
    audited."""
    return json(await persons.file_of(desk_of(request), wanted, caller, inquiry_of(request, caller)))


async def _page(
    desk: Desk,
    caller: Principal,
    limit: int,
    after: str | None,
    criteria: dict[str, Any],
    text: str | None = None,
    at: str = "",
) -> Response:
    reading.check_criteria(caller, flag=criteria.get("flag"), needs=criteria.get("needs"))
    check_codes(criteria, desk.known, at)
    begin = paging.decode(CASES, after, UUID, at=f"{at}/after")
    wanted = Wanted.of(caller, limit=limit, after=begin[0] if begin else None, **criteria)
    items, last = await searching.look(desk, text, wanted)
    return json(paging.page(items, paging.encode(CASES, str(last)) if last else None))
