"""Cases that belong together: noted on both, taken back on both, never across a seal or a district."""

from dataclasses import replace
from uuid import UUID

import pytest

from libs.web.errors import Invalid, NotFound
from services.intake.domain.case import Case
from services.intake.domain.relating import MOST, Relate, TooManyRelated, relate
from tests.unit.intake.build import CASE, OTHER, kept, moment, registered


def related(one: Case, other: Case, yes: bool = True, role: str = "operator") -> tuple[Case, Case]:
    """Both cases after the act."""
    decision = relate(one, Relate(other.case_id, yes), moment(role, others={other.case_id: other}))
    assert decision.events == ()
    assert [entry.case_id for entry in decision.audit] == [one.case_id, other.case_id]
    changed, events = decision.others[other.case_id]
    assert events == []
    return kept(decision), changed


def test_both_tell_of_each_other_until_it_is_taken_back() -> None:
    one, other = related(registered(), replace(registered(OTHER), stage="refused"))
    assert (one.related, other.related) == ((OTHER,), (CASE,))
    assert related(one, other)[0].related == (OTHER,)
    one, other = related(one, other, yes=False)
    assert (one.related, other.related) == ((), ())


def test_no_case_belongs_to_itself() -> None:
    with pytest.raises(Invalid):
        relate(registered(), Relate(CASE, related=True), moment())


@pytest.mark.parametrize(
    "other",
    [registered(OTHER, kind="REP"), replace(registered(OTHER), district="990102")],
    ids=["accusation", "district"],
)
def test_what_the_caller_may_not_know_is_not_there(other: Case) -> None:
    with pytest.raises(NotFound):
        related(registered(), other)


def test_who_knows_accusations_relates_them_to_accusations_alone() -> None:
    one, other = registered(kind="REP"), registered(OTHER, kind="REP")
    assert related(one, other, role="sealed_officer")[0].related == (OTHER,)


def test_there_is_an_end_to_it() -> None:
    full = replace(registered(), related=tuple(UUID(int=nth) for nth in range(MOST)))
    with pytest.raises(TooManyRelated):
        related(registered(OTHER), full)
