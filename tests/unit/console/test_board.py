"""What each event changes on the board, in whichever order the topics come."""

import json
from datetime import UTC, date, datetime, timedelta
from itertools import count
from typing import Any
from uuid import UUID

import pytest

from libs.events.base import Payload
from libs.events.envelope import Envelope
from libs.events.export import SAMPLES
from libs.events.registry import REGISTRY
from libs.events.topics import load
from services.console.consumers import consumers
from services.console.domain.board import CaseRow, changed, moment

CASE = UUID("019c2b6e-7001-7001-8001-000000000001")
EMPTY = CaseRow(CASE, "990101")
START = datetime(2026, 2, 5, 2, tzinfo=UTC)


def sample(topic: str, event_type: str, **change: Any) -> Payload:
    """The golden sample of a type, with some fields set otherwise."""
    cls = REGISTRY.payload_class(topic, event_type)
    content = json.loads((SAMPLES / topic / f"{event_type}.v1.json").read_text("utf-8"))
    case = change.pop("case", None)
    if case is not None:
        content["case"] |= case
    return cls.model_validate_json(json.dumps(content | change))


def intake(event_type: str, **change: Any) -> Payload:
    return sample("intake.case.v1", event_type, **change)


def mediation(event_type: str, **change: Any) -> Payload:
    return sample("mediation.case.v1", event_type, **change)


def notify(event_type: str, **change: Any) -> Payload:
    return sample("notify.message.v1", event_type, **change)


def told(payload: Payload, version: int, minutes: int = 0) -> Envelope:
    return Envelope(
        event_id=UUID(int=version),
        type=payload.TYPE,
        source="/services/test",
        case_id=CASE,
        caseversion=version,
        time=START + timedelta(minutes=minutes),
        topic=payload.TOPIC,
    )


def after(*payloads: Payload, row: CaseRow = EMPTY) -> CaseRow:
    """The row after the events, numbered per topic in the order given."""
    numbers: dict[str, Any] = {}
    for payload in payloads:
        number = numbers.setdefault(payload.TOPIC, count(1))
        row = changed(row, told(payload, next(number)), payload)
    return row


def test_a_registered_case_stands_on_the_board() -> None:
    row = after(intake("case.registered"))
    assert (row.query_code, row.kind, row.category, row.urgency) == ("K7M2P9QX", "DIS", "D10", "BLUE")
    assert row.state == "registered"
    assert row.registered_at == datetime(2026, 2, 5, 2, 12, 1, 250_000, tzinfo=UTC)
    assert row.due == ("PROD-TRIAGE-BLUE", date(2026, 2, 6), datetime(2026, 2, 6, 16, tzinfo=UTC))


@pytest.mark.parametrize(
    ("event_type", "state"),
    [
        ("case.accepted", "accepted"),
        ("case.refused", "refused"),
        ("case.forwarded", "forwarded"),
        ("case.merged", "merged"),
        ("case.withdrawn", "withdrawn"),
        ("case.reminded", "registered"),
        ("case.amended", "registered"),
        ("deadline.warned", "registered"),
    ],
)
def test_intake_s_state_follows_its_decisions(event_type: str, state: str) -> None:
    assert after(intake("case.registered"), intake(event_type)).state == state


def test_a_triage_that_was_done_is_no_deadline_any_more() -> None:
    assert after(intake("case.registered"), intake("case.accepted")).due is None


def test_mediation_s_state_counts_once_it_has_the_case() -> None:
    row = after(intake("case.accepted"), mediation("case.opened"), intake("case.reminded"))
    assert row.state == "awaiting_assignment"


def test_the_next_deadline_is_the_earliest_of_both_services() -> None:
    row = after(intake("case.registered"), mediation("case.taken_up"))
    assert row.due is not None
    assert row.due[0] == "PROD-TRIAGE-BLUE"
    row = changed(row, told(intake("case.accepted"), 2), intake("case.accepted"))
    assert row.due is not None
    assert row.due[0] == "PROD-CONTACT"


def test_a_missed_duty_stays_visible_until_the_case_moves_on() -> None:
    """Its clock does not run any more, so among the next deadlines it would be gone."""
    missed = intake("deadline.missed", rule="PROD-TRIAGE-BLUE", deadlines=[])
    row = after(intake("case.registered"), missed)
    assert row.due is None
    assert row.late == ("PROD-TRIAGE-BLUE", datetime(2026, 2, 6, 16, tzinfo=UTC))
    assert row.pressing_at == datetime(2026, 2, 6, 16, tzinfo=UTC)
    for still in ("case.reminded", "case.amended"):
        event = intake(still, deadlines=[])
        assert changed(row, told(event, 3), event).late == row.late
    accepted = intake("case.accepted")
    assert changed(row, told(accepted, 3), accepted).late is None


