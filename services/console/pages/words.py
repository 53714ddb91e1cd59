"""The words of the board: Chinese for every code, from `data/` where it stands there, else `words.json`."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Any, Self
from zoneinfo import ZoneInfo

from services.console.domain.board import CaseRow, Moment

LOCAL = ZoneInfo("Asia/Shanghai")

Vocabulary = dict[str, str]


@dataclass(frozen=True, slots=True)
class Words:
    """Vocabularies by name; a code without a word stands for itself."""

    vocabularies: Mapping[str, Vocabulary]
    finished: frozenset[str]
    details: Mapping[str, tuple[str, str | None]]

    @classmethod
    def load(cls, data: Path) -> Self:
        """The words of a data folder and of this one."""
        own = json.loads(Path(__file__).with_name("words.json").read_text("utf-8"))

        def read(name: str) -> Any:
            return json.loads((data / f"{name}.json").read_text("utf-8"))

        reasons, partners = read("reasons"), read("organisations")
        details, finished = own.pop("details"), own.pop("finished")
        vocabularies: dict[str, Vocabulary] = dict(own)
        vocabularies |= {
            "kinds": _words(read("kinds")["kinds"]),
            "categories": _words(read("categories")["categories"]),
            "flags": _words(read("flags")["flags"]),
            "rules": _words(read("deadlines")["rules"], key="id"),
            "modes": _words(partners["modes"]),
            "organisations": _words(partners["types"])
            | _words((*partners["organisations"], *partners["referral_targets"]), "org_id", "name"),
            "results": _words(reasons["closed"]),
            "reasons": own["reasons"]
            | _words(
                row for name in ("not_accepted", "returned", "handed_back", "ended") for row in reasons[name]
            ),
        }
        return cls(
            vocabularies,
            frozenset(finished),
            {field: (label, known) for field, (label, known) in details.items()},
        )

    def of(self, vocabulary: str, code: object) -> str:
        """The word for a code; nothing for nothing."""
        return "" if code is None else self.vocabularies[vocabulary].get(str(code), str(code))

    def row(self, row: CaseRow) -> dict[str, Any]:
        """A row of the board as its script takes it."""
        return {
            "id": row.case_id,
            "code": row.query_code,
            "registered": row.registered_at,
            "registered_text": row.registered_at and _time(row.registered_at),
            "kind": self.of("kinds", row.kind) or "待分类",
            "category": self.of("categories", row.category),
            "flags": [self.of("flags", flag) for flag in row.flags],
            "urgency": row.urgency,
            "urgency_text": self.of("urgency", row.urgency),
            "state": self.of("states", row.state),
            "finished": row.state in self.finished,
            "org": self.of("organisations", row.org_id),
            "due": self._due(row),
            "message": self._message(row),
        }

    def moment(self, moment: Moment) -> dict[str, Any]:
        """A line of a case's timeline."""
        told = (self._detail(field, value) for field, value in moment.detail.items())
        return {
            "at": _time(moment.at),
            "what": self.of("events", moment.type),
            "detail": "；".join(text for text in told if text),
        }

    def _due(self, row: CaseRow) -> dict[str, Any] | None:
        if row.due is None:
            return None
        rule, on, at = row.due
        return {"rule": self.of("rules", rule), "day": _day(on) if on else _time(at), "at": at}

    def _message(self, row: CaseRow) -> dict[str, str] | None:
        if row.message is None:
            return None
        vocabulary = "meanings" if row.message_state == "received" else "templates"
        return {"what": self.of(vocabulary, row.message), "fate": self.of("messages", row.message_state)}

    def _detail(self, field: str, value: Any) -> str:
        if field == "starts_at":
            return f"时间：{_time(datetime.fromisoformat(value))}"
        if field not in self.details:
            return ""
        label, vocabulary = self.details[field]
        values = value if isinstance(value, list) else [value]
        words = "、".join(self.of(vocabulary, each) if vocabulary else str(each) for each in values)
        return f"{label}：{words}" if words else ""


def _words(rows: Iterable[Mapping[str, Any]], key: str = "code", word: str = "zh") -> Vocabulary:
    return {row[key]: row[word] for row in rows}


def _time(at: datetime) -> str:
    local = at.astimezone(LOCAL)
    return f"{local.month}月{local.day}日 {local:%H:%M}"


def _day(on: date) -> str:
    return f"{on.month}月{on.day}日"
