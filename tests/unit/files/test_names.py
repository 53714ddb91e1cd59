"""Names of files: what is left of one, how it is told."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.files.names import LONGEST, disposition, extension, tidy


@pytest.mark.parametrize(
    ("name", "left"),
    [
        ("劳动合同.pdf", "劳动合同.pdf"),
        ("C:\\Users\\me\\工资条.jpg", "工资条.jpg"),
        ("../../etc/passwd", "passwd"),
        ("a\u202egpj.exe", "agpj.exe"),
        ("a\r\nSet-Cookie: x.pdf", "aSet-Cookie_ x.pdf"),
        ("\u200b.htaccess", "htaccess"),
        ('a"b<c>.txt', "a_b_c_.txt"),
        ("e\u0301.txt", "\u00e9.txt"),
        ("𠮷田.pdf", "𠮷田.pdf"),
        ("photo.pdf.exe", "photo.pdf.exe"),
        ("...", ""),
        ("", ""),
        ("长" * 300 + ".pdf", "长" * (LONGEST - 4) + ".pdf"),
    ],
)
def test_what_is_left_of_a_name(name: str, left: str) -> None:
    assert tidy(name) == left


@pytest.mark.parametrize(
    ("name", "ending"), [("a.PDF", "pdf"), ("a", ""), ("a.pdf.exe", "exe"), ("a.", ""), (".a", "a")]
)
def test_the_ending(name: str, ending: str) -> None:
    assert extension(name) == ending


@given(st.text(max_size=400))
def test_a_tidy_name_stays_as_it_is_and_fits_into_a_header(name: str) -> None:
    left = tidy(name)
    assert tidy(left) == left
    assert len(left) <= LONGEST
    header = disposition(left)
    assert header.isascii()
    assert header.isprintable()
    assert header.count('"') == 2


def test_how_a_name_is_told() -> None:
    assert disposition("合同 1.pdf") == (
        "attachment; filename=\"___1.pdf\"; filename*=UTF-8''%E5%90%88%E5%90%8C%201.pdf"
    )
