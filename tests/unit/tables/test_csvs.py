"""CSV from any program: its encodings, its quotes, its limits; any bytes at all are rows or a typed fault."""

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.tables.cells import original
from libs.tables.faults import BadTable
from libs.tables.limits import Limits
from libs.tables.reading import check_beginning, read
from libs.web.refusals import UnsupportedMedia
from tests.unit.tables.build import cells, rows, why

TEXT = "诉求内容,姓名\r\n门前路灯不亮,周小川\r\n"
READ = [("诉求内容", "姓名"), ("门前路灯不亮", "周小川")]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030"])
def test_each_encoding_is_known_by_the_file_itself(encoding: str) -> None:
    assert cells("csv", TEXT.encode(encoding)) == READ
    assert cells("csv", f"\ufeff{TEXT}".encode(encoding.removesuffix("-sig"))) == READ


def test_characters_that_gbk_lacks_are_read_in_gb18030() -> None:
    assert cells("csv", "㐀😀,ꆈꌠ".encode("gb18030")) == [("㐀😀", "ꆈꌠ")]


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_each_line_end_ends_a_row(end: str) -> None:
    assert cells("csv", f"a,b{end}c,d".encode()) == [("a", "b"), ("c", "d")]


def test_a_quoted_cell_holds_commas_quotes_and_lines() -> None:
    assert cells("csv", b'"a,""b""\nc",d\n') == [('a,"b"\nc', "d")]


def test_rows_are_counted_as_a_spreadsheet_shows_them_and_empty_ones_left_out() -> None:
    found = rows("csv", b'a\n\n"b\nc"\n , \nd,,\n')
    assert [(row.number, row.cells) for row in found] == [(1, ("a",)), (3, ("b\nc",)), (5, ("d",))]


@pytest.mark.parametrize(
    ("file", "fault"),
    [
        (b"", ("", "empty")),
        (b"\n\n,,\n", ("", "empty")),
        (b'a\n"b', ("/rows/2", "malformed")),
        (b'a\nb\n"c"d', ("/rows/3", "malformed")),
        (b"a\nb\n\xff\xff\xff", ("/rows/1", "not_text")),
        (b"\xff\xfea\x00", ("/rows/1", "not_text")),
        (b"a\n" + b"," * 64, ("/rows/2", "too_many_columns")),
        (b"a\n" + b"x" * 131_073, ("/rows/2", "row_too_long")),
        (b"a\n" + b'"\n",' * 40_000, ("/rows/2", "row_too_long")),
        (b'a\n"' + b"x\n" * 70_000, ("/rows/2", "row_too_long")),
    ],
    ids=["nothing", "blank", "open", "quote", "bytes", "utf16", "columns", "line", "lines", "unclosed"],
)
def test_a_file_that_cannot_be_read_is_refused_where_it_fails(file: bytes, fault: tuple[str, str]) -> None:
    assert why("csv", file) == fault


def test_a_row_and_a_column_as_many_as_allowed_are_read() -> None:
    limits = Limits(rows=2, columns=3)
    assert len(rows("csv", b"h\na,b,c\nd\n", limits)) == 3
    assert why("csv", b"h\na\nb\nc\n", limits) == ("/rows/4", "too_many_rows")
    assert why("csv", b"h\na,b,c,d\n", limits) == ("/rows/2", "too_many_columns")


def test_a_million_columns_are_refused_by_the_first_bytes() -> None:
    with pytest.raises(BadTable) as refused:
        check_beginning("csv", (b"a," * 1_000_000)[:65_536], Limits())
    assert refused.value.errors[0].code == "too_many_columns"
    for end in (b"\n", b"\r"):
        check_beginning("csv", (b"a,b,c" + end) * 100, Limits(columns=3))


@pytest.mark.parametrize("begin", [b"PK\x03\x04", b"%PDF-1.7", b"\xd0\xcf\x11\xe0", b"a\x00b"])
def test_what_is_no_text_is_no_csv_whatever_it_was_sent_as(begin: bytes) -> None:
    with pytest.raises(UnsupportedMedia):
        check_beginning("csv", begin, Limits())


def test_a_text_is_no_workbook_whatever_it_was_sent_as() -> None:
    with pytest.raises(UnsupportedMedia):
        check_beginning("xlsx", TEXT.encode(), Limits())


ODD = st.lists(
    st.sampled_from([b'"', b",", b"\n", b"\r", b"=", b"'", b"\xef\xbb\xbf", b"\0", b"\xb9\xfa", b"a"])
)


@given(st.binary(max_size=200) | ODD.map(b"".join))
def test_any_bytes_are_rows_or_a_typed_fault(file: bytes) -> None:
    try:
        check_beginning("csv", file[:100], Limits())
    except (BadTable, UnsupportedMedia):
        pass  # the worker reads it all the same here
    try:
        for row in read("csv", io.BytesIO(file), Limits()):
            assert all(isinstance(cell, str) for cell in row.cells)
    except BadTable:
        return


TABLES = st.lists(
    st.lists(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\ufeff"), max_size=9)),
    max_size=5,
)


@given(TABLES, st.sampled_from(["utf-8", "utf-8-sig", "gb18030"]))
def test_what_another_program_wrote_is_read_as_it_was(table: list[list[str]], encoding: str) -> None:
    file = io.StringIO(newline="")
    csv.writer(file).writerows([*table, ["国"]])
    content = file.getvalue().encode(encoding)
    found = rows("csv", content)
    numbered = enumerate([*table, ["国"]], 1)
    expected = [(number, [original(cell) for cell in row]) for number, row in numbered]
    assert [(row.number, [*row.cells]) for row in found] == [
        (number, cells) for number, row in expected if (cells := without_blank_end(row))
    ]


def without_blank_end(cells: list[str]) -> list[str]:
    return without_blank_end(cells[:-1]) if cells and not cells[-1].strip() else cells
