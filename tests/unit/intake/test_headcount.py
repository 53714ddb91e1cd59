"""How many people a text speaks of."""

import pytest

from services.intake.domain.headcount import told_headcount


@pytest.mark.parametrize(
    ("text", "people"),
    [
        ("我们十七个人", 17),
        ("一百二十来号人", 120),
        ("全村老少二百多口", 200),
        ("四十多名泥瓦工", 40),
        ("十四个钢筋工", 14),
        ("三千二百零六户", 3206),
        ("1.2万人里来了35人", 35),
        ("一万两千人", 12_000),
        ("几百号工友", 200),
        ("上百人", 100),
        ("先是五户，后来三十户", 30),
    ],
)
def test_the_largest_number_of_people_counts(text: str, people: int) -> None:
    assert told_headcount(text) == people


def test_a_run_without_end_is_read_in_bounded_pieces() -> None:
    assert told_headcount("一" + "万" * 20_000 + "人") < 10**50


@pytest.mark.parametrize(
    "text", ["", "邻居漏水", "住十六号楼", "赔三百块", "打八十米深", "我八十一了", "三百二十号院"]
)
def test_other_numbers_are_no_people(text: str) -> None:
    assert told_headcount(text) == 1
