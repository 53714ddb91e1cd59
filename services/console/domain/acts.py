"""What staff may do with a case from its page, and what each act asks for."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

from services.console.domain.access import SEALED_READERS

REGISTRARS: Final = frozenset({"operator", "dispatcher", "supervisor", "duty_officer"})
DISPATCHERS: Final = frozenset({"dispatcher", "supervisor", "duty_officer"})
SUPERVISORS: Final = frozenset({"supervisor", "duty_officer"})
SEALED_KIND: Final = "REP"


@dataclass(frozen=True, slots=True)
class CaseAct:
    """An act at intake: its path below the case, who may do it in which states, and its body from a form. The
    field `other` names another case: the body gets its id.

    What the page offers is for convenience: whether an act is allowed, intake decides.
    """

    name: str
    label: str
    path: str
    roles: frozenset[str]
    states: frozenset[str]
    fields: tuple[str, ...]
    body: Callable[[Mapping[str, str]], dict[str, Any]]
    method: Literal["POST", "PATCH"] = "POST"


def _decision(action: str) -> Callable[[Mapping[str, str]], dict[str, Any]]:
    def body(form: Mapping[str, str]) -> dict[str, Any]:
        told = {name: form.get(name, "").strip() for name in ("lawful_route", "reason_code", "directed_to")}
        told |= {"into": form.get("other", ""), "reason_text": form.get("text", "").strip()}
        return {"action": action, **{name: text for name, text in told.items() if text}}

    return body


def _change(way: Literal["add", "remove"], field: str) -> Callable[[Mapping[str, str]], dict[str, Any]]:
    def body(form: Mapping[str, str]) -> dict[str, Any]:
        return {way: [form.get(field, "")], "reason": form.get("text", "").strip() or None}

    return body


def _amendment(form: Mapping[str, str]) -> dict[str, Any]:
    """What is left empty stays as it was; a topic belongs to the category that it stood under."""
    told = {name: form.get(name, "").strip() for name in ("kind", "category", "narrative", "address", "grid")}
    told = {name: text for name, text in told.items() if text}
    place = {name: told.pop(name) for name in ("address", "grid") if name in told}
    return {
        **told,
        **({"topic": None} if "category" in told else {}),
        **({"place": place} if place else {}),
        "reason": form.get("text", "").strip(),
    }


def _reminder(form: Mapping[str, str]) -> dict[str, Any]:
    return {"new_facts": form.get("new_facts") == "1", "text": form.get("text", "").strip() or None}


_UNDECIDED: Final = frozenset({"registered"})
_OPEN: Final = frozenset({"registered", "accepted"})
_ALIVE: Final = _OPEN | {"forwarded"}
_KEPT: Final = _ALIVE | {"closed", "refused", "merged", "withdrawn"}

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
        CaseAct("merge", "并案", "decision", REGISTRARS, _UNDECIDED, ("other", "text"), _decision("merge")),
        CaseAct(
            "objection",
            "对方退回",
            "objection",
            DISPATCHERS,
            frozenset({"forwarded"}),
            ("text",),
            lambda form: {"reason": form.get("text", "").strip()},
        ),
        CaseAct(
            "amend",
            "更正",
            "",
            REGISTRARS,
            _OPEN,
            ("kind", "category", "grid", "address", "narrative", "text"),
            _amendment,
            "PATCH",
        ),
        CaseAct("flags", "标记风险", "flags", REGISTRARS, _ALIVE, ("flag", "text"), _change("add", "flag")),
        CaseAct(
            "lower", "解除标记", "flags", SUPERVISORS, _ALIVE, ("raised", "text"), _change("remove", "raised")
        ),
        CaseAct(
            "release",
            "放行派单",
            "release",
            SUPERVISORS,
            frozenset({"accepted"}),
            ("text",),
            lambda form: {"reason": form.get("text", "").strip()},
        ),
        CaseAct("remind", "催办", "reminders", REGISTRARS, _ALIVE, ("new_facts", "text"), _reminder),
        CaseAct(
            "relate",
            "关联",
            "related",
            REGISTRARS,
            _KEPT,
            ("other", "apart"),
            lambda form: {"case_id": form.get("other", ""), "related": form.get("apart") != "1"},
        ),
        CaseAct("hold", "保留", "holds", SUPERVISORS, _KEPT, ("hold", "text"), _change("add", "hold")),
        CaseAct(
            "unhold", "解除保留", "holds", SUPERVISORS, _KEPT, ("held", "text"), _change("remove", "held")
        ),
        CaseAct(
            "withdraw",
            "撤回",
            "decision",
            REGISTRARS,
            _ALIVE,
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
    return state in _ALIVE


def fitting(acts: Sequence[CaseAct], case: Mapping[str, Any]) -> list[CaseAct]:
    """Those that intake would not refuse whatever the form says: without a kind nothing is accepted, and only
    what is there is taken away."""
    idle = {"accept": case["kind"] is None, "lower": not case["flags"], "unhold": not case["holds"]}
    return [act for act in acts if not idle.get(act.name)]


def to_choose(field: str, code: str, case: Mapping[str, Any]) -> bool:
    """Whether a code may be chosen in a field of the forms for this case: not what it has already, nor what
    intake changes no more. Lawful routes are for petitions alone."""
    possible: dict[str, bool] = {
        "lawful_route": case["track"] == "PETITION",
        "kind": case["state"] in _UNDECIDED and case["kind"] not in (code, "REP"),
        "category": case["category"] != code,
        "raised": code in case["flags"],
        "hold": code not in case["holds"],
        "held": code in case["holds"],
    }
    return possible.get(field, True)


_FIELDS_AT: Final[Mapping[str, tuple[str, ...]]] = {
    "reason": ("text",),
    "reason_text": ("text",),
    "into": ("other",),
    "case_id": ("other",),
    "add": ("flag", "hold"),
    "remove": ("raised", "held"),
}
"""Fields of forms by the names in a body that are others."""


def field_at(act: CaseAct, pointer: str) -> str:
    """The field of an act's form that a fault of its body is about; what the form lacks, by its own name."""
    named = [part for part in pointer.split("/") if part and not part.isdigit()]
    name = named[-1] if named else ""
    return next((field for field in _FIELDS_AT.get(name, ()) if field in act.fields), name)


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
