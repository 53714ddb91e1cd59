"""All SQL of the console: the read model, sessions and tries; and the accounts file."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import orjson
import structlog

from libs.db import auditlog
from libs.db.pool import Database, Tx
from libs.events.base import Payload
from libs.events.envelope import Envelope
from services.console.domain.access import LONGEST, Account, Scope, Session, Tries, account_of
from services.console.domain.board import CaseRow, Moment, changed, moment

log = structlog.get_logger()

SHOWN = 200
"""Rows of the page."""

BEFORE_ALL = datetime.min.replace(tzinfo=UTC)

MOST_CHANGES = 2_000
"""Rows of one look at the changes; more than one transaction of the projection can write."""

_FIELDS = tuple(field.name for field in fields(CaseRow))
_CHANGING = _FIELDS[2:]
_COLUMNS = ", ".join(f"v.{name}" for name in _FIELDS)

_VISIBLE = """
    v.registered_at is not null
    and v.district = any($1)
    and case when v.kind = 'REP' then $2::bool else $3::bool end
    and ($4::text is null or v.org_id = $4 and v.complained_about_org is distinct from $4)
"""

NEWEST = """
    select n.* from unnest($1::text[]) d (district) cross join lateral (
        select * from case_view v where v.district = d.district and {narrowed} and {visible}
        order by v.registered_at desc, v.case_id limit $5
    ) n
    order by n.registered_at desc, n.case_id limit $5
"""
"""Each district's newest along its index, then the newest of those: no case is read that is not shown."""

PRESSING = """
    select n.* from unnest($1::text[]) d (district) cross join lateral (
        select * from case_view v
        where v.district = d.district and {narrowed} and {visible}
            and v.pressing_at is not null and (v.pressing_at, v.case_id) > ($5::timestamptz, $6::uuid)
        order by v.pressing_at, v.case_id limit $7
    ) n
    order by n.pressing_at, n.case_id limit $7
"""
"""In the same way those that press most, from behind a case on."""

_UPDATE = f"""
    update case_view v
    set {", ".join(f"{name} = n.{name}" for name in _CHANGING)}, tx = pg_current_xact_id()
    from jsonb_populate_recordset(null::case_view, $1::jsonb) n
    where v.case_id = n.case_id
"""  # noqa: S608 -- the names of our own fields


