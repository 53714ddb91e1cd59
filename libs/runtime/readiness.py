"""What a process still lacks before it may be sent work; shown by `/readyz`."""


class Readiness:
    """The missing parts by name, each with its reason; ready when there is none and no stop began."""

    def __init__(self) -> None:
        self._missing: dict[str, str] = {}
        self.stopping = False

    def lacks(self, part: str, why: str) -> None:
        """`part` is missing for the reason `why` (words for an operator, no personal data)."""
        self._missing[part] = why

    def has(self, part: str) -> None:
        """`part` is there."""
        self._missing.pop(part, None)

    def stop(self) -> None:
        """No new work from now on, for good; long answers (streams) see `stopping` and end."""
        self.stopping = True

    def missing(self) -> dict[str, str]:
        """The missing parts; empty when ready."""
        return {**self._missing, "process": "stopping"} if self.stopping else dict(self._missing)
