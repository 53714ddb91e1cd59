"""What a text suggests before anybody decides: kind, category and lawful route, each with its reasons.

Phrases are counted (`kinds.json`, `categories.json`, `suggestions.json`), and what they and the single
characters and pairs weigh was learned from labelled texts (`suggestion_weights.json`; `python -m
tests.suggestions train`). A suggestion is shown, never acted on: a person decides (PIPL art 24). Flags are
raised by `flags.py` alone.
"""

import math
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Final

from services.intake.domain.text import Phrases, fold, outermost, runs, shown, straightened

GRAMS: Final = (1, 2)
"""Lengths of the runs of characters that are weighed where no phrase of ours was used."""
SHOWN: Final = 5
"""Suggestions of a list that are told; the rest helps nobody to decide."""
LEAST: Final = 0.02
"""The score below which a suggestion is not told."""

TELLING: Final = 2
"""Passages that are shown where no phrase of ours was used: the most telling ones."""

_CLAUSE: Final = re.compile(r"[^，。！？；：、,.!?;:]+")

CRISIS: Final = "SELF_HARM"
SUPPORT: Final = "PSY"


@dataclass(frozen=True, slots=True)
class Suggestion:
    """A code, how much speaks for it (0 to 1), and what does: phrases of the text, or names of fields."""

    code: str
    score: float
    because: tuple[str, ...] = ()


def told(lists: Mapping[str, Sequence[Suggestion]]) -> dict[str, list[dict[str, Any]]]:
    """Lists of suggestions as they are answered and kept."""
    return {name: [asdict(one) for one in suggestions] for name, suggestions in lists.items()}


Clauses = Mapping[str, Sequence[str]]
"""The clauses of a text in their order, each with its runs of characters."""


def clauses(narrative: str, sizes: Collection[int]) -> Clauses:
    """The different clauses of a text, with their runs of so many characters."""
    said = map(str.strip, _CLAUSE.findall(straightened(narrative)))
    return {clause: list(runs(fold(clause), sizes)) for clause in said}


class Cues:
    """Phrases by the code that they speak for."""

    def __init__(self, words: Mapping[str, Sequence[str]]) -> None:
        self._codes_of: dict[str, list[str]] = {}
        for code, phrases in words.items():
            for phrase in dict.fromkeys(phrases):
                self._codes_of.setdefault(phrase, []).append(code)
        self._phrases = Phrases(self._codes_of)

    def found(self, folded: str) -> dict[str, tuple[str, ...]]:
        """The different phrases of a folded text by code; one inside a longer one of its code is not told."""
        hits: dict[str, list[str]] = {}
        for hit in self._phrases.find(folded):
            for code in self._codes_of[hit.phrase]:
                hits.setdefault(code, []).append(hit.phrase)
        return {code: outermost(said) for code, said in hits.items()}

    def weight(self, phrase: str) -> float:
        """How much a phrase says: less the more codes share it, more the longer it is."""
        return min(len(phrase), 4) / 2 / len(self._codes_of[phrase])


@dataclass(frozen=True, slots=True)
class Weights:
    """What each feature of a text says for each code, as a linear model learned it."""

    bias: Mapping[str, float]
    """By code, before any feature is seen."""
    of: Mapping[str, Mapping[str, float]]
    """By feature, then by code."""

    def sums(self, features: Mapping[str, float]) -> dict[str, float]:
        """How much speaks for each code."""
        sums = dict(self.bias)
        for feature, value in features.items():
            for code, weight in self.of.get(feature, {}).items():
                sums[code] += value * weight
        return sums

    def telling(self, told: Clauses, code: str) -> tuple[str, ...]:
        """The clauses that say most for a code, in their order."""
        said = {
            clause: sum(self.of[run].get(code, 0.0) for run in held if run in self.of)
            for clause, held in told.items()
        }
        most = sorted(said, key=lambda clause: -said[clause])[:TELLING]
        return tuple(clause for clause in told if clause in most and said[clause] > 0)

    def scores(self, features: Mapping[str, float]) -> list[tuple[str, float]]:
        """The codes and their likelihoods, which come to 1, best first."""
        sums = self.sums(features)
        highest = max(sums.values())
        return ranked({code: math.exp(one - highest) for code, one in sums.items()})


