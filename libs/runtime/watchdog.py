"""Notices loops that no longer make progress, and ends the process so that its supervisor starts it anew.

A stuck consumer cannot be repaired from within (the client waits for an assignment that never comes), and a
blocked event loop cannot even notice itself: so a thread of its own looks.
"""

import os
import threading
import time
from collections.abc import Callable

EXIT_STALLED = 75
"""The exit code of a process that gave itself up (EX_TEMPFAIL: starting it again may help)."""


FROZEN = 5.0
"""Seconds by which a look may come late before the whole process counts as having been frozen."""


class Watchdog:
    """Remembers when each watched loop last made progress (or was idle and well). Times are seconds."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._limits: dict[str, float] = {}
        self._beats: dict[str, float] = {}
        self._looked = now()
        self._over = threading.Event()

    def watch(self, name: str, limit: float) -> None:
        """From now on `name` counts as stalled when `limit` seconds pass without a beat."""
        self._limits[name] = limit
        self._beats[name] = self._now()

    def beat(self, name: str) -> None:
        """`name` made progress."""
        self._beats[name] = self._now()

    def forget(self, name: str) -> None:
        """`name` is being stopped: its drain has a budget of its own."""
        self._limits.pop(name, None)

    def stalled(self) -> list[str]:
        """The names that are over their limit, as one look in a row of regular ones finds them.

        After a gap of more than `FROZEN` seconds between looks the whole process was frozen (stopped,
        suspended): that is no stall, and every loop gets its time anew.
        """
        now = self._now()
        gap, self._looked = now - self._looked, now
        if gap > FROZEN:
            for name in list(self._beats):
                self._beats[name] = now
        return [name for name, limit in list(self._limits.items()) if now - self._beats[name] > limit]

    def guard(
        self,
        give_up: Callable[[list[str]], None],
        *,
        grace: float,
        every: float = 1.0,
        end: Callable[[int], None] = os._exit,
    ) -> None:
        """Look every `every` seconds from a thread, until `release`.

        At the first stall `give_up` is called with the names; when the process still runs `grace` seconds
        later, it is ended hard.
        """

        def look() -> None:
            while not self._over.wait(every):
                if names := self.stalled():
                    give_up(names)
                    if not self._over.wait(grace):
                        end(EXIT_STALLED)
                    return

        self._looked = self._now()
        threading.Thread(target=look, name="watchdog", daemon=True).start()

    def release(self) -> None:
        """End the watch: the process stops in order."""
        self._over.set()
