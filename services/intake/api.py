"""HTTP in (interfaces.md 3): parse, let in, call one handler, answer."""

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Query
from starlette.requests import Request
from starlette.responses import Response

from libs.runtime.telemetry import traceparent
from libs.web import paging
from libs.web.answers import answer, json
from libs.web.asgi import received_at
from libs.web.auth import staff
from libs.web.etag import etag, if_match
from libs.web.idempotency import idempotency
from libs.web.paging import After, Limit
from libs.web.principal import Principal
from services.intake.domain.case import DISPATCHERS, REGISTRARS, SEALED_OFFICERS, SUPERVISORS
from services.intake.domain.statement import (
    Amendment,
    AreaCode,
    ChildStatement,
    Code,
    Day,
    Draft,
    Duty,
    Erasure,
    FlagChange,
    Lack,
    PersonFile,
    Release,
    Reminder,
    Reveal,
    Ruling,
    Search,
    Statement,
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
from services.intake.handlers.desk import Asked, Desk
from services.intake.handlers.desk import Query as Wanted

CASES = "cases"

Caller = Annotated[Principal, Depends(staff(*REGISTRARS, *SEALED_OFFICERS))]
Dispatcher = Annotated[Principal, Depends(staff(*DISPATCHERS, *SEALED_OFFICERS))]
Supervisor = Annotated[Principal, Depends(staff(*SUPERVISORS, *SEALED_OFFICERS))]

router = APIRouter(prefix="/v1/cases", tags=["cases"])
drafts = APIRouter(prefix="/v1/suggestions", tags=["cases"])
people = APIRouter(prefix="/v1/persons", tags=["persons"])
ROUTERS = (router, drafts, people)


def _desk(request: Request) -> Desk:
    desk: Desk = request.app.state.container
    return desk


def _asked(request: Request, caller: Principal, *, version: int | None = None) -> Asked:
    """A request that acts, made repeatable by its key, or by the version that it names."""
    key = idempotency(request, caller, required=request.method == "POST")
    return Asked(caller.actor(), received_at(request), key, version, traceparent())


def _reading(request: Request, caller: Principal) -> Asked:
    return Asked(caller.actor(), received_at(request), trace=traceparent())


@router.post("", status_code=201)
async def register(request: Request, said: Statement, caller: Caller) -> Response:
    """Register a matter, with flags, urgency and grid; a decision may come with it."""
    return answer(await registering.register(_desk(request), said, _asked(request, caller)))


@router.get("")
async def list_cases(
    request: Request,
    caller: Caller,
    state: Code | None = None,
    kind: Code | None = None,
    category: Code | None = None,
    area: AreaCode | None = None,
    flag: Code | None = None,
    query_code: Code | None = None,
    needs: Annotated[Lack | None, Query()] = None,
    registered_from: Day | None = None,
    registered_to: Day | None = None,
    limit: Limit = paging.DEFAULT_LIMIT,
    after: After = None,
) -> Response:
    """The newest cases of the caller's districts; `needs` is the triage queue, `registered_from` and
    `registered_to` are local days, both included."""
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
    return await _page(_desk(request), caller, limit, after, criteria)


@router.post("/search")
async def search(request: Request, search: Search, caller: Caller) -> Response:
    """The same list, also by a text of the narrative (`q`) and by phone: whole, or its last four digits.

    Parts of `q`, divided by blanks or punctuation, stand in the narrative in any order; names are not found.
    A page may be short and still have a next one.
    """
    desk = _desk(request)
    check_days(search.registered_from, search.registered_to)
    criteria = search.model_dump(exclude={"q", "phone", "limit", "after"})
    if search.phone is not None:
        criteria |= reading.phone_hashes(desk, search.phone, caller.districts)
    return await _page(desk, caller, search.limit, search.after, criteria, search.q)


@router.get("/{case_id}")
async def read(request: Request, case_id: UUID, caller: Caller) -> Response:
    """One case, its personal fields masked."""
    body, version = await reading.read(_desk(request), case_id, _reading(request, caller))
    return json(body, etag=etag(version))


@router.patch("/{case_id}")
async def amend(request: Request, case_id: UUID, amendment: Amendment, caller: Caller) -> Response:
    """Change what was said, with a reason; what was said before is kept. Needs `If-Match`."""
    asked = _asked(request, caller, version=if_match(request))
    return answer(await amending.change(_desk(request), case_id, amendment, asked))


@router.post("/{case_id}/reveal")
async def reveal(request: Request, case_id: UUID, purpose: Reveal, caller: Supervisor) -> Response:
    """One case in plain, for a purpose that stays with the audit record."""
    body, version = await reading.reveal(_desk(request), case_id, purpose, _reading(request, caller))
    return json(body, etag=etag(version))


@router.get("/{case_id}/notice")
async def notice(request: Request, case_id: UUID, caller: Dispatcher) -> Response:
    """The written notice of what was decided, to be printed: addressee, paragraphs, number, date."""
    return json(await reading.notice(_desk(request), case_id, _reading(request, caller)))


@router.post("/{case_id}/decision")
async def decide(request: Request, case_id: UUID, ruling: Ruling, caller: Caller) -> Response:
    """Accept, refuse, forward or merge; needs `If-Match`."""
    asked = _asked(request, caller, version=if_match(request))
    return answer(await acting.decide(_desk(request), case_id, ruling, asked))


@router.post("/{case_id}/flags")
async def change_flags(request: Request, case_id: UUID, change: FlagChange, caller: Caller) -> Response:
    """Raise flags; lower them as a supervisor, with a reason."""
    return answer(await acting.flag(_desk(request), case_id, change, _asked(request, caller)))


@router.post("/{case_id}/release")
async def release(request: Request, case_id: UUID, why: Release, caller: Supervisor) -> Response:
    """Let a case go to routing that a flag holds back; needs `If-Match`."""
    asked = _asked(request, caller, version=if_match(request))
    return answer(await acting.let_go(_desk(request), case_id, why, asked))


@router.post("/{case_id}/reminders")
async def remind(request: Request, case_id: UUID, reminder: Reminder, caller: Caller) -> Response:
    """Record that the citizen asked again (催办)."""
    return answer(await acting.reminded(_desk(request), case_id, reminder, _asked(request, caller)))


@router.post("/{case_id}/children", status_code=201)
async def open_child(request: Request, case_id: UUID, said: ChildStatement, caller: Caller) -> Response:
    """Open a dispute, consultation, support or service case under this one; what is left out is its own."""
    return answer(await registering.open_child(_desk(request), case_id, said, _asked(request, caller)))


@router.post("/{case_id}/duties")
async def fulfil(request: Request, case_id: UUID, duty: Duty, caller: Caller) -> Response:
    """Record that an act was done that one of intake's clocks waits for."""
    return answer(await acting.done(_desk(request), case_id, duty, _asked(request, caller)))


@router.post("/{case_id}/erasure")
async def erase(request: Request, case_id: UUID, erasure: Erasure, caller: Supervisor) -> Response:
    """Erase the personal data of a finished case, in every service; needs `If-Match`. Cannot be undone."""
    asked = _asked(request, caller, version=if_match(request))
    return answer(await acting.erased(_desk(request), case_id, erasure, asked))


@drafts.post("")
async def suggest(request: Request, draft: Draft, caller: Caller) -> Response:
    """What a text suggests, each with its reasons, best first; nothing is kept."""
    return json(await suggesting.suggest(_desk(request), draft, caller))


@people.post("/file")
async def file(request: Request, wanted: PersonFile, caller: Supervisor) -> Response:
    """All that is kept of a person, found by their number, in plain (PIPL art 45); each case is audited."""
    return json(await persons.file_of(_desk(request), wanted, caller, _reading(request, caller)))


async def _page(
    desk: Desk,
    caller: Principal,
    limit: int,
    after: str | None,
    criteria: dict[str, Any],
    text: str | None = None,
) -> Response:
    begin = paging.decode(CASES, after, UUID)
    wanted = Wanted.of(caller, limit=limit, after=begin[0] if begin else None, **criteria)
    items, last = await (reading.find(desk, wanted) if text is None else searching.search(desk, text, wanted))
    return json(paging.page(items, paging.encode(CASES, str(last)) if last else None))
