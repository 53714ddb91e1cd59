"""The rule of routing: its order, each reason, each step of the ranking."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.routing.domain.field import Contender, Load
from services.routing.domain.question import Choice, Question
from services.routing.domain.wording import in_words
from services.routing.policy import REASONS, choose
from tests.unit.routing.build import MONDAY, RULES, a_field, a_question, an_organisation

Loads = Mapping[str, Load]


def ask(question: Question, *organisations: Contender, loads: Loads | None = None) -> Choice:
    return choose(question, a_field(*organisations), loads or {}, RULES)


def chosen(question: Question, *organisations: Contender, loads: Loads | None = None) -> str | None:
    choice = ask(question, *organisations, loads=loads)
    return choice.chosen.org_id if choice.chosen else None


def reasons(question: Question, organisation: Contender, loads: Loads | None = None) -> tuple[str, ...]:
    return dict(ask(question, organisation, loads=loads).out).get(organisation.org_id, ())


DUTY = an_organisation("DUTY-90", type="DUTY_DESK", capacity=None)


def test_a_sealed_report_is_ranked_by_nobody() -> None:
    choice = ask(a_question(kind="REP", flags=frozenset({"SELF_HARM"})), an_organisation(kinds=["REP"]))
    assert (choice.reason, choice.chosen, choice.candidates, choice.out) == ("SEALED", None, (), ())


def test_a_sealed_report_stays_sealed_when_a_target_was_chosen() -> None:
    assert ask(a_question(kind="REP", chosen_target="LAB")).reason == "SEALED"


@pytest.mark.parametrize("flag", sorted(RULES.holding_flags))
def test_a_flag_holds_the_case_until_a_person_releases_it(flag: str) -> None:
    held = ask(a_question(flags=frozenset({flag})), an_organisation(), DUTY)
    assert (held.reason, held.referral) == ("DUTY_DESK", ("DUTY_DESK", "DUTY-90"))
    assert chosen(a_question(flags=frozenset({flag}), released=True), an_organisation()) == "LAB-90"


@pytest.mark.parametrize("flag", ["VULNERABLE", "COLLECTIVE"])
def test_a_flag_of_care_holds_nothing(flag: str) -> None:
    assert chosen(a_question(flags=frozenset({flag})), an_organisation()) == "LAB-90"


@pytest.mark.parametrize(
    ("changes", "because"),
    [
        ({"category": "D99"}, "CATEGORY_OTHER"),
        ({"grid": None}, "NO_AREA"),
        ({"grid": "99010199999999"}, "NO_AREA"),
        ({"kind": None}, "NO_TARGET"),
        ({"category": None}, "NO_TARGET"),
        ({"chosen_target": "NOBODY"}, "NO_TARGET"),
        ({"kind": "PET"}, "TARGET_IS_NO_PARTNER"),
        ({"kind": "SUG"}, "TARGET_IS_NO_PARTNER"),
    ],
)
def test_the_duty_desk_gets_what_the_router_cannot_place(changes: dict[str, Any], because: str) -> None:
    choice = ask(a_question(**changes), an_organisation(kinds=["DIS", "PET", "SUG"]), DUTY)
    assert (choice.reason, choice.because) == ("DUTY_DESK", because)
    assert choice.referral == ("DUTY_DESK", "DUTY-90")


def test_other_is_for_a_person_even_where_the_kind_has_a_target() -> None:
    organisation = an_organisation(type="LAW", kinds=["CON"], categories=["D99"])
    assert ask(a_question(kind="CON", category="D99"), organisation).reason == "DUTY_DESK"


def test_the_kind_s_target_goes_before_the_category_s() -> None:
    law = an_organisation("LAW-90", type="LAW", kinds=["CON", "DIS"])
    lab = an_organisation("LAB-90", kinds=["CON", "DIS"])
    assert chosen(a_question(kind="CON"), law, lab) == "LAW-90"
    assert chosen(a_question(kind="DIS"), law, lab) == "LAB-90"


def test_the_citizen_s_choice_goes_before_both() -> None:
    pmc, lab = an_organisation("PMC-90", type="PMC"), an_organisation("LAB-90")
    assert chosen(a_question(chosen_target="PMC"), pmc, lab) == "PMC-90"


def test_no_choice_brings_a_petition_to_a_partner() -> None:
    lab = an_organisation(kinds=["DIS", "PET"])
    assert ask(a_question(kind="PET", chosen_target="LAB"), lab).reason == "DUTY_DESK"


def test_an_outside_target_is_a_referral_to_the_body_of_the_place() -> None:
    street = an_organisation("SD-1", type="STREET_DUTY", areas=["990101001"], capacity=None)
    other_street = an_organisation("SD-2", type="STREET_DUTY", areas=["990101002"], capacity=None)
    choice = ask(a_question(category="D07"), street, other_street, an_organisation(categories=["D07"]))
    assert (choice.reason, choice.referral) == ("REFERRAL", ("STREET_DUTY", "SD-1"))


def test_a_referral_without_a_body_of_its_type_names_the_type() -> None:
    assert ask(a_question(category="D09")).referral == ("ENVIRONMENT", None)


@pytest.mark.parametrize("category", ["D08", "D13", "D15", "D16"])
def test_an_outside_target_has_no_alternatives_unless_the_citizen_chose_one(category: str) -> None:
    pmc = an_organisation("PMC-90", type="PMC", categories=[category])
    assert ask(a_question(category=category), pmc).reason == "REFERRAL"
    if "PMC" in RULES.categories[category].alternatives:
        assert chosen(a_question(category=category, chosen_target="PMC"), pmc) == "PMC-90"


def test_alternatives_come_after_the_target() -> None:
    lab, pmc = an_organisation("LAB-90"), an_organisation("PMC-90", type="PMC")
    choice = ask(a_question(), pmc, lab)
    assert [c.org_id for c in choice.candidates] == ["LAB-90", "PMC-90"]
    assert chosen(a_question(), pmc, lab, loads={"LAB-90": Load(open=10)}) == "PMC-90"


def test_a_kind_with_a_target_of_its_own_has_no_alternatives() -> None:
    pmc = an_organisation("PMC-90", type="PMC", kinds=["CON"])
    choice = ask(a_question(kind="CON"), pmc)
    assert (choice.reason, dict(choice.out)) == ("NO_ELIGIBLE", {"PMC-90": ("TYPE",)})


def test_after_two_returns_a_person_rules_and_sees_who_is_left() -> None:
    again = ask(
        a_question(returns=1, declined=frozenset({"LAB-91"})), an_organisation(), an_organisation("LAB-91")
    )
    assert again.chosen is not None
    stopped = ask(a_question(returns=2), an_organisation(), DUTY)
    assert (stopped.reason, stopped.because) == ("DUTY_DESK", "BOUNCES_MAX")
    assert [c.org_id for c in stopped.candidates] == ["LAB-90"]


def test_nobody_left_is_told_with_the_reasons_of_all() -> None:
    choice = ask(a_question(consent=False), an_organisation(), an_organisation("LAB-91", paused=True))
    assert (choice.reason, choice.referral) == ("NO_ELIGIBLE", None)
    assert dict(choice.out) == {"LAB-90": ("NO_CONSENT",), "LAB-91": ("PAUSED", "NO_CONSENT")}


SATURDAY = datetime.fromisoformat("2026-03-07T10:00:00+08:00")

ONE_REASON: list[tuple[str, dict[str, Any], dict[str, Any], Load]] = [
    ("TYPE", {"type": "LAW"}, {}, Load()),
    ("TYPE", {"kinds": ["CON"]}, {}, Load()),
    ("AREA", {"areas": ["990101002"]}, {}, Load()),
    ("AREA", {"areas": ["99010100100202"]}, {}, Load()),
    ("CATEGORY", {"categories": ["D11"]}, {}, Load()),
    ("LANGUAGE", {}, {"language": "ii"}, Load()),
    ("MODE", {}, {"mode": "house-call"}, Load()),
    ("HOURS", {"hours": []}, {}, Load()),
    ("CAPACITY", {}, {}, Load(open=10)),
    ("CAPACITY", {"capacity": 0}, {}, Load()),
    ("CAPACITY", {"new_per_day": 3}, {}, Load(open=3, day=MONDAY.date(), new=3)),
    ("PAUSED", {"paused": True}, {}, Load()),
    ("PAUSED", {"leave": [{"from": "2026-03-02", "to": "2026-03-02"}]}, {}, Load()),
    ("DECLINED", {}, {"declined": frozenset({"LAB-90"})}, Load()),
    ("COMPLAINED_ABOUT", {}, {"complained_about": "LAB-90"}, Load()),
    ("NO_CONSENT", {}, {"consent": False}, Load()),
    ("NO_CONSENT", {"opt_in_required": True}, {}, Load()),
]


@pytest.mark.parametrize(("reason", "profile", "question", "load"), ONE_REASON)
def test_each_reason_stands_alone(
    reason: str, profile: dict[str, Any], question: dict[str, Any], load: Load
) -> None:
    assert reasons(a_question(**question), an_organisation(**profile), {"LAB-90": load}) == (reason,)


def test_every_reason_of_the_interface_is_tested_above() -> None:
    assert {reason for reason, *_ in ONE_REASON} == set(REASONS)


def test_an_organisation_is_told_all_its_reasons_in_the_order_of_the_interface() -> None:
    hopeless = an_organisation(
        type="LAW",
        areas=["990101002"],
        categories=["D11"],
        modes=[],
        hours=[],
        capacity=0,
        paused=True,
    )
    question = a_question(
        language="ii",
        mode="phone",
        declined=frozenset({"LAB-90"}),
        complained_about="LAB-90",
        consent=False,
    )
    assert reasons(question, hopeless) == tuple(REASONS)


@pytest.mark.parametrize(
    ("load", "free"),
    [
        (Load(open=9), True),
        (Load(open=3, day=MONDAY.date(), new=2), True),
        (Load(open=3, day=SATURDAY.date(), new=3), True),
        (Load(open=3, day=MONDAY.date(), new=3), False),
    ],
)
def test_a_day_s_offers_count_on_that_day_alone(load: Load, free: bool) -> None:
    assert (chosen(a_question(), an_organisation(new_per_day=3), loads={"LAB-90": load}) is not None) is free


def test_without_a_category_none_is_required() -> None:
    psy = an_organisation("PSY-90", type="PSY", kinds=["PSY"], categories=["D01"])
    assert chosen(a_question(kind="PSY", category=None), psy) == "PSY-90"


def test_an_alternative_in_a_smaller_area_stays_behind_the_target() -> None:
    lab, pmc = an_organisation("LAB-90"), an_organisation("PMC-90", type="PMC", areas=["99010100100203"])
    choice = ask(a_question(), lab, pmc)
    assert (choice.chosen and choice.chosen.org_id, choice.because) == ("LAB-90", "TARGET")


@pytest.mark.parametrize(
    ("areas", "level"),
    [
        (["990101"], 1),
        (["990101001"], 2),
        (["990101001002"], 3),
        (["99010100100203"], 4),
        (["990101", "990101001"], 2),
    ],
)
def test_the_smallest_area_that_covers_the_grid_wins(areas: list[str], level: int) -> None:
    choice = ask(a_question(), an_organisation("LAB-91", areas=areas))
    assert [c.area_level for c in choice.candidates] == [level]


def test_area_goes_before_load() -> None:
    near, far = an_organisation("LAB-91", areas=["990101001002"]), an_organisation("LAB-90")
    choice = ask(a_question(), far, near, loads={"LAB-91": Load(open=9)})
    assert (choice.chosen and choice.chosen.org_id, choice.because) == ("LAB-91", "AREA")


def test_the_lowest_share_of_capacity_wins_not_the_lowest_number() -> None:
    large, small = an_organisation("LAB-91", capacity=100), an_organisation("LAB-90", capacity=10)
    loads = {"LAB-91": Load(open=20), "LAB-90": Load(open=3)}
    choice = ask(a_question(), small, large, loads=loads)
    assert (choice.chosen and choice.chosen.org_id, choice.because) == ("LAB-91", "LOAD")
    assert [c.load_ratio for c in choice.candidates] == [0.2, 0.3]


def test_with_equal_loads_the_one_that_waited_longest_wins() -> None:
    early = Load(open=1, last_at=datetime.fromisoformat("2026-02-01T10:00:00+08:00"))
    late = Load(open=1, last_at=datetime.fromisoformat("2026-02-02T10:00:00+08:00"))
    pair = an_organisation("LAB-90"), an_organisation("LAB-91")
    choice = ask(a_question(), *pair, loads={"LAB-90": late, "LAB-91": early})
    assert (choice.chosen and choice.chosen.org_id, choice.because) == ("LAB-91", "LONGEST_WAIT")
    never = ask(a_question(), *pair, loads={"LAB-90": early, "LAB-91": Load(open=1)})
    assert never.chosen is not None
    assert never.chosen.org_id == "LAB-91"


def test_the_id_decides_last() -> None:
    choice = ask(a_question(), an_organisation("LAB-91"), an_organisation("LAB-90"))
    assert (choice.chosen and choice.chosen.org_id, choice.because) == ("LAB-90", "ID")


def test_a_single_candidate_needs_no_ranking() -> None:
    assert ask(a_question(), an_organisation()).because == "ONLY_CANDIDATE"


def test_ranks_count_from_one_without_gap() -> None:
    choice = ask(a_question(), *(an_organisation(f"LAB-{n}") for n in range(90, 95)))
    assert [c.rank for c in choice.candidates] == [1, 2, 3, 4, 5]


LAW = {"type": "LAW", "kinds": ["CON", "DIS"]}


def test_the_category_names_who_supports() -> None:
    choice = ask(a_question(), an_organisation(), an_organisation("LAW-90", **LAW))
    assert choice.co_mediators == (("LAW", "LAW-90", False),)


def test_a_type_that_has_nobody_free_is_named_without_organisation() -> None:
    choice = ask(a_question(), an_organisation(), an_organisation("LAW-90", paused=True, **LAW))
    assert choice.co_mediators == (("LAW", None, False),)


def test_support_may_come_from_an_organisation_that_does_not_lead_the_kind() -> None:
    psy = an_organisation("PSY-90", type="PSY", kinds=["PSY"], categories=["D01"])
    choice = ask(a_question(category="D01"), an_organisation("PMC-90", type="PMC", categories=["D01"]), psy)
    assert choice.co_mediators == (("PSY", "PSY-90", False),)


def test_who_is_complained_about_supports_nobody() -> None:
    choice = ask(a_question(complained_about="LAW-90"), an_organisation(), an_organisation("LAW-90", **LAW))
    assert choice.co_mediators == (("LAW", None, False),)


def test_of_two_that_support_the_one_that_speaks_the_language_comes_first() -> None:
    plain = an_organisation("LAW-90", **LAW)
    speaks = an_organisation("LAW-91", languages=["zh", "ii"], **LAW)
    choice = ask(a_question(language="ii"), an_organisation(), plain, speaks)
    assert choice.co_mediators == (("LAW", "LAW-91", True),)
    assert choice.chosen is not None
    assert choice.chosen.org_id == "LAB-90"


def test_a_co_mediator_carries_the_language_alone_not_the_mode() -> None:
    speaks = an_organisation("LAW-91", languages=["ii"], modes=["house-call"], **LAW)
    choice = ask(a_question(language="ii", mode="house-call"), an_organisation(), speaks)
    assert dict(choice.out)["LAB-90"] == ("MODE",)


def test_a_consultation_has_no_co_mediators() -> None:
    psy = an_organisation("PSY-90", type="PSY", categories=["D01"])
    choice = ask(
        a_question(kind="CON", category="D01"),
        an_organisation(type="LAW", kinds=["CON"], categories=["D01"]),
        psy,
    )
    assert choice.co_mediators == ()


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["990101", "990101001", "990101001002", "990101002"]),
            st.integers(0, 12),
            st.integers(1, 12),
            st.booleans(),
        ),
        max_size=8,
    )
)
def test_the_winner_has_no_reason_and_nobody_goes_before_it(rows: list[tuple[str, int, int, bool]]) -> None:
    organisations = [
        an_organisation(f"LAB-{n}", areas=[area], capacity=capacity, paused=is_paused)
        for n, (area, _, capacity, is_paused) in enumerate(rows)
    ]
    loads = {f"LAB-{n}": Load(open=row[1]) for n, row in enumerate(rows)}
    choice = ask(a_question(), *organisations, loads=loads)
    able = {c.org_id for c in choice.candidates}
    assert able.isdisjoint(out.org_id for out in choice.out)
    assert able | {out.org_id for out in choice.out} == {org.org_id for org in organisations}
    figures = [(-c.area_level, c.load_ratio) for c in choice.candidates]
    assert figures == sorted(figures)
    assert (choice.chosen and choice.chosen.org_id) == (choice.candidates[0].org_id if able else None)


def test_the_order_of_organisations_changes_nothing() -> None:
    organisations = [an_organisation(f"LAB-{n}") for n in range(90, 96)]
    assert ask(a_question(), *organisations) == ask(a_question(), *reversed(organisations))


@pytest.mark.parametrize(
    ("because", "target", "zh"),
    [("TARGET", "LAB", "属于首选类型LAB"), ("TARGET_IS_NO_PARTNER", "COURT", "应由COURT处理")],
)
def test_the_deciding_reason_is_told_in_words(because: str, target: str, zh: str) -> None:
    assert in_words(because, target)["zh"].startswith(zh)
