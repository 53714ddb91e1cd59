"""From an address to a grid, by the words of `data/areas.json`; never a guess."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from libs.areas import Levels
from services.intake.domain.text import Found, Phrases, fold


@dataclass(frozen=True, slots=True)
class Area:
    """A place finer than its district, with every word that points to it."""

    code: str
    words: frozenset[str]


class Places:
    """The areas of one district, ready to place addresses. A grid here: an area that holds cases."""

    def __init__(self, levels: Levels, areas: list[Area]) -> None:
        self._levels = levels
        self.grids = frozenset(levels.holding(area.code for area in areas))
        self._named: dict[str, list[Area]] = defaultdict(list)
        for area in areas:
            for word in area.words:
                self._named[word].append(area)
        self._phrases = Phrases(self._named)

    def grid(self, address: str) -> str | None:
        """The one grid that the address means, or None: then a person places it.

        `rules.resolution`: the longest alias counts, a shorter one inside it does not; a coarser area that is
        named narrows the search. None when grids in several places remain, or none.
        """
        grids = self.candidates(address)
        return next(iter(grids)) if len(grids) == 1 else None

    def candidates(self, address: str) -> dict[str, tuple[str, ...]]:
        """Every grid that the address may mean, with the words that point to it."""
        words: dict[str, tuple[str, ...]] = {}
        for hit in self._longest(fold(address)):
            for area in self._named[hit.phrase]:
                words[area.code] = (*words.get(area.code, ()), hit.phrase)
        return {code: words[code] for code in self._levels.meant(words)}

    def _longest(self, folded: str) -> list[Found]:
        found = sorted(self._phrases.find(folded), key=lambda hit: (hit.start - hit.end, hit.start))
        kept: list[Found] = []
        for hit in found:
            if not any(map(hit.touches, kept)):
                kept.append(hit)
        return kept


def places(levels: Levels, data: Mapping[str, Any]) -> dict[str, Places]:
    """The places of a parsed `areas.json`, by district code."""
    district, *finer = levels.rows(data)
    areas = [Area(row["code"], frozenset([row["zh"], *row["aliases"]])) for row in finer]
    return {district["code"]: Places(levels, areas)}
