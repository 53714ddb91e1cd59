"""Dangers that a text may tell in no phrase of `flags.json`: pointed out to whoever reads it, never raised.

What runs of characters say for each red flag was learned from labelled texts (`danger_weights.json`;
`python -m tests.suggestions dangers`). A person who agrees raises the flag by hand (PIPL art 24).
"""

import math
import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from services.intake.domain.suggesting import Suggestion
from services.intake.domain.text import fold, straightened

SIZES: Final = (1, 2, 3)
"""Lengths of the runs of characters that are weighed."""
TELLING: Final = 2
"""Passages that are shown with a danger: the most telling ones."""

_CLAUSE: Final = re.compile(r"[^，。！？；：、,.!?;:]+")


@dataclass(frozen=True, slots=True)
class Danger:
    """What speaks for a flag before any character is read, and how much has to be said to point it out."""

    bias: float
    least: float


class SecondLook:
    """Points out red flags that the rules did not raise."""

    def __init__(self, dangers: Mapping[str, Danger], of: Mapping[str, Mapping[str, float]]) -> None:
        """`dangers` by flag; `of`: by run of characters, then by flag."""
        self._dangers = dangers
        self._of = of

    def possible(self, narrative: str, raised: Collection[str]) -> list[Suggestion]:
        """The flags that may be meant and were not `raised`, likeliest first, with telling passages.

        Scores rank: they are likelihoods only where half of all texts tell of the danger.
        """
        said = self.sums(narrative)
        found = [
            Suggestion(flag, round(1 / (1 + math.exp(-said[flag])), 3), self._telling(narrative, flag))
            for flag, danger in self._dangers.items()
            if flag not in raised and said[flag] >= danger.least
        ]
        return sorted(found, key=lambda one: -one.score)

    def sums(self, narrative: str) -> dict[str, float]:
        """How much a text says for each flag: the logarithm of its odds."""
        sums = {flag: danger.bias for flag, danger in self._dangers.items()}
        for run, value in features(narrative).items():
            for flag, weight in self._of.get(run, {}).items():
                sums[flag] += value * weight
        return sums

    def _telling(self, narrative: str, flag: str) -> tuple[str, ...]:
        """The clauses that say most for a flag, in their order."""
        clauses = dict.fromkeys(map(str.strip, _CLAUSE.findall(straightened(narrative))))
        said = {
            clause: sum(self._of.get(run, {}).get(flag, 0.0) for run in _runs(fold(clause)))
            for clause in clauses
        }
        most = sorted(said, key=lambda clause: -said[clause])[:TELLING]
        return tuple(clause for clause in clauses if clause in most and said[clause] > 0)


def features(narrative: str) -> dict[str, float]:
    """What a text shows to the weights: its different runs of characters, together of length 1."""
    runs = set(_runs(fold(narrative)))
    return dict.fromkeys(runs, 1 / math.sqrt(len(runs))) if runs else {}


def _runs(folded: str) -> Iterator[str]:
    return (folded[at : at + size] for size in SIZES for at in range(len(folded) - size + 1))


def second_look(data: Mapping[str, Any]) -> SecondLook:
    """The second look of a parsed `danger_weights.json`."""
    return SecondLook(
        {flag: Danger(row["bias"], row["least"]) for flag, row in data["dangers"].items()}, data["of"]
    )
