"""Dates and instants that a body holds: texts that people can read, of years that can be meant and kept."""

from datetime import date, datetime
from typing import TypeVar

from pydantic import AfterValidator, BeforeValidator
from pydantic_core import PydanticCustomError

from libs.clocks.calendar import in_every_zone

T = TypeVar("T")


def iso(told_as: str) -> BeforeValidator:
    """Let only texts pass that people can read: a bare number would be taken as seconds since 1970.
    `told_as`: the code that says what would be right."""

    def checked(value: object) -> object:
        if isinstance(value, date) or (isinstance(value, str) and value[4:5] == "-"):
            return value
        words = "must be a date or time as ISO 8601 writes it"
        raise PydanticCustomError("date_type", words, {"told_as": told_as})

    return BeforeValidator(checked)


def credible(earliest: int) -> AfterValidator:
    """Let no date or instant pass of a year before `earliest`, and no instant that some zone has no day for;
    what is no date passes."""

    def checked(told: T) -> T:
        if isinstance(told, date) and told.year < earliest:
            raise PydanticCustomError("too_early", "before {earliest}", {"earliest": earliest})
        if isinstance(told, datetime) and not in_every_zone(told):
            raise PydanticCustomError("too_late", "beyond the years that can be kept")
        return told

    return AfterValidator(checked)
