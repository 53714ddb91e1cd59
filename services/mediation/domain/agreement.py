"""The agreement and its performance."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import Literal

from libs.events.mediation import AgreementReached, Means, PerformanceRecorded
from libs.web.errors import FieldError, Invalid, Refusal, Title
from services.mediation.domain import clocks, sessions
from services.mediation.domain.case import Agreement, Item, Words
from services.mediation.domain.turn import Turn

LABOUR = frozenset({"D10", "D11"})


@dataclass(frozen=True, slots=True)
class Owed:
    """One thing that a side promises; the words are sealed."""

    what: Words
    due_on: date | None = None


@dataclass(frozen=True, slots=True)
class Agree:
    """The parties agreed; the terms are sealed."""

    form: Literal["written", "oral"]
    partial: bool
    terms: Words
    effective_on: date
    performance: Sequence[Owed] = ()
    means: tuple[Means, ...] = ()


@dataclass(frozen=True, slots=True)
class Performed:
    """What became of an item; items are numbered from 1 in the order of the agreement."""

    item: int
    done: bool
    on: date


class MustBeWritten(Refusal):
    """LDMA art 14: an agreement in a labour dispute is made in writing."""

    STATUS, CODE = 422, "must_be_written"
    TITLE = Title("劳动争议调解协议须为书面", "A labour agreement must be in writing")


def agree(turn: Turn, command: Agree) -> None:
    """Record the agreement; it takes effect on signing, an oral one on the day agreed (PMA arts 29, 30)."""
    sessions.safe_to_mediate(turn)
    if command.form == "oral" and turn.case.facts.category in LABOUR:
        raise MustBeWritten(errors=[FieldError("/form", "must_be_written", "written_labour_agreement")])
    _not_later(turn, "/effective_on", command.effective_on)
    items = tuple(Item(owed.due_on) for owed in command.performance)
    reached = Agreement(command.form, command.partial, command.effective_on, items)
    turn.become(state="performing" if items else "agreed", agreement=reached)
    turn.note("terms", command.terms)
    for number, owed in enumerate(command.performance, 1):
        turn.note("owed", owed.what, about=str(number))
    clocks.stop_mediation(turn, "met")
    clocks.start(turn, "agreement.reached", command.effective_on)
    turn.reply["items"] = [_public(number, item) for number, item in enumerate(items, 1)]
    turn.tell(
        AgreementReached,
        form=reached.form,
        partial=reached.partial,
        effective_on=reached.effective_on,
        performance_items=len(items),
        means=command.means,
    )


def perform(turn: Turn, command: Performed) -> None:
    """Write down whether an item was performed; the body urges performance (PMA art 31)."""
    made = turn.case.agreement
    if made is None or not 1 <= command.item <= len(made.items):
        raise Invalid(errors=[FieldError("/item", "unknown_item")])
    _not_later(turn, "/on", command.on)
    items = list(made.items)
    items[command.item - 1] = replace(items[command.item - 1], done=command.done)
    turn.become(agreement=replace(made, items=tuple(items)))
    turn.reply["items"] = [_public(number, item) for number, item in enumerate(items, 1)]
    turn.tell(PerformanceRecorded, item=command.item, done=command.done, on=command.on)


def _not_later(turn: Turn, pointer: str, day: date) -> None:
    if day > turn.today:
        raise Invalid(errors=[FieldError(pointer, "in_the_future")])


def _public(number: int, item: Item) -> dict[str, object]:
    return {"item": number, "due_on": item.due_on and item.due_on.isoformat(), "done": item.done}
