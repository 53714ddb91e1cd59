"""Organisations and areas: who may change them, and how. The registry does each change in one transaction."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from libs.areas import Levels
from libs.db.work import Actor, IdempotencyKey, Outcome
from libs.events.organisation import AreaProfile, OrganisationProfile
from libs.web.errors import FieldError, Invalid, NotFound, PreconditionRequired, Stale
from services.routing.domain import area, organisation
from services.routing.domain.area import Area
from services.routing.domain.organisation import Availability, Organisation, Vocabulary, check_expected

Change = Callable[[Organisation | None, frozenset[str]], Organisation]
"""Pure: the organisation as it stands (None: there is none) and the places of its district give the new
one."""

Redraw = Callable[[Mapping[str, Area], int], Sequence[Area]]
"""Pure: the areas of a district as they stand and the version of its tree give those that change."""


@dataclass(frozen=True, slots=True)
class Act:
    """Who does it, when it was asked for, and what the audit log calls it."""

    actor: Actor
    at: datetime
    name: str


class Registry(Protocol):
    """Does a change in one transaction, with its record, its audit entry and its outbox pointer."""

    async def change(self, org_id: str, district: str | None, change: Change, act: Act) -> Organisation:
        """The organisation after the change; `district`: where a new one would lie."""

    async def answer_once(
        self,
        key: IdempotencyKey,
        org_id: str,
        change: Change,
        act: Act,
        reply: Callable[[Organisation], Outcome],
    ) -> Outcome:
        """As `change`, for a request that may be repeated: the first answer is kept with the change."""

    async def redraw(self, district: str, redraw: Redraw, act: Act) -> int:
        """The version of the district's tree after the change."""


def sees(actor: Actor, found: Organisation) -> bool:
    """Whether it is the actor's own organisation or lies in a district of the actor's."""
    if actor.org_id is not None:
        return found.org_id == actor.org_id
    return found.district in actor.districts


async def put_organisation(
    registry: Registry, act: Act, profile: OrganisationProfile, told: int | None, words: Vocabulary
) -> Organisation:
    """A new organisation, or another profile of one whose version the caller names."""

    def change(before: Organisation | None, places: frozenset[str]) -> Organisation:
        if before is not None and not sees(act.actor, before):
            raise NotFound()
        check_expected(before, told)
        made = organisation.define(before, profile, words, places)
        if made.district not in act.actor.districts:
            raise Invalid(errors=[FieldError("/areas/0", "other_district")])
        return made

    return await registry.change(profile.org_id, profile.areas[0][:6], change, act)


async def set_availability(
    registry: Registry, act: Act, org_id: str, told: int, wanted: Availability
) -> Organisation:
    """Another pause, leave, capacity or daily number of the version that the caller names."""

    def change(before: Organisation) -> Organisation:
        check_expected(before, told)
        return organisation.change_availability(before, wanted)

    return await registry.change(org_id, None, _of_existing(act.actor, change), act)


async def issue_key(
    registry: Registry, act: Act, org_id: str, hash_: str, scopes: tuple[str, ...], once: IdempotencyKey
) -> Outcome:
    """One more key, told without its secret: the answer is kept for repeated requests, the secret is not."""

    def change(before: Organisation) -> Organisation:
        return organisation.issue_key(before, hash_, scopes, act.at)[0]

    return await registry.answer_once(once, org_id, _of_existing(act.actor, change), act, _issued)


async def revoke_key(registry: Registry, act: Act, org_id: str, key_id: str) -> Organisation:
    """The key opens nothing any more; revoking it twice is no error."""

    def change(before: Organisation) -> Organisation:
        return organisation.revoke_key(before, key_id, act.at)

    return await registry.change(org_id, None, _of_existing(act.actor, change), act)


async def draw_areas(
    registry: Registry, levels: Levels, act: Act, profiles: Sequence[AreaProfile], told: int | None
) -> int:
    """Areas of one of the caller's districts, new or changed; a tree that exists needs its version."""
    district = profiles[0].code[:6]
    if district not in act.actor.districts:
        raise NotFound()
    faults = [
        FieldError(f"/items/{nth}/code", "other_district")
        for nth, profile in enumerate(profiles)
        if not profile.code.startswith(district)
    ]
    if faults:
        raise Invalid(errors=faults)

    def redraw(known: Mapping[str, Area], version: int) -> Sequence[Area]:
        if version and told is None:
            raise PreconditionRequired()
        if told not in (None, version):
            raise Stale(version=version)
        return area.redraw(levels, known, profiles)

    return await registry.redraw(district, redraw, act)


async def seed(
    registry: Registry,
    levels: Levels,
    act: Act,
    areas: Sequence[AreaProfile],
    profiles: Iterable[OrganisationProfile],
    words: Vocabulary,
) -> None:
    """The sample district on first use. What is there already stays as people made it."""

    def missing(known: Mapping[str, Area], version: int) -> Sequence[Area]:
        return area.redraw(levels, known, [profile for profile in areas if profile.code not in known])

    for district in sorted({profile.code[:6] for profile in areas}):
        await registry.redraw(district, missing, act)
    for profile in profiles:
        await registry.change(profile.org_id, profile.areas[0][:6], _if_new(profile, words), act)


def _if_new(profile: OrganisationProfile, words: Vocabulary) -> Change:
    def change(before: Organisation | None, places: frozenset[str]) -> Organisation:
        return before or organisation.define(None, profile, words, places)

    return change


def _of_existing(actor: Actor, change: Callable[[Organisation], Organisation]) -> Change:
    """The change for an organisation that is there and that the actor sees."""

    def changed(before: Organisation | None, places: frozenset[str]) -> Organisation:
        if before is None or not sees(actor, before):
            raise NotFound()
        return change(before)

    return changed


def _issued(after: Organisation) -> Outcome:
    key = after.keys[-1]
    body = {
        "org_id": after.org_id,
        "key_id": key.key_id,
        "scopes": list(key.scopes),
        "issued_at": key.issued_at.isoformat(),
        "key": None,
    }
    return Outcome(201, body, after.version)
