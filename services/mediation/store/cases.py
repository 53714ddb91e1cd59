"""Reading and writing cases, a batch at a time; their rows are locked through `case_head` before (G1)."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Final
from uuid import UUID

from pydantic import TypeAdapter

from libs.db.pool import Tx
from libs.db.work import Change, Work
from libs.messaging import deadlines
from services.mediation.domain.case import Case, Note
from services.mediation.store.tasks import unfinished

CASE: Final = TypeAdapter(Case)
ELSEWHERE: Final = {"deadlines", "tasks", "notes"}
"""Parts of a case that have tables of their own."""


class CaseStore:
    """The store of mediation's use cases."""

    async def load(self, tx: Tx, case_ids: Sequence[UUID]) -> dict[UUID, Case]:
        """The cases that exist, with their clocks and unfinished tasks."""
        rows = await tx.fetch("select case_id, data from mediation_case where case_id = any($1)", case_ids)
        found = [row["case_id"] for row in rows]
        clocks = await deadlines.load(tx, found)
        tasks = await unfinished(tx, found)
        return {
            row["case_id"]: replace(
                CASE.validate_json(row["data"]),
                deadlines=clocks.get(row["case_id"], {}),
                tasks=tasks.get(row["case_id"], ()),
            )
            for row in rows
        }

    async def save(self, tx: Tx, changes: Sequence[Change[Case]], shared: Any) -> None:
        """Write cases, clocks, tasks and new words: a statement per table, sorted by key."""
        kept = [(change, change.after) for change in changes if change.after is not None]
        await _write_cases(tx, [case for _, case in kept])
        await deadlines.save(
            tx,
            [
                (
                    case.case_id,
                    case.district,
                    change.before.deadlines if change.before else {},
                    case.deadlines,
                )
                for change, case in kept
            ],
        )
        await _write_tasks(tx, [(case, change.before) for change, case in kept])
        await _write_notes(tx, [(case.case_id, note) for _, case in kept for note in case.notes])

    async def share(self, tx: Tx, works: Sequence[Work[Case, Any]]) -> None:
        """Mediation decides each case by itself."""


async def _write_cases(tx: Tx, cases: Sequence[Case]) -> None:
    await tx.execute(
        """
        insert into mediation_case (case_id, district, track, state, org_id, complained_org, data)
        select * from unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[],
            $7::json[])
        order by 1
        on conflict (case_id) do update set
            track = excluded.track, state = excluded.state, org_id = excluded.org_id,
            complained_org = excluded.complained_org, data = excluded.data
        """,
        [case.case_id for case in cases],
        [case.district for case in cases],
        [case.track for case in cases],
        [case.state for case in cases],
        [case.org_id for case in cases],
        [case.facts.complained_about_org for case in cases],
        [CASE.dump_json(case, exclude=ELSEWHERE).decode() for case in cases],
    )


async def _write_tasks(tx: Tx, cases: Sequence[tuple[Case, Case | None]]) -> None:
    changed = sorted(
        (
            (task, case)
            for case, before in cases
            for task in case.tasks
            if before is None or task not in before.tasks
        ),
        key=lambda row: row[0].task_id,
    )
    if not changed:
        return
    await tx.execute(
        """
        insert into task (task_id, case_id, district, queue, reason_code, created_at, due_at, state, owner)
        select * from unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[], $5::text[], $6::timestamptz[],
            $7::timestamptz[], $8::text[], $9::text[])
        on conflict (task_id) do update set
            due_at = excluded.due_at, state = excluded.state, owner = excluded.owner
        """,
        [task.task_id for task, _ in changed],
        [case.case_id for _, case in changed],
        [case.district for _, case in changed],
        [task.queue for task, _ in changed],
        [task.reason_code for task, _ in changed],
        [task.created_at for task, _ in changed],
        [task.due_at for task, _ in changed],
        [task.state for task, _ in changed],
        [task.owner for task, _ in changed],
    )


async def _write_notes(tx: Tx, notes: Sequence[tuple[UUID, Note]]) -> None:
    if not notes:
        return
    ordered = sorted(notes, key=lambda row: row[1].words.note_id)
    await tx.execute(
        """
        insert into note (note_id, case_id, org_id, kind, about, at, words)
        select * from unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[], $5::text[], $6::timestamptz[],
            $7::bytea[])
        """,
        [note.words.note_id for _, note in ordered],
        [case_id for case_id, _ in ordered],
        [note.org_id for _, note in ordered],
        [note.kind for _, note in ordered],
        [note.about for _, note in ordered],
        [note.at for _, note in ordered],
        [note.words.sealed for _, note in ordered],
    )
