"""HTTP in: files of a case, sent and fetched through intake as their reader's own request."""

from uuid import UUID

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response, StreamingResponse

from libs.web.errors import Refusal
from libs.web.multipart import LARGEST, LONGEST, accepts_file, one_file
from libs.web.problems import Refused, refusal_of
from services.console.api.casework import case_with_fault
from services.console.api.common import FORM, Person, container, own_form, sent_form, texts
from services.console.handlers.casework import Upload, attach, fetch, let_out

router = APIRouter(prefix="/cases/{case_id}/attachments", include_in_schema=False)


@router.post("", openapi_extra=accepts_file(LARGEST))
async def send(request: Request, case_id: UUID, account: Person) -> Response:
    """Send a file for the case; a refused one has to be chosen again, as browsers want it."""
    behind = container(request)
    try:
        with behind.turns.take(account.user):
            sent = await one_file(request, LARGEST, LONGEST, beside=("form", "key"))
            own_form(request, sent.beside.get("form", ""))
            file = Upload(sent.name, sent.media, sent.content)
            await attach(behind.services, account, case_id, file, sent.beside.get("key", ""))
    except (Refusal, Refused) as refused:
        return await case_with_fault(request, account, case_id, refusal_of(refused))
    return RedirectResponse(f"/cases/{case_id}#files", 303)


@router.get("/{attachment_id}")
async def save(request: Request, case_id: UUID, attachment_id: UUID, account: Person) -> Response:
    """A released file, to be saved."""
    file = await fetch(container(request).services, account, case_id, attachment_id)
    return StreamingResponse(file.pieces, 200, dict(file.headers))


@router.post("/{attachment_id}/release", openapi_extra=FORM)
async def release(request: Request, case_id: UUID, attachment_id: UUID, account: Person) -> Response:
    """Let a file out of quarantine."""
    form = texts(await sent_form(request))
    try:
        await let_out(container(request).services, account, case_id, attachment_id, form.get("key", ""))
    except Refusal as refusal:
        return await case_with_fault(request, account, case_id, refusal)
    return RedirectResponse(f"/cases/{case_id}#files", 303)
