"""A table row by row, whatever its form. Synchronous and bound by the processor: call it in a thread."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import BinaryIO, Final, Literal

from libs.tables import csvs, workbooks
from libs.tables.cells import DigitsLost, as_text, original
from libs.tables.faults import BadTable
from libs.tables.limits import Limits
from libs.web.refusals import UnsupportedMedia

Form = Literal["csv", "xlsx"]

MEDIA: Final[Mapping[str, Form]] = {
    "text/csv": "csv",
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet": "xlsx",
}
_LINE_END: Final = re.compile(rb"[\r\n]")
CHARSETS: Final = ("utf-8", "utf8", "gb18030", "gbk", "gb2312")
"""What a sender may say of a CSV file. Which one it is in shows the file itself."""

_ZIP: Final = b"PK\x03\x04"
_NO_TEXT: Final = (
    _ZIP,
    b"PK\x05\x06",
    b"%PDF",
    b"\xd0\xcf\x11\xe0",
    b"\x1f\x8b",
    b"\x89PNG",
    b"GIF8",
    b"Rar!",
)


@dataclass(frozen=True, slots=True)
class Row:
    """A row that is not empty. `number` is the one that a spreadsheet program shows; `faults` are cells, by
    place, that do not hold what was entered, each with a code."""

    number: int
    cells: tuple[str, ...]
    faults: Mapping[int, str] = field(default_factory=dict)


def check_beginning(form: Form, begin: bytes, limits: Limits) -> None:
    """Refuse a file by its first bytes (64 kB are plenty): 415 for what is of another form than it was sent
    as, BadTable for a first line without an end."""
    if not begin:
        raise BadTable("empty")
    if form == "xlsx":
        if not begin.startswith(_ZIP):
            raise UnsupportedMedia("not_xlsx")
    elif begin.startswith(_NO_TEXT) or b"\0" in begin:
        raise UnsupportedMedia("not_csv")
    elif _LINE_END.split(begin, 1)[0].count(b",") > limits.columns:
        raise BadTable("too_many_columns", 1)


def read(form: Form, file: BinaryIO, limits: Limits) -> Iterator[Row]:
    """The rows that hold anything, headings first. Raises BadTable, also on the way."""
    found = csvs.read(file, limits) if form == "csv" else workbooks.read(file, limits)
    count = 0
    for number, values in found:
        if len(values) > limits.columns:
            raise BadTable("too_many_columns", number)
        row = _row(number, values)
        if row is None:
            continue
        if count > limits.rows:  # the headings are no row
            raise BadTable("too_many_rows", number)
        count += 1
        yield row
    if not count:
        raise BadTable("empty")


def _row(number: int, values: list[object]) -> Row | None:
    cells: list[str] = []
    faults: dict[int, str] = {}
    for place, value in enumerate(values):
        try:
            cells.append(original(as_text(value)))
        except DigitsLost:
            cells.append(str(value))
            faults[place] = "digits_lost"
    while cells and not cells[-1].strip():
        cells.pop()
    return Row(number, tuple(cells), faults) if cells else None
