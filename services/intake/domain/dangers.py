"""Dangers that a text may tell in no phrase of `flags.json`: pointed out to whoever reads it, never raised.

What runs of characters say for each red flag was learned from labelled texts (`danger_weights.json`;
`python -m tests.suggestions dangers`). A person who agrees raises the flag by hand (PIPL art 24).
"""

import math
import re
from collections.abc import Collection, Mapping
from typing import Any, Final

from services.intake.domain.suggesting import Suggestion, Weights
from services.intake.domain.text import fold, runs, shown, straightened

SIZES: Final = (1, 2, 3)
"""Lengths of the runs of characters that are weighed."""
TELLING: Final = 2
"""Passages that are shown with a danger: the most telling ones."""

_CLAUSE: Final = re.compile(r"[^，。！？；：、,.!?;:]+")


class SecondLook:
    """Points out red flags that the rules did not raise."""

    def __init__(self, weights: Weights, least: Mapping[str, float]) -> None:
        """`least`: by flag, how much must speak for it to be pointed out."""
        self._weights = weights
        self._least = least

    def possible(self, narrative: str, raised: Collection[str]) -> list[Suggestion]:
        """The flags that may be meant and were not `raised`, likeliest first, with telling passages.

        Scores rank: they are likelihoods only where half of all texts tell of the danger.
        """
        said = self.sums(narrative)
        found = [
            Suggestion(flag, round(1 / (1 + math.exp(-said[flag])), 3), self._telling(narrative, flag))
            for flag, least in self._least.items()
            if flag not in raised and said[flag] >= least
        ]
        return sorted(found, key=lambda one: -one.score)

    def sums(self, narrative: str) -> dict[str, float]:
        """How much a text says for each flag: the logarithm of its odds."""
        return self._weights.sums(features(narrative))

    def _telling(self, narrative: str, flag: str) -> tuple[str, ...]:
        """The clauses that say most for a flag, in their order."""
        clauses = dict.fromkeys(map(str.strip, _CLAUSE.findall(straightened(narrative))))
        said = {
            clause: sum(self._weights.of.get(run, {}).get(flag, 0.0) for run in runs(fold(clause), SIZES))
            for clause in clauses
        }
        most = sorted(said, key=lambda clause: -said[clause])[:TELLING]
        return tuple(clause for clause in clauses if clause in most and said[clause] > 0)


def features(narrative: str) -> dict[str, float]:
    """What a text shows to the weights."""
    return shown(fold(narrative), SIZES)


def second_look(data: Mapping[str, Any]) -> SecondLook:
    """The second look of a parsed `danger_weights.json`."""
    bias, least = ({flag: row[name] for flag, row in data["dangers"].items()} for name in ("bias", "least"))
    return SecondLook(Weights(bias, data["of"]), least)
