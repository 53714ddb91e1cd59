"""Every sample case goes where data/sample_cases.json says, with nobody carrying anything yet."""

from datetime import datetime
from typing import Any

import pytest

from services.routing.domain.question import Choice, Question
from services.routing.policy import choose
from tests.unit.routing.build import RULES, SEEDED, read

CASES: list[dict[str, Any]] = read("sample_cases")["cases"]


def question_of(case: dict[str, Any], **changes: Any) -> Question:
    told, expected = case["input"], case["expected"]
    applicant = told["applicant"]
    clock = case["clock"].get("case.offered") or case["clock"]["case.registered"]
    facts = {
        "kind": expected["kind"],
        "category": expected["category"],
        "grid": expected["grid"],
        "flags": frozenset(expected["flags"]),
        "at": datetime.fromisoformat(clock),
        "consent": told["consents"]["share_with_partner"],
        "language": applicant["language"],
        "ethnic_support": bool(applicant.get("ethnic_support")),
    }
    return Question(**{**facts, **changes})


def route(no: int, **changes: Any) -> Choice:
    case = next(case for case in CASES if case["no"] == no)
    return choose(question_of(case, **changes), SEEDED, {}, RULES)


def destination(choice: Choice) -> tuple[str | None, str | None]:
    """Type and organisation to which a case goes, by an offer or through a person."""
    if choice.chosen:
        return choice.chosen.type, choice.chosen.org_id
    return choice.referral or (None, None)


# A dispatcher directs 11 to the court and hands 13 to the street: decisions of people, tested below.
@pytest.mark.parametrize("case", [c for c in CASES if c["no"] not in (11, 13)], ids=lambda c: str(c["no"]))
def test_a_sample_case_goes_where_it_should(case: dict[str, Any]) -> None:
    choice = choose(question_of(case), SEEDED, {}, RULES)
    assert destination(choice) == (case["expected"]["target_type"], case["expected"]["target_organisation"])


# 12 is merged and never routed.
@pytest.mark.parametrize("case", [c for c in CASES if c["no"] != 12], ids=lambda c: str(c["no"]))
def test_a_sample_case_gets_its_co_mediators(case: dict[str, Any]) -> None:
    choice = choose(question_of(case), SEEDED, {}, RULES)
    assert [co.type for co in choice.co_mediators] == case["expected"]["co_target_types"]
    # Nobody knows where the caller of case 5 is, so no counsellor of her area can be named.
    assert all(co.org_id for co in choice.co_mediators) == (case["no"] != 5)


@pytest.mark.parametrize(("no", "reason"), [(5, "DUTY_DESK"), (10, "DUTY_DESK"), (9, "REFERRAL")])
def test_a_sample_case_that_a_person_takes_over_says_why(no: int, reason: str) -> None:
    choice = route(no)
    assert (choice.chosen, choice.reason) == (None, reason)


@pytest.mark.parametrize(
    ("no", "because"), [(5, "HELD_BY_FLAG"), (10, "HELD_BY_FLAG"), (13, "TARGET_IS_NO_PARTNER")]
)
def test_what_kept_a_sample_case_from_the_router(no: int, because: str) -> None:
    assert route(no).because == because


def test_petitions_go_to_the_duty_desk_until_a_person_directs_them() -> None:
    assert destination(route(11)) == ("DUTY_DESK", "DUTY-01")
    assert destination(route(13)) == ("DUTY_DESK", "DUTY-01")
    assert destination(route(11, chosen_target="COURT")) == ("COURT", "CT-01")
    assert destination(route(13, chosen_target="STREET_DUTY")) == ("STREET_DUTY", "SD-NT")


def test_the_caller_of_case_9_may_choose_mediation_instead() -> None:
    choice = route(9, chosen_target="PMC")
    assert destination(choice) == ("PMC", "PMC-NT")
    assert dict(choice.out)["PMC-NT-DQ"] == ("CATEGORY",)


def test_the_wage_child_of_case_10_goes_to_the_labour_committee_once_released() -> None:
    choice = route(10, kind="DIS", released=True)
    assert destination(choice) == ("LAB", "LAB-01")
    assert [(co.type, co.org_id) for co in choice.co_mediators] == [("LABOUR_INSPECTION", "LI-01")]


def test_the_support_child_of_case_5_goes_to_counsellors_once_released_and_placed() -> None:
    choice = route(5, released=True, grid="99010100100203", consent=True)
    assert destination(choice) == ("PSY", "PSY-01")


def test_the_minority_federation_carries_the_language_of_case_3() -> None:
    choice = route(3)
    assert choice.co_mediators == (("ETH", "ETH-01", True),)
    asked_for_nothing = route(3, ethnic_support=False)
    assert asked_for_nothing.reason == "NO_ELIGIBLE"
    assert "LANGUAGE" in dict(asked_for_nothing.out)["PMC-YQ-HB"]
    assert asked_for_nothing.co_mediators == ()


def test_case_1_is_decided_by_the_target_type() -> None:
    choice = route(1)
    assert choice.because == "TARGET"
    assert [(c.org_id, c.rank, c.area_level) for c in choice.candidates] == [
        ("LAB-01", 1, 1),
        ("PMC-YQ", 2, 2),
    ]
    assert {out.org_id for out in choice.out} == {org.org_id for org in SEEDED.partners} - {
        "LAB-01",
        "PMC-YQ",
    }
