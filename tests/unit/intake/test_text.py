"""What is done to texts before they are kept or compared."""

import pytest

from services.intake.domain.text import Phrases, Unprintable, clean, fold


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


def test_phrases_that_overlap_are_all_found() -> None:
    found = [(hit.phrase, hit.start) for hit in Phrases(["被打", "打我", "打我电话"]).find("他被打我电话")]
    assert found == [("被打", 1), ("打我", 2), ("打我电话", 2)]


def test_a_phrase_of_one_character_is_a_mistake_of_the_data() -> None:
    with pytest.raises(ValueError, match="too short"):
        Phrases(["打"])
