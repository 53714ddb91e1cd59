"""Rows of running clocks: the fake and the real ones keep and find the same.

Cannot catch: a database clock that differs from the service's, and two sweeps at once (the sweep locks
nothing; whoever handles a candidate decides again on its case).
"""

from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from uuid_utils.compat import uuid7

from libs.clocks.calendar import LOCAL
from libs.db.pool import Database
from libs.messaging import deadlines
from libs.messaging.deadline import Deadline
from libs.testing.deadlines import FakeDeadlines

NOW = datetime(2026, 3, 2, 2, 0, tzinfo=UTC)
LATE, SOON = NOW - timedelta(hours=1), NOW + timedelta(hours=1)
DISTRICT = "990101"


class RealDeadlines:
    """The real functions, each in a transaction of its own."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def load(self, case_ids: Sequence[Any]) -> Any:
        async with self._database.transaction() as tx:
            return await deadlines.load(tx, case_ids)

    async def save(self, changes: Sequence[Any]) -> None:
        async with self._database.transaction() as tx:
            await deadlines.save(tx, changes)

    async def candidates(self, now: datetime, limit: int) -> Any:
        async with self._database.read() as tx:
            return await deadlines.candidates(tx, now, limit)


@pytest.fixture(params=["memory", "postgres"])
async def rows(request: pytest.FixtureRequest) -> AsyncIterator[Any]:
    """The fake, and the real ones over a fresh database."""
    if request.param == "memory":
        yield FakeDeadlines()
        return
    dsn = request.getfixturevalue("databases").fresh("mediation")
    database = await Database.open(dsn, name="contract", size=2)
    yield RealDeadlines(database)
    await database.close()


def clock(rule: str = "PROD-OFFER", due_at: datetime = SOON, **more: Any) -> Deadline:
    return Deadline(rule=rule, due_at=due_at, started_at=NOW - timedelta(days=1), **more)


async def test_the_end_of_a_day_comes_back_as_the_local_midnight_it_is(rows):
    case_id, midnight = uuid7(), datetime(2026, 3, 5, tzinfo=LOCAL)
    before = {"PROD-OFFER": clock(due_at=midnight, due_on=date(2026, 3, 4))}
    await rows.save([(case_id, DISTRICT, {}, before)])
    found = (await rows.load([case_id]))[case_id]["PROD-OFFER"]
    assert found.due_at.isoformat() == "2026-03-05T00:00:00+08:00"


async def test_a_clock_comes_back_as_it_was_saved(rows):
    case_id = uuid7()
    full = clock(
        due_on=date(2026, 3, 2),
        warn_at=LATE,
        provisional=True,
        working=({"reason": "CALENDAR_DAYS", "days": 3},),
    )
    await rows.save([(case_id, DISTRICT, {}, {"PROD-OFFER": full, "MED-TERM": clock("MED-TERM")})])
    assert await rows.load([case_id, uuid7()]) == {
        case_id: {"PROD-OFFER": full, "MED-TERM": clock("MED-TERM")}
    }


async def test_a_saved_change_replaces_the_clock(rows):
    case_id, before = uuid7(), {"PROD-OFFER": clock()}
    after = {"PROD-OFFER": replace(clock(), due_at=SOON + timedelta(days=1), warned=True).closed("met")}
    await rows.save([(case_id, DISTRICT, {}, before)])
    await rows.save([(case_id, DISTRICT, before, after)])
    assert await rows.load([case_id]) == {case_id: after}


async def test_only_what_differs_is_written(rows):
    """A clock that the change did not touch keeps what another wrote meanwhile."""
    case_id, known = uuid7(), {"PROD-OFFER": clock(), "MED-TERM": clock("MED-TERM")}
    await rows.save([(case_id, DISTRICT, {}, known)])
    newer = {"MED-TERM": clock("MED-TERM", LATE)}
    await rows.save([(case_id, DISTRICT, {"MED-TERM": known["MED-TERM"]}, newer)])
    await rows.save([(case_id, DISTRICT, known, known | {"PROD-OFFER": clock().closed("met")})])
    assert (await rows.load([case_id]))[case_id] == {"PROD-OFFER": clock().closed("met"), **newer}


async def test_g17_a_clock_is_due_only_after_its_grace(rows):
    """G17: a command received before the instant decides first, even when handled a little later."""
    case_id = uuid7()
    await rows.save([(case_id, DISTRICT, {}, {"PROD-OFFER": clock(due_at=NOW)})])
    assert await rows.candidates(NOW + deadlines.GRACE - timedelta(milliseconds=1), 10) == []
    assert await rows.candidates(NOW + deadlines.GRACE, 10) == [(case_id, DISTRICT, "PROD-OFFER", "due")]


async def test_a_clock_warns_once_and_not_when_it_is_due(rows):
    quiet, warned, due = uuid7(), uuid7(), uuid7()
    await rows.save(
        [
            (quiet, DISTRICT, {}, {"MED-TERM": clock("MED-TERM", warn_at=LATE)}),
            (warned, DISTRICT, {}, {"MED-TERM": clock("MED-TERM", warn_at=LATE, warned=True)}),
            (due, DISTRICT, {}, {"MED-TERM": clock("MED-TERM", LATE, warn_at=LATE)}),
        ]
    )
    found = await rows.candidates(NOW, 10)
    assert sorted(found) == sorted(
        [(quiet, DISTRICT, "MED-TERM", "warn"), (due, DISTRICT, "MED-TERM", "due")]
    )


@pytest.mark.parametrize("status", ["met", "missed", "ended"])
async def test_a_stopped_clock_is_no_candidate(rows, status):
    stopped = clock(due_at=LATE, warn_at=LATE - timedelta(hours=1)).closed(status)
    await rows.save([(uuid7(), DISTRICT, {}, {"PROD-OFFER": stopped})])
    assert await rows.candidates(NOW, 10) == []


async def test_candidates_come_oldest_first_and_no_more_than_asked(rows):
    cases = [uuid7() for _ in range(5)]
    await rows.save(
        [(c, DISTRICT, {}, {"R": clock("R", LATE - timedelta(minutes=n))}) for n, c in enumerate(cases)]
    )
    found = await rows.candidates(NOW, 3)
    assert [case_id for case_id, *_ in found] == [cases[4], cases[3], cases[2]]
