"""The organisations of a district as the rule sees them, and their running loads."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Final

from libs.clocks import LOCAL, Calendar
from libs.events.base import AREA_DIGITS
from services.routing.domain.opening import Opening
from services.routing.domain.organisation import PARTNER, Organisation


@dataclass(frozen=True, slots=True)
class Contender:
    """An organisation prepared for the rule; made once per version of it."""

    org_id: str
    type: str
    version: int
    kinds: frozenset[str]
    categories: frozenset[str]
    areas: tuple[str, ...]
    """Code prefixes, the longest first."""
    languages: frozenset[str]
    modes: frozenset[str]
    capacity: int | None
    new_per_day: int | None
    paused: bool
    opt_in_required: bool
    acceptance_working_days: int
    standing_acceptance: bool
    opening: Opening

    def level_at(self, place: str | None) -> int:
        """Level of the smallest of its areas that covers the place: 1 district, 2 street, 3 community, 4
        grid, 5 part of a grid; 0 when none does."""
        if place is not None:
            for area in self.areas:
                if place.startswith(area):
                    return AREA_DIGITS.index(len(area)) + 1
        return 0


def contender(organisation: Organisation, calendar: Calendar, offer_working_days: int) -> Contender:
    """The organisation prepared; `offer_working_days`: the term of an offer where it has none of its own."""
    profile = organisation.profile
    term = profile.acceptance_working_days or offer_working_days
    return Contender(
        org_id=profile.org_id,
        type=profile.type,
        version=organisation.version,
        kinds=frozenset(profile.kinds),
        categories=frozenset(profile.categories),
        areas=tuple(sorted(profile.areas, key=len, reverse=True)),
        languages=frozenset(profile.languages),
        modes=frozenset(profile.modes),
        capacity=profile.capacity,
        new_per_day=profile.new_per_day,
        paused=profile.paused,
        opt_in_required=profile.opt_in_required,
        acceptance_working_days=term,
        standing_acceptance=profile.standing_acceptance,
        opening=Opening(
            profile.hours,
            profile.leave,
            calendar,
            closed_on_holidays=profile.closed_on_holidays,
            acceptance_working_days=term,
        ),
    )


@dataclass(frozen=True, slots=True)
class Load:
    """What an organisation carries: open cases, offers of the day `day`, and its last assignment."""

    open: int = 0
    day: date | None = None
    new: int = 0
    last_at: datetime | None = None

    def new_on(self, day: date) -> int:
        """Offers made on this local day."""
        return self.new if self.day == day else 0

    def reserved(self, at: datetime) -> "Load":
        """With one more case, offered at `at`."""
        day = at.astimezone(LOCAL).date()
        return Load(self.open + 1, day, self.new_on(day) + 1, at)

    def released(self) -> "Load":
        """With one case less; the day's offers stay counted."""
        return replace(self, open=max(0, self.open - 1))


NO_LOAD: Final = Load()


@dataclass(frozen=True, slots=True)
class Field:
    """The organisations of one district: partners, who get offers, and bodies a person is directed to."""

    district: str
    partners: tuple[Contender, ...]
    bodies: tuple[Contender, ...]
    places: frozenset[str]
    """Every code of the area tree: a place that is not in it is no place."""

    def partner(self, org_id: str | None) -> Contender | None:
        """The partner of this id in the district."""
        return next((org for org in self.partners if org.org_id == org_id), None)

    def body(self, type_: str, place: str | None) -> Contender | None:
        """The body of a type that is responsible for a place: the one with the smallest area, then by id."""
        of_type = [org for org in self.bodies if org.type == type_ and org.level_at(place or self.district)]
        return min(of_type, key=lambda org: (-org.level_at(place or self.district), org.org_id), default=None)


def field_of(
    district: str, contenders: Iterable[Contender], classes: Mapping[str, str], places: frozenset[str]
) -> Field:
    """The field of a district's organisations, parted by the class of their type."""
    ordered = sorted(contenders, key=lambda org: org.org_id)
    return Field(
        district,
        partners=tuple(org for org in ordered if classes.get(org.type) == PARTNER),
        bodies=tuple(org for org in ordered if classes.get(org.type) != PARTNER),
        places=places,
    )
