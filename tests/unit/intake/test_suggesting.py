"""What a text suggests, and the phrases that it shows for it."""

from collections import Counter

import pytest

from services.intake.domain.suggesting import SHOWN, Cues, Weights, alike
from services.intake.domain.text import fold
from tests.suggestions.labelled import texts
from tests.unit.intake.build import known


def suggested(asked: str, text: str, *flags: str) -> list[str]:
    return [one.code for one in known().suggester.suggest(text, flags)[asked]]


@pytest.mark.parametrize(
    ("text", "kind", "category"),
    [
        ("楼上漏水，邻居不肯赔，请协调", "DIS", "D02"),
        ("包工头欠我们工地的血汗钱，要求结清", "DIS", "D11"),
        ("请问离婚怎么起诉，需要什么材料", "CON", "D01"),
        ("举报村支书贪污，私吞集体收益", "REP", "D20"),
    ],
)
def test_a_plain_text_is_recognised(text: str, kind: str, category: str) -> None:
    assert suggested("kinds", text)[0] == kind
    assert suggested("categories", text)[0] == category


def test_a_suggestion_shows_the_phrases_that_led_to_it() -> None:
    first = known().suggester.suggest("楼上漏水，邻居不肯赔")["categories"][0]
    assert {"邻居", "漏水", "楼上"} <= set(first.because)
    assert 0 < first.score <= 1


def test_who_may_harm_himself_needs_support_before_all_else() -> None:
    assert suggested("kinds", "拖欠工资，我不想活了", "SELF_HARM") == ["PSY"]


def test_the_best_come_first_and_no_more_than_help_to_decide() -> None:
    scores = [one.score for one in known().suggester.suggest("小区物业欠工资")["categories"]]
    assert scores == sorted(scores, reverse=True)
    assert len(scores) <= SHOWN


def test_where_no_phrase_was_used_the_passages_that_say_most_are_the_reason() -> None:
    told = "上去敲门没用。天天半夜拖椅子拍皮球。今天是星期三"
    bare = known().suggester.suggest(told)
    (best, *_) = known().suggester.reasoned(bare, told)["kinds"]
    assert (bare["kinds"][0].because, best.code) == ((), "DIS")
    assert "天天半夜拖椅子拍皮球" in best.because
    (hidden, *_) = known().suggester.reasoned(bare, "天天半夜拖****")["kinds"]
    assert hidden.because == ("天天半夜拖****",)


def test_a_lawful_route_is_suggested_by_its_phrases_alone() -> None:
    assert suggested("lawful_routes", "法院已经判决，我不服")[0] == "R1"
    assert suggested("lawful_routes", "楼上漏水") == []


def test_tags_are_never_suggested_as_the_category() -> None:
    assert "D19" not in suggested("categories", "清真寺礼拜，少数民族风俗习惯，宗教")


def test_a_phrase_inside_a_longer_one_is_not_told_twice() -> None:
    cues = Cues({"A": ["物业", "物业公司"], "B": ["物业"]})
    assert cues.found("物业公司") == {"A": ("物业公司",), "B": ("物业",)}


def test_a_phrase_that_many_share_says_less() -> None:
    cues = Cues({"A": ["物业", "电梯"], "B": ["物业"]})
    assert cues.weight("物业") < cues.weight("电梯")


def test_likelihoods_come_to_one() -> None:
    scores = Weights({"A": 0.0, "B": 0.0}, {"x": {"A": 2.0}}).scores({"x": 1.0, "unknown": 1.0})
    assert [code for code, _ in scores] == ["A", "B"]
    assert sum(score for _, score in scores) == pytest.approx(1)


@pytest.mark.parametrize(
    ("one", "other", "least", "most"),
    [
        ("楼上漏水", "楼上漏水", 1, 1),
        ("楼上漏水，天花板坏了", "楼上漏水，墙也湿了", 0.3, 0.8),
        ("楼上漏水", "老板欠薪", 0, 0),
        ("", "老板欠薪", 0, 0),
    ],
)
def test_alike_is_what_they_share_of_the_shorter(one: str, other: str, least: float, most: float) -> None:
    assert least <= alike(one, other) <= most


def test_labels_are_of_the_data_and_both_parts_hold_every_kind() -> None:
    reference = known()
    told = texts()
    assert len(told) >= 300
    assert {one.kind for one in told if one.part == "measured"} == set(reference.kinds)
    for one in told:
        assert one.category is None or one.category in reference.categories
        assert set(one.flags) <= reference.flags.by_code.keys()


def test_what_is_learned_keeps_to_the_codes_of_the_data() -> None:
    """The file is made by `python -m tests.suggestions train`."""
    reference = known()
    for one in texts()[:50]:
        found = reference.suggester.suggest(one.text)
        assert {said.code for said in found["kinds"]} <= reference.kinds.keys()
        assert {said.code for said in found["categories"]} <= reference.categories.keys()


def test_every_text_is_there_once_and_no_measured_one_is_learned_from() -> None:
    told = texts()
    assert [key for key, count in Counter(one.id for one in told).items() if count > 1] == []
    said = Counter(fold(one.text) for one in told)
    assert [text for text, count in said.items() if count > 1] == []
    assert not any(one.part == "measured" for one in told if not one.may_be_measured)


def test_every_kind_and_category_is_learned_from_enough_texts() -> None:
    reference = known()
    tuned = [one for one in texts() if one.part == "tuned"]
    by_kind, by_category = (
        Counter(asked) for asked in zip(*((one.kind, one.category) for one in tuned), strict=True)
    )
    assert all(by_kind[kind] >= 100 for kind in reference.kinds)
    labelled = by_category.keys() - {None}
    assert all(by_category[code] >= 60 for code in labelled)


@pytest.mark.parametrize(("asked", "field"), [("kinds", "kind"), ("categories", "category")])
def test_what_was_learned_from_is_met(asked: str, field: str) -> None:
    """A file of weights that is broken, or was made of other texts, meets fewer."""
    taught = [one for one in texts() if one.part == "tuned" and one.written_for != "dangers"]
    tuned = [one for one in taught if getattr(one, field)][::4]
    met = sum(suggested(asked, one.text)[0] == getattr(one, field) for one in tuned)
    assert met / len(tuned) > 0.99
