"""Following the board: what it shows, and every change of it."""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol
from uuid import UUID

from services.console.domain.access import Scope
from services.console.domain.board import CaseRow, Moment

FOLLOW = 0.3
"""Seconds between two looks at what changed (G26)."""

QUIET_LOOKS = 40
"""Looks without a change (12 s) after which an empty update shows that the stream lives."""


class Board(Protocol):
    """The read model. `horizon` marks how far changes were read, in the order of commits (G9)."""

    async def newest(self, scope: Scope) -> tuple[list[CaseRow], str]: ...

    async def pressing(
        self, scope: Scope, after: tuple[datetime, UUID] | None, limit: int
    ) -> list[CaseRow]: ...

    async def changed(self, scope: Scope, horizon: str) -> tuple[list[tuple[CaseRow, bool]], str]: ...

    async def timeline(self, scope: Scope, case_id: UUID) -> list[Moment] | None: ...

    async def rows(self, scope: Scope, case_ids: Sequence[UUID]) -> dict[UUID, CaseRow]: ...


@dataclass(frozen=True, slots=True)
class Snapshot:
    """All rows that the page shows at first."""

    rows: Sequence[CaseRow]


@dataclass(frozen=True, slots=True)
class Update:
    """Rows that changed or came, and cases that one may not see any more."""

    rows: Sequence[CaseRow]
    gone: Sequence[UUID]


async def follow(
    board: Board, scope: Scope, pause: Callable[[float], Awaitable[bool]]
) -> AsyncIterator[Snapshot | Update]:
    """The board and then every change of it, until `pause` says to stop; an empty update now and then.

    A case that leaves the scope is named only to whom it was shown before.
    """
    rows, horizon = await board.newest(scope)
    shown = {row.case_id for row in rows}
    yield Snapshot(rows)
    quiet = 0
    while not await pause(FOLLOW):
        touched, horizon = await board.changed(scope, horizon)
        seen = [row for row, visible in touched if visible]
        gone = [row.case_id for row, visible in touched if not visible and row.case_id in shown]
        shown = (shown | {row.case_id for row in seen}).difference(gone)
        quiet += 1
        if seen or gone or quiet >= QUIET_LOOKS:
            quiet = 0
            yield Update(seen, gone)
