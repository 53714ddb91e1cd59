"""Lists as files."""

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from libs.tables.writing import media_type
from services.intake.api.common import Caller, desk_of, inquiry_of
from services.intake.api.imports import TABLE, attachment
from services.intake.domain.statement import Export
from services.intake.handlers import exporting

router = APIRouter(prefix="/v1/cases", tags=["cases"])


@router.post("/export", response_class=Response, responses=TABLE)
async def export(request: Request, wanted: Export, caller: Caller) -> Response:
    """The cases that a search finds, as a CSV or XLSX file; its last row counts those before it."""
    rows = await exporting.export(desk_of(request), wanted, caller, inquiry_of(request, caller))
    return StreamingResponse(rows, 200, attachment(f"cases.{wanted.format}"), media_type(wanted.format))
