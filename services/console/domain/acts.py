"""What staff may do with a case from its page, and what each act asks for."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from services.console.domain.access import SEALED_READERS

REGISTRARS: Final = frozenset({"operator", "dispatcher", "supervisor", "duty_officer"})
DISPATCHERS: Final = frozenset({"dispatcher", "supervisor", "duty_officer"})
SUPERVISORS: Final = frozenset({"supervisor", "duty_officer"})
SEALED_KIND: Final = "REP"


@dataclass(frozen=True, slots=True)
class CaseAct:
    """An act at intake: its path below the case, who may do it in which states, and its body from a form.

    What the page offers is for convenience: whether an act is allowed, intake decides.
    """

    name: str
    label: str
    path: str
    roles: frozenset[str]
    states: frozenset[str]
    fields: tuple[str, ...]
    body: Callable[[Mapping[str, str]], dict[str, Any]]


def _decision(action: str) -> Callable[[Mapping[str, str]], dict[str, Any]]:
    def body(form: Mapping[str, str]) -> dict[str, Any]:
        told = {name: form.get(name, "").strip() for name in ("lawful_route", "reason_code", "directed_to")}
        told["reason_text"] = form.get("text", "").strip()
        return {"action": action, **{name: text for name, text in told.items() if text}}

    return body


def _flags(form: Mapping[str, str]) -> dict[str, Any]:
    return {"add": [form.get("flag", "")], "reason": form.get("text", "").strip() or None}


def _reminder(form: Mapping[str, str]) -> dict[str, Any]:
    return {"new_facts": form.get("new_facts") == "1", "text": form.get("text", "").strip() or None}


_UNDECIDED: Final = frozenset({"registered"})
_OPEN: Final = frozenset({"registered", "accepted"})

ACTS: Final[Mapping[str, CaseAct]] = {
    act.name: act
    for act in (
        CaseAct(
            "accept",
            "受理",
            "decision",
            REGISTRARS,
            _UNDECIDED,
            ("lawful_route", "directed_to"),
            _decision("accept"),
        ),
        CaseAct(
            "refuse",
            "不予受理",
            "decision",
            DISPATCHERS,
            _UNDECIDED,
            ("reason_code", "directed_to", "text"),
            _decision("refuse"),
        ),
        CaseAct(
            "forward",
            "转送",
            "decision",
            DISPATCHERS,
            _UNDECIDED,
            ("directed_to", "text"),
            _decision("forward"),
        ),
        CaseAct(
            "objection",
            "对方退回",
            "objection",
            DISPATCHERS,
            frozenset({"forwarded"}),
            ("text",),
            lambda form: {"reason": form.get("text", "").strip()},
        ),
        CaseAct("flags", "标记风险", "flags", REGISTRARS, _OPEN, ("flag", "text"), _flags),
        CaseAct(
            "release",
            "放行派单",
            "release",
            SUPERVISORS,
            frozenset({"accepted"}),
            ("text",),
            lambda form: {"reason": form.get("text", "").strip()},
        ),
        CaseAct(
            "remind", "催办", "reminders", REGISTRARS, _OPEN | {"forwarded"}, ("new_facts", "text"), _reminder
        ),
        CaseAct(
            "withdraw",
            "撤回",
            "decision",
            REGISTRARS,
            _OPEN | {"forwarded"},
            ("text",),
            _decision("withdraw"),
        ),
    )
}
"""By name, in the order of the page."""


def offered(roles: frozenset[str], kind: str | None, state: str, held: bool) -> list[CaseAct]:
    """The acts that the page offers to these roles; `held`: a flag keeps the case from routing."""
    return [
        act
        for act in ACTS.values()
        if _allowed(roles, act.roles, kind) and state in act.states and (act.name != "release" or held)
    ]


def _allowed(roles: frozenset[str], wanted: frozenset[str], kind: str | None) -> bool:
    """Whether the act is for these roles; on an accusation the sealed officer does it all (XF22 art 30)."""
    return not roles.isdisjoint(SEALED_READERS if kind == SEALED_KIND else wanted)


def may_send(state: str) -> bool:
    """Whether the page offers to send a file: while somebody works on the matter."""
    return state in _OPEN | {"forwarded"}


def may_fetch(roles: frozenset[str]) -> bool:
    """Whether the page offers files to be saved; where secrecy was asked for, intake still says no."""
    return not roles.isdisjoint(DISPATCHERS | SEALED_READERS)


def may_let_out(roles: frozenset[str]) -> bool:
    """Whether the page offers to let a file out of quarantine."""
    return not roles.isdisjoint(SUPERVISORS | SEALED_READERS)


_DECIDED: Final = frozenset({"accepted", "refused", "forwarded", "merged"})


def notice_offered(roles: frozenset[str], case: Mapping[str, Any]) -> bool:
    """Whether the page offers the written notice: one is owed to whoever gave name and address, and it names
    the applicant, who is hidden from some."""
    owed = case["state"] in _DECIDED and bool(case["real_name"])
    return owed and _allowed(roles, DISPATCHERS, case["kind"]) and case["applicant"] is not None
