"""Tables written as they are made: nothing but the rows in hand is kept, and nothing touches a disk.

Every text goes through `harmless`, so that no cell is run by the program that opens it.
"""

import csv
import io
import re
import zipfile
from collections.abc import Iterable, Sequence
from typing import Final, Protocol
from xml.sax.saxutils import escape

from libs.tables.cells import harmless
from libs.tables.reading import MEDIA, Form

Cell = str | int | None

MOST_CHARACTERS: Final = 32_767
MOST_ROWS: Final = 1_048_576
"""What a cell and a sheet of an XLSX file hold; a longer text is cut, further rows begin a new sheet."""

_NO_XML: Final = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff\ud800-\udfff]")
_ESCAPE: Final = re.compile("_(?=x[0-9A-Fa-f]{4}_)")
_MAIN: Final = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
_OFFICE: Final = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_PACKAGE: Final = "http://schemas.openxmlformats.org/package/2006"
_SHEET_TYPE: Final = "application/vnd.openxmlformats-officedocument.spreadsheetml.worksheet+xml"
_HEAD: Final = '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>'


class Writer(Protocol):
    """Makes the bytes of a file, in order."""

    def rows(self, rows: Iterable[Sequence[Cell]]) -> bytes:
        """The bytes that these rows add."""

    def end(self) -> bytes:
        """The last bytes; a file without them is torn."""


def writer(form: Form, sheet: str) -> Writer:
    """A writer of this form; `sheet` names the sheet of a workbook."""
    return CsvWriter() if form == "csv" else WorkbookWriter(sheet)


def media_type(form: Form) -> str:
    """The `Content-Type` of a file."""
    name = next(media for media, known in MEDIA.items() if known == form)
    return f"{name}; charset=utf-8" if form == "csv" else name


class CsvWriter:
    """UTF-8 with a byte order mark, by which spreadsheet programs know it; every cell quoted."""

    def __init__(self) -> None:
        self._text = io.StringIO("\ufeff", newline="")
        self._text.seek(0, io.SEEK_END)
        self._rows = csv.writer(self._text, quoting=csv.QUOTE_ALL, lineterminator="\r\n")

    def rows(self, rows: Iterable[Sequence[Cell]]) -> bytes:
        """The bytes that these rows add."""
        self._rows.writerows([_text(cell) for cell in row] for row in rows)
        made = self._text.getvalue()
        self._text.seek(0)
        self._text.truncate()
        return made.encode("utf-8", "replace")

    def end(self) -> bytes:
        """What is left."""
        return self.rows(())


class WorkbookWriter:
    """Sheets of texts and whole numbers, packed as they come."""

    def __init__(self, sheet: str) -> None:
        self._out = _Sink()
        self._package = zipfile.ZipFile(self._out, "w", zipfile.ZIP_DEFLATED)
        self._sheets: list[str] = []
        self._number = 0
        self._put(
            "[Content_Types].xml",
            f'<Types xmlns="{_PACKAGE}/content-types"><Default Extension="rels" ContentType='
            '"application/vnd.openxmlformats-package.relationships+xml"/>'
            f'<Default Extension="xml" ContentType="{_SHEET_TYPE}"/><Override PartName="/xl/workbook.xml" '
            'ContentType="application/vnd.openxmlformats-officedocument.spreadsheetml.sheet.main+xml"/></Types>',
        )
        self.sheet(sheet)

    def sheet(self, name: str) -> None:
        """Begin another sheet."""
        if self._sheets:
            self._close()
        self._sheets.append(name)
        self._number = 0
        self._part = self._package.open(f"xl/worksheets/sheet{len(self._sheets)}.xml", "w")
        self._part.write(f'{_HEAD}<worksheet xmlns="{_MAIN}"><sheetData>'.encode())

    def rows(self, rows: Iterable[Sequence[Cell]]) -> bytes:
        """The bytes that these rows add; few at first, since they are packed together."""
        for row in rows:
            if self._number == MOST_ROWS:
                self.sheet(f"{self._sheets[0]}{len(self._sheets) + 1}")
            self._number += 1
            cells = "".join(map(_cell, row))
            self._part.write(f'<row r="{self._number}">{cells}</row>'.encode())
        return self._out.taken()

    def end(self) -> bytes:
        """The last bytes, with the list of the sheets."""
        self._close()
        numbered = list(enumerate(self._sheets, 1))
        sheets = "".join(
            f'<sheet name="{escape(name)}" sheetId="{n}" r:id="rId{n}"/>' for n, name in numbered
        )
        self._put(
            "xl/workbook.xml",
            f'<workbook xmlns="{_MAIN}" xmlns:r="{_OFFICE}"><sheets>{sheets}</sheets></workbook>',
        )
        self._relate(
            "xl/_rels/workbook.xml.rels", [("worksheet", f"worksheets/sheet{n}.xml") for n, _ in numbered]
        )
        self._relate("_rels/.rels", [("officeDocument", "xl/workbook.xml")])
        self._package.close()
        return self._out.taken()

    def _close(self) -> None:
        self._part.write(b"</sheetData></worksheet>")
        self._part.close()

    def _relate(self, name: str, targets: Sequence[tuple[str, str]]) -> None:
        parts = "".join(
            f'<Relationship Id="rId{n}" Type="{_OFFICE}/{kind}" Target="{target}"/>'
            for n, (kind, target) in enumerate(targets, 1)
        )
        self._put(name, f'<Relationships xmlns="{_PACKAGE}/relationships">{parts}</Relationships>')

    def _put(self, name: str, text: str) -> None:
        self._package.writestr(name, f"{_HEAD}{text}")


def _text(cell: Cell) -> str:
    return harmless(cell) if isinstance(cell, str) else "" if cell is None else str(cell)


def _cell(cell: Cell) -> str:
    """A text stands in the cell itself; a line end other than `\\n` would be lost to any XML reader."""
    if cell is None or cell == "":
        return "<c/>"
    if isinstance(cell, int):
        return f"<c><v>{cell}</v></c>"
    text = _NO_XML.sub("\ufffd", harmless(cell))[:MOST_CHARACTERS]
    text = escape(_ESCAPE.sub("_x005F_", text), {"\r": "&#13;"})
    return f'<c t="inlineStr"><is><t xml:space="preserve">{text}</t></is></c>'


class _Sink(io.RawIOBase):
    """Where a packer writes to that cannot go back: what was written since the last look."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []

    def writable(self) -> bool:
        return True

    def write(self, part: object) -> int:
        content = bytes(part)  # type: ignore[call-overload]
        self._parts.append(content)
        return len(content)

    def taken(self) -> bytes:
        """What was written since this was last asked."""
        made = b"".join(self._parts)
        self._parts.clear()
        return made
