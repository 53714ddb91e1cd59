"""Areas: the tree of a district, and which grid an address means."""

from dataclasses import asdict
from typing import Annotated, Final

from fastapi import APIRouter, Depends
from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response

from libs.events.base import Code, District, Shape
from libs.events.organisation import AreaProfile
from libs.web.answers import json
from libs.web.auth import staff
from libs.web.errors import FieldError, Invalid
from libs.web.etag import etag, if_match
from libs.web.paging import DEFAULT_LIMIT, After, Limit, decode, encode, page
from libs.web.principal import Principal
from services.routing.api.container import act, container, own_district
from services.routing.domain.area import resolve
from services.routing.handlers.registry import draw_areas

router = APIRouter(tags=["areas"])

Reader = Annotated[Principal, Depends(staff("operator", "dispatcher", "supervisor", "duty_officer", "admin"))]
Admin = Annotated[Principal, Depends(staff("admin"))]

LIST: Final = "areas"


class TreeForm(Shape):
    """`PUT /v1/areas`: areas that are new or changed; those that are not named stay as they are."""

    items: tuple[AreaProfile, ...] = Field(min_length=1, max_length=1000)


class AddressForm(Shape):
    """`POST /v1/areas/resolve`."""

    address: str = Field(min_length=1, max_length=300)
    district: District | None = None


@router.get("/v1/areas")
async def list_all(
    request: Request,
    caller: Reader,
    limit: Limit = DEFAULT_LIMIT,
    after: After = None,
    district: District | None = None,
    level: Code | None = None,
) -> Response:
    """The areas of a district by code, the coarser before the finer; the ETag is that of the whole tree."""
    levels = container(request).levels
    wanted = levels.named(level) if level is not None else None
    if level is not None and wanted is None:
        raise Invalid(errors=[FieldError("?level", "unknown_code")])
    of = own_district(caller, district)
    last = decode(LIST, after, str)
    version, areas = await container(request).views.areas(of)
    of_level = [area for area in areas.values() if wanted in (None, levels.of(area.code))]
    rest = [area for area in of_level if last is None or area.code > last[0]]
    more = encode(LIST, rest[limit - 1].code) if len(rest) > limit else None
    return json(
        page([area.record(levels).model_dump(mode="json") for area in rest[:limit]], more), etag=etag(version)
    )


@router.put("/v1/areas")
async def put(request: Request, form: TreeForm, caller: Admin) -> Response:
    """Areas of one district, new or changed; a tree that exists is changed by who names its version."""
    told = if_match(request) if "if-match" in request.headers else None
    doing = act(request, caller, "areas.put")
    parts = container(request)
    version = await draw_areas(parts.registry, parts.levels, doing, form.items, told)
    return json({"district": form.items[0].code[:6], "version": version}, etag=etag(version))


@router.post("/v1/areas/resolve")
async def post_resolve(request: Request, form: AddressForm, caller: Reader) -> Response:
    """The grids that an address may mean, best first; stores nothing."""
    of = own_district(caller, form.district)
    parts = container(request)
    _, areas = await parts.views.areas(of)
    return json({"grids": [asdict(grid) for grid in resolve(parts.levels, areas, form.address)]})
