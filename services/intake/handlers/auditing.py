"""`GET /v1/audit`: who did and saw what of a case."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from libs.clocks.calendar import instant
from libs.privacy.audit import AuditRow
from libs.web.principal import Principal
from services.intake.domain.case import SEALED_OFFICERS
from services.intake.handlers.desk import Desk, paged

SHOWN: Final[Mapping[str, str]] = {
    "case.read": "masked",
    "case.revealed": "plain",
    "case.notes_read": "masked",
    "case.notice_printed": "name",
    "attachment.read": "plain",
}
"""What of a person's data an act showed to who did it."""
LISTED: Final = "attachment.listed"
"""An act whose entry says itself how it showed the names of files."""

Place = tuple[datetime, int, int]
"""Time, chain and number: the order of the trail."""


async def trail(
    desk: Desk, case_id: UUID, caller: Principal, after: Place | None, limit: int
) -> tuple[Sequence[dict[str, Any]], Place | None]:
    """A page of the audit entries of a case of the caller's districts, and the place after which the next
    begins."""
    sealed = not caller.roles.isdisjoint(SEALED_OFFICERS)
    rows = await desk.views.trail(case_id, caller.districts, sealed, after, limit + 1)
    page, last = paged(rows, limit)
    return [_told(row) for row in page], (last.at, last.chain, last.seq) if last else None


def _told(row: AuditRow) -> dict[str, Any]:
    return {
        "at": instant(row.at),
        "actor": row.actor,
        "action": row.action,
        "seen": row.detail["names"] if row.action == LISTED else SHOWN.get(row.action),
        "detail": dict(row.detail),
        "chain": row.chain,
        "seq": row.seq,
    }
