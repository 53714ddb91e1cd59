"""The audit chains show every way of changing them, and take nothing that could not be kept for ever."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from typing import Any
from uuid import UUID

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from libs.privacy.audit import (
    GENESIS,
    AuditRecord,
    AuditRefused,
    AuditRow,
    Break,
    Head,
    SignedHead,
    chain,
    link,
    verify,
)

CASE = UUID("01920000-0000-7000-8000-000000000001")
NOON = datetime(2026, 3, 2, 4, 0, tzinfo=UTC)


def record(nth: int, **changes: Any) -> AuditRecord:
    entry = AuditRecord(
        at=NOON + timedelta(seconds=nth),
        actor="staff:operator",
        action="case.read",
        case_id=CASE,
        service="intake",
        detail={"fields": ["name", "phone"], "nth": nth},
    )
    return replace(entry, **changes)


def log(length: int = 6, number: int = 3) -> tuple[list[AuditRow], Head]:
    head, rows = chain(Head(number, 0, GENESIS), [record(nth) for nth in range(length)])
    return rows, head


def test_an_untouched_log_holds() -> None:
    rows, head = log()
    other_rows, other_head = log(4, number=7)
    assert [row.seq for row in rows] == [1, 2, 3, 4, 5, 6]
    assert verify([*rows, *other_rows], [head, other_head, Head(0, 0, GENESIS)]) == []


def test_a_chain_goes_on_where_it_stood() -> None:
    whole, whole_head = log(6)
    first_head, first = chain(Head(3, 0, GENESIS), [record(nth) for nth in range(2)])
    second_head, second = chain(first_head, [record(nth) for nth in range(2, 6)])
    assert [*first, *second] == whole
    assert second_head == whole_head


def test_nothing_appended_leaves_the_head() -> None:
    assert chain(Head(3, 9, b"h" * 32), []) == (Head(3, 9, b"h" * 32), [])


def relinked(rows: list[AuditRow], start: int, seq: int, prev: bytes) -> list[AuditRow]:
    """The rows from `start` on with numbers and hashes made to fit, as a thorough forger does it."""
    fitting = []
    for row in rows[start:]:
        row = replace(row, seq=seq, prev=prev)
        row = replace(row, hash=link(prev, row))
        fitting.append(row)
        seq, prev = seq + 1, row.hash
    return [*rows[:start], *fitting]


def change(rows: list[AuditRow]) -> list[AuditRow]:
    return [*rows[:2], replace(rows[2], detail={"fields": []}), *rows[3:]]


def change_and_rehash(rows: list[AuditRow]) -> list[AuditRow]:
    changed = replace(rows[2], actor="staff:nobody")
    return [*rows[:2], replace(changed, hash=link(changed.prev, changed)), *rows[3:]]


def change_and_relink(rows: list[AuditRow]) -> list[AuditRow]:
    changed = [*rows[:2], replace(rows[2], actor="staff:nobody"), *rows[3:]]
    return relinked(changed, 2, 3, rows[1].hash)


def remove(rows: list[AuditRow]) -> list[AuditRow]:
    return rows[:2] + rows[3:]


def remove_and_renumber(rows: list[AuditRow]) -> list[AuditRow]:
    return rows[:2] + [replace(row, seq=row.seq - 1) for row in rows[3:]]


def remove_and_relink(rows: list[AuditRow]) -> list[AuditRow]:
    return relinked(remove(rows), 2, 3, rows[1].hash)


def swap(rows: list[AuditRow]) -> list[AuditRow]:
    return [*rows[:2], replace(rows[3], seq=3), replace(rows[2], seq=4), *rows[4:]]


def insert(rows: list[AuditRow]) -> list[AuditRow]:
    forged = replace(rows[2], actor="staff:nobody")
    forged = replace(forged, hash=link(forged.prev, forged))
    return [*rows[:2], forged, *(replace(row, seq=row.seq + 1) for row in rows[2:])]


def insert_twice_numbered(rows: list[AuditRow]) -> list[AuditRow]:
    return [*rows[:3], rows[2], *rows[3:]]


def append(rows: list[AuditRow]) -> list[AuditRow]:
    _, more = chain(Head(3, 6, rows[-1].hash), [record(99)])
    return rows + more


def cut(rows: list[AuditRow]) -> list[AuditRow]:
    return rows[:4]


def cut_all(rows: list[AuditRow]) -> list[AuditRow]:
    return []


@pytest.mark.parametrize(
    ("forge", "found"),
    [
        (change, [(3, "ALTERED")]),
        (change_and_rehash, [(4, "OUT_OF_PLACE")]),
        (change_and_relink, [(6, "HEAD_DIFFERS")]),
        (remove, [(3, "REMOVED")]),
        (remove_and_renumber, [(3, "OUT_OF_PLACE"), (6, "CUT")]),
        (remove_and_relink, [(6, "CUT")]),
        (swap, [(3, "OUT_OF_PLACE"), (4, "OUT_OF_PLACE"), (5, "OUT_OF_PLACE")]),
        (insert, [(4, "OUT_OF_PLACE"), (6, "HEAD_DIFFERS"), (7, "INSERTED")]),
        (insert_twice_numbered, [(3, "INSERTED")]),
        (append, [(7, "INSERTED")]),
        (cut, [(5, "CUT")]),
        (cut_all, [(1, "CUT")]),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_every_forgery_is_named_by_chain_and_row(
    forge: Callable[[list[AuditRow]], list[AuditRow]], found: list[tuple[int, str]]
) -> None:
    rows, head = log()
    assert [(b.chain, b.seq, b.kind) for b in verify(forge(rows), [head])] == [(3, *place) for place in found]


def test_two_forgeries_are_both_named() -> None:
    rows, head = log()
    forged = [replace(row, action="case.listed") if row.seq in (2, 5) else row for row in rows]
    assert verify(forged, [head]) == [Break(3, 2, "ALTERED"), Break(3, 5, "ALTERED")]


def test_a_head_rewritten_with_its_rows_shows_against_an_earlier_signed_one() -> None:
    rows, _ = log()
    published = Head(3, 4, rows[3].hash)
    forged = change_and_relink(rows)
    forged_head = Head(3, 6, forged[-1].hash)
    assert verify(forged, [forged_head]) == []
    assert verify(forged, [forged_head, published]) == [Break(3, 4, "HEAD_DIFFERS")]


def test_a_database_rolled_back_shows_against_a_signed_head() -> None:
    rows, head = log()
    assert verify(rows[:3], [Head(3, 3, rows[2].hash), head]) == [Break(3, 4, "CUT")]


def test_rows_of_a_chain_without_head_are_additions() -> None:
    rows, _ = log(1, number=8)
    assert verify(rows, []) == [Break(8, 1, "INSERTED")]


def test_a_row_moved_to_another_chain_is_out_of_place() -> None:
    rows, head = log(2)
    others, other_head = log(3, number=5)
    moved = [*others[:2], replace(rows[1], chain=5, seq=3)]
    found = verify([*rows[:1], *moved], [head, other_head])
    assert found == [Break(5, 3, "OUT_OF_PLACE"), Break(5, 3, "HEAD_DIFFERS"), Break(3, 2, "CUT")]


@pytest.mark.parametrize("detail", [{"x": 1.5}, {"x": None}, {"x": "张三"}, {"x": 2**70}])
def test_stored_values_that_no_record_could_hold_are_alterations(detail: Mapping[str, object]) -> None:
    rows, head = log(1)
    assert verify([replace(rows[0], detail=detail)], [head]) == [Break(3, 1, "ALTERED")]


@given(st.integers(1, 8), st.data())
def test_no_field_of_any_row_can_be_changed_unseen(length: int, data: st.DataObject) -> None:
    rows, head = log(length)
    at = data.draw(st.integers(0, length - 1))
    changed: dict[str, Any] = data.draw(
        st.sampled_from(
            [
                {"at": rows[at].at + timedelta(microseconds=1)},
                {"actor": "staff:supervisor"},
                {"action": "case.list"},
                {"case_id": None},
                {"service": "notify"},
                {"detail": {}},
                {"prev": b"x" * 32},
                {"hash": b"x" * 32},
            ]
        )
    )
    forged = [*rows[:at], replace(rows[at], **changed), *rows[at + 1 :]]
    assert verify(forged, [head])


def test_the_same_instant_in_another_zone_is_the_same_record() -> None:
    shanghai = NOON.astimezone(timezone(timedelta(hours=8)))
    assert link(GENESIS, record(0, at=NOON)) == link(GENESIS, record(0, at=shanghai))


def test_the_order_of_details_does_not_matter() -> None:
    assert link(GENESIS, record(0, detail={"a": 1, "b": 2})) == link(
        GENESIS, record(0, detail={"b": 2, "a": 1})
    )


@pytest.mark.parametrize(
    "value",
    [
        "LAB-01",
        "01920000-0000-7000-8000-000000000001",
        "01920000-0000-7000-8000-13800000001a",
        "99010100100203",
        "/v1/cases/reveal",
        "2026-03-02T04:00:00.000Z",
        True,
        0,
        -3,
        20_000_000_000,
        ["D10", "D11"],
        [],
        (1, 2),
    ],
)
def test_ids_and_codes_are_taken(value: object) -> None:
    assert record(0, detail={"what": value}).detail == {"what": value}


@pytest.mark.parametrize(
    "value",
    [
        "周小川",
        "13800000001",
        "+8613800000001",
        "8613800000001",
        "tel:13800000001",
        13_800_000_001,
        ["LAB-01", "13800000001"],
        "11010119900307001X",
        "110101199003070017",
        "a b",
        "",
        "x" * 65,
        "line\n",
        1.5,
        2**53,
        None,
        {"name": "x"},
        [["nested"]],
        b"bytes",
    ],
)
def test_anything_else_is_refused_without_being_quoted(value: object) -> None:
    with pytest.raises(AuditRefused) as refused:
        record(0, detail={"what": value})
    assert str(refused.value) == "what holds more than an id or a code"


@pytest.mark.parametrize(
    "changes",
    [
        {"actor": "周小川"},
        {"actor": "citizen:13800000001"},
        {"action": "read the case"},
        {"service": ""},
        {"detail": {"姓名": "x"}},
    ],
)
def test_no_part_of_a_record_may_hold_more(changes: dict[str, Any]) -> None:
    with pytest.raises(AuditRefused):
        record(0, **changes)


def test_a_signed_head_is_vouched_for_by_its_service_alone() -> None:
    private, head = Ed25519PrivateKey.generate(), Head(3, 6, b"h" * 32)
    said, public = SignedHead.of(private, "audit.1", "intake", head), private.public_key()
    assert said.signed_by(public)
    assert not replace(said, service="notify").signed_by(public)
    for other in (replace(head, seq=5), replace(head, chain=4), replace(head, hash=b"i" * 32)):
        assert not replace(said, head=other).signed_by(public)
    assert not said.signed_by(Ed25519PrivateKey.generate().public_key())
    assert SignedHead.read("intake", said.told()) == said
