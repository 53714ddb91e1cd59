"""Organisations: what they say of themselves, their availability and their API keys."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final

from libs.events.organisation import KeyHash, Leave, OrganisationChanged, OrganisationProfile
from libs.web.errors import (
    FieldError,
    Invalid,
    NotFound,
    PreconditionRequired,
    Refusal,
    Stale,
    Title,
)

PARTNER: Final = "partner"
"""The class of types that have a queue in Heshi; the others get no offers."""

MAX_LIVE_KEYS: Final = 10


class TooManyKeys(Refusal):
    """An organisation rotates keys, it does not collect them."""

    CODE, TITLE = "too_many_keys", Title("有效密钥过多，请先吊销", "Revoke a key first")


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """The codes that an organisation may use. `classes` gives each type its class."""

    classes: Mapping[str, str]
    categories: frozenset[str]
    kinds: frozenset[str]
    modes: frozenset[str]
    languages: frozenset[str]
    data_views: frozenset[str]

    @classmethod
    def of(cls, data: Mapping[str, Mapping[str, Any]]) -> "Vocabulary":
        """The vocabulary of the parsed `organisations`, `categories` and `kinds` files."""
        organisations = data["organisations"]
        return cls(
            classes={row["code"]: row["class"] for row in organisations["types"]},
            categories=_codes(data["categories"]["categories"]),
            kinds=_codes(data["kinds"]["kinds"]),
            modes=_codes(organisations["modes"]),
            languages=_codes(organisations["languages"]),
            data_views=_codes(organisations["data_views"]),
        )


@dataclass(frozen=True, slots=True)
class Key:
    """An API key that was issued: its hash, never the key. `key_id` names the organisation and a number."""

    key_id: str
    hash: str
    scopes: tuple[str, ...]
    issued_at: datetime
    revoked_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Availability:
    """What an organisation changes from day to day; None leaves a value as it is."""

    paused: bool | None = None
    leave: tuple[Leave, ...] | None = None
    capacity: int | None = None
    new_per_day: int | None = None


@dataclass(frozen=True, slots=True)
class Organisation:
    """An organisation of one district; `version` rises with every change and is its ETag."""

    profile: OrganisationProfile
    district: str
    version: int
    keys: tuple[Key, ...] = ()

    @property
    def org_id(self) -> str:
        """Its name for ever; never given to another."""
        return self.profile.org_id

    @property
    def live_keys(self) -> tuple[Key, ...]:
        """The keys that open its cases."""
        return tuple(key for key in self.keys if key.revoked_at is None)

    def record(self) -> OrganisationChanged:
        """What the other services are told: profile and live keys."""
        return OrganisationChanged(
            **dict(self.profile),
            district=self.district,
            version=self.version,
            keys=tuple(
                KeyHash(key_id=key.key_id, hash=key.hash, scopes=key.scopes, issued_at=key.issued_at)
                for key in self.live_keys
            ),
        )


def check_expected(before: Organisation | None, told: int | None) -> None:
    """Two people cannot overwrite each other: who changes an organisation says which version they saw.

    Raises PreconditionRequired without one, Stale for another. A new organisation has none to name.
    """
    if before is None:
        if told is not None:
            raise Stale(version=0)
    elif told is None:
        raise PreconditionRequired()
    elif told != before.version:
        raise Stale(version=before.version)


def define(
    before: Organisation | None, profile: OrganisationProfile, words: Vocabulary, places: frozenset[str]
) -> Organisation:
    """The organisation with this profile, new or changed. Raises Invalid for codes that nobody knows, an
    area outside the tree, or a partner without capacity: it would be offered cases without end.
    """
    faults = list(_faults(before, profile, words, places))
    if faults:
        raise Invalid(errors=faults)
    if before is None:
        return Organisation(profile, _district(profile), version=1)
    return replace(before, profile=profile, version=before.version + 1)


def change_availability(before: Organisation, change: Availability) -> Organisation:
    """The organisation with another pause, leave, capacity or daily number; as it is when none is named."""
    named = ("paused", "leave", "capacity", "new_per_day")
    update = {name: value for name in named if (value := getattr(change, name)) is not None}
    if not update:
        return before
    return replace(before, profile=before.profile.model_copy(update=update), version=before.version + 1)


def issue_key(
    before: Organisation, hash_: str, scopes: tuple[str, ...], now: datetime
) -> tuple[Organisation, Key]:
    """The organisation with one more key. Raises TooManyKeys when ten are live."""
    if len(before.live_keys) >= MAX_LIVE_KEYS:
        raise TooManyKeys()
    # Revoked keys stay in the list, so a number is never given twice.
    key = Key(f"{before.org_id}.{len(before.keys) + 1}", hash_, scopes, now)
    return replace(before, keys=(*before.keys, key), version=before.version + 1), key


def revoke_key(before: Organisation, key_id: str, now: datetime) -> Organisation:
    """The organisation without this key; a revoked one stays revoked. Raises NotFound for another's."""
    if key_id not in {key.key_id for key in before.keys}:
        raise NotFound()
    if key_id not in {key.key_id for key in before.live_keys}:
        return before
    keys = tuple(replace(key, revoked_at=now) if key.key_id == key_id else key for key in before.keys)
    return replace(before, keys=keys, version=before.version + 1)


def _faults(
    before: Organisation | None, profile: OrganisationProfile, words: Vocabulary, places: frozenset[str]
) -> Iterator[FieldError]:
    yield from _unknown("type", [profile.type], words.classes.keys(), whole=True)
    yield from _unknown("categories", profile.categories, words.categories)
    yield from _unknown("kinds", profile.kinds, words.kinds)
    yield from _unknown("modes", profile.modes, words.modes)
    yield from _unknown("languages", profile.languages, words.languages)
    yield from _unknown("areas", profile.areas, places)
    if profile.data_view is not None:
        yield from _unknown("data_view", [profile.data_view], words.data_views, whole=True)
    district = before.district if before else _district(profile)
    for nth, area in enumerate(profile.areas):
        if not area.startswith(district):
            yield FieldError(f"/areas/{nth}", "other_district")
    if words.classes.get(profile.type) == PARTNER and profile.capacity is None:
        yield FieldError("/capacity", "required")


def _unknown(
    field: str, told: Iterable[str], known: Iterable[str], *, whole: bool = False
) -> Iterator[FieldError]:
    for nth, code in enumerate(told):
        if code not in known:
            yield FieldError(f"/{field}" if whole else f"/{field}/{nth}", "unknown_code")


def _district(profile: OrganisationProfile) -> str:
    return profile.areas[0][:6]


def _codes(rows: Iterable[Mapping[str, Any]]) -> frozenset[str]:
    return frozenset(row["code"] for row in rows)
