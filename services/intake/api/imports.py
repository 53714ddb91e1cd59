"""Many matters in one file: sent, followed, and the refused rows fetched (interfaces.md 3)."""

from typing import Any, Final
from uuid import UUID

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from libs.tables.reading import CHARSETS, MEDIA, Form
from libs.tables.writing import media_type
from libs.web.answers import json
from libs.web.body import accepts, media_of, uploaded
from libs.web.idempotency import idempotency
from libs.web.problems import language_of
from services.intake.api.common import Caller, command_of, desk_of, inquiry_of
from services.intake.handlers import importing

LARGEST: Final = 50 * 2**20
"""Bytes of a file."""

FILE: Final = accepts(*MEDIA, max_bytes=LARGEST, charsets=CHARSETS)

TABLE: Final[dict[int | str, dict[str, Any]]] = {
    200: {"description": "A file", "content": {media: {} for media in MEDIA}}
}
"""The answer of a door that gives a file, as it is described."""

router = APIRouter(prefix="/v1/imports", tags=["imports"])


@router.post("", status_code=202, openapi_extra=FILE)
async def send(request: Request, caller: Caller) -> Response:
    """Send a CSV or XLSX file of matters to register; sent again, it is answered with its first import."""
    idempotency(request, caller)  # is there, before a long body is read
    desk, form = desk_of(request), MEDIA.get(media_of(request), "csv")
    received = await importing.receive(desk, form, uploaded(request))
    told, known = await importing.begin(desk, received, command_of(request, caller))
    headers = {"location": f"/v1/imports/{told.import_id}"}
    if known:
        headers["idempotent_replayed"] = "true"
    return json(told.answer(language_of(request.scope)), 202, **headers)


@router.get("/template.csv", response_class=Response, responses=TABLE)
async def csv_template(request: Request, caller: Caller) -> Response:
    """An empty file with every heading."""
    return _file(request, "csv")


@router.get("/template.xlsx", response_class=Response, responses=TABLE)
async def xlsx_template(request: Request, caller: Caller) -> Response:
    """An empty workbook with every heading; its second sheet says what to enter."""
    return _file(request, "xlsx")


@router.get("/{import_id}")
async def progress(request: Request, import_id: UUID, caller: Caller) -> Response:
    """How far an import is; for its sender alone."""
    told = await importing.progress(desk_of(request), import_id, inquiry_of(request, caller))
    return json(told.answer(language_of(request.scope)))


@router.get("/{import_id}/errors", response_class=Response, responses=TABLE)
async def errors(request: Request, import_id: UUID, caller: Caller) -> Response:
    """The refused rows with a column of reasons, in the form that was sent; mended, it is sent again."""
    form, file = await importing.errors(desk_of(request), import_id, inquiry_of(request, caller))
    return StreamingResponse(file, 200, attachment(f"errors.{form}"), media_type(form))


def attachment(name: str) -> dict[str, str]:
    """The header by which a browser keeps a file instead of showing it."""
    return {"content-disposition": f'attachment; filename="{name}"'}


def _file(request: Request, form: Form) -> Response:
    made = importing.template(desk_of(request), form)
    return Response(made, 200, attachment(f"template.{form}"), media_type(form))
