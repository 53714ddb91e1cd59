"""XLSX: the first sheet of a workbook that is no chart. Formulas are never computed: a cell holds what was
last shown in it.

The file is looked through before the library reads it, since that trusts what it reads: it takes a sheet with
two cells in opposite corners for one of 17 billion, and unpacks whatever is packed.
"""

import io
import re
import zipfile
from collections.abc import Iterator
from typing import Any, BinaryIO, Final
from xml.parsers import expat

import python_calamine

from libs.tables.faults import BadTable
from libs.tables.limits import Limits

_WORKBOOK: Final = "xl/workbook.xml"
_RELATIONS: Final = "xl/_rels/workbook.xml.rels"
_XML: Final = (".xml", ".rels")
_END_OF_LIST: Final = 22
_SMALL, _PIECE = 2**20, 4 * 2**20
_PLACE: Final = re.compile(r"([A-Za-z]{1,3})([0-9]{1,7})")


def read(file: BinaryIO, limits: Limits) -> Iterator[tuple[int, list[object]]]:
    """Every row of the first sheet that is no chart, with its number from 1. Raises BadTable, for whatever a
    file holds."""
    try:
        _look_through(file, limits)
        file.seek(0)
        workbook = python_calamine.CalamineWorkbook.from_filelike(file)
        for place, sheet in enumerate(workbook.sheets_metadata):
            if sheet.typ == python_calamine.SheetTypeEnum.WorkSheet:
                for number, row in enumerate(workbook.get_sheet_by_index(place).iter_rows(), 1):
                    yield number, list(row)
                return
    except (BadTable, GeneratorExit, KeyboardInterrupt, SystemExit):
        raise
    except BaseException:  # the library's panics are no Exceptions
        raise BadTable("no_workbook") from None


def _look_through(file: BinaryIO, limits: Limits) -> None:
    """Every part is of its declared size, sound XML without a DTD, and holds cells within the limits.

    The list of parts stands at the very end of the file: otherwise two readers may find two different lists.
    """
    file.seek(-_END_OF_LIST, io.SEEK_END)
    if not file.read().startswith(b"PK\x05\x06"):
        raise BadTable("no_workbook")
    with zipfile.ZipFile(file) as package:
        parts = package.infolist()
        names = {part.filename.lower() for part in parts}
        if len(names) != len(parts) or _WORKBOOK not in names or _RELATIONS not in names:
            raise BadTable("no_workbook")
        if len(parts) > limits.parts or sum(part.file_size for part in parts) > limits.unpacked:
            raise BadTable("unpacks_too_large")
        for part in parts:
            if part.file_size > max(_SMALL, part.compress_size * limits.ratio):
                raise BadTable("unpacks_too_large")
        scan = _Scan(limits)
        for part in parts:
            if part.filename.endswith(_XML):
                with package.open(part) as content:
                    scan.part(part.filename, content)
        scan.check_first_sheet()


class _Scan:
    """Reads parts as a stream of elements, and keeps of them only which sheet is the first, and where in each
    the first cell stands that cannot be read as it was shown."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._elements = 0
        self._sheets: list[str] = []
        self._targets: dict[str, str] = {}
        self._unreadable: dict[str, BadTable] = {}
        self._name = ""
        self._is_sheet = False
        self._row = self._column = 0
        self._formula = self._shown = self._is_text = False
        self._parser = expat.ParserCreate()

    def part(self, name: str, content: Any) -> None:
        """One part. Raises ExpatError, BadZipFile or BadTable."""
        self._name, self._is_sheet, self._row = name, False, 0
        self._parser = parser = expat.ParserCreate(namespace_separator=" ")
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end
        parser.StartDoctypeDeclHandler = self._doctype
        while piece := content.read(_PIECE):
            parser.Parse(piece, False)
        parser.Parse(b"", True)

    def check_first_sheet(self) -> None:
        """Raises BadTable for a cell that cannot be read in the sheet that the library is going to read: the
        others may hold what they like."""
        targets = [self._targets.get(sheet, "") for sheet in self._sheets]
        paths = [target.removeprefix("/").removeprefix("xl/") for target in targets]
        first = next((path for path in paths if path.startswith("worksheets/")), "")
        if (fault := self._unreadable.get(f"xl/{first}")) is not None:
            raise fault

    def _doctype(self, *_: object) -> None:
        raise BadTable("no_workbook")

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        self._elements += 1
        if self._elements > self._limits.elements:
            raise BadTable("unpacks_too_large")
        local = name.rpartition(" ")[2]
        if local == "sheetData":  # under whatever root: the library asks for no other
            self._is_sheet = True
        elif self._is_sheet:
            self._start_of_sheet(local, attributes)
        elif local == "sheet" and self._name == _WORKBOOK:
            self._sheets.append(next((text for key, text in attributes.items() if key.endswith(" id")), ""))
        elif local == "Relationship" and self._name == _RELATIONS:
            self._targets[attributes.get("Id", "")] = target = attributes.get("Target", "")
            # Whatever the library opens as a sheet has been looked through.
            if not target.endswith(".xml"):
                raise BadTable("no_workbook")

    def _start_of_sheet(self, local: str, attributes: dict[str, str]) -> None:
        if local == "row":
            self._row, self._column = _number(attributes.get("r"), self._row + 1), 0
        elif local == "c":
            self._column += 1
            self._formula = self._shown = False
            kind = attributes.get("t")
            self._is_text = kind == "str"
            if (place := attributes.get("r")) is not None:
                self._row, self._column = _place(place)
            if kind == "e":  # the library would show nothing in its place
                self._unreadable.setdefault(self._name, BadTable("cell_error", self._row, self._column))
        elif local in ("v", "is"):
            if self._formula:
                self._shown = self._is_text  # a text may be empty
                self._parser.CharacterDataHandler = self._text
            if self._column > self._limits.columns:
                raise BadTable("too_many_columns", self._row)
            if self._row > self._limits.rows + 1:
                raise BadTable("too_many_rows", self._row)
        elif local == "f":
            self._formula = True

    def _end(self, name: str) -> None:
        if self._is_sheet and self._formula and name.endswith(" c"):
            self._formula, self._parser.CharacterDataHandler = False, None
            if not self._shown:
                self._unreadable.setdefault(self._name, BadTable("formula_without_value", self._row))

    def _text(self, text: str) -> None:
        self._shown = True


def _number(text: str | None, otherwise: int) -> int:
    if text is None:
        return otherwise
    if not re.fullmatch(r"[0-9]{1,7}", text):
        raise BadTable("no_workbook")
    return int(text)


def _place(text: str) -> tuple[int, int]:
    """Row and column of `B3`, both from 1."""
    found = _PLACE.fullmatch(text)
    if found is None:
        raise BadTable("no_workbook")
    column = 0
    for letter in found[1].upper():
        column = column * 26 + ord(letter) - 64
    return int(found[2]), column
