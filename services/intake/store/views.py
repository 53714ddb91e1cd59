"""What people read of the cases."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta
from typing import Final
from uuid import UUID

from libs.clocks.calendar import LOCAL
from libs.db import auditlog
from libs.db.pool import Database
from libs.messaging import deadlines
from libs.privacy.audit import AuditRow
from services.intake.domain.case import CLOSED, SEALED_KIND, Case, Note, first_id
from services.intake.domain.georeport import FINISHED
from services.intake.domain.noting import REVEAL
from services.intake.handlers.desk import Query
from services.intake.handlers.sealing import Kept
from services.intake.store import traces
from services.intake.store.rows import CASES, case_of

CLOCKS_APART: Final = timedelta(hours=1)
"""So far may the clock that made an older id be from the one that dated the case. The range of ids only
spares looking at all others; the date decides."""


class IntakeViews:
    """What people read; every query carries the caller's districts and what they may know of."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def kept(self, case_id: UUID) -> Kept | None:
        """The sealed personal part of a case. Whether the caller may see it is decided on the case."""
        return (await self.all_kept([case_id])).get(case_id)

    async def all_kept(self, case_ids: Collection[UUID]) -> dict[UUID, Kept]:
        """The same of several cases."""
        async with self._database.read() as tx:
            rows = await tx.fetch("select * from vault where case_id = any($1)", list(case_ids))
        return {row["case_id"]: Kept(**row) for row in rows}

    async def former(self, case_id: UUID) -> list[tuple[int, Kept]]:
        """What was kept before each amendment, the oldest first, with the version that replaced it."""
        async with self._database.read() as tx:
            rows = await tx.fetch(
                """
                select f.version, f.case_id, v.district, f.key_version, v.data_key, f.applicant, f.story
                from vault_former f join vault v using (case_id) where f.case_id = $1 order by f.version
                """,
                case_id,
            )
        return [
            (row["version"], Kept(**{name: row[name] for name in Kept.__dataclass_fields__})) for row in rows
        ]

    async def notes(
        self,
        case_id: UUID,
        *,
        texts: bool = True,
        purposes: bool = True,
        after: tuple[datetime, UUID] | None = None,
        limit: int | None = None,
    ) -> list[Note]:
        """The free texts of a case, the oldest first, those after a place: `texts` of acts, `purposes` of
        unmasking."""
        async with self._database.read() as tx:
            rows = await tx.fetch(
                """
                select note_id, act, at, by, text from note
                where case_id = $1 and case when act = $2 then $3::boolean else $4::boolean end
                  and (at, note_id) > ($5, $6)
                order by at, note_id limit $7
                """,
                case_id,
                REVEAL,
                purposes,
                texts,
                *(after or (BEFORE_ALL[0], FIRST_ID)),
                limit,
            )
        return [Note(**row) for row in rows]

    async def case(self, case_id: UUID) -> Case | None:
        """A case without its clocks."""
        return (await self.cases([case_id])).get(case_id)

    async def cases(self, case_ids: Collection[UUID]) -> dict[UUID, Case]:
        """The same of several cases."""
        async with self._database.read() as tx:
            rows = await tx.fetch(f"{CASES} where c.case_id = any($1)", list(case_ids))
        return {row["case_id"]: case_of(row, {}) for row in rows}

    async def find(self, query: Query) -> list[tuple[Case, int]]:
        """The newest cases that match, with their versions; one more than the page holds."""
        where = _where(query)
        sql = f"""
            select c.*, x.closed_at, h.version from {_tables(query)} join case_head h using (case_id)
            where {where.sql} order by c.case_id desc limit {query.limit + 1}
        """  # noqa: S608 - every value is a parameter
        async with self._database.read() as tx:
            rows = await tx.fetch(sql, *where.values)
            clocks = await deadlines.load(tx, [row["case_id"] for row in rows])
        return [(case_of(row, clocks.get(row["case_id"], {})), row["version"]) for row in rows]

    async def known(self, query: Query) -> set[UUID]:
        """The ids of all cases that match."""
        where = _where(query)
        sql = f"select c.case_id from {_tables(query)} where {where.sql}"  # noqa: S608 - values are parameters
        async with self._database.read() as tx:
            return {row["case_id"] for row in await tx.fetch(sql, *where.values)}

    async def find_kept(self, query: Query) -> list[Kept]:
        """What is kept of the newest cases that match; at most `limit`."""
        where = _where(query)
        sql = f"""
            select v.* from {_tables(query)} join vault v using (case_id)
            where {where.sql} order by c.case_id desc limit {query.limit}
        """  # noqa: S608 - every value is a parameter
        async with self._database.read() as tx:
            return [Kept(**row) for row in await tx.fetch(sql, *where.values)]

    async def named(
        self, tokens: Collection[Sequence[int]], query: Query, *, enough: int, most: int
    ) -> tuple[list[UUID], bool]:
        """The newest cases with all tokens of one of these sets, as `traces.named`, on the query's page."""
        first, end = _range(query)
        async with self._database.transaction() as tx:
            return await traces.named(tx, tokens, first, end, enough, most)

    async def trail(
        self,
        case_id: UUID,
        districts: Collection[str],
        sealed: bool,
        after: tuple[datetime, int, int] | None,
        limit: int,
    ) -> list[AuditRow]:
        """The audit entries of a case of these districts, the oldest first, those after a place; of an
        accusation only if `sealed`."""
        async with self._database.read() as tx:
            rows = await tx.fetch(
                """
                select a.* from audit a join intake_case c using (case_id)
                where a.case_id = $1 and c.district = any($2) and ($3 or c.kind is distinct from $4)
                  and (a.at, a.chain, a.seq) > ($5, $6::bigint, $7::bigint)
                order by a.at, a.chain, a.seq limit $8
                """,
                case_id,
                sorted(districts),
                sealed,
                SEALED_KIND,
                *(after or BEFORE_ALL),
                limit,
            )
        return [auditlog.row_of(row, "intake") for row in rows]


