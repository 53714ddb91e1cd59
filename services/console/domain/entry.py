"""The entry form: what an operator types, as the statement that intake takes, and faults at their fields.

What is left empty is left out: intake registers always, and what is missing is a task for triage.
"""

import re
from collections.abc import Container, Iterator, Mapping, Sequence
from typing import Any, Final

from libs.web.errors import FieldError, Invalid

RESPONDENTS: Final = 3
"""Other sides that the form has room for."""
FACTS: Final = 2
"""Dated facts that the form has room for."""

NUMBER: Final = re.compile(r"\d{1,18}")
"""A whole number that a service's own limits can judge; what is longer stays a text, which is none."""
MOST_PEOPLE: Final = 999_999
"""What is more is a slip of the finger, of which intake tells when the matter is sent."""
CENTS: Final = re.compile(r"\d{0,2}")
NO_AMOUNT: Final = "应为以元计的金额，至多两位小数，如 18600.00"
"""What is wrong with an amount that is none: intake was sent it as it was typed, and asks for whole fen."""

TEXTS: Final[Mapping[str, tuple[str, ...]]] = {
    "narrative": ("narrative",),
    "kind": ("kind",),
    "category": ("category",),
    "topic": ("topic",),
    "happened_on": ("happened_on",),
    "external_ref": ("external_ref",),
    "mode": ("mode",),
    "chosen_target": ("chosen_target",),
    "address": ("place", "address"),
    "name": ("applicant", "name"),
    "phone": ("applicant", "phone"),
    "language": ("applicant", "language"),
    "birth_date": ("applicant", "birth_date"),
}
"""Fields that go as they are typed, and where to."""

TICKS: Final[Mapping[str, tuple[str, ...]]] = {
    "anonymous": ("applicant", "anonymous"),
    "language_help": ("applicant", "language_help"),
    "ethnic_support": ("applicant", "ethnic_support"),
    "safe_contact": ("applicant", "safe_contact"),
    "share": ("consents", "share_with_partner"),
    "sms": ("consents", "sms"),
}
"""Boxes, and where they go; one that is not ticked is a no."""


def accepted_at_once(kind: Mapping[str, Any]) -> bool:
    """Whether a matter of this kind (a row of kinds.json) may be accepted in the act of registering it.

    A petition is a dispatcher's and needs a lawful route, for which the form does not ask (XF22 art 31); a
    report is the sealed officer's (XF22 art 30).
    """
    return kind["track"] not in ("PETITION", "SEALED") and not kind["lawful_route_required"]


def statement(form: Mapping[str, str], flags: Sequence[str], at_once: Container[str]) -> dict[str, Any]:
    """The body of `POST /v1/cases` that a form says. It asks for acceptance only where the kind is one of
    `at_once`: anything else is registered and waits for the decision. Raises Invalid for half a fact."""
    said: dict[str, Any] = {"channel": form.get("channel") or "phone"}
    for name, path in TEXTS.items():
        if text := form.get(name, "").strip():
            _put(said, path, text)
    for name, path in TICKS.items():
        _put(said, path, form.get(name) == "1")
    if respondents := _respondents(form):
        said["respondents"] = respondents
    if headcount := form.get("headcount", "").strip():
        said["headcount"] = _whole(headcount)
    if amount := form.get("amount", "").strip():
        said["amount_fen"] = fen(amount)
    dated = [(form.get(f"fact_{nth}", ""), form.get(f"fact_on_{nth}", "")) for nth in range(FACTS)]
    if faults := list(_half_told(dated)):
        raise Invalid(errors=faults)
    if facts := {event: on for event, on in dated if event}:
        said["facts"] = facts
    if flags:
        said["flags"] = list(flags)
    if form.get("accept") == "1" and said.get("kind") in at_once:
        said["decision"] = {"action": "accept"}
    return said


def draft(form: Mapping[str, str]) -> dict[str, Any]:
    """The body of `POST /v1/suggestions` that a form says so far; a headcount that is none is left out."""
    said: dict[str, Any] = {"narrative": form.get("narrative", "")}
    said |= {name: form[name] for name in ("address", "phone", "category") if form.get(name)}
    if respondents := _respondents(form):
        said["respondents"] = respondents
    headcount = _whole(form.get("headcount", "").strip())
    if isinstance(headcount, int) and 1 <= headcount <= MOST_PEOPLE:
        said["headcount"] = headcount
    return said


def _respondents(form: Mapping[str, str]) -> list[dict[str, Any]]:
    return [
        {"name": form[f"respondent_{nth}"].strip(), "organisation": form.get(f"organisation_{nth}") == "1"}
        for nth in _told_respondents(form)
    ]


def _told_respondents(form: Mapping[str, str]) -> list[int]:
    """The rows of the form that name somebody: those left empty are not sent."""
    return [nth for nth in range(RESPONDENTS) if form.get(f"respondent_{nth}", "").strip()]


def _half_told(dated: Sequence[tuple[str, str]]) -> Iterator[FieldError]:
    """What would be lost of the dated facts: an event or a day alone, an event that stands there twice."""
    for nth, (event, on) in enumerate(dated):
        if event and not on:
            yield FieldError(f"/facts/{nth}", "required", "请填写日期")
        elif on and not event:
            yield FieldError(f"/facts/{nth}", "required", "请选择这是什么日期")
        elif event and event in [other for other, _ in dated[:nth]]:
            yield FieldError(f"/facts/{nth}", "twice", "与上面的事实重复")


def fen(yuan: str) -> int | str:
    """Yuan as people type them, in fen; what is no amount stays, so that intake's answer names it."""
    whole, _, part = yuan.replace(",", "").replace("，", "").partition(".")
    if NUMBER.fullmatch(whole) and CENTS.fullmatch(part):
        return int(whole) * 100 + int(part.ljust(2, "0"))
    return yuan


def faults_by_field(errors: Sequence[FieldError], form: Mapping[str, str]) -> dict[str, str]:
    """Intake's faults by the field of the form that they concern; the rest under the empty name."""
    found: dict[str, str] = {}
    for error in errors:
        no_amount = error.pointer == "/amount_fen" and error.code == "int_type"
        text = NO_AMOUNT if no_amount else error.detail or error.code
        found.setdefault(_field_of(error.pointer, form), text)
    return found


def _field_of(pointer: str, form: Mapping[str, str]) -> str:
    parts = tuple(pointer.strip("/").split("/"))
    for name, path in (*TEXTS.items(), *TICKS.items()):
        if parts == path:
            return name
    known = {"amount_fen": "amount", "headcount": "headcount", "flags": "flags", "facts": "fact_0"}
    if parts[0] == "respondents" and len(parts) > 1:
        return f"respondent_{_told_respondents(form)[int(parts[1])]}"
    if parts[0] == "facts" and len(parts) > 1:
        rows = {form.get(f"fact_{nth}"): nth for nth in range(FACTS)}
        return f"fact_{parts[1] if parts[1].isdigit() else rows.get(parts[1], 0)}"
    if parts[0] == "decision":
        return "accept"
    return known.get(parts[0], "")


def _put(said: dict[str, Any], path: tuple[str, ...], value: object) -> None:
    for part in path[:-1]:
        said = said.setdefault(part, {})
    said[path[-1]] = value


def _whole(text: str) -> int | str:
    return int(text) if NUMBER.fullmatch(text) else text
