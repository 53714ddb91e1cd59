"""The free texts of acts, read again: who sees which of them."""

import pytest

from libs.web.errors import Forbidden, NotFound
from services.intake.domain.case import Case
from services.intake.domain.disclosure import masked_text
from services.intake.domain.noting import ReadNotes, read_notes
from services.intake.domain.people import personal
from tests.unit.intake.build import accepted, known, moment, registered, said

SECRET = registered(roles=("sealed_officer",), kind="REP")
HIDDEN = accepted(flags=["CONFIDENTIAL"])


def shown(case: Case, *roles: str) -> tuple[bool, bool]:
    """Whether these roles see texts, and purposes of unmasking."""
    decision = read_notes(case, ReadNotes(known()), moment(*roles))
    (entry,) = decision.audit
    assert (entry.action, dict(entry.detail)) == ("case.notes_read", decision.reply)
    return decision.reply["texts"], decision.reply["purposes"]


@pytest.mark.parametrize(
    ("roles", "open_case", "hidden"),
    [
        (("operator",), (True, False), None),
        (("dispatcher",), (True, False), None),
        (("supervisor",), (True, True), (True, True)),
        (("duty_officer",), (True, True), (True, True)),
        (("auditor",), (False, True), (False, True)),
        (("auditor", "operator"), (True, True), (False, True)),
        (("auditor", "sealed_officer"), (False, True), (False, True)),
    ],
)
def test_texts_are_seen_with_the_case_and_purposes_by_supervisors_and_auditors(
    roles: tuple[str, ...], open_case: tuple[bool, bool], hidden: tuple[bool, bool] | None
) -> None:
    assert shown(accepted(), *roles) == open_case
    if hidden is not None:
        assert shown(HIDDEN, *roles) == hidden
        return
    with pytest.raises(Forbidden):
        shown(HIDDEN, *roles)


@pytest.mark.parametrize("roles", [("supervisor",), ("auditor",), ("auditor", "supervisor"), ("admin",)])
def test_of_an_accusation_only_the_sealed_officer_reads_them(roles: tuple[str, ...]) -> None:
    for also in ((), ("auditor",)):
        assert shown(SECRET, "sealed_officer", *also) == (True, True)
    with pytest.raises(NotFound):
        shown(SECRET, *roles)


@pytest.mark.parametrize("role", ["admin", "sealed_officer", "partner_lead"])
def test_who_knows_of_no_case_finds_no_texts(role: str) -> None:
    with pytest.raises(NotFound):
        shown(accepted(), role)


def test_a_text_is_masked_as_the_narrative_is() -> None:
    told = personal(said(applicant={"name": "许明远", "phone": "13800000001"}))
    text = "许明远改用13800000002，证号990101199001011234，3月2日再来"
    assert masked_text(told, text) == "许**改用****，证号****，3月2日再来"
