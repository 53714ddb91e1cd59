"""What a district decides about its messages, read from the reference data and the settings."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Any

from services.notify.domain.texts import LOCAL, Letterhead, Template


@dataclass(frozen=True, slots=True)
class QuietHours:
    """The hours of the night, local time; the first hour belongs to them, the last does not."""

    start: time
    end: time

    def until(self, now: datetime) -> datetime | None:
        """The end of the quiet hours that `now` falls into; None in the daytime."""
        local = now.astimezone(LOCAL)
        overnight = self.start > self.end
        after_start, before_end = local.time() >= self.start, local.time() < self.end
        if not (after_start or before_end if overnight else after_start and before_end):
            return None
        last_day = local.date() + timedelta(days=1 if overnight and after_start else 0)
        return datetime.combine(last_day, self.end, LOCAL)


@dataclass(frozen=True, slots=True)
class Practice:
    """How this installation sends. Quiet hours and daily cap are the data's; off in demo and bench."""

    quiet_hours: bool = True
    daily_cap: bool = True
    real_provider: bool = False
    retry_after: tuple[timedelta, ...] = (timedelta(seconds=5), timedelta(seconds=60))
    call_lost_after: timedelta = timedelta(seconds=30)
    indeterminate_for: timedelta = timedelta(minutes=10)
    receipt_within: timedelta = timedelta(hours=72)
    send_within: timedelta = timedelta(hours=24)


@dataclass(frozen=True, slots=True)
class Rules:
    """Templates in their order, the reasons against sending in their order, and the district's numbers."""

    templates: Mapping[str, Template]
    letterhead: Letterhead
    suppress_order: tuple[str, ...]
    quiet_hours: QuietHours | None
    daily_cap: int | None
    retry_after: tuple[timedelta, ...]
    risk_flags: frozenset[str]
    telephones: Mapping[str, str]
    practice: Practice

    @classmethod
    def read(
        cls,
        templates: Mapping[str, Any],
        flags: Mapping[str, Any],
        areas: Mapping[str, Any],
        practice: Practice,
    ) -> "Rules":
        """From the files `sms_templates`, `flags` and `areas`; KeyError when one is not of their form."""
        rules, quiet = templates["rules"], templates["rules"]["quiet_hours"]
        district = areas["district"]
        return cls(
            templates={row["id"]: Template.read(row) for row in templates["templates"]},
            letterhead=Letterhead(
                signature=templates["signature"],
                max_characters=templates["max_characters"],
                forbidden_words=tuple(rules["forbidden_words"]),
            ),
            suppress_order=tuple(row["reason"] for row in rules["suppress_when"]),
            quiet_hours=_quiet(quiet) if practice.quiet_hours else None,
            daily_cap=rules["daily_cap_per_case"] if practice.daily_cap else None,
            retry_after=practice.retry_after[: rules["retries"]],
            risk_flags=frozenset(row["code"] for row in flags["flags"] if row["sms_suppressed"]),
            telephones={district["code"]: district["public_phone"]},
            practice=practice,
        )

    @property
    def attempts(self) -> int:
        """How many calls a message may have."""
        return 1 + len(self.retry_after)


def local_day(at: datetime) -> date:
    """The day on the citizens' calendar."""
    return at.astimezone(LOCAL).date()


def _quiet(row: Mapping[str, str]) -> QuietHours:
    return QuietHours(time.fromisoformat(row["start"]), time.fromisoformat(row["end"]))
