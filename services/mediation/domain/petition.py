"""What a public body owes a petitioner: an answer, and after it the way to its review."""

from dataclasses import dataclass
from datetime import date
from typing import Final

from libs.events.mediation import ReplyIssued
from libs.web.errors import FieldError, Invalid
from services.mediation.domain import clocks
from services.mediation.domain.case import Words
from services.mediation.domain.turn import Turn

PETITION_PROPER: Final = "R6"
"""Only a matter handled by the petition procedure itself ends with a written opinion that is reviewed."""

ANSWERED: Final = ("PET-FINISH", "PET-EXTENSION")
"""Terms in which the answer is owed (XF22 art 34)."""


@dataclass(frozen=True, slots=True)
class Reply:
    """The answer; what it says and what it rests on is sealed. `issued_on` None: today."""

    written: bool
    content: Words
    legal_basis: Words | None = None
    issued_on: date | None = None


def reply(turn: Turn, command: Reply) -> None:
    """Answer the petition. The opinion of a petition proper is written (XF22 art 32); the petitioner may ask
    for its review from the day of the answer on (XF22 art 35)."""
    route = turn.case.facts.lawful_route
    if route == PETITION_PROPER and not command.written:
        raise Invalid(errors=[FieldError("/form", "must_be_written", "written_opinion")])
    issued_on = command.issued_on or turn.today
    if issued_on > turn.today:
        raise Invalid(errors=[FieldError("/issued_on", "in_future")])
    clocks.stop(turn, *ANSWERED)
    turn.tasks_done()
    turn.note("reply", command.content)
    turn.note("legal_basis", command.legal_basis)
    turn.become(state="replied")
    clocks.start(turn, ReplyIssued.TYPE, issued_on)
    turn.tell(ReplyIssued, written=command.written, issued_on=issued_on, lawful_route=route)
