"""When two people may tell of one matter, and which cases can be repeated at all."""

from dataclasses import replace

import pytest

from services.intake.domain.case import Stage
from services.intake.domain.resembling import TOGETHER, stands_alone, together
from tests.unit.intake.build import CASE, OTHER, registered

ONE = "恒跃健身突然关门，年卡还剩八个月，店长电话关机"
LIKE = "恒跃健身关门了，年卡退不了，电话也打不通"
ELSE = "楼上漏水，天花板泡坏了"


@pytest.mark.parametrize(
    ("other", "shared", "one_matter"),
    [
        (ONE, (), True),
        (LIKE, (), False),
        (LIKE, ("respondents",), True),
        (LIKE, ("place",), True),
        (ELSE, ("respondents",), False),
        (ELSE, ("place",), False),
        (ELSE, ("respondents", "place"), False),
    ],
)
def test_a_shared_side_or_place_makes_up_for_other_words(
    other: str, shared: tuple[str, ...], one_matter: bool
) -> None:
    assert (together(ONE, other, shared) >= TOGETHER) is one_matter


def test_the_score_lies_between_nothing_and_all() -> None:
    assert together("", ELSE, ()) == 0
    assert together(ONE, ONE, ("respondents", "place")) == 1


@pytest.mark.parametrize("stage", ["registered", "accepted", "refused", "forwarded"])
def test_a_case_that_is_open_or_final_can_be_repeated(stage: Stage) -> None:
    assert stands_alone(replace(registered(CASE), stage=stage))


@pytest.mark.parametrize("stage", ["merged", "withdrawn", "erased"])
def test_what_joined_another_case_or_was_taken_back_cannot(stage: Stage) -> None:
    assert not stands_alone(replace(registered(CASE), stage=stage))


def test_a_child_is_its_parents_matter() -> None:
    assert not stands_alone(registered(CASE).with_facts(parent=OTHER))
