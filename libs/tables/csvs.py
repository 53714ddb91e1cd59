"""CSV (RFC 4180): UTF-8 with and without a byte order mark, else GB18030."""

import codecs
import csv
import io
from collections.abc import Iterator
from typing import BinaryIO, Final

from libs.tables.faults import BadTable
from libs.tables.limits import Limits

_PIECE: Final = 2**20

_GB18030_MARK: Final = "\ufeff".encode("gb18030")


def read(file: BinaryIO, limits: Limits) -> Iterator[tuple[int, list[object]]]:
    """Every row with its number from 1. Raises BadTable: `not_text`, `malformed` (quotes), `row_too_long`."""
    text = io.TextIOWrapper(file, _encoding(file), "strict", newline="")
    lines = _Lines(text, limits.row_characters)
    rows, number = csv.reader(lines, strict=True), 0
    try:
        while True:
            number += 1
            lines.begin(number)
            try:
                cells = next(rows)
            except StopIteration:
                return
            except UnicodeError:
                raise BadTable("not_text", number) from None
            except csv.Error:
                raise BadTable("malformed", number) from None
            yield number, list(cells)
    finally:
        text.detach()  # else it would close the file, which is its caller's


def _encoding(file: BinaryIO) -> str:
    """What the whole file can be read in, from behind the mark that GB18030 may begin with: a text of Chinese
    in GB18030 is hardly ever UTF-8 by chance."""
    decoder = codecs.getincrementaldecoder("utf-8")()
    found = "utf-8-sig"
    try:
        while piece := file.read(_PIECE):
            decoder.decode(piece)
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        found = "gb18030"
    file.seek(0)
    if found == "gb18030" and file.read(len(_GB18030_MARK)) != _GB18030_MARK:
        file.seek(0)
    return found


class _Lines:
    """The lines of a text, as long as those of one row stay within `most` characters: a quoted cell may span
    lines, and a line may hold a million columns."""

    def __init__(self, text: io.TextIOWrapper, most: int) -> None:
        self._text = text
        self._most = most
        self._left = most
        self._row = 1

    def begin(self, row: int) -> None:
        """The next line begins a row."""
        self._left, self._row = self._most, row

    def __iter__(self) -> "_Lines":
        return self

    def __next__(self) -> str:
        line = self._text.readline(self._left + 1)
        self._left -= len(line)
        if self._left < 0:
            raise BadTable("row_too_long", self._row)
        if not line:
            raise StopIteration
        return line
