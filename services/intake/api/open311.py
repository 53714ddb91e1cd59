"""Open311 GeoReport v2, JSON alone (http://wiki.open311.org/GeoReport_v2/), for portals that speak it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Form, Query
from starlette.requests import Request
from starlette.responses import Response

from libs.web import fieldtexts
from libs.web.answers import json
from libs.web.asgi import received_at
from libs.web.auth import Entrance, bearer, channel, open_to_all
from libs.web.body import FORMS, media_of
from libs.web.errors import FieldError, Invalid, NotFound, Refusal
from libs.web.fieldfaults import Language, pointer, twice
from libs.web.principal import Principal
from libs.web.problems import WordedRoute, entry
from libs.web.refusals import UnsupportedMedia
from services.intake.api.common import command_of, desk_of
from services.intake.domain.georeport import Report, Status, is_service, listed, services
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
        """What the caller shows; raises UnsupportedMedia for a body that is no form, Invalid for a field that
        stands in it twice."""
        if media_of(request) not in FORMS:
            raise UnsupportedMedia("send_a_form")
        form = await request.form()
        if (name := twice(name for name, _ in form.multi_items())) is not None:
            raise Invalid(errors=[FieldError(pointer((name,)), "twice")])
        key = bearer(request) or form.get("api_key")
        return key if isinstance(key, str) else ""


class GeoReportRoute(WordedRoute):
    """A route whose refusals are of the standard's shape: a list of code and description."""

    @staticmethod
    def wording(refusal: Refusal, spoken: Language, headers: Mapping[str, str] | None = None) -> Response:
        """One entry for each fault, else one for the whole."""
        status = STATUSES.get(refusal.status, refusal.status)
        title = refusal.title.en if spoken == "en" else refusal.title.zh
        faults = [entry(fault, spoken) for fault in refusal.errors]
        texts = [": ".join(filter(None, (fault["pointer"].strip("/"), fault["detail"]))) for fault in faults]
        whole = ": ".join(filter(None, (title, fieldtexts.worded(refusal.detail, spoken))))
        answer = json([{"code": status, "description": text} for text in texts or [whole]], status)
        answer.headers.update(headers or {})
        if refusal.retry_after is not None:
            answer.headers["retry-after"] = str(refusal.retry_after)
        return answer


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
    """The key's own requests, newest first; numbers, where some are given, go before all other criteria."""
    _check_own(caller, jurisdiction_id)
    if ids := listed(service_request_id):
        return json(await georeport.requests(desk_of(request), caller, received_at(request), ids=ids))
    codes = listed(service_code)
    if not all(is_service(code, desk_of(request).known) for code in codes):
        raise NotFound("service_code")
    statuses: list[Status] = [one for one in ("open", "closed") if one in (status or "").split(",")]
    found = await georeport.requests(
        desk_of(request),
        caller,
        received_at(request),
        service_codes=codes,
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
