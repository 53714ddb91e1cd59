"""Which other cases an answer names, and how it is told to who may not know of them."""

from typing import Any
from uuid import UUID

from services.intake.domain.linked import named, naming
from tests.unit.intake.build import CASE, OTHER

ANSWER: dict[str, Any] = {
    "case_id": str(UUID(int=1)),
    "parent": str(CASE),
    "merged_into": str(OTHER),
    "possible_duplicates": [str(OTHER), str(CASE)],
    "related": [str(CASE)],
    "children": [{"case_id": str(OTHER), "kind": "CON", "query_code": "K7M2P9QX"}],
}


def test_every_field_that_names_another_case_is_cut() -> None:
    assert set(named(ANSWER)) == {CASE, OTHER}
    assert naming({CASE, OTHER}, ANSWER) == ANSWER
    assert naming({CASE}, ANSWER) == {
        **ANSWER,
        "merged_into": None,
        "possible_duplicates": [str(CASE)],
        "children": [],
    }
    assert naming({OTHER}, ANSWER) == {
        **ANSWER,
        "parent": None,
        "possible_duplicates": [str(OTHER)],
        "related": [],
    }


def test_an_answer_without_them_stays_as_it_is() -> None:
    for answer in ({}, {"state": "erased"}, {"parent": None, "related": []}):
        assert list(named(answer)) == []
        assert naming((), answer) == answer
