"""Cases and their attempts: loading, set-based saving, and the loads that they reserve."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Final
from uuid import UUID

import orjson

from libs.clocks import LOCAL
from libs.db.pool import Tx
from libs.db.work import Change, Work
from libs.events.base import CaseFacts
from libs.privacy.keyring import Keyring
from services.routing.domain.board import Board
from services.routing.domain.case import Attempt, Findings, Result, RoutingCase, Status
from services.routing.handlers import SEEKING
from services.routing.store.boards import Boards
from services.routing.store.sealing import seal_field

_LOAD_LOCK: Final = 0x4C4F4144
"""The first half of the advisory lock on a district's loads; the second is the district's number (G5)."""


@dataclass(slots=True)
class _Delta:
    """How a batch changes what an organisation carries."""

    open: int = 0
    new: int = 0
    day: date | None = None
    last_at: datetime | None = None


class CaseStore:
    """Routing's part of the batch shell (`libs.db.batch.Store`)."""

    def __init__(self, boards: Boards, keyring: Keyring) -> None:
        self._boards = boards
        self._keyring = keyring

    async def share(self, tx: Tx, works: Sequence[Work[RoutingCase, Any]]) -> Board:
        """The board of the batch; works that may reserve take the loads of their districts for themselves.

        Two batches of one district decide one after the other, each on the figures that the other left: so
        no burst exceeds a capacity (G5). What only answers or ends reserves nothing and waits for nobody.
        """
        seeking = [work for work in works if work.use_case.name in SEEKING]
        if not seeking:
            return self._boards.empty()
        districts = sorted({work.district for work in seeking})
        await tx.fetch(
            "select pg_advisory_xact_lock($1, number) from unnest($2::int[]) as t (number)",
            _LOAD_LOCK,
            [int(district) for district in districts],
        )
        return await self._boards.read(tx, districts, [w.case_id for w in seeking if _may_need(w)])

    async def load(self, tx: Tx, case_ids: Sequence[UUID]) -> dict[UUID, RoutingCase]:
        """The cases with the short form of their attempts."""
        rows = await tx.fetch(
            "select case_id, district, status, facts from routing_case where case_id = any($1)", case_ids
        )
        attempts: dict[UUID, list[Attempt]] = {row["case_id"]: [] for row in rows}
        for row in await tx.fetch(
            """
            select case_id, number, assignment_id, at, result, org_id from assignment
            where case_id = any($1) order by case_id, number
            """,
            case_ids,
        ):
            attempts[row["case_id"]].append(
                Attempt(row["number"], row["assignment_id"], row["at"], Result(row["result"]), row["org_id"])
            )
        return {
            row["case_id"]: RoutingCase(
                case_id=row["case_id"],
                district=row["district"],
                facts=CaseFacts.model_validate_json(row["facts"], extra="ignore") if row["facts"] else None,
                waiting=row["status"] == Status.WAITING_NEEDS,
                closed=row["status"] == Status.CLOSED,
                attempts=tuple(attempts[row["case_id"]]),
            )
            for row in rows
        }

    async def save(self, tx: Tx, changes: Sequence[Change[RoutingCase]], shared: Board) -> None:
        """Cases, attempts and loads, one statement each, sorted by key."""
        changed = [(change.before, change.after) for change in changes if change.after is not None]
        await _save_cases(tx, [after for _, after in changed])
        fresh, answered = [], []
        for before, after in changed:
            known = {attempt.number: attempt for attempt in before.attempts} if before else {}
            for attempt in after.attempts:
                if attempt.number not in known:
                    fresh.append((after.case_id, attempt))
                elif attempt.result is not known[attempt.number].result:
                    answered.append((after.case_id, attempt))
        await self._add_attempts(tx, fresh)
        await _answer_attempts(tx, answered)
        await _change_loads(tx, _deltas(changed))

    async def _add_attempts(self, tx: Tx, fresh: Sequence[tuple[UUID, Attempt]]) -> None:
        rows = [
            self._row(case_id, attempt, attempt.findings) for case_id, attempt in fresh if attempt.findings
        ]
        if not rows:
            return
        await tx.execute(
            """
            insert into assignment (case_id, number, assignment_id, at, result, org_id, org_type, target_type,
                reason, because, referral_type, referral_org, rule_version, candidates, "out", co_mediators,
                by_person, note, note_key, note_key_version)
            select * from unnest($1::uuid[], $2::int[], $3::uuid[], $4::timestamptz[], $5::text[], $6::text[],
                $7::text[], $8::text[], $9::text[], $10::text[], $11::text[], $12::text[], $13::text[],
                $14::json[], $15::json[], $16::json[], $17::text[], $18::bytea[], $19::bytea[], $20::int[])
            order by 1, 2
            """,
            *(list(column) for column in zip(*rows, strict=True)),
        )

    def _row(self, case_id: UUID, attempt: Attempt, findings: Findings) -> tuple[object, ...]:
        choice = findings.choice
        return (
            case_id,
            attempt.number,
            attempt.assignment_id,
            attempt.at,
            attempt.result,
            attempt.org_id,
            choice.chosen.type if choice.chosen else None,
            choice.target,
            choice.reason,
            choice.because,
            choice.referral.type if choice.referral else None,
            choice.referral.org_id if choice.referral else None,
            choice.rule_version,
            _json([candidate._asdict() for candidate in choice.candidates]),
            _json([{"org_id": out.org_id, "reasons": out.reasons} for out in choice.out]),
            _json([co._asdict() for co in choice.co_mediators]),
            findings.by_person,
            *seal_field(self._keyring, "assignment", "note", attempt.assignment_id, findings.note),
        )


