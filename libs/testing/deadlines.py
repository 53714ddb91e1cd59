"""Running clocks without a database; `tests/contract` holds them to `libs.messaging.deadlines`."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from libs.messaging.deadline import Deadline
from libs.messaging.deadlines import GRACE, Deadlines, Kind


@dataclass
class FakeDeadlines:
    """`load`, `save` and `candidates` over a dictionary; `written` counts the rows that `save` touched."""

    rows: dict[tuple[UUID, str], tuple[str, Deadline]] = field(default_factory=dict)
    written: int = 0

    async def load(self, case_ids: Sequence[UUID]) -> dict[UUID, dict[str, Deadline]]:
        """All clocks of the cases, also those that stopped."""
        found: dict[UUID, dict[str, Deadline]] = {}
        for (case_id, rule), (_, deadline) in self.rows.items():
            if case_id in case_ids:
                found.setdefault(case_id, {})[rule] = deadline
        return found

    async def save(self, changes: Sequence[tuple[UUID, str, Deadlines, Deadlines]]) -> None:
        """Keep what differs of `(case_id, district, before, after)`."""
        for case_id, district, before, after in changes:
            for rule, deadline in after.items():
                if before.get(rule) != deadline:
                    self.rows[case_id, rule] = (district, deadline)
                    self.written += 1

    async def candidates(self, now: datetime, limit: int) -> list[tuple[UUID, str, str, Kind]]:
        """Clocks that ran out or whose warning is due, oldest first: `(case_id, district, rule, kind)`."""
        latest = now - GRACE
        due: list[tuple[datetime, tuple[UUID, str, str, Kind]]] = []
        warn: list[tuple[datetime, tuple[UUID, str, str, Kind]]] = []
        for (case_id, rule), (district, deadline) in self.rows.items():
            if not deadline.open:
                continue
            if deadline.due_at <= latest:
                due.append((deadline.due_at, (case_id, district, rule, "due")))
            elif deadline.warn_at is not None and deadline.warn_at <= latest and not deadline.warned:
                warn.append((deadline.warn_at, (case_id, district, rule, "warn")))
        first = [*sorted(due)[:limit], *sorted(warn)[:limit]]
        return [candidate for _, candidate in sorted(first)]
