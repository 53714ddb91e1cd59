"""Message texts: filled from a template, checked against what carriers and the law allow."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from zoneinfo import ZoneInfo

from libs.events.base import DueDate

LOCAL = ZoneInfo("Asia/Shanghai")
"""Dates and hours in texts, and the quiet hours, are those of the citizens' wall clocks."""

LONGEST_VALUE = 20
"""Characters of one filled-in value (carriers' rule for template variables)."""

_PLACEHOLDER = re.compile(r"\{([a-z]+)\}")
_LINK = re.compile(r"://|www\.", re.IGNORECASE)


class Unsendable(Exception):
    """A text that may not go out; `code` says why and is all that is told of it."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


@dataclass(frozen=True, slots=True)
class Template:
    """A row of the template file: when it is sent, to whom, and under which conditions."""

    id: str
    purpose: str
    trigger: str
    text: str
    placeholders: tuple[str, ...]
    date_from: tuple[str, ...]
    audience: tuple[str, ...]
    statutory: bool
    quiet_hours_exempt: bool
    tracks: frozenset[str]
    topics_not: frozenset[str]
    lawful_routes: frozenset[str]
    filing_status: str

    @classmethod
    def read(cls, row: Mapping[str, Any]) -> "Template":
        conditions = row["conditions"]
        return cls(
            id=row["id"],
            purpose=row["purpose"],
            trigger=row["trigger_event"],
            text=row["text"],
            placeholders=tuple(row["placeholders"]),
            date_from=tuple(row["date_from"]),
            audience=tuple(row["audience"]),
            statutory=row["statutory"],
            quiet_hours_exempt=row["quiet_hours_exempt"],
            tracks=frozenset(row["tracks"]),
            topics_not=frozenset(conditions.get("topics_not", ())),
            lawful_routes=frozenset(conditions.get("lawful_routes", ())),
            filing_status=row["filing_status"],
        )

    def suits(self, track: str | None, topic: str | None, lawful_route: str | None) -> bool:
        """Whether the template is meant for such a case; a case whose kind is still open has no track."""
        return (
            (track is None or track in self.tracks)
            and topic not in self.topics_not
            and (not self.lawful_routes or lawful_route in self.lawful_routes)
        )


@dataclass(frozen=True, slots=True)
class Letterhead:
    """What every text shares: its signature, its length, the words that carriers block."""

    signature: str
    max_characters: int
    forbidden_words: tuple[str, ...]

    def compose(self, template: Template, values: Mapping[str, str]) -> str:
        """The SMS with its signature, added once, in front.

        Raises Unsendable: MISSING_VALUE, BAD_VALUE, FORBIDDEN_WORD, or TOO_LONG (it would come in parts).
        """
        missing = [name for name in template.placeholders if not values.get(name)]
        if missing:
            raise Unsendable("MISSING_VALUE")
        if any(len(value) > LONGEST_VALUE or _LINK.search(value) for value in values.values()):
            raise Unsendable("BAD_VALUE")
        body = _PLACEHOLDER.sub(lambda match: values.get(match[1], match[0]), template.text)
        if _PLACEHOLDER.search(body):
            raise Unsendable("MISSING_VALUE")
        if "\n" in body or any(word in body for word in self.forbidden_words):
            raise Unsendable("FORBIDDEN_WORD")
        text = f"【{self.signature}】{body}"
        if characters(text) > self.max_characters:
            raise Unsendable("TOO_LONG")
        return text


def characters(text: str) -> int:
    """The length as carriers count it: UTF-16 units, the signature included."""
    return len(text.encode("utf-16-le")) // 2


def spoken_date(day: date) -> str:
    """`2月9日`: without year, so that the text stays short."""
    return f"{day.month}月{day.day}日"


def spoken_time(at: datetime) -> str:
    """`3月20日14时30分` on the local clock; minutes only if the hour is not full."""
    local = at.astimezone(LOCAL)
    minutes = f"{local.minute}分" if local.minute else ""
    return f"{spoken_date(local.date())}{local.hour}时{minutes}"


def promised_day(template: Template, deadlines: Sequence[DueDate]) -> str | None:
    """The date for `{d}`: that of the first rule of `date_from` whose deadline is open; None without one."""
    open_rules = {due.rule: due for due in deadlines}
    for rule in template.date_from:
        if due := open_rules.get(rule):
            return spoken_date(due.due_on or due.due_at.astimezone(LOCAL).date())
    return None
