"""From an address to a grid, or to a person."""

import pytest

from services.intake.domain.places import Area, Places
from tests.unit.intake.build import DISTRICT, known


@pytest.mark.parametrize(
    ("address", "grid"),
    [
        ("云桥街道锦苑小区3幢", "99010100100203"),
        ("锦苑一期3幢", "99010100100201"),
        ("锦苑第二网格", "99010100100202"),
        ("云桥街道幸福里12号", "99010100100102"),
        ("南塘街道幸福里12号", "99010100200201"),
        ("桥头社区幸福里", "99010100100102"),
        ("南塘街道医苑路区中心医院", "99010100200501"),
        ("南塘老街5号", "99010100200201"),
        ("临江区 云桥街道　建新路", "99010100100602"),
    ],
)
def test_the_finest_place_that_the_words_allow(address: str, grid: str) -> None:
    assert known().places[DISTRICT].grid(address) == grid


@pytest.mark.parametrize(
    "address",
    [
        "",
        "幸福里12号",
        "云桥街道",
        "云桥街道锦苑社区",
        "南塘街道锦苑一期",
        "锦苑一期对面锦苑二期",
        "石埠村",
        "某某路1号",
    ],
)
def test_what_is_not_certain_goes_to_a_person(address: str) -> None:
    assert known().places[DISTRICT].grid(address) is None


def test_the_longest_alias_hides_the_shorter_one_inside_it() -> None:
    places = Places(
        known().levels,
        [
            Area("99010100100101", frozenset({"桥头"})),
            Area("99010100100202", frozenset({"桥头老街"})),
        ],
    )
    assert places.grid("桥头老街8号") == "99010100100202"
    assert places.grid("桥头8号") == "99010100100101"


def test_a_part_of_a_grid_is_finer_than_the_grid() -> None:
    places = Places(
        known().levels,
        [
            Area("99010100100203", frozenset({"锦苑三期"})),
            Area("9901010010020301", frozenset({"3幢"})),
            Area("9901010010020401", frozenset({"3幢"})),
        ],
    )
    assert places.grid("锦苑三期3幢") == "9901010010020301"
    assert places.grid("锦苑三期4幢") == "99010100100203"
    assert places.grid("3幢") is None
