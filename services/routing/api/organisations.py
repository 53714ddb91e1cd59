"""Organisations: their profile, availability and API keys."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Query
from pydantic import Field, model_validator
from starlette.requests import Request
from starlette.responses import Response

from libs.events.base import Code, Count, Shape
from libs.events.organisation import Leave, OrganisationProfile
from libs.web import apikeys
from libs.web.answers import answer, json
from libs.web.auth import staff
from libs.web.errors import FieldError, Invalid, NotFound
from libs.web.etag import etag, if_match
from libs.web.idempotency import idempotency
from libs.web.paging import DEFAULT_LIMIT, After, Limit, decode, encode, page
from libs.web.principal import Principal
from services.routing.api.container import Container, act, container
from services.routing.domain.organisation import Availability, Organisation
from services.routing.handlers import registry

router = APIRouter(tags=["organisations"])

_OFFICERS: Final = ("operator", "dispatcher", "supervisor", "duty_officer", "admin")
_PARTNERS: Final = ("partner_handler", "partner_lead")
Officer = Annotated[Principal, Depends(staff(*_OFFICERS))]
Reader = Annotated[Principal, Depends(staff(*_OFFICERS, *_PARTNERS))]
Admin = Annotated[Principal, Depends(staff("admin"))]
Scheduler = Annotated[Principal, Depends(staff("admin", "supervisor", "duty_officer", "partner_lead"))]
OrgId = Annotated[Code, "the organisation's name for ever"]

LIST: Final = "organisations"
_SHOWN_BESIDES: Final = ("version", "district", "class", "keys")
"""Members of an answer that are no part of the profile; who sends an answer back may leave them in."""


class OrganisationForm(OrganisationProfile):
    """`PUT /v1/organisations/{org_id}`: the whole profile."""

    @model_validator(mode="before")
    @classmethod
    def _without_what_is_only_shown(cls, told: Any) -> Any:
        if not isinstance(told, Mapping):
            return told
        return {name: value for name, value in told.items() if name not in _SHOWN_BESIDES}


class AvailabilityForm(Shape):
    """`PATCH …/availability`: what is named changes."""

    paused: bool | None = None
    leave: tuple[Leave, ...] | None = Field(None, max_length=50)
    capacity: Count | None = None
    new_per_day: Count | None = None


class KeyForm(Shape):
    """`POST …/keys`: what the key may be used for; nothing named: everything an organisation may do."""

    scopes: tuple[Code, ...] = Field((), max_length=20)


@router.get("/v1/organisations")
async def list_all(
    request: Request,
    caller: Officer,
    limit: Limit = DEFAULT_LIMIT,
    after: After = None,
    type: Code | None = None,
    class_: Annotated[Code | None, Query(alias="class")] = None,
) -> Response:
    """The organisations of the caller's districts, partners and bodies, by id."""
    parts = container(request)
    last = decode(LIST, after, str)
    types = [
        code for code, of in parts.vocabulary.classes.items() if class_ in (None, of) and type in (None, code)
    ]
    found = await parts.views.organisations(
        sorted(caller.districts), types, last[0] if last else "", limit + 1
    )
    more = encode(LIST, found[limit - 1].org_id) if len(found) > limit else None
    return json(page([_view(parts, org) for org in found[:limit]], more))


@router.get("/v1/organisations/{org_id}")
async def read(request: Request, org_id: OrgId, caller: Reader) -> Response:
    """One organisation with its version."""
    parts = container(request)
    found = await parts.views.organisation(org_id)
    if found is None or not registry.sees(caller.actor(), found):
        raise NotFound()
    return _shown(parts, found)


@router.put("/v1/organisations/{org_id}")
async def put(request: Request, org_id: OrgId, form: OrganisationForm, caller: Admin) -> Response:
    """A new organisation (201), or another profile of one whose version the caller names (200)."""
    parts = container(request)
    if form.org_id != org_id:
        raise Invalid(errors=[FieldError("/org_id", "not_the_address")])
    after = await registry.put_organisation(
        parts.registry,
        act(request, caller, "organisation.put"),
        OrganisationProfile(**dict(form)),
        if_match(request) if "if-match" in request.headers else None,
        parts.vocabulary,
    )
    return _shown(parts, after, 201 if after.version == 1 else 200)


@router.patch("/v1/organisations/{org_id}/availability")
async def patch_availability(
    request: Request, org_id: OrgId, form: AvailabilityForm, caller: Scheduler
) -> Response:
    """Another pause, leave, capacity or daily number; a partner's head for the own organisation."""
    parts = container(request)
    doing, told = act(request, caller, "organisation.availability"), if_match(request)
    after = await registry.set_availability(parts.registry, doing, org_id, told, Availability(**dict(form)))
    return _shown(parts, after)


@router.post("/v1/organisations/{org_id}/keys")
async def post_key(request: Request, org_id: OrgId, form: KeyForm, caller: Admin) -> Response:
    """A new API key. It is shown in this answer and never again: a repeated request gets null for it."""
    once = idempotency(request, caller)
    key = apikeys.generate()
    doing = act(request, caller, "organisation.key_issued")
    hash_ = apikeys.hash_of(key).hex()
    outcome = await registry.issue_key(container(request).registry, doing, org_id, hash_, form.scopes, once)
    return answer(outcome if outcome.replayed else replace(outcome, body=outcome.body | {"key": key}))


@router.delete("/v1/organisations/{org_id}/keys/{key_id}")
async def delete_key(request: Request, org_id: OrgId, key_id: Code, caller: Admin) -> Response:
    """The key opens nothing any more; revoking it twice is no error."""
    doing = act(request, caller, "organisation.key_revoked")
    after = await registry.revoke_key(container(request).registry, doing, org_id, key_id)
    return Response(status_code=204, headers={"etag": etag(after.version)})


def _shown(parts: Container, organisation: Organisation, status: int = 200) -> Response:
    return json(_view(parts, organisation), status, etag=etag(organisation.version))


def _view(parts: Container, organisation: Organisation) -> dict[str, Any]:
    return {
        **organisation.profile.model_dump(mode="json"),
        "version": organisation.version,
        "district": organisation.district,
        "class": parts.vocabulary.classes.get(organisation.profile.type),
        "keys": [
            {
                "key_id": key.key_id,
                "scopes": list(key.scopes),
                "issued_at": key.issued_at,
                "revoked_at": key.revoked_at,
            }
            for key in organisation.keys
        ],
    }
