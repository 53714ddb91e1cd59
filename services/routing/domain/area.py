"""The area tree of a district, as deep as its levels (`libs.areas`): streets, communities, grids, parts."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from unicodedata import normalize

from libs.areas import Levels
from libs.events.organisation import AreaChanged, AreaProfile
from libs.web.errors import FieldError, Invalid


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

    def record(self, levels: Levels) -> AreaChanged:
        """What the other services are told; the level is `none` where the data has such a one no more."""
        level = levels.of(self.code)
        return AreaChanged(
            **dict(self.profile),
            district=self.district,
            level=level.code if level else "none",
            parent=levels.parent(self.code),
            version=self.version,
        )


def redraw(levels: Levels, known: Mapping[str, Area], told: Iterable[AreaProfile]) -> list[Area]:
    """The areas that are new or differ from what is known, in order of code; others stay as they are.

    Raises Invalid when an area is of no level, would hang in the air or is told twice.
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
        elif levels.of(area.code) is None:
            faults.append(FieldError(f"/items/{nth}/code", "no_level"))
        elif (parent := levels.parent(area.code)) is not None and parent not in codes:
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


def resolve(levels: Levels, areas: Mapping[str, Area], address: str) -> list[Candidate]:
    """The grids that an address may mean, best first (`rules.resolution` of areas.json).

    The longest word counts and hides shorter ones inside it; a coarser area that is named narrows the search.
    Grids that are named share the score 1; where only a coarser place is named, its grids share a half: a
    person chooses, nothing is guessed.
    """
    named = list(_named(areas, _folded(address)))
    found, whole = levels.meant(named), 1.0
    if not found:
        found, whole = levels.below(named, areas), 0.5
    return [Candidate(code, areas[code].profile.zh, round(whole / len(found), 3)) for code in found]


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


def profiles_of(levels: Levels, data: Mapping[str, Any]) -> Iterator[AreaProfile]:
    """The areas of a parsed `areas.json`, the coarser before the finer."""
    yield from map(_profile, levels.rows(data))


def _profile(row: Mapping[str, Any]) -> AreaProfile:
    return AreaProfile.model_validate({name: row[name] for name in AreaProfile.model_fields if name in row})
