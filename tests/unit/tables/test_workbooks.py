"""XLSX from any program, and what is refused before the library reads it."""

import io
import struct
import zipfile
from datetime import date, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from libs.tables.faults import BadTable
from libs.tables.limits import Limits
from libs.tables.reading import read
from tests.unit.tables.build import cells, packed, parts_of, rows, why, with_sheet, workbook

SOUND = workbook(["诉求内容", "电话"], ["灯不亮", 13800000001])
NO_WORKBOOK = ("", "no_workbook")


def cell(place: str, value: str = "x") -> str:
    return f'<c r="{place}" t="str"><v>{value}</v></c>'


def test_each_kind_of_cell_is_read_as_people_see_it() -> None:
    file = workbook(
        ["a", 13800000001, 18600.5, True, date(2026, 3, 2), datetime(2026, 3, 2, 10, 30)]  # noqa: DTZ001
    )
    assert cells("xlsx", file) == [("a", "13800000001", "18600.5", "是", "2026-03-02", "2026-03-02 10:30:00")]


def test_an_identity_number_that_lost_its_digits_is_told() -> None:
    [_, row] = rows("xlsx", workbook(["a", "b"], ["x", 990101199001011234]))
    assert (row.number, dict(row.faults)) == (2, {1: "digits_lost"})


def test_rows_keep_their_numbers_over_gaps() -> None:
    file = with_sheet(f"<sheetData><row>{cell('A1')}</row><row>{cell('A5')}</row></sheetData>")
    assert [row.number for row in rows("xlsx", file)] == [1, 5]


def test_a_formula_is_the_text_that_was_last_shown_and_never_computed() -> None:
    shown = with_sheet(
        '<sheetData><row r="1"><c r="A1" t="str"><f>1+1</f><v>=HYPERLINK</v></c></row></sheetData>'
    )
    assert cells("xlsx", shown) == [("=HYPERLINK",)]
    assert why("xlsx", workbook(["a"], ["=1+1"])) == ("/rows/2", "formula_without_value")


def test_a_formula_may_show_an_empty_text() -> None:
    row = '<row r="1"><c r="A1"><v>7</v></c><c r="B1" t="str"><f>IF(1,"","")</f><v></v></c></row>'
    assert cells("xlsx", with_sheet(f"<sheetData>{row}</sheetData>")) == [("7",)]


def test_a_cell_that_shows_an_error_is_no_blank_one() -> None:
    row = '<row r="2"><c r="B2" t="e"><v>#DIV/0!</v></c></row>'
    assert why("xlsx", with_sheet(f"<sheetData>{row}</sheetData>")) == ("/rows/2/columns/2", "cell_error")


def test_a_sheet_is_looked_through_whatever_its_root_is_called() -> None:
    row = '<sheetData><row r="60001"><c r="B60001"><v>7</v></c></row></sheetData>'
    assert why("xlsx", with_sheet(row, root="other")) == ("/rows/60001", "too_many_rows")


def test_only_the_first_sheet_is_read() -> None:
    import openpyxl

    book = openpyxl.Workbook()
    book.active.append(["a"])
    book.create_sheet("说明").append(["b", "#REF!", "=1+1"])
    file = io.BytesIO()
    book.save(file)
    assert cells("xlsx", file.getvalue()) == [("a",)]
    book.move_sheet("说明", -1)
    book.save(file := io.BytesIO())
    assert why("xlsx", file.getvalue()) == ("/rows/1/columns/2", "cell_error")


def test_a_chart_before_all_sheets_is_passed_over() -> None:
    import openpyxl
    from openpyxl.chart import BarChart

    book = openpyxl.Workbook()
    book.active.append(["a"])
    book.create_chartsheet("图", 0).add_chart(BarChart())
    file = io.BytesIO()
    book.save(file)
    assert cells("xlsx", file.getvalue()) == [("a",)]
    del book["Sheet"]
    book.save(file := io.BytesIO())
    assert why("xlsx", file.getvalue()) == ("", "empty")


@pytest.mark.parametrize("place", ["XFD1", "A1048576", "BM1", "A50002"])
def test_cells_far_apart_are_refused_before_room_is_made_for_all_between(place: str) -> None:
    file = with_sheet(f"<sheetData><row>{cell('A1')}</row><row>{cell(place)}</row></sheetData>")
    assert why("xlsx", file)[1] in ("too_many_columns", "too_many_rows")


