"""What cases are found by beside the phone: tokens of the narrative, names of the other side. Written with
the case, made anew from the vault, kept quick to ask."""

from collections.abc import Callable, Collection, Iterator, Sequence
from itertools import accumulate, pairwise
from typing import Any, Final
from uuid import UUID

from libs.db.pool import Database, Tx
from libs.runtime.loops import Pulse
from services.intake.domain.case import SEALED_KIND
from services.intake.handlers.sealing import Kept

AT_ONCE: Final = 200
"""Cases that are made anew in one transaction, which holds their locks."""
SETTLE_EVERY: Final = 5.0
"""Seconds between two sortings of what was written; a search walks through what is not sorted in yet."""

WALKED: Final = 2_000
"""Cases that are looked through one by one, the newest first, before the index is asked: what is common is
among them."""
AGES: Final = (1, 1, 2)
"""Then the index is asked for cases of so many ages at a time, and at last for all older ones."""
AGE_BITS: Final = 111
"""Bits of an id behind those that tell its age, as `search_terms` reads them."""

TracesOf = Callable[[Kept, bool], tuple[Sequence[int], Sequence[bytes]]]
"""Tokens and names of what is kept; the second argument says whether it is an accusation."""


async def write_tokens(tx: Tx, rows: Sequence[tuple[UUID, Sequence[int]]]) -> None:
    """The tokens of these cases, in place of those that they had."""
    ends = list(accumulate((len(tokens) for _, tokens in rows), initial=0))
    await tx.execute(
        """
        insert into search_token (case_id, tokens)
        select case_id, ($2::int[])[first:last] from unnest($1::uuid[], $3::int[], $4::int[])
            as t (case_id, first, last)
        order by 1
        on conflict (case_id) do update set tokens = excluded.tokens
        """,
        [case_id for case_id, _ in rows],
        [token for _, tokens in rows for token in tokens],
        [begin + 1 for begin, _ in pairwise(ends)],
        [end for _, end in pairwise(ends)],
    )


async def write_respondents(tx: Tx, rows: Sequence[tuple[UUID, Sequence[bytes]]]) -> None:
    """The names of the other side of cases that have none here yet."""
    pairs = sorted((name, case_id) for case_id, names in rows for name in names)
    if pairs:
        await tx.execute(
            "insert into respondent_trace (name, case_id) select * from unnest($1::bytea[], $2::uuid[])",
            [name for name, _ in pairs],
            [case_id for _, case_id in pairs],
        )


async def named(
    tx: Tx, tokens: Collection[Sequence[int]], first: UUID, end: UUID, enough: int, most: int
) -> tuple[list[UUID], bool]:
    """The newest cases from `first` to before `end` that have all tokens of one of these sets, and whether
    there may be more: at most `most`, and less than `enough` only if there are no more.

    What is common is found among the newest, what is rare is rare everywhere: so the newest are looked
    through, then the index is asked for one age after the other, and for all older ones at last.
    """
    await tx.execute("set local plan_cache_mode = force_custom_plan")
    found = await _walked(tx, tokens, first, end, most)
    if len(found) == most:
        return found, True
    edge = await tx.fetchval(
        """
        select case_id from search_token where case_id >= $1 and case_id < $2
        order by case_id desc offset $3 limit 1
        """,
        first,
        end,
        WALKED - 1,
    )
    if edge is None:
        return found, False
    end = edge
    for ages, begin in _windows(first, edge):
        if len(found) >= enough:
            return found, True
        found += await _indexed(tx, tokens, ages, begin, end, most - len(found))
        end = begin
    return found, len(found) == most


async def _walked(tx: Tx, tokens: Collection[Sequence[int]], first: UUID, end: UUID, most: int) -> list[UUID]:
    has = " or ".join(f"tokens @> ${number}" for number in range(4, 4 + len(tokens)))
    sql = f"""
        select case_id from (
            select case_id, tokens from search_token where case_id >= $1 and case_id < $2
            order by case_id desc limit {WALKED}
        ) s where {has} limit $3
    """  # noqa: S608 - every value is a parameter
    return [row["case_id"] for row in await tx.fetch(sql, first, end, most, *tokens)]


async def _indexed(
    tx: Tx, tokens: Collection[Sequence[int]], ages: Sequence[int | None], first: UUID, end: UUID, most: int
) -> list[UUID]:
    """`ages` None: of any age."""
    terms = [[*one, *([] if age is None else [age])] for one in tokens for age in ages]
    has = " or ".join(f"search_terms(case_id, tokens) @> ${number}" for number in range(4, 4 + len(terms)))
    # `offset 0` keeps the range out of the inner query: the planner would walk through it instead.
    sql = f"""
        select case_id from (select case_id from search_token where {has} offset 0) s
        where case_id >= $1 and case_id < $2 order by case_id desc limit $3
    """  # noqa: S608 - every value is a parameter
    return [row["case_id"] for row in await tx.fetch(sql, first, end, most, *terms)]


def _windows(first: UUID, end: UUID) -> Iterator[tuple[Sequence[int | None], UUID]]:
    """The ages that are asked for together, and the id with which they begin, the newest first."""
    newest = end.int >> AGE_BITS
    for many in AGES:
        oldest = newest - many + 1
        begin = max(first, UUID(int=max(0, oldest) << AGE_BITS))
        yield range(max(0, oldest), newest + 1), begin
        if begin == first:
            return
        newest = oldest - 1
    yield [None], first


async def rewrite(database: Database, after: UUID, traces_of: TracesOf) -> tuple[UUID, int] | None:
    """Make anew the traces of the cases that follow this one; the last of them and how many, None at the end.

    The cases are locked, so that no amendment is overwritten by what was said before it.
    """
    async with database.transaction() as tx:
        heads = await tx.fetch(
            "select case_id from case_head where case_id > $1 order by case_id limit $2 for update",
            after,
            AT_ONCE,
        )
        case_ids = [row["case_id"] for row in heads]
        if not case_ids:
            return None
        rows = await tx.fetch(
            "select v.*, c.kind from vault v join intake_case c using (case_id) where v.case_id = any($1)",
            case_ids,
        )
        made = sorted(_traces(row, traces_of) for row in rows)
        await tx.execute("delete from search_token where case_id = any($1)", case_ids)
        await write_tokens(tx, [(case_id, tokens) for case_id, tokens, _ in made])
        await tx.execute("delete from respondent_trace where case_id = any($1)", case_ids)
        await write_respondents(tx, [(case_id, names) for case_id, _, names in made])
    return case_ids[-1], len(rows)


def _traces(row: Any, traces_of: TracesOf) -> tuple[UUID, Sequence[int], Sequence[bytes]]:
    fields = dict(row)
    secret = fields.pop("kind") == SEALED_KIND
    return row["case_id"], *traces_of(Kept(**fields), secret)


async def settle(database: Database, pulse: Pulse) -> None:
    """Sort what was written into the index, so that neither a search nor a registration has to."""
    while not pulse.stopping:
        async with database.read() as tx:
            await tx.fetchval("select gin_clean_pending_list('search_token_terms')")
        await pulse.pause(SETTLE_EVERY)
