"""What cases are found by beside the phone: tokens of the narrative, names of the other side. Written with
the case, made anew from the vault, kept quick to ask."""

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
            await tx.fetchval("select gin_clean_pending_list('search_token_tokens')")
        await pulse.pause(SETTLE_EVERY)
