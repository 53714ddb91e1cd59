"""Dangers that a text may tell in no phrase of `flags.json`: pointed out to whoever reads it, never raised.

What runs of characters say for each red flag was learned from labelled texts (`danger_weights.json`;
`python -m tests.suggestions dangers`). A person who agrees raises the flag by hand (PIPL art 24).
"""

import math
from collections.abc import Collection, Mapping
from typing import Any, Final

from services.intake.domain.suggesting import Suggestion, Weights, clauses
from services.intake.domain.text import fold, shown

SIZES: Final = (1, 2, 3)
"""Lengths of the runs of characters that are weighed."""


class SecondLook:
    """Points out red flags that the rules did not raise."""

    def __init__(self, weights: Weights, least: Mapping[str, float]) -> None:
        """`least`: by flag, how much must speak for it to be pointed out."""
        self._weights = weights
        self._least = least

    def possible(self, narrative: str, raised: Collection[str], seen: str | None = None) -> list[Suggestion]:
        """The flags that may be meant and were not `raised`, likeliest first, with telling passages: of the
        text as it is `seen`, if it is not for everybody.

        Scores rank: they are likelihoods only where half of all texts tell of the danger.
        """
        said = self.sums(narrative)
        flags = [flag for flag, least in self._least.items() if flag not in raised and said[flag] >= least]
        told = clauses(seen or narrative, SIZES) if flags else {}
        found = [
            Suggestion(flag, round(1 / (1 + math.exp(-said[flag])), 3), self._weights.telling(told, flag))
            for flag in flags
        ]
        return sorted(found, key=lambda one: -one.score)

    def sums(self, narrative: str) -> dict[str, float]:
        """How much a text says for each flag: the logarithm of its odds."""
        return self._weights.sums(features(narrative))


def features(narrative: str) -> dict[str, float]:
    """What a text shows to the weights."""
    return shown(fold(narrative), SIZES)


def second_look(data: Mapping[str, Any]) -> SecondLook:
    """The second look of a parsed `danger_weights.json`."""
    bias, least = ({flag: row[name] for flag, row in data["dangers"].items()} for name in ("bias", "least"))
    return SecondLook(Weights(bias, data["of"]), least)
