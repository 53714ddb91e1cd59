"""The tasks of cases: sheets for the shell, the list for persons, and the calls that messages ask for."""

from collections.abc import Collection, Sequence
from typing import Any, Final
from uuid import UUID

import orjson

from libs.db.pool import Database, Tx
from libs.db.work import Change, Work
from services.mediation.domain.case import Task
from services.mediation.domain.tasks import Sheet, shown
from services.mediation.handlers.desk import Wanted

_TASKS: Final = """
    select * from (
        select t.case_id, t.district, task_id, reason_code, created_at, due_at, t.state, owner, about, result,
            case m.track when 'SEALED' then 'SEALED' else queue end as queue
        from task t left join mediation_case m using (case_id)
    ) as known
"""
"""Whatever a task of a case of the sealed track is about, and whether it came before the case was known as
such: it is the sealed officer's (XF22 art 30)."""


class TaskStore:
    """Sheets as the shell reads and writes them; the case's own head is their lock."""

    async def load(self, tx: Tx, case_ids: Sequence[UUID]) -> dict[UUID, Sheet]:
        """The cases that have tasks."""
        rows = await tx.fetch(_TASKS + " where case_id = any($1) order by task_id", case_ids)
        sheets: dict[UUID, Sheet] = {}
        for row in rows:
            sheet = sheets.get(row["case_id"], Sheet(row["case_id"], row["district"], ()))
            sheets[row["case_id"]] = Sheet(sheet.case_id, sheet.district, (*sheet.tasks, task_of(row)))
        return sheets

    async def save(self, tx: Tx, changes: Sequence[Change[Sheet]], shared: Any) -> None:
        """Write the tasks that changed; new ones come from cases and from messages."""
        changed = sorted(
            (
                task
                for change in changes
                if change.before is not None and change.after is not None
                for task in change.after.tasks
                if task not in change.before.tasks
            ),
            key=lambda task: task.task_id,
        )
        await tx.execute(
            """
            update task t set queue = n.queue, state = n.state, owner = n.owner, result = n.result
            from unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::text[])
                as n (task_id, queue, state, owner, result)
            where t.task_id = n.task_id
            """,
            [task.task_id for task in changed],
            [task.queue for task in changed],
            [task.state for task in changed],
            [task.owner for task in changed],
            [task.result for task in changed],
        )

    async def share(self, tx: Tx, works: Sequence[Work[Sheet, Any]]) -> None:
        """Each sheet is decided by itself."""


class TaskLists:
    """What persons have to do."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def case_of(self, task_id: UUID) -> UUID | None:
        """The case that a task belongs to."""
        async with self._database.read() as tx:
            case_id: UUID | None = await tx.fetchval("select case_id from task where task_id = $1", task_id)
        return case_id

    async def page(
        self, districts: Collection[str], queues: Collection[str], owner: str | None, wanted: Wanted
    ) -> list[dict[str, Any]]:
        """The tasks of these queues in one state, the longest waiting first."""
        async with self._database.read() as tx:
            rows = await tx.fetch(
                _TASKS
                + """
                where district = any($1) and queue = any($2) and ($3::text is null or owner = $3)
                  and state = $4 and ($5::uuid is null or task_id > $5)
                order by task_id limit $6
                """,
                sorted(districts),
                sorted(queues),
                owner,
                wanted.state,
                wanted.after,
                wanted.limit,
            )
        return [shown(task_of(row), row["case_id"], row["district"]) for row in rows]


async def unfinished(tx: Tx, case_ids: Sequence[UUID]) -> dict[UUID, tuple[Task, ...]]:
    """What is left to do about each of the cases."""
    found: dict[UUID, tuple[Task, ...]] = {}
    rows = await tx.fetch(_TASKS + " where case_id = any($1) and state <> 'done' order by task_id", case_ids)
    for row in rows:
        found[row["case_id"]] = (*found.get(row["case_id"], ()), task_of(row))
    return found


async def add_calls(tx: Tx, calls: Sequence[tuple[UUID, str, Task]]) -> None:
    """Keep calls (case, district, task), each once. A case that mediation does not know gets a head, by which
    its tasks are locked as those of any other (G1)."""
    if not calls:
        return
    ordered = sorted(calls, key=lambda call: call[2].task_id)
    districts = {case_id: district for case_id, district, _ in calls}
    await tx.execute(
        """
        insert into case_head (case_id, district, version)
        select case_id, district, 0 from unnest($1::uuid[], $2::text[]) as t (case_id, district) order by 1
        on conflict (case_id) do nothing
        """,
        sorted(districts),
        [districts[case_id] for case_id in sorted(districts)],
    )
    await tx.execute(
        """
        insert into task (task_id, case_id, district, queue, reason_code, created_at, due_at, state, about)
        select * from unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[], $5::text[], $6::timestamptz[],
            $7::timestamptz[], $8::text[], $9::jsonb[])
        on conflict (task_id) do nothing
        """,
        [task.task_id for *_, task in ordered],
        [case_id for case_id, _, _ in ordered],
        [district for _, district, _ in ordered],
        [task.queue for *_, task in ordered],
        [task.reason_code for *_, task in ordered],
        [task.created_at for *_, task in ordered],
        [task.due_at for *_, task in ordered],
        [task.state for *_, task in ordered],
        [orjson.dumps(dict(task.about)).decode() for *_, task in ordered],
    )


def task_of(row: Any) -> Task:
    """The task of a row of the table."""
    return Task(
        task_id=row["task_id"],
        queue=row["queue"],
        reason_code=row["reason_code"],
        created_at=row["created_at"],
        due_at=row["due_at"],
        state=row["state"],
        owner=row["owner"],
        about=orjson.loads(row["about"]),
        result=row["result"],
    )