class CaseViews:
    """The board's rows and timelines."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def apply(self, tx: Tx, events: Sequence[tuple[Envelope, Payload]]) -> None:
        """Bring a batch of events onto the board; what a topic told before changes nothing (G8).

        Rows are made and locked in the order of their ids, so two workers never wait for each other in a
        circle.
        """
        districts = {envelope.case_id: payload.district for envelope, payload in events}
        before = await self._locked(tx, districts)
        after = dict(before)
        for envelope, payload in events:
            after[envelope.case_id] = changed(after[envelope.case_id], envelope, payload)
        await tx.execute(_UPDATE, _json([row for row in after.values() if row is not before[row.case_id]]))
        await self._keep(tx, [moment(envelope, payload) for envelope, payload in events])

    async def newest(self, scope: Scope) -> tuple[list[CaseRow], str]:
        """The rows that a page shows, newest first, and the horizon from which to follow."""
        return await self._look(
            f"""
            select {_COLUMNS}, h.horizon
            from (select pg_snapshot_xmin(pg_current_snapshot())::text as horizon) h
            left join lateral ({narrowed(NEWEST, scope)}) v on true
            """,  # noqa: S608 -- our own text
            *_of(scope),
            SHOWN,
        )

    async def pressing(self, scope: Scope, after: tuple[datetime, UUID] | None, limit: int) -> list[CaseRow]:
        """What presses most, from behind a case on: missed duties since they were due, else the next due."""
        at, case_id = after or (BEFORE_ALL, UUID(int=0))
        async with self._database.read() as tx:
            found = await tx.fetch(narrowed(PRESSING, scope), *_of(scope), at, case_id, limit)
        return [_row(record) for record in found]

    async def changed(self, scope: Scope, horizon: str) -> tuple[list[tuple[CaseRow, bool]], str]:
        """Rows of one's districts that changed since `horizon`, each with whether one may see it."""
        async with self._database.read() as tx:
            found = await tx.fetch(
                f"""
                select {_COLUMNS}, v.visible, h.horizon
                from (select pg_snapshot_xmin(pg_current_snapshot()) as horizon) h
                left join lateral (
                    select v.*, ({_VISIBLE}) as visible from case_view v
                    where v.tx >= $5::text::xid8 and v.tx < h.horizon and v.district = any($1)
                    order by v.tx limit $6
                ) v on true
                """,  # noqa: S608 -- our own text
                *_of(scope),
                horizon,
                MOST_CHANGES,
            )
        rows = [(_row(record), record["visible"]) for record in found if record["case_id"] is not None]
        return rows, str(found[0]["horizon"])

    async def rows(self, scope: Scope, case_ids: Sequence[UUID]) -> dict[UUID, CaseRow]:
        """Those of these cases that one may see."""
        async with self._database.read() as tx:
            found = await tx.fetch(
                f"select {_COLUMNS} from case_view v where v.case_id = any($5) and {_VISIBLE}",  # noqa: S608
                *_of(scope),
                case_ids,
            )
        return {row.case_id: row for row in map(_row, found)}

    async def timeline(self, scope: Scope, case_id: UUID) -> list[Moment] | None:
        """A case's events in the order of time; None where there is no case that one may see."""
        async with self._database.read() as tx:
            found = await tx.fetch(
                f"""
                select m.case_id, m.topic, m.version, m.type, m.at, m.detail
                from case_view v join case_moment m using (case_id)
                where {_VISIBLE} and v.case_id = $5
                order by m.at, m.topic, m.version
                """,  # noqa: S608 -- our own text
                *_of(scope),
                case_id,
            )
        moments = [Moment(**{**record, "detail": orjson.loads(record["detail"])}) for record in found]
        return moments or None

    async def _locked(self, tx: Tx, districts: Mapping[UUID, str]) -> dict[UUID, CaseRow]:
        ids = sorted(districts)
        await tx.execute(
            "insert into case_view (case_id, district) select * from unnest($1::uuid[], $2::text[])"
            " on conflict do nothing",
            ids,
            [districts[case_id] for case_id in ids],
        )
        found = await tx.fetch(
            f"select {_COLUMNS} from case_view v where case_id = any($1) order by case_id for update",  # noqa: S608
            ids,
        )
        return {row.case_id: row for row in map(_row, found)}

    async def _keep(self, tx: Tx, moments: Sequence[Moment]) -> None:
        await tx.execute(
            """
            insert into case_moment (case_id, topic, version, type, at, detail)
            select case_id, topic, version, type, at, detail
            from jsonb_populate_recordset(null::case_moment, $1::jsonb)
            order by case_id, topic, version
            on conflict do nothing
            """,
            _json(moments),
        )

    async def _look(self, sql: str, *args: object) -> tuple[list[CaseRow], str]:
        async with self._database.read() as tx:
            found = await tx.fetch(sql, *args)
        return [_row(record) for record in found if record["case_id"] is not None], found[0]["horizon"]


def narrowed(query: str, scope: Scope) -> str:
    """A list's query in the form for which there is an index for such a reader."""
    only = "true"
    if scope.org is not None:
        only = "v.org_id = $4"
    elif scope.sealed and not scope.ordinary:
        only = "v.kind = 'REP'"
    return query.format(narrowed=only, visible=_VISIBLE)


def _of(scope: Scope) -> tuple[list[str], bool, bool, str | None]:
    return sorted(scope.districts), scope.sealed, scope.ordinary, scope.org


def _row(record: Mapping[str, Any]) -> CaseRow:
    told = {name: record[name] for name in _FIELDS}
    told["case_id"] = UUID(int=record["case_id"].int)  # the driver's own class is unknown to orjson
    return CaseRow(**told | {"flags": tuple(record["flags"])})


