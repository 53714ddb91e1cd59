"""What a narrative can be found by (G22): pairs of neighbouring Chinese characters, whole words of other
scripts, and numbers of at most three digits.

Left out are the names that the case tells of persons, longer numbers however they are written (phones,
identity and account numbers), and the commonest pairs (`search.json`), by which a table of tokens would give
itself away.
"""

import re
from collections.abc import Collection, Set
from dataclasses import dataclass
from itertools import chain
from operator import add
from typing import Final

from services.intake.domain.text import fold, straightened

MOST_DIGITS: Final = 3

_HAN: Final = "〇々\u3400-\u4dbf\u4e00-\u9fff\U00020000-\U000323af"
_RUN: Final = re.compile(rf"[{_HAN}]+")
_WORD: Final = re.compile(rf"[^\W\d_{_HAN}]+")
_NUMBER: Final = re.compile(r"\d+(?:[-.()/\s]+\d+)*")
_WRAPPED: Final = re.compile(rf"(?<=[{_HAN}])\s+(?=[{_HAN}])")
_SPELT_NUMBER: Final = re.compile(f"[〇零一二三四五六七八九幺]{{{MOST_DIGITS + 1},}}")
_PART: Final = re.compile(r"\w+")
_BREAK: Final = "|"
"""Stands for what is left out: nothing is a pair across it."""


@dataclass(frozen=True, slots=True)
class Sought:
    """What somebody looks for: words that a case must have, then parts that stand in its text as they are."""

    words: frozenset[str]
    parts: tuple[str, ...]

    def stands_in(self, narrative: str) -> bool:
        """Whether every part is in the text, however it is spaced, wrapped or written wide."""
        text = fold(narrative).casefold()
        return all(part in text for part in self.parts)


def indexed(narrative: str, names: Collection[str], common: Set[str]) -> frozenset[str]:
    """The words that a case is found by."""
    text = _WRAPPED.sub("", _compared(narrative))
    for name in sorted(map(_compared, names), key=len, reverse=True):
        if len(name) > 1:
            text = text.replace(name, _BREAK)
    return _words(text) - common


def sought(asked: str, common: Set[str]) -> Sought:
    """What is looked for by a text: its parts, divided by blanks and punctuation, in any order."""
    text = _compared(asked)
    return Sought(_words(text) - common, tuple(dict.fromkeys(_PART.findall(text))))


def _compared(text: str) -> str:
    return straightened(text).casefold()


def _words(text: str) -> frozenset[str]:
    text = _SPELT_NUMBER.sub(_BREAK, text)
    pairs = (map(add, run, run[1:]) for run in _RUN.findall(text))
    numbers = (_PART.findall(said) for said in _NUMBER.findall(text) if _is_short(said))
    return frozenset(chain(_WORD.findall(text), *pairs, *numbers))


def _is_short(number: str) -> bool:
    return sum(map(str.isdigit, number)) <= MOST_DIGITS
