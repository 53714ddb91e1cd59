"""A case as its page shows it: facts, why that organisation, why those dates, messages, tasks; in words."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date, datetime
from typing import Any, Final
from uuid import UUID

from services.console.domain.acts import may_fetch, may_let_out, to_choose
from services.console.domain.board import CaseRow
from services.console.handlers.casework import File, Found
from services.console.pages.words import Vocabulary, Words

ACT_FIELDS: Final[Mapping[str, str]] = {
    "lawful_route": "依法分类",
    "reason_code": "原因",
    "directed_to": "去向",
    "flag": "标记",
    "raised": "标记",
    "hold": "保留原因",
    "held": "保留原因",
    "other": "另一事项的查询码",
    "kind": "类型",
    "category": "类别",
    "topic": "细类",
    "grid": "网格",
    "address": "地址",
    "narrative": "内容",
    "text": "说明",
    "new_facts": "有新的事实",
    "apart": "解除原有关联",
}
"""What the fields of acts are called."""
TICKS: Final = frozenset({"new_facts", "apart"})

_RESPONDENT: Final = re.compile(r"/respondents/(\d+)")


def act_options(
    words: Words, case: Mapping[str, Any] | None, said: Mapping[str, str]
) -> dict[str, Vocabulary]:
    """What may be chosen in the fields of acts for a case, and what a form that comes back says; everything
    while the case cannot be read."""
    known = words.vocabularies
    lists = {
        "lawful_route": known["lawful_routes"],
        "reason_code": known["refusals"],
        "directed_to": known["bodies"],
        "flag": known["flags"],
        "raised": known["flags"],
        "hold": known["holds"],
        "held": known["holds"],
        "kind": known["kinds"],
        "category": known["categories"],
        "grid": known["grids"],
    }
    return {
        field: {
            code: word
            for code, word in codes.items()
            if case is None or said.get(field) == code or to_choose(field, code, case)
        }
        for field, codes in lists.items()
    }


def in_words(
    fields: Iterable[str], form: Mapping[str, str], options: Mapping[str, Vocabulary]
) -> list[tuple[str, str]]:
    """What stands in a form: each field that is not empty, by its name."""
    told = [(field, form.get(field, "").strip()) for field in fields]
    return [
        (ACT_FIELDS[field], "是" if field in TICKS else options.get(field, {}).get(text, text))
        for field, text in told
        if text
    ]


def others(intake: Mapping[str, Any]) -> dict[str, list[UUID]]:
    """The cases that intake says have to do with this one, by how the page calls it."""
    into = intake["merged_into"]
    named = {
        "已并入": [into] if into else [],
        "关联事项": intake["related"],
        "可能重复": intake["possible_duplicates"],
    }
    return {label: [UUID(one) for one in ids] for label, ids in named.items() if ids}


def casefile(file: File, words: Words, rows: Mapping[UUID, CaseRow]) -> dict[str, Any]:
    """The values of the page's live part; `rows` are what the board knows of the `others`."""
    return {
        "case": _head(file, words),
        "warnings": [_warning(warning, words) for warning in file.intake["warnings"]],
        "others": [
            (label, [_other(one, rows.get(one), words) for one in ids])
            for label, ids in others(file.intake).items()
        ],
        "suggested": _suggested(file.intake, words),
        "facts": [(label, text) for label, text in _facts(file.intake, words) if text],
        "attempts": None if file.attempts is None else [_attempt(row, words) for row in file.attempts],
        "clocks": [*_clocks_of_intake(file.intake, words), *_clocks(file.mediation, words)],
        "messages": None if file.messages is None else [_message(row, words) for row in file.messages],
        "tasks": [_task(row, words) for row in (file.mediation or {}).get("tasks", ())],
    }


def _warning(warning: Mapping[str, Any], words: Words) -> str:
    side = _RESPONDENT.match(warning["pointer"])
    about = f"对方当事人 {int(side[1]) + 1}" if side else words.of("flags", warning.get("flag"))
    return words.of("warnings", warning["code"]) + (f"（{about}）" if about else "")


