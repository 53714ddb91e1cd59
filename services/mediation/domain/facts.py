"""What intake tells of a case: its acceptance opens it here, later facts change its course (G16).

Which of these rules holds in which state is a table of `process.py`.
"""

from collections.abc import Callable
from typing import Any

from libs.events.base import CaseFacts
from libs.events.mediation import CaseEscalated, CaseOpened
from services.mediation.domain import clocks, closing, offers
from services.mediation.domain.turn import Turn

SUPERVISOR_LEVEL = "L5"
"""The district centre (areas.json, ladder): it hears of a danger flag raised while an organisation works."""

Rule = Callable[[Turn, Any], None]


def learn(turn: Turn, facts: CaseFacts, version: int) -> None:
    """Take intake's word of the case: its newest event counts, whatever routing told before."""
    if version > turn.case.facts_version:
        turn.become(facts=facts, facts_version=version)


def open_case(turn: Turn) -> None:
    """Mediation begins to count. A track without offers waits for a person from its first moment."""
    turn.become(opened_at=turn.now)
    clocks.start_of_intake(turn)
    turn.tell(CaseOpened, case=turn.case.facts)
    if turn.case.track not in turn.codes.partner_tracks:
        offers.to_person(turn, "SEALED" if turn.case.track == "SEALED" else "DUTY_DESK", turn.case.track)


def take_note(turn: Turn, _: Any) -> None:
    """The codes of the case change, its course does not."""
    clocks.recount(turn)


def ignore(reason: str) -> Rule:
    """The rule that says why a fact means nothing in a state."""

    def rule(turn: Turn, _: Any) -> None:
        turn.ignore(reason)

    return rule


def withdraw(turn: Turn, _: Any) -> None:
    """The citizen took the matter back before anybody worked on it."""
    if turn.case.offer is not None:
        offers.withdraw(turn, "WITHDRAWN", state="closed")
    closing.close_as(turn, "WITHDRAWN")


def withdraw_from_work(turn: Turn, _: Any) -> None:
    """The citizen took the matter back: the mediation ends (PMA art 23) and the case closes."""
    closing.end_mediation(turn, "WITHDRAWN", closing.STATUTORY_ROUTES)
    closing.close_as(turn, "WITHDRAWN")


def merge(turn: Turn, _: Any) -> None:
    """The matter goes on under another case (XF22 art 19): here it closes, without asking for a rating."""
    if turn.case.offer is not None and turn.case.state == "offered":
        offers.withdraw(turn, "MERGED", state="closed")
    closing.close_as(turn, "REFUSED")


def hold(turn: Turn, _: Any) -> None:
    """A flag forbids routing by machine: an open offer is taken back, the duty desk decides."""
    clocks.recount(turn)
    if turn.case.offer is not None:
        offers.withdraw(turn, "FLAGGED", state="with_duty_desk")
    offers.to_duty_desk(turn, "FLAGGED")


def warn_supervisor(turn: Turn, _: Any) -> None:
    """A flag was raised while an organisation works: it goes on, and the supervisor knows."""
    clocks.recount(turn)
    turn.tell(CaseEscalated, level=SUPERVISOR_LEVEL, reason_code="FLAGGED")


def release(turn: Turn, _: Any) -> None:
    """A person let the case go to routing: it waits for a proposal again."""
    turn.tasks_done()
    turn.become(state="awaiting_assignment", referred_to=None)


def recall_offer(turn: Turn, _: Any) -> None:
    """The organisation that was asked is the one complained about: it loses sight of the case at once."""
    offers.withdraw(turn, "COMPLAINED_ABOUT", state="awaiting_assignment")


def recall(turn: Turn, _: Any) -> None:
    """The organisation at work is the one complained about: the case goes to another one."""
    offers.start_afresh(turn)
    offers.recall(turn, "COMPLAINED_ABOUT")


def recall_to_desk(turn: Turn, _: Any) -> None:
    """The case is as good as done: a person brings it to its end in place of the organisation."""
    turn.become(state="with_duty_desk")
    offers.recall(turn, "COMPLAINED_ABOUT")
    offers.to_duty_desk(turn, "COMPLAINED_ABOUT")
