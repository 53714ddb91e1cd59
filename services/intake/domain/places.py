"""From an address to a grid, by the words of `data/areas.json`; never a guess."""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

from services.intake.domain.text import Found, Phrases, fold

_DIGITS: Final = {"street": 9, "community": 12, "grid": 14}
"""Length of a code of each level (CJ/T 349-2010): a finer code begins with the coarser one's digits."""

Level = Literal["street", "community", "grid"]


@dataclass(frozen=True, slots=True)
class Area:
    """A street, community or grid with every word that points to it."""

    code: str
    level: Level
    words: frozenset[str]


class Places:
    """The areas of one district, ready to place addresses."""

    def __init__(self, areas: list[Area]) -> None:
        self.grids = frozenset(area.code for area in areas if area.level == "grid")
        self._named: dict[str, list[Area]] = defaultdict(list)
        for area in areas:
            for word in area.words:
                self._named[word].append(area)
        self._phrases = Phrases(self._named)

    def grid(self, address: str) -> str | None:
        """The one grid that the address means, or None: then a person places it.

        `rules.resolution`: the longest alias counts, a shorter one inside it does not; a street or community
        that is named narrows the search. None when grids in several places remain, or none.
        """
        grids = self.candidates(address)
        return next(iter(grids)) if len(grids) == 1 else None

    def candidates(self, address: str) -> dict[str, tuple[str, ...]]:
        """Every grid that the address may mean, with the words that point to it."""
        found = self._longest(fold(address))
        hits = [(area, hit.phrase) for hit in found for area in self._named[hit.phrase]]
        within = [
            tuple(area.code for area, _ in hits if area.level == level) for level in ("street", "community")
        ]
        words: dict[str, tuple[str, ...]] = {}
        for area, word in hits:
            if area.level == "grid" and all(not codes or area.code.startswith(codes) for codes in within):
                words[area.code] = (*words.get(area.code, ()), word)
        return words

    def _longest(self, folded: str) -> list[Found]:
        found = sorted(self._phrases.find(folded), key=lambda hit: (hit.start - hit.end, hit.start))
        kept: list[Found] = []
        for hit in found:
            if not any(map(hit.touches, kept)):
                kept.append(hit)
        return kept


def places(data: Mapping[str, Any]) -> dict[str, Places]:
    """The places of a parsed `areas.json`, by district code."""
    district = data["district"]
    return {district["code"]: Places(list(_areas(district)))}


def _areas(district: Mapping[str, Any]) -> Iterator[Area]:
    for street in district["streets"]:
        yield _area(street, "street")
        for community in street["communities"]:
            yield _area(community, "community")
            yield from (_area(grid, "grid") for grid in community["grids"])


def _area(row: Mapping[str, Any], level: Level) -> Area:
    if len(row["code"]) != _DIGITS[level]:
        raise ValueError(f"{row['code']} is no code of a {level}")
    return Area(row["code"], level, frozenset([row["zh"], *row["aliases"]]))