def _other(case_id: UUID, row: CaseRow | None, words: Words) -> dict[str, Any]:
    told = words.row(row) if row else None
    return {"id": case_id, "text": f"{told['code']} {told['kind']} {told['state']}" if told else "查看"}


def attachments(
    files: Sequence[Mapping[str, Any]] | None, roles: frozenset[str], words: Words
) -> dict[str, Any]:
    """The files of a case, and what may be done with each; None for who may not know of them."""
    return {"files": None if files is None else [_attachment(file, roles, words) for file in files]}


def _attachment(file: Mapping[str, Any], roles: frozenset[str], words: Words) -> dict[str, Any]:
    return {
        "id": file["attachment_id"],
        "name": file["name"] or "（无名文件）",
        "type": words.of("file_types", file["media_type"]),
        "size": f"{max(1, round(file['size'] / 1024)):,} KB",
        "at": words.time(datetime.fromisoformat(file["received_at"])),
        "state": words.of("file_states", file["state"]),
        "why": words.of("file_reasons", file["reason"]),
        "fetch": file["state"] == "released" and may_fetch(roles),
        "let_out": file["state"] == "quarantined" and may_let_out(roles),
    }


def notes(found: Found | None, words: Words) -> dict[str, Any]:
    """The free texts of a case's acts, none for who may not read them; whether there are more."""
    shown = [
        {
            "at": words.time(datetime.fromisoformat(note["at"])),
            "act": words.of("notes", note["act"]),
            "who": note["actor"].partition(":")[2],
            "text": note["text"],
        }
        for note in (found.items if found else ())
    ]
    return {"notes": shown, "more_notes": bool(found and found.next)}


def _suggested(intake: Mapping[str, Any], words: Words) -> list[tuple[str, str]]:
    """What a text suggests that nobody has decided on yet, each with what speaks for it."""
    possible = "；".join(f"{flag['word']}（{flag['because']}）" for flag in words.possible(intake))
    told = intake.get("suggested")
    choices = [
        (label, "；".join(f"{offer['word']} {offer['share']}（{offer['because']}）" for offer in offers))
        for _, label, offers in (words.choices(told) if told else ())
        if offers
    ]
    return [("可能的风险（系统没有标记，请核实）", possible)] * bool(possible) + choices


def _head(file: File, words: Words) -> dict[str, Any]:
    intake, mediation = file.intake, file.mediation or {}
    state = mediation.get("state") or intake["state"]
    return {
        "id": intake["case_id"],
        "code": intake["query_code"],
        "state": words.of("states", state),
        "urgency": intake["urgency"],
        "urgency_text": words.of("urgency", intake["urgency"]),
        "flags": [words.of("flags", flag) for flag in intake["flags"]],
        "owner": words.of("organisations", mediation["owner"]) if mediation else "",
        "parent": intake["parent"],
        "children": [
            {"id": child["case_id"], "code": child["query_code"], "kind": words.of("kinds", child["kind"])}
            for child in intake["children"]
        ],
    }


def _facts(intake: Mapping[str, Any], words: Words) -> Iterator[tuple[str, str]]:
    applicant, place = intake.get("applicant") or {}, intake.get("place") or {}
    yield "类型", words.of("kinds", intake["kind"]) or "待分类"
    yield (
        "类别",
        " ".join(
            filter(None, (words.of("categories", intake["category"]), words.of("topics", intake["topic"])))
        ),
    )
    yield "收到", words.time(datetime.fromisoformat(intake["received_at"]))
    yield "登记", words.time(datetime.fromisoformat(intake["registered_at"]))
    yield "渠道", words.of("channels", intake["channel"])
    yield "申请人", applicant.get("name") or ("匿名" if intake["anonymous"] else "")
    yield "电话", applicant.get("phone") or ""
    yield "地址", place.get("address") or ""
    yield "网格", intake["grid"] or "待落图"
    yield "人数", str(intake["headcount"]) if intake["headcount"] > 1 else ""
    yield "金额", f"{intake['amount_fen'] / 100:,.2f} 元" if intake["amount_fen"] is not None else ""
    yield "去向", words.of("organisations", intake["directed_to"])
    yield "原因", words.of("reasons", intake["reason_code"])
    yield "保留", "、".join(words.of("holds", reason) for reason in intake["holds"])
    yield "催办", f"{intake['reminders']} 次" if intake["reminders"] else ""
    yield "内容", intake.get("narrative") or ""


