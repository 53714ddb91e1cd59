"""The depth of an area tree is data: levels, parents, and which area an address means."""

from collections.abc import Mapping
from typing import Any

import pytest

from libs.areas import Levels

DISTRICT, STREET, COMMUNITY = "990101", "990101001", "990101001002"
GRID, MICRO = COMMUNITY + "03", COMMUNITY + "0301"

FIVE = [
    {"level": "district", "digits": 6},
    {"level": "street", "digits": 9, "within": "streets"},
    {"level": "community", "digits": 12, "within": "communities"},
    {"level": "grid", "digits": 14, "within": "grids", "holds_cases": True},
    {"level": "micro_grid", "digits": 16, "within": "micro_grids", "holds_cases": True},
]
THREE = [FIVE[0], FIVE[2], FIVE[3]]


@pytest.mark.parametrize(
    ("rows", "area", "level", "parent"),
    [
        (FIVE, DISTRICT, "district", None),
        (FIVE, GRID, "grid", COMMUNITY),
        (FIVE, MICRO, "micro_grid", GRID),
        (THREE, COMMUNITY, "community", DISTRICT),
        (THREE, GRID, "grid", COMMUNITY),
        (THREE, STREET, None, DISTRICT),
    ],
)
def test_the_levels_say_what_an_area_is_and_where_it_hangs(
    rows: list[Mapping[str, Any]], area: str, level: str | None, parent: str | None
) -> None:
    levels = Levels(rows)
    found = levels.of(area)
    assert (found.code if found else None, levels.parent(area)) == (level, parent)


@pytest.mark.parametrize(
    ("named", "meant"),
    [
        ([GRID], [GRID]),
        ([STREET, GRID, MICRO], [MICRO]),
        ([MICRO, COMMUNITY + "0401"], [MICRO, COMMUNITY + "0401"]),
        ([GRID, MICRO, COMMUNITY + "0401"], [MICRO]),
        ([COMMUNITY + "04", MICRO], []),
        (["990101002", GRID], []),
        ([STREET, COMMUNITY], []),
        ([], []),
    ],
)
def test_the_finest_area_that_no_other_name_contradicts_is_meant(named: list[str], meant: list[str]) -> None:
    assert Levels(FIVE).meant(named) == meant


def test_where_only_a_coarser_area_is_named_its_grids_are_shown() -> None:
    tree = [DISTRICT, STREET, COMMUNITY, GRID, MICRO, "99010100200101"]
    levels = Levels(FIVE)
    assert levels.below([STREET], tree) == [GRID]
    assert levels.below([DISTRICT], tree) == []
    assert levels.below(["990101003"], tree) == []


def test_a_tree_is_read_as_deep_as_its_levels() -> None:
    grid = {"code": GRID, "micro_grids": [{"code": MICRO}]}
    flat = {"district": {"code": DISTRICT, "communities": [{"code": COMMUNITY, "grids": [grid]}]}}
    assert [row["code"] for row in Levels(THREE).rows(flat)] == [DISTRICT, COMMUNITY, GRID]
    deep = {
        "district": {
            "code": DISTRICT,
            "streets": [{"code": STREET, "communities": [{"code": COMMUNITY, "grids": [grid]}]}],
        }
    }
    assert [row["code"] for row in Levels(FIVE).rows(deep)] == [DISTRICT, STREET, COMMUNITY, GRID, MICRO]


def test_an_area_at_another_level_than_its_code_says_is_refused() -> None:
    with pytest.raises(ValueError, match="no code of a street"):
        list(Levels(FIVE).rows({"district": {"code": DISTRICT, "streets": [{"code": GRID}]}}))


@pytest.mark.parametrize(
    "rows",
    [
        [],
        FIVE[1:],
        [FIVE[0], FIVE[2], FIVE[1], FIVE[3]],
        [FIVE[0], FIVE[3], FIVE[3]],
        [FIVE[0], {"level": "block", "digits": 11, "holds_cases": True}],
        FIVE[:3],
    ],
)
def test_levels_that_make_no_tree_are_refused(rows: list[Mapping[str, Any]]) -> None:
    with pytest.raises(ValueError, match="level"):
        Levels(rows)
