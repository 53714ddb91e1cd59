"""A clock that stands still until a test moves it."""

from datetime import UTC, datetime, timedelta


class ManualClock:
    """Gives the time it was told (aware), and goes on only by `advance` or `set`."""

    def __init__(self, now: datetime = datetime(2026, 3, 2, 2, 0, tzinfo=UTC)) -> None:
        self.set(now)

    def now(self) -> datetime:
        return self._now

    def set(self, now: datetime) -> None:
        """Jump to an instant, backwards too."""
        if now.tzinfo is None:
            raise ValueError("an instant needs a time zone")
        self._now = now.astimezone(UTC)

    def advance(self, **step: float) -> datetime:
        """Go on by `timedelta(**step)`, for example `advance(minutes=15)`; returns the new time."""
        self._now += timedelta(**step)
        return self._now
