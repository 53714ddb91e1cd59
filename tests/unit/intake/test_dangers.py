"""Dangers that no phrase names: pointed out with their telling passages, never raised."""

import pytest

from services.intake.domain.dangers import SecondLook, features
from services.intake.domain.flags import Entered
from services.intake.domain.suggesting import Weights
from tests.unit.intake.build import known

TOY = SecondLook(
    Weights(
        {"SELF_HARM": -1.0, "VIOLENCE": 0.0},
        {
            "送人": {"SELF_HARM": 9.0},
            "鱼": {"SELF_HARM": 3.0},
            "天": {"SELF_HARM": -0.5},
            "打": {"VIOLENCE": 9.0},
        },
    ),
    {"SELF_HARM": 0.0, "VIOLENCE": 1.0},
)


def test_a_danger_is_pointed_out_from_its_least_sum_on() -> None:
    assert [one.code for one in TOY.possible("鱼送人了", ())] == ["SELF_HARM"]
    assert TOY.possible("今天天气好，鱼在水里游来游去很好看", ()) == []


def test_the_likeliest_comes_first() -> None:
    assert [one.code for one in TOY.possible("打鱼送人", ())] == ["SELF_HARM", "VIOLENCE"]


def test_what_is_raised_is_not_pointed_out_again() -> None:
    assert TOY.possible("鱼送人了", ("SELF_HARM",)) == []


def test_the_most_telling_passages_are_shown_as_they_were_written_in_their_order() -> None:
    (told,) = TOY.possible("今天很好。金鱼送人了，猫也送 人了；鱼缸空了", ())
    assert told.because == ("金鱼送人了", "猫也送 人了")
    (told,) = TOY.possible("鱼送人了。猫送人了。鱼缸没水", ())
    assert told.because == ("鱼送人了", "猫送人了")
    (told,) = TOY.possible("周小川的鱼送人了", (), "周**的鱼送人了")
    assert told.because == ("周**的鱼送人了",)


@pytest.mark.parametrize("text", ["", " ", "。", "​", "\U0001f600" * 3])
def test_what_says_nothing_points_to_nothing(text: str) -> None:
    assert known().dangers.possible(text, ()) == []


def test_a_text_shows_each_of_its_runs_once_and_has_length_one() -> None:
    shown = features("打打")
    assert shown.keys() == {"打", "打打"}
    assert sum(value * value for value in shown.values()) == pytest.approx(1)


def test_blanks_and_widths_change_nothing() -> None:
    assert features("ＡＢ 鱼") == features("AB鱼")


def test_what_is_learned_keeps_to_the_red_flags_of_the_data() -> None:
    """The file is made by `python -m tests.suggestions dangers`."""
    reference = known()
    red = {code for code, rule in reference.flags.by_code.items() if rule.minimum_urgency == "RED"}
    assert known().dangers.sums("").keys() == red


def test_a_danger_told_in_images_is_pointed_out_and_not_raised() -> None:
    text = "我把狗送人了，房子退了，微信里的人都删干净了，谢谢你们听我说完"
    assert known().flags.judge(text, Entered()).flags == ()
    assert [one.code for one in known().dangers.possible(text, ())] == ["SELF_HARM"]


@pytest.mark.parametrize(
    "text", ["楼上漏水，天花板泡坏了，请协调赔偿", "老板欠我三个月工资，打电话不接", "想问医保怎么转到外地"]
)
def test_ordinary_matters_point_to_no_danger(text: str) -> None:
    assert known().dangers.possible(text, ()) == []