def _may_need(work: Work[RoutingCase, Any]) -> bool:
    """Whether the choice may depend on needs; most acceptances say that it does not."""
    facts = getattr(work.command, "case", None)
    return facts is None or facts.has_needs


async def _save_cases(tx: Tx, cases: Sequence[RoutingCase]) -> None:
    await tx.execute(
        """
        insert into routing_case (case_id, district, status, facts, needs_version)
        select * from unnest($1::uuid[], $2::text[], $3::text[], $4::json[], $5::bigint[]) order by 1
        on conflict (case_id) do update set
            status = excluded.status, facts = excluded.facts, needs_version = excluded.needs_version
        """,
        [case.case_id for case in cases],
        [case.district for case in cases],
        [case.status for case in cases],
        [case.facts.model_dump_json() if case.facts else None for case in cases],
        [case.facts.dossier_version if case.facts and case.facts.has_needs else 0 for case in cases],
    )


async def _answer_attempts(tx: Tx, answered: Sequence[tuple[UUID, Attempt]]) -> None:
    if not answered:
        return
    await tx.execute(
        """
        update assignment a set result = t.result
        from unnest($1::uuid[], $2::int[], $3::text[]) as t (case_id, number, result)
        where a.case_id = t.case_id and a.number = t.number
        """,
        [case_id for case_id, _ in answered],
        [attempt.number for _, attempt in answered],
        [attempt.result for _, attempt in answered],
    )


def _deltas(changed: Sequence[tuple[RoutingCase | None, RoutingCase]]) -> dict[str, _Delta]:
    """What the batch reserves and gives back, from the cases before and after it.

    An attempt that was made and ended inside the batch counts as an offer of its day all the same.
    """
    deltas: dict[str, _Delta] = {}
    for before, after in changed:
        held = before.reservations if before else Counter[str]()
        holds = after.reservations
        for org_id in held.keys() | holds.keys():
            deltas.setdefault(org_id, _Delta()).open += holds[org_id] - held[org_id]
        known = len(before.attempts) if before else 0
        for attempt in after.attempts[known:]:
            if attempt.org_id is None:
                continue
            delta = deltas.setdefault(attempt.org_id, _Delta())
            day = attempt.at.astimezone(LOCAL).date()
            delta.new = delta.new + 1 if delta.day == day else 1
            delta.day = day
            delta.last_at = max(attempt.at, delta.last_at or attempt.at)
    return deltas


async def _change_loads(tx: Tx, deltas: dict[str, _Delta]) -> None:
    rows = [(org_id, d) for org_id, d in sorted(deltas.items()) if d.open or d.new]
    if not rows:
        return
    await tx.execute(
        """
        with locked as (
            select org_id from org_load where org_id = any($1) order by org_id for update
        )
        update org_load l set
            open = l.open + t.open,
            new = case when t.day is null or t.day < l.day then l.new
                       when t.day = l.day then l.new + t.new else t.new end,
            day = greatest(l.day, t.day),
            last_at = greatest(l.last_at, t.last_at)
        from unnest($1::text[], $2::int[], $3::int[], $4::date[], $5::timestamptz[])
            as t (org_id, open, new, day, last_at)
        where l.org_id = t.org_id and l.org_id in (select org_id from locked)
        """,
        [org_id for org_id, _ in rows],
        [delta.open for _, delta in rows],
        [delta.new for _, delta in rows],
        [delta.day for _, delta in rows],
        [delta.last_at for _, delta in rows],
    )


def _json(value: object) -> str:
    return orjson.dumps(value).decode()
