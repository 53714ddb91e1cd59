"""The words of the board: Chinese for every code, from `data/` where it stands there, else `words.json`."""

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Any, Self
from zoneinfo import ZoneInfo

from libs.areas import Levels
from services.console.domain.board import CaseRow, Moment
from services.console.domain.entry import accepted_at_once

LOCAL = ZoneInfo("Asia/Shanghai")

OFFERED = 3
"""Suggestions of a list that the entry form shows."""

Vocabulary = dict[str, str]


@dataclass(frozen=True, slots=True)
class Words:
    """Vocabularies by name; a code without a word stands for itself. `now`: dates of another year say it.
    `at_once`: the kinds of a matter that may be accepted in the act of registering it."""

    vocabularies: Mapping[str, Vocabulary]
    finished: frozenset[str]
    details: Mapping[str, tuple[str, str | None]]
    now: Callable[[], datetime]
    at_once: frozenset[str]

    @classmethod
    def load(cls, data: Path, now: Callable[[], datetime]) -> Self:
        """The words of a data folder and of this one."""
        own = json.loads(Path(__file__).with_name("words.json").read_text("utf-8"))

        def read(name: str) -> Any:
            return json.loads((data / f"{name}.json").read_text("utf-8"))

        reasons, partners, kinds = read("reasons"), read("organisations"), read("kinds")
        details, finished = own.pop("details"), own.pop("finished")
        vocabularies: dict[str, Vocabulary] = dict(own)
        vocabularies |= {
            "consents": _words(read("consents")["consents"]),
            "kinds": _words(kinds["kinds"]),
            "categories": _words(read("categories")["categories"]),
            "flags": _words(read("flags")["flags"]),
            "rules": _words(read("deadlines")["rules"], key="id"),
            "file_types": _words(read("attachments")["types"], key="media"),
            "file_reasons": own["file_reasons"] | _words(reasons["attachment_removed"]),
            "modes": _words(partners["modes"]),
            "organisations": _words(partners["types"])
            | _words((*partners["organisations"], *partners["referral_targets"]), "org_id", "name"),
            "results": _words(reasons["closed"]),
            "topics": _words(topic for row in read("categories")["categories"] for topic in row["topics"]),
            "lawful_routes": _words(kinds["lawful_routes"]),
            "holds": _words(reasons["held"]),
            "refusals": _words(row for row in reasons["not_accepted"] if row["action"] == "refuse"),
            "grids": _grids(read("areas")),
            "bodies": _words(partners["referral_targets"], "org_id", "name"),
            "dated_facts": _words(
                (row for row in read("deadlines")["events"] if not row["on_topic"]), key="id"
            ),
            "reasons": own["reasons"]
            | _words(
                row for name in ("not_accepted", "returned", "handed_back", "ended") for row in reasons[name]
            ),
        }
        return cls(
            vocabularies,
            frozenset(finished),
            {field: (label, known) for field, (label, known) in details.items()},
            now,
            frozenset(row["code"] for row in kinds["kinds"] if accepted_at_once(row)),
        )

    def time(self, at: datetime) -> str:
        """`3月20日 14:30` on the local clock; with its year where that is not this one."""
        local = at.astimezone(LOCAL)
        return f"{self.day(local.date())} {local:%H:%M}"

    def day(self, on: date) -> str:
        """`3月20日`; with its year where that is not this one."""
        year = "" if on.year == self.now().astimezone(LOCAL).year else f"{on.year}年"
        return f"{year}{on.month}月{on.day}日"

    def of(self, vocabulary: str, code: object) -> str:
        """The word for a code; nothing for nothing."""
        return "" if code is None else self.vocabularies[vocabulary].get(str(code), str(code))

    def suggested(self, told: Mapping[str, Any]) -> dict[str, Any]:
        """Intake's suggestions as the entry form shows them."""
        return {
            "flags": [
                {
                    "word": self.of("flags", flag["code"]),
                    "raised": bool(flag["score"]),
                    "because": "、".join(flag["because"]),
                }
                for flag in told["flags"]
            ],
            "possible": self.possible(told),
            "choices": self.choices(told),
            "places": "、".join(one["code"] for one in told["grids"]),
            "alike": [
                (label, self._alike(one))
                for label, vocabulary in (
                    ("可能是同一件事", "duplicates"),
                    ("他人反映的可能是同一情况", "clusters"),
                )
                for one in told[vocabulary]
            ],
        }

    def _alike(self, one: Mapping[str, Any]) -> dict[str, str]:
        return {
            "code": one["code"],
            "share": f"{one['score']:.0%}",
            "because": "、".join(self.of("alike", field) for field in one["because"]),
        }

    def possible(self, told: Mapping[str, Any]) -> list[dict[str, str]]:
        """Flags that nobody raised and that a person should look for; an older intake knows of none."""
        return [self._offer("flags", one) for one in told.get("possible_flags", ())]

    def choices(self, told: Mapping[str, Any]) -> list[tuple[str, str, list[dict[str, str]]]]:
        """The best kinds and categories of a suggestion, each list behind its field and its name."""
        return [
            (field, label, [self._offer(vocabulary, one) for one in told[vocabulary][:OFFERED]])
            for field, label, vocabulary in (("kind", "类型", "kinds"), ("category", "类别", "categories"))
        ]

    def _offer(self, vocabulary: str, one: Mapping[str, Any]) -> dict[str, str]:
        """A suggestion in words: its code, word, share, and what speaks for it."""
        return {
            "code": one["code"],
            "word": self.of(vocabulary, one["code"]),
            "share": f"{one['score']:.0%}",
            "because": "、".join(one["because"]) or "无明确词句",
        }

    def row(self, row: CaseRow) -> dict[str, Any]:
        """A row of the board as its script takes it."""
        return {
            "id": row.case_id,
            "code": row.query_code,
            "registered": row.registered_at,
            "registered_text": row.registered_at and self.time(row.registered_at),
            "kind": self.of("kinds", row.kind) or "待分类",
            "category": self.of("categories", row.category),
            "flags": [self.of("flags", flag) for flag in row.flags],
            "urgency": row.urgency,
            "urgency_text": self.of("urgency", row.urgency),
            "state": self.of("states", row.state),
            "finished": row.state in self.finished,
            "org": self.of("organisations", row.org_id),
            "due": self._due(row),
            "late": row.late and {"rule": self.of("rules", row.late[0]), "day": self.time(row.late[1])},
            "message": self._message(row),
        }

    def found(self, item: Mapping[str, Any], row: CaseRow | None) -> dict[str, Any]:
        """A case that a search found, as intake tells it. Who has it after acceptance intake does not know:
        state and next date are those of the board, unless its row is older than intake's answer."""
        if row is not None and row.intake_version < item["version"]:
            row = None
        return {
            "id": item["case_id"],
            "code": item["query_code"],
            "registered": self.time(datetime.fromisoformat(item["registered_at"])),
            "urgency": item["urgency"],
            "urgency_text": self.of("urgency", item["urgency"]),
            "kind": self.of("kinds", item["kind"]) or "待分类",
            "category": self.of("categories", item["category"]),
            "state": self.of("states", row.state if row else item["state"]),
            "due": self._next(row) if row else self._next_of_intake(item["due"]),
        }

    def _next(self, row: CaseRow) -> str:
        told = self.row(row)
        due = told["late"] or told["due"]
        return f"{'逾期：' if told['late'] else ''}{due['rule']} {due['day']}" if due else ""

    def _next_of_intake(self, due: Mapping[str, Any] | None) -> str:
        if due is None:
            return ""
        return f"{self.of('rules', due['rule'])} {self.time(datetime.fromisoformat(due['due_at']))}"

    def moment(self, moment: Moment) -> dict[str, Any]:
        """A line of a case's timeline."""
        told = (self._detail(field, value) for field, value in moment.detail.items())
        return {
            "at": self.time(moment.at),
            "what": self.of("events", moment.type),
            "detail": "；".join(text for text in told if text),
        }

    def _due(self, row: CaseRow) -> dict[str, Any] | None:
        if row.due is None:
            return None
        rule, on, at = row.due
        return {
            "rule": self.of("rules", rule),
            "day": self.day(on) if on else self.time(at),
            "at": at,
        }

    def _message(self, row: CaseRow) -> dict[str, str] | None:
        if row.message is None:
            return None
        vocabulary = "meanings" if row.message_state == "received" else "templates"
        return {"what": self.of(vocabulary, row.message), "fate": self.of("messages", row.message_state)}

    def _detail(self, field: str, value: Any) -> str:
        if field == "starts_at":
            return f"时间：{self.time(datetime.fromisoformat(value))}"
        if field not in self.details:
            return ""
        label, vocabulary = self.details[field]
        values = value if isinstance(value, list) else [value]
        words = "、".join(self.of(vocabulary, each) if vocabulary else str(each) for each in values)
        return f"{label}：{words}" if words else ""


def _words(rows: Iterable[Mapping[str, Any]], key: str = "code", word: str = "zh") -> Vocabulary:
    return {row[key]: row[word] for row in rows}


def _grids(areas: Mapping[str, Any]) -> Vocabulary:
    """The areas that hold cases, each with the coarsest area of the district around it."""
    levels = Levels(areas["levels"])
    _, *rows = levels.rows(areas)
    names = {row["code"]: row["zh"] for row in rows}
    outer = {code: next(filter(code.startswith, names)) for code in levels.holding(names)}
    return {code: " ".join(dict.fromkeys([names[around], names[code]])) for code, around in outer.items()}


def date_in_words(on: date) -> str:
    """A day as a letter dates it."""
    return f"{on.year}年{on.month}月{on.day}日"
