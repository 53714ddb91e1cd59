"""What a narrative is found by, and what it never is."""

import pytest

from services.intake.domain.searching import indexed, sought
from tests.unit.intake.build import known

NONE: frozenset[str] = frozenset()


def words(text: str, *names: str) -> set[str]:
    return set(indexed(text, names, NONE))


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("楼上漏水", {"楼上", "上漏", "漏水"}),
        ("漏\n水 了", {"漏水", "水了"}),
        ("漏，水", set()),
        ("漏\u200b水", {"漏水"}),
        ("漏\u202e水", {"漏水"}),
        ("𠮷野", {"𠮷野"}),
        ("WeChat Pay", {"wechat", "pay"}),
        ("ＷｅＣｈａｔ", {"wechat"}),
        ("3幢1２单元", {"3", "12", "单元"}),
        ("用app付款", {"app", "付款"}),
        ("😀漏水😀", {"漏水"}),
        ("字", set()),
        ("", set()),
    ],
)
def test_words_of_a_text(text: str, found: set[str]) -> None:
    assert words(text) == found


@pytest.mark.parametrize(
    "number",
    [
        "13800000001",
        "138 0000 0001",
        "138-0000-0001",
        "(010)8888",
        "138\n0000\n0001",
        "１３８００００００００１",
        "990101199001011234",
        "2026",
        "3-2-501",
        "一三八零零零零",
        "二〇二六",
    ],
)
def test_g22_a_number_over_three_digits_leaves_no_word(number: str) -> None:
    assert words(f"漏水{number}漏水") == {"漏水"}


@pytest.mark.parametrize("name", ["周小川", "周 小川", "Zhou Xiaochuan", "ZHOU XIAOCHUAN", "周\u200b小川"])
def test_g22_a_name_that_the_case_tells_leaves_no_word(name: str) -> None:
    text = "房东周小川说，周\n小川不退钱，Zhou Xiaochuan也不退"
    told = words(text, name, "周小川", "zhou xiaochuan")
    assert told == {"房东", "不退", "退钱", "也不"}


def test_a_name_inside_a_longer_one_leaves_nothing_of_it() -> None:
    assert words("欧阳小川走了", "小川", "欧阳小川") == {"走了"}


def test_a_name_of_one_character_hides_no_text() -> None:
    assert words("水管漏水", "水") == {"水管", "管漏", "漏水"}


def test_g22_the_commonest_pairs_are_no_words() -> None:
    assert {"我们", "没有", "现在"} <= known().common
    assert indexed("现在我们没有暖气", (), known().common) == {"在我", "们没", "有暖", "暖气"}


@pytest.mark.parametrize(
    ("asked", "text"),
    [
        ("漏水", "楼上漏水"),
        ("漏水 天花板", "天花板坏了，楼上漏水"),
        ("天花板，漏水", "楼上漏水泡了天花板"),
        ("漏水", "漏\n 水"),
        ("３幢", "住3幢"),
        ("wechat", "用WeChat付"),
        ("没有暖气", "家里没有暖气"),
        ("3幢1单元", "锦苑3幢1单元"),
        ("二〇二六年欠薪", "二〇二六年欠薪至今"),
    ],
)
def test_what_is_looked_for_stands_in_the_text_and_its_words_are_those_of_the_text(
    asked: str, text: str
) -> None:
    wanted = sought(asked, known().common)
    assert wanted.words
    assert wanted.words <= indexed(text, (), known().common)
    assert wanted.stands_in(text)


@pytest.mark.parametrize(
    ("asked", "text"),
    [
        ("漏水了", "水了，漏水"),
        ("漏水 天花板", "楼上漏水"),
        ("没有暖气", "有暖气"),
        ("漏水13800000001", "漏水13800000002"),
    ],
)
def test_pairs_alone_do_not_make_a_hit(asked: str, text: str) -> None:
    assert not sought(asked, known().common).stands_in(text)


@pytest.mark.parametrize(
    "asked",
    ["水", "，。", "13800000001", "138 0000 0001", "2026", "我们", "没有，我们", "水 电", "😀", "\u200b"],
)
def test_what_nothing_is_found_by(asked: str) -> None:
    assert sought(asked, known().common).words == NONE
