"""A text about people as it is shown to those who may not read it all: without long numbers, e-mail
addresses, and what the case itself tells of names and address.

They are found however they are spaced, divided, wrapped or written; the rest stays as it was typed.
"""

import re
import unicodedata
from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import Final, NamedTuple

from libs.privacy.masking import HIDDEN, mask_address, mask_name
from services.intake.domain.text import is_blank

LEAST_DIGITS: Final = 7
"""Digits of the shortest number that leads to a person, a local telephone."""
_LEAST_END: Final = 4
"""Characters that the end of an address has at least to be looked for alone: "8号" stands in many texts."""

_NUMBER: Final = re.compile(rf"\+?[0-9]{{{LEAST_DIGITS},}}x?")
"""Phones, identity and bank numbers."""
_USUAL: Final = re.compile(
    r"(?<!\d)(?:19|20)\d\d([-./])(?:0?[1-9]|1[0-2])\1(?:0?[1-9]|[12]\d|3[01])(?!\d)"
    r"|(?<![\d.])\d{1,6}\.\d{1,2}(?=\s?[元块万亿])"
)
"""Dates and sums, which have as many digits and are no secret."""
_MAIL: Final = re.compile(r"(?<![a-z0-9._%+-])[a-z0-9._%+-]++\s*+@\s*+[a-z0-9-]++(?:\.[a-z0-9-]++)+")
_SPELT: Final = dict(zip("〇零一二三四五六七八九幺", "001234567891", strict=True))
_BETWEEN: Final = frozenset("./()·•‧∙⋅\u2212")
"""What people write between the digits of a number, beside blanks and dashes."""


class _Span(NamedTuple):
    start: int
    end: int
    shown: str


class _Letters:
    """The characters of a text as they are compared, and where in the text each stands."""

    def __init__(self, letters: list[tuple[str, int]]) -> None:
        self._letters = letters
        self.text = "".join(letter for letter, _ in letters)

    @classmethod
    def of(cls, text: str) -> "_Letters":
        """Every width, case and script of digits alike, without marks and what nobody sees."""
        return cls([(letter, at) for at, typed in enumerate(text) for letter in _compared(typed)])

    def joined(self) -> "_Letters":
        """Without what divides letters and digits of one word or number."""
        return _Letters([(letter, at) for letter, at in self._letters if not _divides(letter)])

    def spans(self, sought: re.Pattern[str], shown: str) -> Iterator[_Span]:
        """Where it stands, and what is shown there."""
        for found in sought.finditer(self.text):
            yield _Span(self._letters[found.start()][1], self._letters[found.end() - 1][1] + 1, shown)


def hide(text: str, names: Iterable[str], address: str | None) -> str:
    """The text with these names and this address as they are masked elsewhere, and with `****` for numbers of
    `LEAST_DIGITS` and more and for e-mail addresses. Takes time in proportion to the text."""
    letters = _Letters.of(text)
    joined = letters.joined()
    spans = [
        *letters.spans(_MAIL, HIDDEN),
        *(span for span in joined.spans(_NUMBER, HIDDEN) if not _is_usual(text, span)),
    ]
    for secret, shown in _secrets(names, address):
        told = _Letters.of(secret).joined().text
        if len(told) > 1:
            spans += joined.spans(re.compile(re.escape(told)), shown)
    return _covered(text, spans)


def _secrets(names: Iterable[str], address: str | None) -> Iterator[tuple[str, str]]:
    """What is looked for, with what is shown of it. Of an address the end that is hidden is enough."""
    for name in names:
        yield name, mask_name(name)
    if address:
        town = mask_address(address).removesuffix(HIDDEN)
        end = address[len(town) :]
        yield (address, town + HIDDEN) if len(end) < _LEAST_END else (end, HIDDEN)


def _is_usual(text: str, number: _Span) -> bool:
    """Whether too few digits are left beside dates and sums, whose unit stands behind them."""
    usual = "".join(found[0] for found in _USUAL.finditer(text[number.start : number.end + 2]))
    return _digits(text[number.start : number.end]) - _digits(usual) < LEAST_DIGITS


def _digits(written: str) -> int:
    return sum(letter.isdecimal() for letter in _Letters.of(written).text)


def _covered(text: str, spans: Iterable[_Span]) -> str:
    """The text with the spans replaced, those that overlap by one."""
    parts, end = [], 0
    for span in sorted(spans, key=lambda span: (span.start, -span.end)):
        if span.start >= end:
            parts += [text[end : span.start], span.shown]
        end = max(end, span.end)
    return "".join((*parts, text[end:]))


@lru_cache(maxsize=8_192)
def _compared(typed: str) -> str:
    """A character as it is compared: often itself, for some several, for what nobody sees none."""
    letters = unicodedata.normalize("NFKD", typed).casefold()
    return "".join(
        _SPELT.get(letter) or str(unicodedata.digit(letter, letter))
        for letter in letters
        if letter.isspace() or not (is_blank(letter) or unicodedata.category(letter)[0] in "CM")
    )


def _divides(letter: str) -> bool:
    return letter.isspace() or letter in _BETWEEN or unicodedata.category(letter) in ("Pd", "Pc")