def _json(rows: Sequence[object]) -> str:
    return orjson.dumps(rows).decode()


class SessionStore:
    """Sessions by the hash of their token, and tries by the hash of name and address."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def count_try(
        self, keys: Sequence[bytes], now: datetime, wait: Callable[[Sequence[Tries]], timedelta]
    ) -> timedelta:
        """How long to wait; when not at all, the try is counted as a wrong one until it is forgiven, so that
        tries at the same time count too."""
        async with self._database.transaction() as tx:
            await tx.execute("delete from sign_in_tries where last_at < $1", now - timedelta(days=1))
            found = await tx.fetch(
                """
                insert into sign_in_tries (key, count, last_at)
                select key, 0, $2 from unnest($1::bytea[]) key order by key
                on conflict (key) do update set count = sign_in_tries.count
                returning key, count, last_at
                """,
                list(keys),
                now,
            )
            tries = {record["key"]: Tries(record["count"], record["last_at"]) for record in found}
            held = wait([tries[key] for key in keys])
            if not held:
                await tx.execute(
                    "update sign_in_tries set count = count + 1, last_at = $2 where key = any($1)",
                    list(keys),
                    now,
                )
        return held

    async def forgive(self, keys: Sequence[bytes]) -> None:
        """The password was right: the name starts afresh, the address gets its one try back."""
        name, *others = keys
        async with self._database.transaction() as tx:
            await tx.execute("delete from sign_in_tries where key = $1", name)
            await tx.execute(
                "update sign_in_tries set count = greatest(count - 1, 0) where key = any($1)", others
            )

    async def open(self, token_hash: bytes, session: Session) -> None:
        """Keep a new session; those that ended by age are cleared away."""
        async with self._database.transaction() as tx:
            await tx.execute("delete from session where opened_at < $1", session.opened_at - LONGEST)
            await tx.execute(
                "insert into session (token_hash, user_name, opened_at, seen_at) values ($1, $2, $3, $4)",
                token_hash,
                session.user,
                session.opened_at,
                session.seen_at,
            )
            await _audit(tx, session.opened_at, session.user, "console.sign_in")

    async def find(self, token_hash: bytes) -> Session | None:
        """The session of a token."""
        async with self._database.read() as tx:
            record = await tx.fetchrow(
                "select user_name, opened_at, seen_at from session where token_hash = $1", token_hash
            )
        return record and Session(record["user_name"], record["opened_at"], record["seen_at"])

    async def touch(self, token_hash: bytes, now: datetime) -> None:
        """The session was used."""
        async with self._database.transaction() as tx:
            await tx.execute("update session set seen_at = $2 where token_hash = $1", token_hash, now)

    async def close(self, token_hash: bytes, user: str, now: datetime) -> None:
        """The session is over."""
        async with self._database.transaction() as tx:
            if await tx.execute("delete from session where token_hash = $1", token_hash):
                await _audit(tx, now, user, "console.sign_out")


async def _audit(tx: Tx, at: datetime, user: str, action: str) -> None:
    await auditlog.append(tx, "console", [auditlog.Entry(at, f"staff:{user}", action, None, {})])


class AccountFile:
    """The accounts of a JSON file, read again when it changes. A file that cannot be read lets nobody in."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._stamp: tuple[int, int] | None = None
        self._accounts: dict[str, Account] = {}

    def find(self, user: str) -> Account | None:
        """The account of that name."""
        try:
            status = self._path.stat()
            stamp = (status.st_mtime_ns, status.st_size)
            if stamp != self._stamp:
                rows = json.loads(self._path.read_text("utf-8"))
                self._accounts = {account.user: account for account in map(account_of, rows)}
                self._stamp = stamp
        except (OSError, ValueError, TypeError, AttributeError) as error:
            log.error("accounts_unreadable", error=type(error).__name__)
            self._accounts, self._stamp = {}, None
        return self._accounts.get(user)
