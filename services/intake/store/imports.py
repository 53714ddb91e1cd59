"""Imports as they are kept: what is known of each for ever, its file and faulty rows as long as needed."""

from collections.abc import AsyncIterator, Sequence
from datetime import timedelta
from typing import Any, Final
from uuid import UUID

import orjson

from libs.db import idempotency
from libs.db.pool import Database, Tx
from libs.db.work import Actor, Outcome
from libs.web.errors import FieldError
from libs.web.refusals import TooManyRequests
from services.intake.domain.importing import MOST_OPEN, Faulty, Import
from services.intake.handlers.desk import Asked, Job, LeaseLost
from services.intake.handlers.sealing import FileKey, Vault
from services.intake.store import trail

ABANDONED: Final = "1 hour"
"""So old are parts without an import at least before they count as left behind: an upload takes minutes."""

_PARTS_AT_ONCE: Final = 4


class ImportStore:
    """The imports of this service. Whoever reads one names the credential that sent it."""

    def __init__(self, database: Database, vault: Vault, lease: float = 15.0) -> None:
        """`lease`: seconds without a sign of progress after which another worker takes an import up."""
        self._database = database
        self._vault = vault
        self._lease = lease

    async def add_part(self, import_id: UUID, number: int, content: bytes) -> None:
        """Keep a sealed part of a file that is coming in."""
        await self._database.execute(
            "insert into import_part (import_id, number, content) values ($1, $2, $3)",
            import_id,
            number,
            content,
        )

    async def drop_parts(self, import_id: UUID) -> None:
        """Forget what came of a file that is not taken."""
        async with self._database.transaction() as tx:
            await _drop_parts(tx, import_id)

    async def open(self, new: Import, content: bytes, key: FileKey, asked: Asked) -> tuple[Import, bool]:
        """Begin an import of the parts that were added, unless this credential sent the same content before:
        then that one, and True. Raises KeyReused, InProgress, and TooManyRequests beyond `MOST_OPEN`."""
        if asked.key is None:
            raise ValueError("an import is made repeatable by its key")
        credential = asked.actor.label()
        async with self._database.transaction() as tx:
            answer = await idempotency.first_answer(tx, asked.key)
            if answer is None and await _insert(tx, new, key, asked, credential, content):
                outcome = Outcome(202, {"import_id": str(new.import_id)}, 0)
                await idempotency.keep(tx, [(asked.key, outcome)])
                told = str(new.import_id)
                await trail.record(tx, asked.actor, asked.at, "import.received", import_id=told)
                return new, False
            await _drop_parts(tx, new.import_id)
            row = await tx.fetchrow(
                f"{_TOLD} where credential = $1 and content = $2"
                " order by state = 'unreadable', received_at desc limit 1",
                credential,
                content,
            )
        return _told(row), True

    async def find(self, import_id: UUID, actor: Actor) -> Import | None:
        """An import that this credential sent."""
        async with self._database.read() as tx:
            row = await tx.fetchrow(
                f"{_TOLD} where import_id = $1 and credential = $2", import_id, actor.label()
            )
        return _told(row) if row else None

    async def layout(self, import_id: UUID) -> tuple[tuple[str, ...], FileKey | None]:
        """The headings of its file, and its key unless it is erased."""
        async with self._database.read() as tx:
            row = await tx.fetchrow(
                "select headings, key_version, data_key from import where import_id = $1", import_id
            )
        return tuple(row["headings"]), self._key(row) if row["data_key"] else None

    async def faults(self, import_id: UUID, after: int, limit: int) -> list[Faulty]:
        """Rows that were refused, in their order."""
        async with self._database.read() as tx:
            rows = await tx.fetch(
                "select number, faults, content from import_fault"
                " where import_id = $1 and number > $2 order by number limit $3",
                import_id,
                after,
                limit,
            )
        return [
            Faulty(row["number"], tuple(_fault(f) for f in orjson.loads(row["faults"])), row["content"])
            for row in rows
        ]

    async def lease(self, holder: UUID) -> Job | None:
        """An import that waits, or that its worker left, for this worker. One at which workers fail time and
        again comes behind the others."""
        async with self._database.transaction() as tx:
            row = await tx.fetchrow(
                """
                update import set leased_by = $1, leased_until = now() + make_interval(secs => $2),
                    state = case state when 'received' then 'checking' else state end
                where import_id = (
                    select import_id from import
                    where state in ('received', 'checking', 'taking')
                        and (leased_until is null or leased_until < now())
                    order by coalesce(leased_until, received_at) limit 1 for update skip locked
                ) returning *
                """,
                holder,
                self._lease,
            )
        return self._job(row, holder) if row else None

    async def parts(self, job: Job) -> AsyncIterator[bytes]:
        """The parts of its file, opened, in order."""
        after = -1
        while True:
            async with self._database.read() as tx:
                rows = await tx.fetch(
                    "select number, content from import_part"
                    " where import_id = $1 and number > $2 order by number limit $3",
                    job.told.import_id,
                    after,
                    _PARTS_AT_ONCE,
                )
            for row in rows:
                after = row["number"]
                yield job.key.open("import_part", job.told.import_id, after, row["content"])
            if not rows:
                return

    async def renew(self, job: Job) -> None:
        """The worker still has it in hand."""
        async with self._database.transaction() as tx:
            await self._progress(tx, job, "checked = checked")

    async def checked(self, job: Job, rows: int, faulty: Sequence[Faulty]) -> None:
        """So many more rows were checked."""
        async with self._database.transaction() as tx:
            await self._progress(tx, job, "checked = checked + $3, refused = refused + $4", rows, len(faulty))
            await _insert_faults(tx, job, faulty)

    async def all_checked(self, job: Job, headings: Sequence[str]) -> Job:
        """Every row was checked; now they are taken."""
        async with self._database.transaction() as tx:
            row = await self._progress(
                tx, job, "state = 'taking', rows = checked, headings = $3", list(headings)
            )
        return self._job(row, job.holder)

    async def refused_rows(self, job: Job) -> frozenset[int]:
        """The numbers of the rows that were refused."""
        async with self._database.read() as tx:
            rows = await tx.fetch("select number from import_fault where import_id = $1", job.told.import_id)
        return frozenset(row["number"] for row in rows)

    async def took(self, job: Job, upto: int, taken: int, faulty: Sequence[Faulty]) -> None:
        """The rows up to this number were taken or refused."""
        async with self._database.transaction() as tx:
            change = "upto = $3, taken = taken + $4, refused = refused + $5"
            await self._progress(tx, job, change, upto, taken, len(faulty))
            await _insert_faults(tx, job, faulty)

    async def finish(self, job: Job) -> None:
        """All is done: the file is erased, and the key too where no row was refused."""
        async with self._database.transaction() as tx:
            await self._progress(
                tx,
                job,
                "state = 'done', finished_at = now(), data_key = case when refused > 0 then data_key end",
            )
            await _drop_parts(tx, job.told.import_id)

    async def give_up(self, job: Job, problem: FieldError) -> None:
        """The file cannot be read: all of it is erased."""
        told = orjson.dumps([problem.pointer, problem.code, problem.detail]).decode()
        async with self._database.transaction() as tx:
            change = (
                "state = 'unreadable', finished_at = now(), data_key = null, refused = 0, problem = $3::jsonb"
            )
            await self._progress(tx, job, change, told)
            await _drop_parts(tx, job.told.import_id)
            await tx.execute("delete from import_fault where import_id = $1", job.told.import_id)

    async def release(self, job: Job) -> None:
        """Let another worker go on at once."""
        await self._database.execute(
            "update import set leased_until = null where import_id = $1 and leased_by = $2",
            job.told.import_id,
            job.holder,
        )

    async def tidy(self, keep: timedelta) -> None:
        """Erase what was kept of faulty rows longer than that, and parts whose sender went away."""
        async with self._database.transaction() as tx:
            await tx.execute(
                """
                with over as (
                    update import set data_key = null
                    where data_key is not null and finished_at < now() - $1::interval returning import_id
                )
                delete from import_fault f using over where f.import_id = over.import_id
                """,
                keep,
            )
            await tx.execute(
                "delete from import_part p where at < now() - $1::text::interval"
                " and not exists (select from import i where i.import_id = p.import_id)",
                ABANDONED,
            )

    async def _progress(self, tx: Tx, job: Job, change: str, *values: object) -> Any:
        """Change the import while it is this worker's, and keep it so; LeaseLost when it is not."""
        row = await tx.fetchrow(
            f"update import set {change}, leased_until = now() + make_interval(secs => {self._lease})"  # noqa: S608
            " where import_id = $1 and leased_by = $2 returning *",
            job.told.import_id,
            job.holder,
            *values,
        )
        if row is None:
            raise LeaseLost
        return row

    def _job(self, row: Any, holder: UUID) -> Job:
        actor = orjson.loads(row["actor"])
        return Job(
            holder=holder,
            told=_told(row),
            actor=Actor(
                actor["kind"],
                actor["id"],
                roles=frozenset(actor["roles"]),
                org_id=actor["org_id"],
                districts=frozenset(actor["districts"]),
            ),
            key=self._key(row),
            upto=row["upto"],
            trace=row["trace"],
        )

    def _key(self, row: Any) -> FileKey:
        return self._vault.file_key(row["key_version"], row["data_key"])


