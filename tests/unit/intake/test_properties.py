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
from services.intake.domain.disclosure import masked
from services.intake.domain.flags import Entered
from services.intake.domain.people import personal
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


@given(st.integers(10**6, 10**12), st.text(max_size=20))
def test_a_masked_text_holds_no_long_number(number: int, around: str) -> None:
    body = {"channel": "phone", "narrative": f"电话{number}。", "applicant": {"name": f"周{around}"}}
    try:
        said = Statement.model_validate(body)
    except ValidationError:
        return
    shown = masked(personal(said), None, hide_applicant=False)
    assert str(number) not in str(shown["narrative"])


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
