"""Which cases mediation has closed: intake's copy, which only goes up (G12)."""

from collections.abc import Sequence
from uuid import UUID

from libs.db.pool import Tx
from libs.events.base import Payload
from libs.events.envelope import Envelope
from libs.events.mediation import CaseClosed


async def apply_closings(tx: Tx, events: Sequence[tuple[Envelope, Payload]]) -> None:
    """Keep the newest word on each case; called in a transaction with the place where reading goes on."""
    newest: dict[UUID, tuple[int, bool]] = {}
    for envelope, event in events:
        word = (envelope.caseversion, isinstance(event, CaseClosed))
        newest[envelope.case_id] = max(newest.get(envelope.case_id, word), word)
    case_ids = sorted(newest)
    await tx.execute(
        """
        insert into closing (case_id, version, closed)
        select * from unnest($1::uuid[], $2::bigint[], $3::boolean[]) order by 1
        on conflict (case_id) do update set version = excluded.version, closed = excluded.closed
            where closing.version < excluded.version
        """,
        case_ids,
        [newest[case_id][0] for case_id in case_ids],
        [newest[case_id][1] for case_id in case_ids],
    )
