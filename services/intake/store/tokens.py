"""The table of search tokens: written with its case, made anew from the vault, kept quick to ask."""

from collections.abc import Callable, Sequence
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

TokensOf = Callable[[Kept, bool], tuple[int, ...]]
"""The tokens of what is kept, and whether it is an accusation."""


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


async def rewrite(database: Database, after: UUID, tokens_of: TokensOf) -> tuple[UUID, int] | None:
    """Make anew the tokens of the cases that follow this one; the last of them and how many, None at the end.

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
        await tx.execute("delete from search_token where case_id = any($1)", case_ids)
        await write_tokens(tx, sorted(_tokens(row, tokens_of) for row in rows))
    return case_ids[-1], len(rows)


def _tokens(row: Any, tokens_of: TokensOf) -> tuple[UUID, tuple[int, ...]]:
    fields = dict(row)
    secret = fields.pop("kind") == SEALED_KIND
    return row["case_id"], tokens_of(Kept(**fields), secret)


async def settle(database: Database, pulse: Pulse) -> None:
    """Sort what was written into the index, so that neither a search nor a registration has to."""
    while not pulse.stopping:
        async with database.read() as tx:
            await tx.fetchval("select gin_clean_pending_list('search_token_tokens')")
        await pulse.pause(SETTLE_EVERY)