class Suggester:
    """Suggests what a text is about."""

    def __init__(self, cues: Mapping[str, Cues], weights: Mapping[str, Weights]) -> None:
        """Both by what is asked: `kinds`, `categories`, `lawful_routes` (which has phrases alone)."""
        self._cues = cues
        self._weights = weights

    def suggest(self, narrative: str, flags: Collection[str] = ()) -> dict[str, list[Suggestion]]:
        """Per question the suggestions, best first. Who may harm himself needs support before all else
        (`suggestion_rule` of kinds.json)."""
        folded = fold(narrative)
        found = self._found(folded)
        features = dict(self._features(folded, found))
        scored = {asked: self._scores(asked, features, by_code) for asked, by_code in found.items()}
        if CRISIS in flags:
            scored["kinds"] = [(SUPPORT, 1.0)]
        return {
            asked: [
                Suggestion(code, round(score, 3), found[asked].get(code, ()))
                for code, score in scores[:SHOWN]
                if score >= LEAST
            ]
            for asked, scores in scored.items()
        }

    def _scores(
        self, asked: str, features: Mapping[str, float], by_code: Mapping[str, Sequence[str]]
    ) -> list[tuple[str, float]]:
        """The codes by what was learned, else by what their phrases say."""
        if asked in self._weights:
            return self._weights[asked].scores(features)
        return ranked({code: self._said(asked, phrases) for code, phrases in by_code.items()})

    def reasoned(self, lists: Mapping[str, Sequence[Suggestion]], seen: str) -> dict[str, list[Suggestion]]:
        """The same suggestions; where no phrase of ours speaks for one, with what says most for it in the
        text as it is seen."""
        said = clauses(seen, GRAMS)
        return {
            asked: [
                one
                if one.because or asked not in self._weights
                else replace(one, because=self._weights[asked].telling(said, one.code))
                for one in suggestions
            ]
            for asked, suggestions in lists.items()
        }

    def features(self, narrative: str) -> dict[str, float]:
        """What a text shows to the weights."""
        folded = fold(narrative)
        return dict(self._features(folded, self._found(folded)))

    def _found(self, folded: str) -> dict[str, dict[str, tuple[str, ...]]]:
        return {asked: cues.found(folded) for asked, cues in self._cues.items()}

    def _said(self, asked: str, phrases: Sequence[str]) -> float:
        return sum(map(self._cues[asked].weight, phrases))

    def _features(
        self, folded: str, found: Mapping[str, Mapping[str, Sequence[str]]]
    ) -> Iterator[tuple[str, float]]:
        for asked, by_code in found.items():
            for code, said in by_code.items():
                yield f"{asked}:{code}", math.log1p(self._said(asked, said))
        yield from shown(folded, GRAMS).items()


def ranked(weights: Mapping[str, float]) -> list[tuple[str, float]]:
    """The codes and their shares of the whole, best first, equal ones by code."""
    whole = sum(weights.values())
    shares = ((code, weight / whole) for code, weight in weights.items())
    return sorted(shares, key=lambda pair: (-pair[1], pair[0]))


def alike(one: str, other: str) -> float:
    """How much of the shorter text stands in the longer one, by pairs of characters: 0 to 1."""
    pairs, others = ({*map(str.__add__, text, text[1:])} for text in (fold(one), fold(other)))
    shorter = min(len(pairs), len(others))
    return len(pairs & others) / shorter if shorter else 0.0


def suggester(data: Mapping[str, Mapping[str, Any]]) -> Suggester:
    """The suggester of the parsed files `kinds`, `categories`, `suggestions` and `suggestion_weights`."""
    more = data["suggestions"]
    own = {
        "kinds": {row["code"]: row["cues"] for row in data["kinds"]["kinds"]},
        "categories": {
            row["code"]: row["keywords"]
            for row in data["categories"]["categories"]
            if not row["tag_only"] and row["code"] in more["categories"]
        },
        "lawful_routes": {},
    }
    return Suggester(
        cues={
            asked: Cues({code: [*words.get(code, []), *phrases] for code, phrases in more[asked].items()})
            for asked, words in own.items()
        },
        weights={
            asked: Weights(learned["bias"], learned["of"])
            for asked, learned in data["suggestion_weights"]["learned"].items()
        },
    )
