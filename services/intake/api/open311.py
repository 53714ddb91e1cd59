"""Open311 GeoReport v2, JSON alone (http://wiki.open311.org/GeoReport_v2/), for portals that speak it."""

from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Form, Query
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from libs.web import fieldtexts
from libs.web.answers import json
from libs.web.asgi import received_at
from libs.web.auth import Entrance, bearer, channel, open_to_all
from libs.web.body import FORMS, media_of
from libs.web.errors import NotFound, Refusal
from libs.web.principal import Principal
from libs.web.problems import entry, language_of, told
from libs.web.refusals import UnsupportedMedia
from services.intake.api.common import command_of, desk_of
from services.intake.domain.georeport import Report, Status, is_service, services
from services.intake.domain.portal import READ
from services.intake.domain.statement import Instant
from services.intake.handlers import georeport

STATUSES: Final = {401: 403, 422: 400}
"""Where the standard gives another status than the house."""

Jurisdiction = Annotated[str | None, Query(max_length=64)]
Text = Annotated[str | None, Query(max_length=4_000)]


@dataclass(frozen=True, eq=False)
class KeyInForm(Entrance):
    """The key stands in the header or, as the standard has it, in the form; never in the address (G21)."""

    async def credential(self, request: Request) -> str:
        """What the caller shows; raises UnsupportedMedia for a body that is no form."""
        if media_of(request) not in FORMS:
            raise UnsupportedMedia("send_a_form")
        key = bearer(request) or (await request.form()).get("api_key")
        return key if isinstance(key, str) else ""


class GeoReportRoute(APIRoute):
    """A route whose refusals are of the standard's shape: a list of code and description."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """The handler, its refusals translated."""
        handle = super().get_route_handler()

        async def answered(request: Request) -> Response:
            try:
                return await handle(request)
            except (Refusal, HTTPException, RequestValidationError) as error:
                return _refused(request, error)

        return answered


_REFUSAL: Final = {
    "type": "array",
    "items": {
        "type": "object",
        "required": ["code", "description"],
        "properties": {"code": {"type": "integer"}, "description": {"type": "string"}},
    },
}
_REFUSED: Final[Mapping[int | str, dict[str, Any]]] = {
    "4XX": {
        "description": "Refused, as the standard words it",
        "content": {"application/json": {"schema": _REFUSAL}},
    }
}

router = APIRouter(prefix="/open311/v2", tags=["open311"], route_class=GeoReportRoute, responses={**_REFUSED})

Reader = Annotated[Principal, Depends(channel(READ))]
Reporter = Annotated[Principal, Depends(KeyInForm(keys=(("channel", "api"),)))]


@router.get("/services.json", dependencies=[Depends(open_to_all)])
async def list_services(request: Request, jurisdiction_id: Jurisdiction = None) -> Response:
    """The categories under which reports are taken."""
    await _check_known(request, jurisdiction_id)
    return json(services(desk_of(request).known))


@router.get("/services/{code}.json", dependencies=[Depends(open_to_all)])
async def service(request: Request, code: str, jurisdiction_id: Jurisdiction = None) -> Response:
    """A service's further questions: there are none."""
    await _check_known(request, jurisdiction_id)
    if not is_service(code, desk_of(request).known):
        raise NotFound("service_code")
    return json({"service_code": code, "attributes": []})


@router.post("/requests.json", status_code=201)
async def report(request: Request, said: Annotated[Report, Form()], caller: Reporter) -> Response:
    """Register a report. An `Idempotency-Key` is kept if there is one."""
    _check_own(caller, said.jurisdiction_id)
    return json(
        [await georeport.report(desk_of(request), said, command_of(request, caller, keyed=False))], 201
    )


@router.get("/requests.json")
async def list_requests(
    request: Request,
    caller: Reader,
    jurisdiction_id: Jurisdiction = None,
    service_request_id: Text = None,
    service_code: Text = None,
    start_date: Instant | None = None,
    end_date: Instant | None = None,
    status: Annotated[str | None, Query(pattern=r"^(open|closed)(,(open|closed))?$")] = None,
) -> Response:
    """The key's own requests, newest first."""
    _check_own(caller, jurisdiction_id)
    statuses: list[Status] = [one for one in ("open", "closed") if one in (status or "").split(",")]
    found = await georeport.requests(
        desk_of(request),
        caller,
        received_at(request),
        ids=service_request_id.split(",") if service_request_id else None,
        service_code=service_code,
        start=start_date,
        end=end_date,
        statuses=statuses,
    )
    return json(found)


@router.get("/requests/{service_request_id}.json")
async def one_request(
    request: Request, service_request_id: str, caller: Reader, jurisdiction_id: Jurisdiction = None
) -> Response:
    """One request of the key's own."""
    _check_own(caller, jurisdiction_id)
    found = await georeport.requests(desk_of(request), caller, received_at(request), ids=[service_request_id])
    if not found:
        raise NotFound("service_request_id")
    return json(found)


async def _check_known(request: Request, district: str | None) -> None:
    if district is not None and district not in await desk_of(request).places.current():
        raise NotFound("jurisdiction_id")


def _check_own(caller: Principal, district: str | None) -> None:
    if district is not None and not caller.covers(district):
        raise NotFound("jurisdiction_id")


def _refused(request: Request, error: Exception) -> Response:
    spoken = language_of(request.scope)
    refusal = told(request, error, spoken)
    status = STATUSES.get(refusal.status, refusal.status)
    title = refusal.title.en if spoken == "en" else refusal.title.zh
    faults = [entry(fault, spoken) for fault in refusal.errors]
    texts = [": ".join(filter(None, (fault["pointer"].strip("/"), fault["detail"]))) for fault in faults]
    listed = texts or [": ".join(filter(None, (title, fieldtexts.worded(refusal.detail, spoken))))]
    headers = {"retry_after": str(refusal.retry_after)} if refusal.retry_after is not None else {}
    return json([{"code": status, "description": text} for text in listed], status, **headers)
