"""The script: what officers, partners and citizens do with each case. It knows nothing of what is
expected."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

from libs.clocks import LOCAL
from ops.stack.errors import StackError

FILE = Path(__file__).with_name("script.json")

_DAY = re.compile(r"\$today(?:\+(\d{1,3}))?")
QUARTER = timedelta(minutes=15)


@dataclass(frozen=True, slots=True)
class Step:
    """One act with its body. Of an `officer` (a role) at a service by a path below the case; of an officer on
    the case's `task` in a queue; of the partner by a path of its API; of the citizen by a text that `answers`
    a message. `child` says that the act concerns the child opened last. `until` names the event of mediation
    that must follow before the play goes on."""

    officer: str | None = None
    at: str | None = None
    act: str | None = None
    task: str | None = None
    partner: str | None = None
    body: Mapping[str, Any] | None = None
    child: bool = False
    citizen: str | None = None
    answers: str | None = None
    until: str | None = None


@dataclass(frozen=True, slots=True)
class Part:
    """What happens to one case: who enters it, `begin` up to where its first messages end, `then` to its
    end."""

    begin: Sequence[Step]
    then: Sequence[Step]
    entered_by: str = "operator"


def numbers() -> list[int]:
    """The cases that the script knows."""
    return [int(number) for number in _script()["cases"]]


def of(number: int) -> Part:
    """The part of one case; StackError where the script has none."""
    told = _script()["cases"].get(str(number))
    if told is None:
        raise StackError(f"The script has no case {number}: choose from {', '.join(map(str, numbers()))}.")
    begin, then = (tuple(_steps(told[half])) for half in ("begin", "then"))
    return Part(begin, then, told.get("entered_by", "operator"))


def fill(value: Any, now: datetime, session: str | None) -> Any:
    """A body or path with its placeholders filled in."""
    match value:
        case Mapping():
            return {name: fill(part, now, session) for name, part in value.items()}
        case list():
            return [fill(part, now, session) for part in value]
        case str():
            return _filled(value, now.astimezone(LOCAL), session)
        case _:
            return value


def _filled(text: str, now: datetime, session: str | None) -> str:
    if text == "$now":
        return now.isoformat()
    if text == "$soon":
        hour = now.replace(minute=0, second=0, microsecond=0)
        return (hour + ((now - hour) // QUARTER + 1) * QUARTER).isoformat()
    if day := _DAY.fullmatch(text):
        return (now.date() + timedelta(days=int(day[1] or 0))).isoformat()
    return text.replace("$session", session) if session else text


def _steps(told: Sequence[Any]) -> Iterator[Step]:
    """Steps with the scenes among them played out."""
    for step in told:
        if isinstance(step, str):
            yield from _steps(_script()["scenes"][step])
        else:
            yield Step(**step)


@cache
def _script() -> Any:
    return json.loads(FILE.read_text())
