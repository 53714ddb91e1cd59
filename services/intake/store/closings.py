"""When mediation closed which cases: intake's copy, which only goes up (G12)."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from libs.db.pool import Tx
from libs.events.base import Payload
from libs.events.envelope import Envelope


async def apply_closings(tx: Tx, events: Sequence[tuple[Envelope, Payload]]) -> None:
    """Keep the newest closing of each case; called in a transaction with the place where reading goes on."""
    newest: dict[UUID, tuple[int, datetime]] = {}
    for envelope, _ in events:
        word = (envelope.caseversion, envelope.time)
        newest[envelope.case_id] = max(newest.get(envelope.case_id, word), word)
    case_ids = sorted(newest)
    await tx.execute(
        """
        insert into closing (case_id, version, closed_at, closed)
        select *, true from unnest($1::uuid[], $2::bigint[], $3::timestamptz[]) order by 1
        on conflict (case_id) do update set version = excluded.version, closed_at = excluded.closed_at
            where closing.version < excluded.version
        """,
        case_ids,
        [newest[case_id][0] for case_id in case_ids],
        [newest[case_id][1] for case_id in case_ids],
    )