def _tables(query: Query) -> str:
    """What `_where` asks, joined."""
    phones = "join phone_trace p using (case_id)" if query.phones or query.last_fours else ""
    return f"intake_case c left join closing x using (case_id) {phones}"


def _where(query: Query) -> "_Conditions":
    """The conditions of a list."""
    where = _Conditions()
    if len(query.districts) == 1:  # then an index of its cases gives them in their order
        where.add("c.district = {}", *query.districts)
    else:
        where.add("c.district = any({})", sorted(query.districts))
    where.add("c.state <> 'erased'")
    if not query.sealed:
        where.add("c.kind is distinct from {}", SEALED_KIND)
    if not query.open_kinds:
        where.add("c.kind = {}", SEALED_KIND)
    as_told = query.portal is not None or query.state == CLOSED
    for sql, value in (
        ("c.portal = {}", query.portal),
        ("c.case_id < {}", query.after),
        ("c.case_id = any({})", query.case_ids),
        (_STATE_AS_TOLD if as_told else _STATE, query.state),
        ("c.kind = {}", query.kind),
        ("c.category = {}", query.category),
        ("c.category = any({})", query.categories),
        ("starts_with(coalesce(c.grid, c.district), {})", query.area),
        ("c.facts -> 'flags' @> to_jsonb({}::text)", query.flag),
        ("c.query_code = {}", query.query_code),
        ("c.query_code = any({})", query.query_codes),
        ("c.case_id >= {}", query.since),
        ("p.whole = any({})", query.phones),
        ("p.last_four = any({})", query.last_fours),
        ("c.grid = {}", query.grid),
        ("c.case_id in (select case_id from respondent_trace where name = any({}))", query.respondents),
    ):
        if value is not None:
            where.add(sql, value)
    if query.finished is not None:
        where.add("(c.state = any({}) or x.closed_at is not null) = {}", sorted(FINISHED), query.finished)
    if query.ended is not None:
        where.add(_ENDED, *_by_kind(query.ended))
    if query.held is not None:
        where.add("(c.holds <> '[]') = {}", query.held)
    if query.needs is not None:
        where.add(_NEEDS[query.needs])
    for sql, values in _dated(query):
        where.add(sql, *values)
    return where


def _range(query: Query) -> tuple[UUID, UUID]:
    """The first of the ids that cases of the query's days may have, and the one before which they end."""
    first, end = FIRST_ID, query.after or LAST_ID
    if query.registered_from is not None:
        first = first_id(_morning(query.registered_from), -CLOCKS_APART)
    if query.registered_to is not None:
        end = min(end, first_id(_evening(query.registered_to), CLOCKS_APART))
    return first, end


def _dated(query: Query) -> Iterator[tuple[str, tuple[object, ...]]]:
    """The conditions of a range of days. Ids hold the instant at which they were made, to the millisecond."""
    told, (first, end) = "(c.facts ->> 'registered_at')::timestamptz", _range(query)
    if query.registered_from is not None:
        yield f"c.case_id >= {{}} and {told} >= {{}}", (first, _morning(query.registered_from))
    if query.registered_to is not None:
        yield f"c.case_id < {{}} and {told} <= {{}}", (end, _evening(query.registered_to))


def _morning(day: date) -> datetime:
    return datetime.combine(day, time.min, LOCAL)


def _evening(day: date) -> datetime:
    return datetime.combine(day, time.max, LOCAL)


FIRST_ID: Final = UUID(int=0)
LAST_ID: Final = UUID(int=2**128 - 1)


def _by_kind(ended: Mapping[str | None, datetime]) -> tuple[list[str], list[datetime]]:
    """Kinds, '' for none, and the instants that go with them."""
    return [kind or "" for kind in ended], list(ended.values())


_STATE: Final = "c.state = {}"
_STATE_AS_TOLD: Final = "case when x.closed_at is null then c.state else 'closed' end = {}"
"""A portal is told that mediation closed a case (`Case.state`), staff what intake decided (`Case.stage`);
both may ask for the closed ones."""

_ENDED: Final = """coalesce(x.closed_at, c.ended_at) < (
    select at from unnest({}::text[], {}::timestamptz[]) as t (kind, at) where kind = coalesce(c.kind, '')
) and (c.state <> 'merged' or exists (
    select from intake_case first where first.case_id = c.merged_into and first.state = 'erased'
))"""
"""What was merged is kept as long as the case that took it in."""

BEFORE_ALL: Final = (datetime(1, 1, 1, tzinfo=UTC), 0, 0)
"""A place before every audit entry."""

_NEEDS = {
    "kind": "c.state = 'registered' and c.kind is null",
    "grid": "c.state in ('registered', 'accepted') and c.grid is null",
    "decision": "c.state = 'registered'",
    "quarantine": "c.case_id in (select case_id from attachment where state = 'quarantined')",
    "identity": "c.state = 'registered' and c.facts @> '{\"real_name\": false, \"anonymous\": false}'",
}
"""What waits for a person, by what it lacks; in quarantine is a file that nobody has let out."""


class _Conditions:
    """Conditions joined by `and`; each value stands for one `{}` of its condition."""

    def __init__(self) -> None:
        self.values: list[object] = []
        self._parts: list[str] = []

    def add(self, sql: str, *values: object) -> None:
        first = len(self.values) + 1
        self.values += values
        places = [f"${number}" for number in range(first, first + len(values))]
        self._parts.append(sql.format(*places) if values else sql)

    @property
    def sql(self) -> str:
        return " and ".join(self._parts)