def _attempt(row: Mapping[str, Any], words: Words) -> dict[str, Any]:
    referral = row["referral"] or {}
    body = row["org_id"] or referral.get("org_id") or referral.get("type")
    return {
        "number": row["attempt"],
        "goal": words.of("organisations", body) if body else words.of("queues", row["reason"]),
        "state": words.of("attempts", row["state"]),
        "because": row["because"]["zh"],
        "co": "、".join(words.of("organisations", co["org_id"] or co["type"]) for co in row["co_mediators"]),
        "candidates": [
            {
                "rank": each["rank"],
                "name": words.of("organisations", each["org_id"]),
                "level": each["area_level"],
                "load": f"{each['load_ratio']:.0%}",
            }
            for each in row["candidates"]
        ],
        "out": [
            {
                "name": words.of("organisations", each["org_id"]),
                "why": "、".join(words.of("out", reason) for reason in each["reasons"]),
            }
            for each in row["out"]
        ],
        "rule": row["rule_version"],
    }


def _clocks_of_intake(intake: Mapping[str, Any], words: Words) -> Iterator[dict[str, Any]]:
    due = intake["due"]
    if due:
        at = datetime.fromisoformat(due["due_at"])
        yield {
            "rule": words.of("rules", due["rule"]),
            "day": words.time(at),
            "state": _clock_state("open", at, words),
            "working": [],
            "note": "",
        }


def _clocks(mediation: Mapping[str, Any] | None, words: Words) -> Iterator[dict[str, Any]]:
    for clock in (mediation or {}).get("deadlines", ()):
        on, at = clock["due_on"], datetime.fromisoformat(clock["due_at"])
        yield {
            "rule": words.of("rules", clock["rule"]),
            "day": words.day(date.fromisoformat(on)) if on else words.time(at),
            "state": _clock_state(clock["status"], at, words),
            "note": "放假安排未公布，暂按周末推算" if clock["provisional"] else "",
            "working": [_step(step) for step in clock["working"]],
        }


def _clock_state(status: str, due_at: datetime, words: Words) -> str:
    """A clock whose time is past runs on for a moment, until its service notes that it was missed."""
    return words.of("clocks", "overdue" if status == "open" and due_at <= words.now() else status)


def _step(step: Mapping[str, Any]) -> dict[str, str]:
    """A stretch of days or hours that counted, or did not, and why."""
    begin, end = str(step.get("from", "")), str(step.get("to", ""))
    return {
        "span": begin if begin == end or not end else f"{begin} 至 {end}",
        "counted": "计入" if step.get("counted") else "不计",
        "why": str(step.get("why", "")),
    }


def _message(row: Mapping[str, Any], words: Words) -> dict[str, str]:
    return {
        "what": words.of("templates", row["template"]),
        "fate": words.of("messages", row["state"]),
        "why": words.of("reasons", row.get("reason")),
        "text": row.get("text") or "",
    }


def _task(row: Mapping[str, Any], words: Words) -> dict[str, str]:
    return {
        "queue": words.of("queues", row["queue"]),
        "why": words.of("reasons", row["reason_code"]),
        "owner": row["owner"] or "待领取",
        "due": words.time(datetime.fromisoformat(row["due_at"])),
    }
