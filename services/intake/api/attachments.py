"""Files of a case: sent, listed, handed out to be saved and never to be shown, let out, taken out."""

from typing import Any, Final
from uuid import UUID

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from libs.files.names import disposition
from libs.web.answers import answer, json
from libs.web.idempotency import idempotency
from libs.web.multipart import LARGEST, LONGEST, accepts_file, one_file
from services.intake.api.common import (
    Dispatcher,
    Reader,
    Registering,
    Supervisor,
    command_of,
    desk_of,
    inquiry_of,
)
from services.intake.domain.statement import Removal
from services.intake.handlers import attachments

PLAIN: Final = "application/octet-stream"
"""What every file is handed out as, so that no browser runs or shows it; the list tells its type."""
HANDED_OUT: Final[dict[int | str, dict[str, Any]]] = {
    200: {"description": "The file", "content": {PLAIN: {"schema": {"type": "string", "format": "binary"}}}}
}

router = APIRouter(prefix="/v1/cases/{case_id}/attachments", tags=["attachments"])


@router.put("", status_code=201, openapi_extra=accepts_file(LARGEST))
async def attach(request: Request, case_id: UUID, caller: Registering) -> Response:
    """Send a file for a case (`file` of a form). What tells of place and device is taken out of it; it stays
    in quarantine until it was scanned or a person lets it out. Needs `Idempotency-Key`."""
    idempotency(request, caller)  # is there, before a long body is read
    desk = desk_of(request)
    await attachments.admit(desk, case_id, inquiry_of(request, caller))
    with desk.files.turns.take(caller.label()):
        sent = await one_file(request, LARGEST, LONGEST)
        asked = command_of(request, caller, keyed=True)
        outcome = await attachments.receive(desk, case_id, sent.name, sent.media, sent.content, asked)
    return answer(outcome)


@router.get("")
async def list_attachments(request: Request, case_id: UUID, caller: Reader) -> Response:
    """The files of a case with their states; names are masked for those who may not read the files."""
    return json(await attachments.listed(desk_of(request), case_id, inquiry_of(request, caller)))


@router.get("/{attachment_id}", response_class=Response, responses=HANDED_OUT)
async def fetch(request: Request, case_id: UUID, attachment_id: UUID, caller: Dispatcher) -> Response:
    """A released file, in plain; who reads it is audited."""
    asked = inquiry_of(request, caller)
    file = await attachments.handed_out(desk_of(request), case_id, attachment_id, asked)
    headers = {
        "content-disposition": disposition(file.name or str(attachment_id)),
        "content-length": str(file.size),
        "content-security-policy": "sandbox; default-src 'none'",
    }
    return StreamingResponse(file.pieces, 200, headers, PLAIN)


@router.post("/{attachment_id}/release")
async def release(request: Request, case_id: UUID, attachment_id: UUID, caller: Supervisor) -> Response:
    """Let a file out of quarantine, where no scanner does."""
    asked = command_of(request, caller)
    return answer(await attachments.let_go(desk_of(request), case_id, attachment_id, asked))


@router.post("/{attachment_id}/removal")
async def remove(
    request: Request, case_id: UUID, attachment_id: UUID, removal: Removal, caller: Supervisor
) -> Response:
    """Take a file out for a coded reason; content and name are destroyed. Cannot be undone."""
    asked = command_of(request, caller)
    return answer(await attachments.removed(desk_of(request), case_id, attachment_id, removal, asked))
