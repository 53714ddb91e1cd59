"""Registering a matter, with and without a ruling of the same act."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from libs.events.intake import CaseAccepted, CaseMerged, CaseRegistered, CaseReminded
from libs.web.errors import Busy, Forbidden, Invalid, NotFound
from services.intake.domain.case import Origin
from services.intake.domain.registration import AlreadyRegistered, Neighbours, register
from tests.unit.intake.build import CASE, NOW, OTHER, accepted, command, kept, moment, registered

ANSWER = {
    "case_id", "district", "query_code", "kind", "track", "category", "grid", "flags", "urgency", "state",
    "version", "registered_at", "due", "parent", "children", "possible_duplicates", "warnings",
}  # fmt: skip


def test_a_matter_with_nothing_but_words_is_registered() -> None:
    decision = register(None, command(), moment(version=0))
    assert decision.status == 201
    assert decision.location == f"/v1/cases/{CASE}"
    assert [event.TYPE for event in decision.events] == ["case.registered"]
    assert decision.reply.keys() == ANSWER
    assert decision.reply["state"] == "registered"
    assert decision.reply["version"] == 1
    assert decision.reply["due"] == {"rule": "PROD-TRIAGE-BLUE", "due_at": "2026-03-04T00:00:00+08:00"}
    assert [entry.action for entry in decision.audit] == ["case.registered"]


def test_accepting_in_the_act_ends_triage_and_tells_both() -> None:
    decision = register(None, command(kind="DIS", decision={"action": "accept"}), moment(version=0))
    told, followed = decision.events
    assert isinstance(told, CaseRegistered)
    assert isinstance(followed, CaseAccepted)
    assert told.decided == "accept"
    assert [due.rule for due in told.deadlines] == ["PROD-TRIAGE-BLUE"]
    assert followed.with_registration
    assert followed.deadlines == ()
    assert followed.case.accepted_at == NOW
    assert decision.reply["version"] == 2
    assert decision.reply["due"] is None


def test_the_first_dossier_goes_with_the_case() -> None:
    decision = register(None, command(), moment(version=0))
    assert [record.version for record in decision.state] == [1]
    assert decision.case is not None
    assert decision.case.facts.dossier_version == 1


def test_an_accusation_tells_its_kind_and_nothing_else() -> None:
    fields = {"kind": "REP", "narrative": "他拿刀", "category": "D10", "place": {"address": "锦苑一期"}}
    decision = register(None, command(**fields), moment(version=0))
    (told,) = decision.events
    assert isinstance(told, CaseRegistered)
    assert decision.state == []
    assert told.deadlines == ()
    said = told.case.model_dump(exclude={"received_at", "registered_at"})
    assert {name: value for name, value in said.items() if value} == {
        "channel": "sealed",
        "kind": "REP",
        "track": "SEALED",
        "urgency": "BLUE",
        "headcount": 1,
        "anonymous": True,
    }


def test_an_accusation_has_its_clocks_all_the_same() -> None:
    assert "PROD-TRIAGE-RED" in registered(kind="REP", narrative="他拿刀").deadlines


@pytest.mark.parametrize("roles", [("admin",), ("auditor",), ("partner_handler",)])
def test_who_does_not_serve_at_the_door_registers_nothing(roles: tuple[str, ...]) -> None:
    with pytest.raises(Forbidden):
        register(None, command(), moment(*roles, version=0))


@pytest.mark.parametrize(
    ("fields", "refusal"),
    [
        ({"kind": "DIS", "decision": {"action": "forward", "directed_to": "MR-01"}}, Forbidden),
        ({"kind": "PET", "decision": {"action": "accept", "lawful_route": "R6"}}, Forbidden),
        ({"kind": "REP", "decision": {"action": "accept"}}, Forbidden),
        ({"decision": {"action": "accept"}}, Invalid),
        ({"kind": "DIS", "decision": {"action": "merge", "into": str(OTHER)}}, NotFound),
    ],
)
def test_a_ruling_that_is_refused_registers_nothing(fields: dict[str, Any], refusal: type[Exception]) -> None:
    neighbours = Neighbours()
    with pytest.raises(refusal):
        register(None, command(**fields), moment(version=0, shared=neighbours))
    assert neighbours == Neighbours()


def test_a_fault_of_the_ruling_is_named_where_it_stands_in_the_body() -> None:
    asked = command(kind="DIS", decision={"action": "refuse"})
    with pytest.raises(Invalid) as refused:
        register(None, asked, moment("dispatcher", version=0))
    assert [error.pointer for error in refused.value.errors] == ["/decision/reason_code"]


def test_a_repeated_matter_is_registered_and_joined_without_clocks_of_its_own() -> None:
    first = accepted(OTHER)
    asked = command(kind="DIS", decision={"action": "merge", "into": str(OTHER)})
    decision = register(None, asked, moment(version=0, others={OTHER: first}))
    told, merged = decision.events
    assert isinstance(told, CaseRegistered)
    assert isinstance(merged, CaseMerged)
    assert (told.decided, told.deadlines, merged.into) == ("merge", (), OTHER)
    assert merged.reason_code == "REPEAT_IN_HANDLING"
    target, (reminded,) = decision.others[OTHER]
    assert isinstance(reminded, CaseReminded)
    assert (target.reminders, reminded.count, reminded.merged_from) == (1, 1, CASE)
    assert decision.case is not None
    assert decision.case.deadlines == {}
    assert kept(decision).stage == "merged"


def test_a_danger_told_with_a_repeated_matter_counts_from_its_receipt_in_the_first_case() -> None:
    fields = {"narrative": "拿刀砍我", "received_at": NOW - timedelta(hours=1)}
    asked = command(kind="DIS", decision={"action": "merge", "into": str(OTHER)}, **fields)
    decision = register(None, asked, moment(version=0, others={OTHER: accepted(OTHER)}))
    first, _ = decision.others[OTHER]
    assert (first.facts.flags, first.facts.urgency) == (("VIOLENCE",), "RED")
    assert first.deadlines["RISK-VIOLENCE"].due_at == NOW - timedelta(hours=1)
    assert not any(clock.open for clock in kept(decision).deadlines.values())
    assert decision.state == [asked.dossier]


def test_a_query_code_that_somebody_has_is_passed_over() -> None:
    neighbours = Neighbours(codes={"AAAAAAAA"})
    asked = command(codes=("AAAAAAAA", "BBBBBBBB"))
    assert register(None, asked, moment(version=0, shared=neighbours)).reply["query_code"] == "BBBBBBBB"
    assert neighbours.codes == {"AAAAAAAA", "BBBBBBBB"}


def test_two_cases_of_one_batch_never_share_a_code() -> None:
    neighbours, asked = Neighbours(), command(codes=("AAAAAAAA", "BBBBBBBB"))
    taken = [
        register(None, asked, moment(version=0, shared=neighbours)).reply["query_code"] for _ in range(2)
    ]
    assert taken == ["AAAAAAAA", "BBBBBBBB"]
    with pytest.raises(Busy):
        register(None, asked, moment(version=0, shared=neighbours))


def test_an_external_number_is_taken_once_per_credential() -> None:
    neighbours = Neighbours()
    asked = replace(command(codes=("AAAAAAAA", "BBBBBBBB")), origin=Origin("staff:a", "12345-1"))
    register(None, asked, moment(version=0, shared=neighbours))
    with pytest.raises(AlreadyRegistered) as refused:
        register(None, replace(asked, case_id=OTHER), moment(version=0, shared=neighbours))
    assert refused.value.status == 409
    assert refused.value.extra == {"case_id": str(CASE)}
    other = replace(asked, case_id=OTHER, origin=Origin("staff:b", "12345-1"))
    assert register(None, other, moment(version=0, shared=neighbours)).status == 201
