"""The checker finds each kind of breach that is planted, and says nothing of what is whole."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from faults.checker import CHECKS, check, told
from faults.evidence import OWNERS, Case, Clock, Event, Evidence, Inbox, Message
from faults.history import Line

NOON = datetime(2026, 3, 2, 4, 0, tzinfo=UTC)
HANDLED = {
    "routing.intake-case": frozenset({(OWNERS["intake"], "case.accepted")}),
    "mediation.routing-assignment": frozenset({(OWNERS["routing"], "assignment.proposed")}),
}
STEPS = {
    "intake": ("case.registered", "case.accepted"),
    "routing": ("assignment.proposed",),
    "mediation": ("case.offered", "case.taken_up", "case.opened", "deadline.missed"),
    "notify": ("message.planned", "message.sent"),
}


def whole(cases: int = 3) -> Evidence:
    """What a run leaves in which nothing went wrong."""
    evidence = Evidence(handled=HANDLED, now=NOON + timedelta(hours=1))
    for n in range(cases):
        case_id, ref = f"case-{n}", f"ref-{n}"
        evidence.history = [
            *evidence.history,
            Line(n, ref, 0.0, "asked"),
            Line(n, ref, 1.0, "ok", 201, 0.1, case_id, "K7M2P9QX"),
        ]
        evidence.cases.append(Case(case_id, ref, "accepted"))
        evidence.registrations_audited[case_id] = 1
        for service, types in STEPS.items():
            evidence.heads[service, case_id] = len(types)
            for version, kind in enumerate(types, 1):
                payload = {
                    "assignment.proposed": {"assignment_id": f"assignment-{n}"},
                    "case.offered": {"assignment_id": f"assignment-{n}"},
                    "deadline.missed": {"rule": "PROD-CONTACT"},
                }.get(kind, {})
                event = Event(
                    f"{case_id}-{service}-{version}",
                    case_id,
                    OWNERS[service],
                    kind,
                    version,
                    NOON,
                    payload,
                )
                evidence.events.append(event)
                evidence.records.append(replace(event, place=(n % 2, len(evidence.records))))
        evidence.inbox += [
            Inbox("routing.intake-case", f"{case_id}-intake-2", "done"),
            Inbox("mediation.routing-assignment", f"{case_id}-routing-1", "done"),
        ]
        evidence.clocks.append(Clock("mediation", case_id, "PROD-CONTACT", NOON, "missed"))
        evidence.messages.append(
            Message(f"sms-{n}", case_id, "N01", "applicant", "case.registered", 1, "sent", False)
        )
        evidence.ledger = [*evidence.ledger, f"sms-{n}"]
    evidence.counted = evidence.held = {"LAB-01": cases}
    evidence.secrets = ["13800000001", "张三"]
    evidence.texts = {"intake.case.v1/0/0": b'{"kind":"DIS"}', "log intake.log": b'{"event":"ready"}'}
    return evidence


def found(evidence: Evidence) -> set[str]:
    return {finding.promise for finding in check(evidence)}


def test_a_whole_run_has_no_findings():
    assert check(whole()) == []


def test_nothing_at_all_has_no_findings():
    assert check(Evidence()) == []


def lose_a_case(e: Evidence, n: int) -> None:
    e.cases.pop(n)


def invent_a_case(e: Evidence, n: int) -> None:
    e.cases.append(Case("case-x", "nobody", "accepted"))


def double_a_case(e: Evidence, n: int) -> None:
    e.cases.append(Case("case-y", f"ref-{n}", "accepted"))


def tell_two_numbers(e: Evidence, n: int) -> None:
    e.history = [*e.history, Line(n, f"ref-{n}", 2.0, "ok", 201, 0.1, "case-z")]


def leave_an_answer_open(e: Evidence, n: int) -> None:
    e.history = [*e.history, Line(n, f"ref-{n}", 2.0, "unknown")]


def lose_an_event(e: Evidence, n: int) -> None:
    e.events = [x for x in e.events if x.event_id != f"case-{n}-intake-2"]


def forget_the_audit(e: Evidence, n: int) -> None:
    e.registrations_audited.pop(f"case-{n}")


def audit_twice(e: Evidence, n: int) -> None:
    e.registrations_audited[f"case-{n}"] = 2


def lose_a_record(e: Evidence, n: int) -> None:
    e.records = [x for x in e.records if x.event_id != f"case-{n}-routing-1"]


def publish_what_was_never_stored(e: Evidence, n: int) -> None:
    e.records.append(replace(e.records[n], event_id="other", version=9, place=(n % 2, 999)))


def reorder(e: Evidence, n: int) -> None:
    swapped = {f"case-{n}-intake-1": 1_000, f"case-{n}-intake-2": -1}
    e.records = [replace(x, place=(x.place[0], swapped.get(x.event_id, x.place[1]))) for x in e.records]


def split_over_partitions(e: Evidence, n: int) -> None:
    e.records = [replace(x, place=(7, 1)) if x.event_id == f"case-{n}-intake-2" else x for x in e.records]


def skip_an_effect(e: Evidence, n: int) -> None:
    e.inbox = [x for x in e.inbox if x.event_id != f"case-{n}-intake-2"]


def leave_an_effect_parked(e: Evidence, n: int) -> None:
    e.inbox = [replace(x, status="parked") if x.event_id == f"case-{n}-intake-2" else x for x in e.inbox]


def answer_a_proposal_twice(e: Evidence, n: int) -> None:
    again = next(x for x in e.events if x.event_id == f"case-{n}-mediation-1")
    e.events.append(replace(again, event_id="again", version=5))
    e.records.append(replace(again, event_id="again", version=5, place=(n % 2, 999)))
    e.heads["mediation", f"case-{n}"] = 5


def miscount_a_load(e: Evidence, n: int) -> None:
    e.counted = {"LAB-01": 99}


def send_twice(e: Evidence, n: int) -> None:
    e.ledger = [*e.ledger, f"sms-{n}"]


def send_one_purpose_twice(e: Evidence, n: int) -> None:
    e.messages.append(replace(e.messages[n], message_id="sms-again"))
    e.ledger = [*e.ledger, "sms-again"]


def count_as_sent_what_never_went_out(e: Evidence, n: int) -> None:
    e.ledger = [x for x in e.ledger if x != f"sms-{n}"]


def send_what_was_suppressed(e: Evidence, n: int) -> None:
    e.messages[n] = replace(e.messages[n], state="suppressed")


def send_what_nobody_planned(e: Evidence, n: int) -> None:
    e.ledger = [*e.ledger, "sms-of-nobody"]


def take_a_forbidden_step(e: Evidence, n: int) -> None:
    e.events = [
        replace(x, type="case.rated") if x.event_id == f"case-{n}-mediation-2" else x for x in e.events
    ]
    e.records = [
        replace(x, type="case.rated") if x.event_id == f"case-{n}-mediation-2" else x for x in e.records
    ]


def fire_early(e: Evidence, n: int) -> None:
    e.clocks[n] = replace(e.clocks[n], due_at=NOON + timedelta(milliseconds=1))


def fire_twice(e: Evidence, n: int) -> None:
    again = next(x for x in e.events if x.event_id == f"case-{n}-mediation-4")
    e.events.append(replace(again, event_id="again", version=5))
    e.records.append(replace(again, event_id="again", version=5, place=(n % 2, 999)))
    e.heads["mediation", f"case-{n}"] = 5


def never_fire(e: Evidence, n: int) -> None:
    e.clocks[n] = replace(e.clocks[n], rule="PROD-OFFER", status="open")


def break_a_chain(e: Evidence, n: int) -> None:
    e.broken_chains.append("intake: chain 3, row 7")


def leak_a_number(e: Evidence, n: int) -> None:
    e.texts["notify.message.v1/0/5"] = b'{"to":"13800000001"}'


def leak_a_name_in_a_log(e: Evidence, n: int) -> None:
    e.texts["log notify.log"] = '{"event":"hello 张三"}'.encode()


def come_back_late(e: Evidence, n: int) -> None:
    e.recoveries = [("3 kill (intake)", 31.0)]


def hang(e: Evidence, n: int) -> None:
    e.history = [replace(x, took=14.0) if x.outcome == "ok" and x.n == n else x for x in e.history]


def grow(e: Evidence, n: int) -> None:
    e.peaks = {"MiB of notify": 900.0}


def leave_something(e: Evidence, n: int) -> None:
    e.left = {"routing outbox": 0, "notify parked": 1}


PLANTED = {
    lose_a_case: "I1 nothing lost, nothing invented",
    invent_a_case: "I1 nothing lost, nothing invented",
    double_a_case: "I1 nothing lost, nothing invented",
    tell_two_numbers: "I1 nothing lost, nothing invented",
    leave_an_answer_open: "I1 no answer is missing",
    lose_an_event: "I2 case, event and audit are one",
    forget_the_audit: "I2 case, event and audit are one",
    audit_twice: "I2 case, event and audit are one",
    lose_a_record: "I3 topics equal the tables",
    publish_what_was_never_stored: "I3 topics equal the tables",
    reorder: "I3 order per case",
    split_over_partitions: "I3 order per case",
    skip_an_effect: "I4 each effect once",
    leave_an_effect_parked: "I4 each effect once",
    answer_a_proposal_twice: "I4 each proposal has one answer",
    miscount_a_load: "I4 loads are what is held",
    send_twice: "I5 at most one SMS",
    send_one_purpose_twice: "I5 at most one SMS",
    count_as_sent_what_never_went_out: "I5 at most one SMS",
    send_what_was_suppressed: "I5 at most one SMS",
    send_what_nobody_planned: "I5 at most one SMS",
    take_a_forbidden_step: "I7 only legal steps",
    fire_early: "I8 clocks fire once, never early",
    fire_twice: "I8 clocks fire once, never early",
    never_fire: "I8 clocks fire once, never early",
    break_a_chain: "I9 the audit holds",
    leak_a_number: "I10 nothing personal in the clear",
    leak_a_name_in_a_log: "I10 nothing personal in the clear",
    come_back_late: "I11 back in time",
    hang: "I12 no request hangs",
    grow: "I12 nothing grows without end",
    leave_something: "I12 everything came to rest",
}


@pytest.mark.parametrize("plant", PLANTED, ids=lambda plant: plant.__name__)
@given(cases=st.integers(1, 6), data=st.data())
def test_a_planted_breach_is_found(plant, cases, data):
    evidence = whole(cases)
    plant(evidence, data.draw(st.integers(0, cases - 1)))
    assert PLANTED[plant] in found(evidence)


def test_every_promise_has_a_planted_breach():
    assert set(PLANTED.values()) == set(CHECKS)


def test_a_repeated_record_is_no_finding():
    """At least once on the topic is what is promised; once is the effect."""
    evidence = whole()
    evidence.records.append(replace(evidence.records[0], place=(0, 500)))
    assert check(evidence) == []


def test_a_process_that_stood_still_answers_as_much_later():
    evidence = whole()
    hang(evidence, 0)
    [late] = [line for line in evidence.history if line.took > 11]
    evidence.standstills = [(late.at - 13, late.at - 9)]
    assert check(evidence) == []
    evidence.standstills = [(late.at - 13, late.at - 11)]
    assert found(evidence) == {"I12 no request hangs"}


def test_a_message_without_an_answer_may_have_gone_out_or_not():
    evidence = whole()
    evidence.messages[0] = replace(evidence.messages[0], state="indeterminate", unsure=True)
    assert check(evidence) == []
    evidence.ledger = [each for each in evidence.ledger if each != "sms-0"]
    assert check(evidence) == []


def test_a_finding_tells_the_whole_story_of_its_case():
    evidence = whole()
    skip_an_effect(evidence, 1)
    text = told(check(evidence), evidence)
    assert "case-1" in text
    assert "client: ok 201 ref-1" in text
    assert "case.taken_up" in text