def test_cells_without_a_place_are_counted_where_they_stand() -> None:
    file = with_sheet("<sheetData><row>" + "<c><v>1</v></c>" * 65 + "</row></sheetData>")
    assert why("xlsx", file) == ("/rows/1", "too_many_columns")


def test_styled_cells_without_a_value_do_not_count() -> None:
    file = with_sheet(f'<sheetData><row>{cell("A1")}<c r="XFD1" s="0"/></row></sheetData>')
    assert cells("xlsx", file) == [("x",)]


@pytest.mark.parametrize("place", ["1A", "A", "AAAA1", "A99999999999", "A-1", ""])
def test_a_place_that_is_none_is_refused(place: str) -> None:
    file = with_sheet(f'<sheetData><row><c r="{place}"><v>1</v></c></row></sheetData>')
    assert why("xlsx", file) == NO_WORKBOOK


def test_a_part_that_unpacks_to_far_more_is_refused_unread() -> None:
    bomb = packed({**parts_of(SOUND), "xl/bomb.xml": b" " * 20_000_000})
    assert len(bomb) < 100_000
    assert why("xlsx", bomb) == ("", "unpacks_too_large")


def test_the_parts_together_and_their_number_are_bounded() -> None:
    assert why("xlsx", SOUND, Limits(unpacked=1_000)) == ("", "unpacks_too_large")
    assert why("xlsx", SOUND, Limits(parts=3)) == ("", "unpacks_too_large")
    assert why("xlsx", SOUND, Limits(elements=10)) == ("", "unpacks_too_large")


def test_a_part_that_lies_of_its_size_is_refused() -> None:
    parts = {**parts_of(SOUND), "xl/more.xml": b"<a>" + b" " * 900_000 + b"</a>"}
    file = bytearray(packed(parts))
    real, told = struct.pack("<I", 900_007), struct.pack("<I", 7)
    assert file.count(real) == 2  # before the part, and in the list of parts
    assert why("xlsx", bytes(file.replace(real, told))) == NO_WORKBOOK


def test_a_document_type_is_refused_so_no_entity_grows() -> None:
    evil = b'<!DOCTYPE a [<!ENTITY b "bbbbbbbbbb">]><a>&b;</a>'
    assert why("xlsx", packed({**parts_of(SOUND), "xl/styles.xml": evil})) == NO_WORKBOOK


def test_a_sheet_in_a_part_that_was_not_looked_through_is_refused() -> None:
    parts = parts_of(SOUND)
    name = "xl/_rels/workbook.xml.rels"
    parts["xl/worksheets/sheet1.bin"] = parts.pop("xl/worksheets/sheet1.xml")
    parts[name] = parts[name].replace(b"sheet1.xml", b"sheet1.bin")
    assert why("xlsx", packed(parts)) == NO_WORKBOOK


def test_two_lists_of_parts_are_refused() -> None:
    assert why("xlsx", SOUND + b"x") == NO_WORKBOOK
    other = io.BytesIO(SOUND)
    with zipfile.ZipFile(other, "a") as package:
        package.comment = b"PK\x05\x06"
    assert why("xlsx", other.getvalue()) == NO_WORKBOOK


@pytest.mark.parametrize("file", [b"", b"PK\x03\x04", SOUND[:400], SOUND[100:], packed({"a.txt": b"x"})])
def test_what_is_no_workbook_is_a_typed_fault(file: bytes) -> None:
    assert why("xlsx", file) == NO_WORKBOOK


@settings(max_examples=150, deadline=None)
@given(st.lists(st.tuples(st.integers(0, len(SOUND) - 1), st.integers(0, 255)), min_size=1, max_size=5))
def test_a_damaged_workbook_is_rows_or_a_typed_fault(damage: list[tuple[int, int]]) -> None:
    file = bytearray(SOUND)
    for place, byte in damage:
        file[place] = byte
    try:
        list(read("xlsx", io.BytesIO(bytes(file)), Limits()))
    except BadTable:
        return


@settings(max_examples=100, deadline=None)
@given(st.text(alphabet="<>/crowv=\"'A1 &;f\n\0", max_size=60))
def test_any_sheet_is_rows_or_a_typed_fault(xml: str) -> None:
    try:
        rows("xlsx", with_sheet(f"<sheetData>{xml}</sheetData>"))
    except BadTable:
        return