def test_what_mediation_missed_is_not_settled_by_intake() -> None:
    missed = mediation("deadline.missed")
    row = after(mediation("case.taken_up"), missed, intake("case.registered"), intake("case.accepted"))
    assert row.late is not None
    assert row.late[0] == missed.rule  # type: ignore[attr-defined]
    closed = mediation("case.closed")
    assert changed(row, told(closed, 3), closed).late is None


def test_a_duty_of_which_the_term_is_not_known_is_late_since_it_was_told() -> None:
    missed = mediation("deadline.missed")
    row = changed(EMPTY, told(missed, 5, minutes=3), missed)
    assert row.late == (missed.rule, START + timedelta(minutes=3))  # type: ignore[attr-defined]


def test_the_holder_is_shown_while_it_holds_the_case() -> None:
    assert after(mediation("case.offered")).org_id == "LAB-01"
    assert after(mediation("case.taken_up")).org_id == "LAB-01"
    for event_type in ("case.returned", "case.offer_expired", "case.handed_back"):
        assert after(mediation("case.taken_up"), mediation(event_type)).org_id is None


def test_a_case_may_be_known_first_by_any_topic() -> None:
    by_mediation = after(mediation("case.opened"))
    assert (by_mediation.query_code, by_mediation.state) == ("K7M2P9QX", "awaiting_assignment")
    by_routing = after(sample("routing.assignment.v1", "assignment.proposed"))
    assert by_routing.query_code == "K7M2P9QX"
    by_notify = after(notify("message.sent"))
    assert by_notify.registered_at is None
    assert by_notify.message == "N07"


def test_what_intake_tells_of_a_case_wins_over_an_older_copy() -> None:
    old_copy = mediation("case.opened", case={"category": "D02"})
    amended = intake("case.registered", case={"category": "D10"})
    assert after(amended, old_copy).category == "D10"
    assert after(old_copy, amended).category == "D10"


def test_the_order_of_topics_means_nothing() -> None:
    events = [intake("case.accepted"), mediation("case.taken_up"), notify("message.delivered")]
    assert after(*events) == after(*reversed(events))


def test_an_event_that_comes_again_changes_nothing() -> None:
    taken, returned = mediation("case.taken_up"), mediation("case.returned")
    row = after(taken, returned)
    assert changed(row, told(taken, 1), taken) is row
    assert changed(row, told(returned, 2), returned) is row


def test_a_flag_and_its_urgency_are_shown() -> None:
    row = after(intake("case.registered"), intake("case.flags_changed"))
    assert (row.flags, row.urgency) == (("MINOR_AT_RISK",), "RED")


@pytest.mark.parametrize("state", ["planned", "suppressed", "sent", "delivered", "failed"])
def test_the_last_message_is_shown_with_its_fate(state: str) -> None:
    payload = notify(f"message.{state}")
    row = changed(EMPTY, told(payload, 1, minutes=7), payload)
    assert (row.message, row.message_state) == ("N07", state)
    assert row.message_at == START + timedelta(minutes=7)


def test_a_reply_is_shown_by_its_meaning() -> None:
    row = after(notify("message.received"))
    assert (row.message, row.message_state) == ("rating", "received")


def test_an_erased_case_loses_its_query_code() -> None:
    row = after(intake("case.registered"), intake("case.erased"))
    assert (row.query_code, row.state) == ("", "erased")


@pytest.mark.parametrize("cls", REGISTRY.classes, ids=lambda cls: f"{cls.TOPIC}/{cls.TYPE}")
def test_every_event_finds_its_place(cls: type[Payload]) -> None:
    payload = sample(cls.TOPIC, cls.TYPE)
    row = changed(EMPTY, told(payload, 4), payload)
    assert getattr(row, f"{cls.TOPIC.partition('.')[0]}_version") == 4
    line = moment(told(payload, 4), payload)
    assert (line.topic, line.version, line.type) == (cls.TOPIC, 4, cls.TYPE)
    assert not line.detail.keys() & {"case", "deadlines", "case_id", "candidates", "out"}


def test_the_timeline_tells_the_codes_of_what_happened() -> None:
    payload = mediation("case.returned")
    assert moment(told(payload, 3), payload).detail == {"org_id": "LAB-01", "reason_code": "NO_CAPACITY"}


def test_the_console_listens_to_what_the_topics_file_says() -> None:
    async def apply(tx: object, events: object) -> None:
        raise AssertionError("nothing is read here")

    [projection] = consumers(apply)
    assert load().groups[projection.name] == tuple(projection.topics)
