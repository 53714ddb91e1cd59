"""The area tree: levels, parents, and what changes when it is redrawn."""

import pytest

from libs.events.organisation import AreaProfile
from libs.web.errors import Invalid
from services.routing.domain.area import Area, profiles_of, redraw
from tests.unit.routing.build import LEVELS, REFERENCE

TREE = {profile.code: Area(profile, 1) for profile in profiles_of(LEVELS, REFERENCE["areas"])}


def area(code: str, zh: str = "新") -> AreaProfile:
    return AreaProfile(code=code, zh=zh)


def test_the_seed_is_a_tree() -> None:
    assert redraw(LEVELS, {}, profiles_of(LEVELS, REFERENCE["areas"])) == sorted(
        TREE.values(), key=lambda area: area.code
    )


@pytest.mark.parametrize(
    ("code", "level", "parent"),
    [
        ("990101", "district", None),
        ("990101001", "street", "990101"),
        ("990101001002", "community", "990101001"),
        ("99010100100203", "grid", "990101001002"),
    ],
)
def test_a_code_says_level_and_parent(code: str, level: str, parent: str | None) -> None:
    record = TREE[code].record(LEVELS)
    assert (record.level, record.parent, record.district) == (level, parent, "990101")


def test_only_what_differs_changes() -> None:
    same, new = TREE["990101001"].profile, area("990101001007")
    renamed = TREE["990101002"].profile.model_copy(update={"zh": "南塘镇"})
    changed = redraw(LEVELS, TREE, [renamed, same, new])
    assert [(a.code, a.version) for a in changed] == [("990101001007", 1), ("990101002", 2)]


def test_a_place_without_a_place_above_is_refused() -> None:
    with pytest.raises(Invalid) as refused:
        redraw(LEVELS, TREE, [area("990101009001")])
    assert [(e.pointer, e.code) for e in refused.value.errors] == [("/items/0/code", "no_parent")]


def test_a_place_and_its_parent_may_come_together() -> None:
    assert len(redraw(LEVELS, TREE, [area("990101009001"), area("990101009")])) == 2


def test_a_place_is_told_once() -> None:
    with pytest.raises(Invalid) as refused:
        redraw(LEVELS, TREE, [area("990101009"), area("990101009", "另")])
    assert [(e.pointer, e.code) for e in refused.value.errors] == [("/items/1/code", "twice")]
