"""A toy service: a counter per case over the real mechanisms, so that their promises are tested without a
word of the real domain. Its events borrow two payloads of the house."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from uuid_utils.compat import uuid7

from libs.db.batch import Surroundings
from libs.db.pool import Tx
from libs.db.work import Actor, Audit, Change, Decision, IdempotencyKey, Moment, UseCase, Work
from libs.events.intake import CaseReminded
from libs.web.errors import NotYet, Refusal

DISTRICT = "990101"
SCHEMA = "create table counter (case_id uuid primary key, total int not null check (total < 1000))"


@dataclass(frozen=True)
class Counter:
    """The aggregate: a running total, with the order in which it was added to."""

    case_id: UUID
    total: int = 0


@dataclass(frozen=True)
class Add:
    """The command: add `amount`; some amounts misbehave on purpose."""

    amount: int


class CounterStore:
    """The toy's SQL."""

    async def load(self, tx: Tx, case_ids: Sequence[UUID]) -> dict[UUID, Counter]:
        rows = await tx.fetch("select case_id, total from counter where case_id = any($1)", case_ids)
        return {row["case_id"]: Counter(row["case_id"], row["total"]) for row in rows}

    async def save(self, tx: Tx, changes: Sequence[Change[Counter]], shared: Any) -> None:
        rows = [change.after for change in changes if change.after]
        await tx.execute(
            """
            insert into counter select * from unnest($1::uuid[], $2::int[]) order by 1
            on conflict (case_id) do update set total = excluded.total
            """,
            [row.case_id for row in rows],
            [row.total for row in rows],
        )

    async def share(self, tx: Tx, works: Sequence[Work[Counter, Any]]) -> Any:
        return None


class Boom(Exception):
    """A bug in a decision."""


NEGATIVE = "negative"
BUG, WAIT = 913, 914
"""Amounts that make `decide` raise an unexpected error, and say that something else must come first."""


def decide(case: Counter | None, command: Any, moment: Moment) -> Decision[Counter]:
    """Adds the command's amount (`count` of an event); tells it by one event."""
    amount = command.amount if isinstance(command, Add) else command.count
    if amount < 0:
        raise Refusal("below nothing", code=NEGATIVE, status=422)
    if amount == BUG:
        raise Boom("a bug")
    if amount == WAIT:
        raise NotYet
    case_id = case.case_id if case else command.case_id if not isinstance(command, Add) else None
    base = case or Counter(case_id or moment.others["new"])
    after = replace(base, total=base.total + amount)
    event = CaseReminded(case_id=after.case_id, district=DISTRICT, count=after.total, new_facts=False)
    return Decision(after, [event], reply={"total": after.total}, status=201, audit=[Audit("counter.added")])


def adding(case_id: UUID) -> UseCase[Counter, Any]:
    """The use case, for a case that may not exist yet."""

    def add(case: Counter | None, command: Any, moment: Moment) -> Decision[Counter]:
        return decide(case or Counter(case_id), command, moment)

    return UseCase("add", add)


def work(
    case_id: UUID,
    amount: int,
    *,
    key: bytes | None = None,
    body: bytes = b"body",
    actor: str = "operator",
    expected: int | None = None,
) -> Work[Counter, Add]:
    """A command at the door."""
    return Work(
        use_case=adding(case_id),
        case_id=case_id,
        command=Add(amount),
        actor=Actor("staff", actor),
        district=DISTRICT,
        received_at=datetime.now(UTC),
        key=IdempotencyKey(key, body) if key else None,
        expected_version=expected,
    )


def surroundings() -> Surroundings:
    """The real clock and real ids."""
    return Surroundings("intake", lambda: datetime.now(UTC), uuid7)
