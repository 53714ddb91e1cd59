"""Whether the events of each case come as their owner numbered them: 1, 2, 3 …

The relay gives that order and no handler relies on it (G8): what came too early has its effect at once, by
the facts that it carries. But a number that never comes was lost, or written past the relay, and somebody
has to know: it is told as missing until it comes. Nothing is held back for it: a case that waits for an event
that is gone would wait for ever.
"""

from collections.abc import Iterable
from typing import Any, Final

import structlog

log = structlog.get_logger()

REMEMBERED: Final = 20_000
"""Cases of a partition whose last number is known; of one that was silent for longer a hole is not seen."""
TOLD: Final = 100
"""Numbers of a case that are told as missing at most, so that a forged one fills no memory."""
_VERSION: Final = "ce_caseversion"


class CaseSequence:
    """What one reader has seen of one partition. Begins anywhere: what came before is not missing."""

    def __init__(self, reader: str) -> None:
        self._reader = reader
        self._last: dict[bytes, int] = {}
        self._missing: dict[bytes, set[int]] = {}

    @property
    def missing(self) -> int:
        """Numbers that were passed over and did not come."""
        return sum(map(len, self._missing.values()))

    def note(self, records: Iterable[Any]) -> None:
        """See records in their order. What bears no number of a case is passed over."""
        for record in records:
            number = next((value for name, value in record.headers if name == _VERSION), b"")
            if record.key and number.isdigit():
                self._see(record.key, int(number[:18]))

    def _see(self, case: bytes, number: int) -> None:
        last = self._last.pop(case, number - 1)
        self._last[case] = max(last, number)
        if len(self._last) > REMEMBERED:
            del self._last[next(iter(self._last))]
        if number > last + 1:
            passed = range(last + 1, min(number, last + 1 + TOLD))
            self._missing.setdefault(case, set()).update(passed)
            log.warning("events_missing", consumer=self._reader, case_id=case.decode("ascii", "replace"))
        elif case in self._missing:
            self._missing[case].discard(number)
            if not self._missing[case]:
                del self._missing[case]
