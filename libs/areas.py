"""The levels of an area tree, which are data (`levels` of areas.json), and which area an address means."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from libs.events.base import AREA_DIGITS


@dataclass(frozen=True, slots=True)
class Level:
    """One level. `digits`: length of its codes; `holds_cases`: whether a case may be placed there; `within`:
    the name under which a parsed `areas.json` lists its areas in the one above, None for the first."""

    code: str
    digits: int
    holds_cases: bool
    within: str | None


class Levels:
    """The levels of a tree, the coarsest first; as deep as the data says."""

    def __init__(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """Raises ValueError when they do not begin with the district, do not grow finer by the digits that a
        code may have (CJ/T 349-2010 for the first four), or leave no level for cases."""
        self._levels: Final = tuple(
            Level(row["level"], row["digits"], row.get("holds_cases", False), row.get("within"))
            for row in rows
        )
        self._of: Final = {level.digits: level for level in self._levels}
        digits = [level.digits for level in self._levels]
        if digits[:1] != [AREA_DIGITS[0]] or digits != sorted(set(digits).intersection(AREA_DIGITS)):
            raise ValueError(f"levels of {digits} digits; {list(AREA_DIGITS)} are possible, the first always")
        if not any(level.holds_cases for level in self._levels):
            raise ValueError("no level holds cases")

    def named(self, code: str) -> Level | None:
        """The level of this name."""
        return next((level for level in self._levels if level.code == code), None)

    def of(self, area: str) -> Level | None:
        """The level of an area by its code; None when no level has such codes."""
        return self._of.get(len(area))

    def parent(self, area: str) -> str | None:
        """The area one level up; a district has none."""
        shorter = [digits for digits in self._of if digits < len(area)]
        return area[: max(shorter)] if shorter else None

    def holding(self, areas: Iterable[str]) -> Iterator[str]:
        """Those areas in which a case may lie."""
        return (area for area in areas if (level := self.of(area)) and level.holds_cases)

    def meant(self, named: Iterable[str]) -> list[str]:
        """The areas that an address means which names these (`rules.resolution` of areas.json): those of the
        finest level named, each within a named one of every coarser level. None of them when that level holds
        no cases or the names contradict each other: nothing is guessed."""
        names = set(named)
        digits = max(map(len, names), default=0)
        finest = {area for area in names if len(area) == digits}
        return _inside(self.holding(finest), names - finest)

    def below(self, named: Iterable[str], areas: Iterable[str]) -> list[str]:
        """Of the areas of a tree, those of the coarsest level that holds cases which lie within every coarser
        one that an address names; none when it names no area finer than the district."""
        level = next(level for level in self._levels if level.holds_cases)
        coarser = {area for area in named if AREA_DIGITS[0] < len(area) < level.digits}
        return _inside((area for area in areas if len(area) == level.digits), coarser) if coarser else []

    def rows(self, data: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
        """The areas of a parsed `areas.json`, the coarser before the finer ones inside it.

        Raises ValueError for a code that is none of the level at which it stands.
        """
        yield from self._rows(data["district"], 0)

    def _rows(self, row: Mapping[str, Any], depth: int) -> Iterator[Mapping[str, Any]]:
        if len(row["code"]) != self._levels[depth].digits:
            raise ValueError(f"{row['code']} is no code of a {self._levels[depth].code}")
        yield row
        for finer in self._levels[depth + 1 : depth + 2]:
            for inner in row.get(finer.within or "", ()):
                yield from self._rows(inner, depth + 1)


def _inside(areas: Iterable[str], named: Iterable[str]) -> list[str]:
    """Those of the areas that lie in a named one of every level of which one is named."""
    at: dict[int, set[str]] = defaultdict(set)
    for area in named:
        at[len(area)].add(area)
    around = [tuple(codes) for codes in at.values()]
    return sorted(area for area in areas if all(map(area.startswith, around)))
