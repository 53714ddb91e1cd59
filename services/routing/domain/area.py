"""The area tree of a district: streets, communities and villages, grids (order of digits: CJ/T 349-2010)."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final
from unicodedata import normalize

from libs.events.organisation import AreaChanged, AreaLevel, AreaProfile
from libs.web.errors import FieldError, Invalid

LEVELS: Final[Mapping[int, AreaLevel]] = {6: "district", 9: "street", 12: "community", 14: "grid"}
_PARENT_LENGTH: Final = {9: 6, 12: 9, 14: 12}


@dataclass(frozen=True, slots=True)
class Area:
    """A place; `version` rises with every change. Codes are never reused, so none is ever deleted."""

    profile: AreaProfile
    version: int

    @property
    def code(self) -> str:
        """Its code: a finer area's begins with the coarser one's."""
        return self.profile.code

    @property
    def district(self) -> str:
        """The district that it lies in."""
        return self.code[:6]

    @property
    def level(self) -> AreaLevel:
        """District, street, community or grid."""
        return LEVELS[len(self.code)]

    @property
    def parent(self) -> str | None:
        """The area one level up; a district has none here."""
        length = _PARENT_LENGTH.get(len(self.code))
        return self.code[:length] if length else None

    def record(self) -> AreaChanged:
        """What the other services are told."""
        return AreaChanged(
            **dict(self.profile),
            district=self.district,
            level=self.level,
            parent=self.parent,
            version=self.version,
        )


def redraw(known: Mapping[str, Area], told: Iterable[AreaProfile]) -> list[Area]:
    """The areas that are new or differ from what is known, in order of code; others stay as they are.

    Raises Invalid when an area would hang in the air or is told twice.
    """
    profiles = list(told)
    codes = known.keys() | {profile.code for profile in profiles}
    seen: set[str] = set()
    faults = []
    changed = []
    for nth, profile in enumerate(profiles):
        before = known.get(profile.code)
        area = Area(profile, before.version + 1 if before else 1)
        if profile.code in seen:
            faults.append(FieldError(f"/items/{nth}/code", "twice"))
        elif area.parent is not None and area.parent not in codes:
            faults.append(FieldError(f"/items/{nth}/code", "no_parent"))
        elif before is None or before.profile != profile:
            changed.append(area)
        seen.add(profile.code)
    if faults:
        raise Invalid(errors=faults)
    return sorted(changed, key=lambda area: area.code)


@dataclass(frozen=True, slots=True)
class Candidate:
    """A grid that an address may mean. `score` 1: the only one."""

    code: str
    zh: str
    score: float


def resolve(areas: Mapping[str, Area], address: str) -> list[Candidate]:
    """The grids that an address may mean, best first (`rules.resolution` of areas.json).

    The longest word counts and hides shorter ones inside it; a street or community that is named narrows the
    search. Grids that are named share the score 1; where only a coarser place is named, its grids share a
    half: a person chooses, nothing is guessed.
    """
    named = [areas[code] for code in _named(areas, _folded(address))]
    grids = [area for area in areas.values() if area.level == "grid"]
    for level in ("street", "community"):
        within = tuple(area.code for area in named if area.level == level)
        grids = [grid for grid in grids if not within or grid.code.startswith(within)]
    exact = [grid for grid in grids if grid in named]
    coarse = any(area.level in ("street", "community") for area in named)
    found, whole = (exact, 1.0) if exact else (grids, 0.5) if coarse else ([], 0.0)
    return [Candidate(grid.code, grid.profile.zh, round(whole / len(found), 3)) for grid in found]


def _named(areas: Mapping[str, Area], address: str) -> Iterator[str]:
    """The areas whose words stand in the address, the longest words first; each place of it counts once."""
    words: dict[str, list[str]] = {}
    for area in areas.values():
        for word in {area.profile.zh, *area.profile.aliases}:
            words.setdefault(_folded(word), []).append(area.code)
    for word in sorted(words, key=len, reverse=True):
        if word in address:
            address = address.replace(word, "\0")
            yield from words[word]


def _folded(text: str) -> str:
    return "".join(normalize("NFKC", text).split())


def profiles_of(data: Mapping[str, Any]) -> Iterator[AreaProfile]:
    """The areas of a parsed `areas.json`, the coarser before the finer."""
    yield _profile(data["district"])
    for street in data["district"]["streets"]:
        yield _profile(street)
        for community in street["communities"]:
            yield _profile(community)
            yield from map(_profile, community["grids"])


def _profile(row: Mapping[str, Any]) -> AreaProfile:
    return AreaProfile.model_validate({name: row[name] for name in AreaProfile.model_fields if name in row})
