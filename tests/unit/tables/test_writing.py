"""Files as they are written: harmless, whole, and read back as they were."""

import io

import openpyxl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from libs.tables import writing
from libs.tables.reading import Form
from libs.tables.writing import WorkbookWriter, writer
from tests.unit.tables.build import cells, rows

FORMS: tuple[Form, ...] = ("csv", "xlsx")
EVIL = ["=1+1", "+86138", "-2", "@SUM(A1)", "\t=1", "\r=1", "'=1", "＝1"]


def written(form: Form, *pieces: list[list[writing.Cell]]) -> bytes:
    made = writer(form, "案件")
    return b"".join(map(made.rows, pieces)) + made.end()


@pytest.mark.parametrize("form", FORMS)
def test_no_cell_begins_a_formula_and_each_is_read_back(form: Form) -> None:
    file = written(form, [list(EVIL)])
    assert cells(form, file) == [tuple(EVIL)]
    if form == "csv":
        shown = file.decode("utf-8-sig").rstrip("\r\n").split('","')
    else:
        shown = [cell.value for cell in openpyxl.load_workbook(io.BytesIO(file)).active[1]]
    assert [str(cell).strip('"')[0] for cell in shown] == ["'"] * len(EVIL)


def test_csv_is_marked_as_utf8_and_every_cell_is_quoted() -> None:
    assert written("csv", [["a", None, 5, 'b"c']]) == '\ufeff"a","","5","b""c"\r\n'.encode()


@pytest.mark.parametrize("form", FORMS)
def test_pieces_make_one_file(form: Form) -> None:
    file = written(form, [["a", 1]], [], [["b", 2], ["c", None]])
    assert cells(form, file) == [("a", "1"), ("b", "2"), ("c",)]


def test_a_workbook_is_read_by_other_programs_too() -> None:
    made = WorkbookWriter("案件")
    file = made.rows([["灯<&>不亮", 3, "x\ny"]])
    made.sheet("说明")
    file += made.rows([["b"]]) + made.end()
    book = openpyxl.load_workbook(io.BytesIO(file))
    assert book.sheetnames == ["案件", "说明"]
    assert [cell.value for cell in book["案件"][1]] == ["灯<&>不亮", 3, "x\ny"]
    assert book["说明"]["A1"].value == "b"


def test_more_rows_than_a_sheet_holds_begin_another(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writing, "MOST_ROWS", 2)
    book = openpyxl.load_workbook(io.BytesIO(written("xlsx", [["a"], ["b"], ["c"]])))
    assert [[row[0].value for row in sheet] for sheet in book] == [["a", "b"], ["c"]]
    assert book.sheetnames == ["案件", "案件2"]


def test_a_text_longer_than_a_cell_of_a_workbook_is_cut() -> None:
    [(cell,)] = cells("xlsx", written("xlsx", [["长" * 40_000]]))
    assert len(cell) == writing.MOST_CHARACTERS


@settings(deadline=None)
@given(st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=20), min_size=1, max_size=4))
def test_csv_reads_back_any_text(texts: list[str]) -> None:
    found = rows("csv", written("csv", [["x", *texts, "x"]]))
    assert found[0].cells == ("x", *texts, "x")


@settings(deadline=None)
@given(
    st.lists(
        st.text(
            st.characters(exclude_categories=["Cs", "Cc", "Cn"]) | st.sampled_from("\n\r\t_x0041"),
            max_size=20,
        ),
        min_size=1,
        max_size=4,
    )
)
def test_a_workbook_reads_back_any_text_that_xml_can_hold(texts: list[str]) -> None:
    found = rows("xlsx", written("xlsx", [["x", *texts, "x"]]))
    assert found[0].cells == ("x", *texts, "x")
