"""Portals' API keys, for administrators."""

from dataclasses import replace
from typing import Annotated, Final

from fastapi import APIRouter, Depends, Path
from starlette.requests import Request
from starlette.responses import Response

from libs.web import apikeys, paging
from libs.web.answers import answer, json
from libs.web.auth import staff
from libs.web.paging import After, Limit
from libs.web.principal import Principal
from services.intake.api.common import command_of, desk_of
from services.intake.domain.statement import ChannelName, Code, KeyWanted
from services.intake.handlers import channels

KEYS: Final = "channel_keys"

Admin = Annotated[Principal, Depends(staff("admin"))]
Name = Annotated[ChannelName, Path()]

router = APIRouter(prefix="/v1/channels", tags=["channels"])


@router.get("")
async def list_keys(
    request: Request, caller: Admin, limit: Limit = paging.DEFAULT_LIMIT, after: After = None
) -> Response:
    """The keys of the portals of the caller's districts, revoked ones among them, without their secrets."""
    begin = paging.decode(KEYS, after, str, str, str)
    keys, last = await channels.listed(desk_of(request), caller.districts, begin, limit)
    return json(paging.page([key.told() for key in keys], paging.encode(KEYS, *last) if last else None))


@router.post("/{name}/keys", status_code=201)
async def issue(request: Request, name: Name, wanted: KeyWanted, caller: Admin) -> Response:
    """A new API key. It is shown in this answer and never again: a repeated request gets null for it."""
    secret = apikeys.generate()
    outcome = await channels.issue(
        desk_of(request),
        name,
        wanted,
        apikeys.hash_of(secret),
        apikeys.shown(secret),
        command_of(request, caller),
    )
    return answer(outcome if outcome.replayed else replace(outcome, body=outcome.body | {"key": secret}))


@router.delete("/{name}/keys/{key_id}", status_code=204)
async def revoke(request: Request, name: Name, key_id: Code, caller: Admin) -> Response:
    """The key opens nothing any more, within two seconds; revoking it twice is no error."""
    await channels.revoke(desk_of(request), name, key_id, command_of(request, caller))
    return Response(status_code=204)