_TOLD: Final = """
    select import_id, form, state, received_at, rows, checked, taken, refused, problem, finished_at, data_key
    from import
"""


def _told(row: Any) -> Import:
    return Import(
        import_id=row["import_id"],
        form=row["form"],
        state=row["state"],
        received_at=row["received_at"],
        rows=row["rows"],
        checked=row["checked"],
        taken=row["taken"],
        refused=row["refused"],
        problem=_fault(orjson.loads(row["problem"])) if row["problem"] else None,
        finished_at=row["finished_at"],
        erased=row["data_key"] is None,
    )


def _fault(stored: Sequence[str]) -> FieldError:
    return FieldError(*stored)


async def _insert(tx: Tx, new: Import, key: FileKey, asked: Asked, credential: str, content: bytes) -> bool:
    """Whether it is new; the same content of one credential stands once."""
    waiting = await tx.fetchval(
        "select count(*) from import where credential = $1 and state <> 'unreadable' and state <> 'done'",
        credential,
    )
    actor = {
        "kind": asked.actor.kind,
        "id": asked.actor.id,
        "roles": sorted(asked.actor.roles),
        "org_id": asked.actor.org_id,
        "districts": sorted(asked.actor.districts),
    }
    written = await tx.execute(
        """
        insert into import (import_id, credential, actor, content, form, received_at, trace, key_version,
            data_key, state)
        values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
        on conflict (credential, content) where state <> 'unreadable' do nothing
        """,
        new.import_id,
        credential,
        orjson.dumps(actor).decode(),
        content,
        new.form,
        new.received_at,
        asked.trace,
        key.wrapped.version,
        key.wrapped.wrapped,
        new.state,
    )
    if written and waiting >= MOST_OPEN:
        raise TooManyRequests("imports_waiting", retry_after=60)
    return bool(written)


async def _insert_faults(tx: Tx, job: Job, faulty: Sequence[Faulty]) -> None:
    if not faulty:
        return
    await tx.execute(
        """
        insert into import_fault (import_id, number, faults, content)
        select $1, * from unnest($2::int[], $3::jsonb[], $4::bytea[])
        """,
        job.told.import_id,
        [row.number for row in faulty],
        [orjson.dumps([[f.pointer, f.code, f.detail] for f in row.faults]).decode() for row in faulty],
        [row.content for row in faulty],
    )


async def _drop_parts(tx: Tx, import_id: UUID) -> None:
    await tx.execute("delete from import_part where import_id = $1", import_id)
