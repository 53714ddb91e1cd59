"""What is done to texts before they are kept or compared."""

import sys
import unicodedata

import pytest

from services.intake.domain.text import Phrases, Unprintable, clean, fold, is_blank

UNSEEN = [
    *(0x00AD, 0x034F, 0x061C, 0x115F, 0x1160, 0x17B4, 0x17B5, *range(0x180B, 0x1810), *range(0x200B, 0x2010)),
    *(*range(0x202A, 0x202F), *range(0x2060, 0x2070), 0x3164, *range(0xFE00, 0xFE10), 0xFEFF, 0xFFA0),
    *(*range(0xFFF0, 0xFFFC), *range(0x1BCA0, 0x1BCA4), *range(0x1D173, 0x1D17B), *range(0xE0000, 0xE1000)),
]
"""Default_Ignorable_Code_Point of DerivedCoreProperties.txt, and the marks of annotations."""
SEEN_FORMATS = {*range(0x600, 0x606), 0x6DD, 0x70F, 0x890, 0x891, 0x8E2, 0x110BD, 0x110CD}
SEEN_FORMATS |= {*range(0x13430, 0x13440)}
"""Format characters that have ink, or arrange what has."""


@pytest.mark.parametrize(
    ("typed", "kept"),
    [
        ("１３８００００００１", "1380000001"),
        ("Ａ栋３－２０１", "A栋3-201"),
        ("你好，世界！（一）", "你好，世界！（一）"),
        ("一\n二\t三", "一\n二\t三"),
        ("e\u0301", "é"),
        ("plain", "plain"),
    ],
)
def test_wide_digits_and_letters_are_straightened_and_the_rest_is_left(typed: str, kept: str) -> None:
    assert clean(typed) == kept


@pytest.mark.parametrize("bad", ["a\x00b", "\x07", "\x1b[31m", "a\x7f"])
def test_control_characters_are_refused(bad: str) -> None:
    with pytest.raises(Unprintable):
        clean(bad)


def test_folding_takes_out_blanks_and_invisible_signs() -> None:
    assert fold("跳\u200b 　楼\n２４") == "跳楼24"


@pytest.mark.parametrize("struck", ["\u0332", "\u0335", "\u0336", "\u0337", "\u0338"])
def test_a_phrase_that_is_struck_through_or_underlined_is_the_phrase(struck: str) -> None:
    assert fold(struck.join("我想自杀") + struck) == "我想自杀"


def test_what_nobody_sees_is_kept_and_not_compared() -> None:
    formats = {n for n in range(sys.maxunicode) if unicodedata.category(chr(n)) == "Cf"}
    assert formats - SEEN_FORMATS <= set(UNSEEN)
    for sign in map(chr, UNSEEN):
        assert fold(f"自{sign}杀") == "自杀", ascii(sign)
        assert clean(f"自{sign}杀") == f"自{sign}杀"
        assert is_blank(f" {sign}\n\u3000\u0336")
    assert not is_blank("\u200b.")


def test_no_sentence_in_one_character_is_unfolded() -> None:
    assert len(fold("\ufdfa\ufdfb水\u3316" * 1_000)) == 7_000


def test_marks_are_kept_as_far_as_they_can_be_put_in_order_quickly() -> None:
    few = "水" + "\u0323" * 15 + "\u0301" * 15
    assert clean(few) == few
    assert clean("水" + "\u0301" * 10_000 + "\u0323" * 10_000 + "电！！") == "水" + "\u0301" * 30 + "电！！"
    assert clean("！" * 40) == "！" * 40


def test_phrases_that_overlap_are_all_found() -> None:
    found = [(hit.phrase, hit.start) for hit in Phrases(["被打", "打我", "打我电话"]).find("他被打我电话")]
    assert found == [("被打", 1), ("打我", 2), ("打我电话", 2)]


def test_a_phrase_of_one_character_is_a_mistake_of_the_data() -> None:
    with pytest.raises(ValueError, match="too short"):
        Phrases(["打"])
