"""Portals' keys: issued, listed and revoked by administrators of the district."""

from collections.abc import Sequence

from libs.db.work import Outcome
from libs.web.errors import FieldError, Invalid, NotFound
from services.intake.domain.portal import ChannelKey, check_scopes
from services.intake.domain.statement import KeyWanted
from services.intake.handlers.desk import Asked, Desk, paged
from services.intake.handlers.registering import district_of

Place = tuple[str, str, str]
"""District, channel and key: the order of the list."""


async def issue(
    desk: Desk, channel: str, wanted: KeyWanted, hash_: bytes, shown: str, asked: Asked
) -> Outcome:
    """One more key of a portal, told without its secret: the answer is kept for repeated requests, the
    secret is not. A portal is there from its first key on."""
    district = district_of(wanted, asked.actor, await desk.places.current())
    scopes = check_scopes(wanted.scopes)
    if wanted.expires_at is not None and wanted.expires_at <= asked.at:
        raise Invalid(errors=[FieldError("/expires_at", "in_past")])
    key_id = f"{channel}.k{desk.new_id().hex[-8:]}"
    key = ChannelKey(key_id, channel, district, scopes, shown, asked.at, wanted.expires_at)
    return await desk.channels.issue(key, hash_, asked)


async def revoke(desk: Desk, channel: str, key_id: str, asked: Asked) -> None:
    """The key opens nothing any more; revoking it twice is no error."""
    if not await desk.channels.revoke(channel, key_id, asked):
        raise NotFound


async def listed(
    desk: Desk, districts: frozenset[str], after: Place | None, limit: int
) -> tuple[Sequence[ChannelKey], Place | None]:
    """A page of the districts' keys, and the place after which the next begins."""
    page, last = paged(await desk.channels.keys(districts, after, limit + 1), limit)
    return page, (last.district, last.channel, last.key_id) if last else None
