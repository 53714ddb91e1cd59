"""Files for the tests of tables."""

import io
import zipfile
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import openpyxl

from libs.tables.faults import BadTable
from libs.tables.limits import Limits
from libs.tables.reading import Form, Row, read


def workbook(*rows: Sequence[Any]) -> bytes:
    """An XLSX file as another program writes it."""
    book = openpyxl.Workbook()
    for row in rows:
        book.active.append(list(row))
    file = io.BytesIO()
    book.save(file)
    return file.getvalue()


def parts_of(file: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(file)) as package:
        return {name: package.read(name) for name in package.namelist()}


def packed(parts: Mapping[str, bytes]) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as package:
        for name, content in parts.items():
            package.writestr(name, content)
    return file.getvalue()


def with_sheet(xml: str, root: str = "worksheet") -> bytes:
    """A workbook whose sheet holds this XML."""
    sheet = f'<{root} xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main">{xml}</{root}>'
    return packed({**parts_of(workbook(["a"])), "xl/worksheets/sheet1.xml": sheet.encode()})


def rows(form: Form, file: bytes, limits: Limits = Limits()) -> list[Row]:  # noqa: B008 - it is frozen
    return list(read(form, io.BytesIO(file), limits))


def cells(form: Form, file: bytes) -> list[tuple[str, ...]]:
    return [row.cells for row in rows(form, file)]


def why(form: Form, file: bytes, limits: Limits = Limits()) -> tuple[str, str]:  # noqa: B008 - it is frozen
    """Pointer and code of the fault for which a file is refused."""
    try:
        found: Iterable[Row] = rows(form, file, limits)
    except BadTable as error:
        [fault] = error.errors
        return fault.pointer, fault.code
    raise AssertionError(f"was read: {list(found)[:3]}")
