"""Texts as people type them: what is refused, what is straightened, what is compared."""

import math
import re
import unicodedata
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from operator import itemgetter
from typing import Final

from ahocorasick_rs import AhoCorasick

_UNPRINTABLE: Final = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff]")
_WIDE: Final = re.compile("[\uff0b\uff0d\uff10-\uff19\uff21-\uff3a\uff41-\uff5a\u3000]+")
_UNSEEN: Final = (
    "\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f\u3164\ufe00-\ufe0f"
    "\ufeff\uffa0\ufff0-\ufff8\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff"  # the property
    "\ufff9-\ufffb\u2800"  # marks of annotations, and the one blank that is no white space
)
"""What nobody sees: Default_Ignorable_Code_Point of Unicode's DerivedCoreProperties.txt, and what else
has no ink."""
_STRUCK: Final = "\u0332\u0335-\u0338"
"""Lines under and through a letter, which change how it looks and not what it says."""
_INVISIBLE: Final = re.compile(f"[{_UNSEEN}{_STRUCK}]+")
_SEEN: Final = re.compile(rf"[^\s{_UNSEEN}{_STRUCK}]")

_MOST_MARKS: Final = 30
"""Marks on one letter (UAX #15, Stream-Safe Text): sorting them takes as long as their number squared."""
_SIGNS: Final = re.compile(rf"[^\w\s]{{{_MOST_MARKS + 1},}}")

_SENTENCES: Final = "\ufdfa\ufdfb"
"""Whole sentences in one character: they unfold to 18 and 8, all others to 6 at most."""


class Unprintable(ValueError):
    """A null byte or another control character, which no store, log or phone shows as it was sent."""


def clean(text: str) -> str:
    """The text as it is kept: composed, with full-width digits, letters, + and - in plain form.

    Chinese punctuation stays as typed: the words are the citizen's own (XF22 art 19). Marks beyond 30 on one
    letter go. Raises Unprintable.
    """
    if _UNPRINTABLE.search(text):
        raise Unprintable
    if text.isascii():
        return text
    return _WIDE.sub(_narrow, unicodedata.normalize("NFC", _SIGNS.sub(_unstacked, text)))


def is_blank(text: str) -> bool:
    """Whether there is nothing to be seen in it."""
    return _SEEN.search(text) is None


def fold(text: str) -> str:
    """The text as it is compared: every width alike, without blanks, line ends and invisible characters,
    so that a phrase is found where a letter was wrapped or spaced out."""
    return "".join(straightened(text).split())


def straightened(text: str) -> str:
    """The text with every width alike and without what nobody sees: joiners, marks of direction, variants,
    lines through letters. It is at most six times as long."""
    for sentence in _SENTENCES:
        text = text.replace(sentence, " ")
    return _INVISIBLE.sub("", _one_width(text))


def _unstacked(signs: re.Match[str]) -> str:
    kept, marks = [], 0
    for sign in signs.group():
        marks = marks + 1 if unicodedata.combining(sign) else 0
        if marks <= _MOST_MARKS:
            kept.append(sign)
    return "".join(kept)


def _narrow(wide: re.Match[str]) -> str:
    return _one_width(wide.group())


def _one_width(text: str) -> str:
    """NFKC in the two steps that define it: in one, CPython takes ten times as long over Chinese."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFKD", text))


@dataclass(frozen=True, slots=True)
class Found:
    """A phrase and where it stands."""

    phrase: str
    start: int
    end: int

    def touches(self, other: "Found") -> bool:
        """Whether the two share a character."""
        return self.start < other.end and other.start < self.end


def runs(folded: str, sizes: Collection[int]) -> Iterator[str]:
    """Every run of so many neighbouring characters."""
    return (folded[at : at + size] for size in sizes for at in range(len(folded) - size + 1))


def shown(folded: str, sizes: Collection[int]) -> dict[str, float]:
    """What a text shows to learned weights: its different runs, together of length 1."""
    different = set(runs(folded, sizes))
    return dict.fromkeys(different, 1 / math.sqrt(len(different))) if different else {}


def outermost(phrases: Iterable[str]) -> tuple[str, ...]:
    """The different phrases in their order, without those that stand inside another."""
    said = tuple(dict.fromkeys(phrases))
    return tuple(one for one in said if not any(one != other and one in other for other in said))


class Phrases:
    """A set of phrases that are looked for together: one pass finds all, overlapping ones too, in 2 µs
    for 100 characters, however many phrases there are."""

    def __init__(self, phrases: Collection[str]) -> None:
        """Phrases are compared folded; each has two characters or more."""
        self._phrases = tuple(dict.fromkeys(phrases))
        folded = [fold(phrase) for phrase in self._phrases]
        for phrase, wanted in zip(self._phrases, folded, strict=True):
            if len(wanted) < 2:
                raise ValueError(f"the phrase {phrase!r} is too short to mean anything")
        self._finder = AhoCorasick(folded)

    def find(self, folded: str) -> list[Found]:
        """Every occurrence in a folded text, from its beginning on."""
        hits = sorted(self._finder.find_matches_as_indexes(folded, overlapping=True), key=itemgetter(1))
        return [Found(self._phrases[number], start, end) for number, start, end in hits]
