"""Which cases mediation has closed: intake's copy, which only goes up (G12)."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from libs.db.pool import Tx
from libs.events.base import Payload
from libs.events.envelope import Envelope
from libs.events.mediation import CaseClosed


async def apply_closings(tx: Tx, events: Sequence[tuple[Envelope, Payload]]) -> None:
    """Keep the newest word on each case; called in a transaction with the place where reading goes on."""
    newest: dict[UUID, tuple[int, datetime | None]] = {}
    for envelope, event in events:
        version, closed_at = envelope.caseversion, envelope.time if isinstance(event, CaseClosed) else None
        if version >= newest.get(envelope.case_id, (version, None))[0]:
            newest[envelope.case_id] = version, closed_at
    case_ids = sorted(newest)
    await tx.execute(
        """
        insert into closing (case_id, version, closed_at, closed)
        select *, closed_at is not null
        from unnest($1::uuid[], $2::bigint[], $3::timestamptz[]) as t (case_id, version, closed_at) order by 1
        on conflict (case_id) do update
            set version = excluded.version, closed_at = excluded.closed_at, closed = excluded.closed
            where closing.version < excluded.version
        """,
        case_ids,
        [newest[case_id][0] for case_id in case_ids],
        [newest[case_id][1] for case_id in case_ids],
    )
