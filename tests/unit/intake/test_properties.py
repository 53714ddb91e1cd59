"""What holds for any text that anybody types."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import RFC_4122

from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from uuid_utils.compat import uuid7

from libs.web.errors import Refusal
from services.intake.domain.case import dated_id, first_id
from services.intake.domain.flags import Entered
from services.intake.domain.hiding import hide
from services.intake.domain.registration import register
from services.intake.domain.statement import Statement, check
from services.intake.domain.text import Unprintable, clean, fold
from tests.unit.intake.build import DISTRICT, NOW, command, known, moment

RULES = known().flags
PHRASES = sorted({phrase for rule in RULES.by_code.values() for phrase in rule.words | rule.cancel})
WORDS = st.lists(st.sampled_from([*PHRASES, "不是", "还", "，", "他", "123", " "]), max_size=12).map("".join)
TEXTS = st.one_of(st.text(max_size=200), WORDS)


@given(TEXTS)
def test_a_phrase_that_nothing_cancels_raises_its_flag_whatever_stands_around_it(text: str) -> None:
    assert "VIOLENCE" in RULES.judge(f"{text}。他拿刀。{text}", Entered()).flags


@given(TEXTS)
def test_judging_a_folded_text_is_judging_the_text(text: str) -> None:
    assert RULES.judge(text, Entered()) == RULES.judge(fold(text), Entered())


@given(TEXTS)
def test_what_is_denied_is_not_raised(text: str) -> None:
    judged = RULES.judge(text, Entered())
    assert set(judged.denied).isdisjoint(judged.flags)


@given(TEXTS)
def test_cleaning_is_done_once(text: str) -> None:
    try:
        once = clean(text)
    except Unprintable:
        return
    assert clean(once) == once


@given(
    st.one_of(TEXTS, st.sampled_from(["锦苑一期", "幸福里", "云桥街道"]).map(lambda place: f"某{place}号"))
)
def test_an_address_leads_to_a_grid_of_ours_or_to_a_person(address: str) -> None:
    places = known().places[DISTRICT]
    assert places.grid(address) in {*places.grids, None}


JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False), st.text(max_size=30)),
    lambda below: st.one_of(
        st.lists(below, max_size=3), st.dictionaries(st.text(max_size=10), below, max_size=3)
    ),
    max_leaves=5,
)
NAMES = st.sampled_from(sorted(Statement.model_fields))
CODES = st.sampled_from(
    ["PET", "REP", "DIS", "D10", "D10.1", "D19", "LAB", "phone", "VIOLENCE", "2026-01-01"]
)


@given(st.dictionaries(NAMES, st.one_of(JSON, CODES, st.lists(CODES, max_size=2)), max_size=5))
def test_any_body_is_registered_or_refused_by_a_typed_answer(fields: dict[str, Any]) -> None:
    body = {"channel": "phone", "narrative": "门前路灯不亮", **fields}
    try:
        check(Statement.model_validate(body), known(), NOW)
        register(None, command(**body), moment("supervisor", version=0))
    except (ValidationError, Refusal):
        return


DIVIDERS = st.text(st.sampled_from(" 　.·-—_/()\u200b\u00ad\u2800\ufe0f\n"), max_size=2)
DIGITS = st.sampled_from(
    ["0123456789", "０１２３４５６７８９", "⓪①②③④⑤⑥⑦⑧⑨", "٠١٢٣٤٥٦٧٨٩", "〇一二三四五六七八九"]
)


@given(st.text("0123456789", min_size=7, max_size=19), st.data(), st.text(max_size=20))
def test_a_masked_text_shows_no_long_number_however_it_is_written(
    number: str, data: st.DataObject, around: str
) -> None:
    first, *rest = [data.draw(DIGITS)[int(digit)] for digit in number]
    written = first + "".join(data.draw(DIVIDERS) + digit for digit in rest)
    assert hide(f"电话{written}。", [f"周{around}"], around) == "电话****。"


@given(TEXTS.filter(lambda text: sum(map(str.isnumeric, text)) < 7 and not {"@", "＠", "﹫"} & set(text)))
def test_a_text_without_secrets_is_shown_as_it_was_typed(text: str) -> None:
    assert hide(text, ["欧阳明日"], "云桥街道锦苑商业街8号") == text


@given(st.timedeltas(timedelta(0), timedelta(days=40_000)))
def test_a_matter_of_any_past_has_clocks(ago: timedelta) -> None:
    case = register(None, command(received_at=(NOW - ago).isoformat()), moment(version=0)).case
    assert case is not None
    assert case.deadlines["PROD-TRIAGE-BLUE"].due_at > NOW - ago


@given(TEXTS)
def test_whatever_is_typed_suggestions_are_ranked_and_name_only_what_stands_there(text: str) -> None:
    folded = fold(text)
    for offers in known().suggester.suggest(text).values():
        scores = [offer.score for offer in offers]
        assert scores == sorted(scores, reverse=True)
        assert all(0 < score <= 1 for score in scores)
        assert all(fold(phrase) in folded for offer in offers for phrase in offer.because)


@given(at=st.integers(0, 4_000_000_000).map(lambda at: datetime.fromtimestamp(at, UTC)))
def test_an_id_holds_the_instant_of_its_case_and_the_order_in_which_it_was_made(at: datetime) -> None:
    fresh = [uuid7() for _ in range(20)]
    made = [dated_id(at, one) for one in fresh]
    assert made == sorted(made)
    assert len({*made}) == len(fresh)
    assert {(one.version, one.variant, one.int >> 80) for one in made} == {
        (7, RFC_4122, first_id(at).int >> 80)
    }
