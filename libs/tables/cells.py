"""The text of a cell: what a spreadsheet program would run is written as text, and read back as it was."""

import re
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Final

_RUN: Final = re.compile(r"'*[=+\-@\t\r\n＝＋－＠]")
"""How a cell begins that a spreadsheet program takes for a formula, behind any apostrophes."""

_DIGITS: Final = 15
"""Spreadsheet programs keep so many digits of a number and put zeros for the rest."""
_EXACT: Final = 10**_DIGITS


def harmless(text: str) -> str:
    """The text with an apostrophe before it where a program would run it (OWASP, CSV Injection)."""
    return f"'{text}" if _RUN.match(text) else text


def original(text: str) -> str:
    """The text that `harmless` was given; any other text as it is."""
    return text[1:] if text.startswith("'") and _RUN.match(text) else text


class DigitsLost(ValueError):
    """A number of more digits than the program that wrote it could keep."""


def as_text(value: object) -> str:
    """A cell's value as people read it: whole numbers without a point, days and times as of ISO 8601.

    Raises DigitsLost for a number (an identity number entered as one) of which the last digits are gone.
    """
    match value:
        case str():
            return value
        case bool():
            return "是" if value else "否"
        case int() | float():
            if not abs(value) < _EXACT:
                raise DigitsLost
            return str(int(value)) if value == int(value) else f"{Decimal(f'{value:.{_DIGITS}g}'):f}"
        case datetime():
            at_midnight = value.time() == time()
            return value.date().isoformat() if at_midnight else value.isoformat(" ")
        case date() | time():
            return value.isoformat()
        case timedelta():
            return str(value)
    return ""
