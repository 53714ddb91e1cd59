"""A case in routing: what it waits for, and every attempt to find it an organisation."""

from collections import Counter
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from typing import Final
from uuid import UUID

from libs.events.base import CaseFacts
from services.routing.domain.question import Choice


class Status(StrEnum):
    """Where a case stands. `proposed` is pending: mediation has not answered yet (G16)."""

    NEW = "new"
    WAITING_NEEDS = "waiting_needs"
    PROPOSED = "proposed"
    OFFERED = "offered"
    TAKEN_UP = "taken_up"
    EXHAUSTED = "exhausted"
    CLOSED = "closed"


class Result(StrEnum):
    """What became of an attempt."""

    PENDING = "pending"
    OFFERED = "offered"
    TAKEN_UP = "taken_up"
    RETURNED = "returned"
    EXPIRED = "expired"
    HANDED_BACK = "handed_back"
    REFUSED = "refused"
    WITHDRAWN = "withdrawn"
    CLOSED = "closed"
    EXHAUSTED = "exhausted"


_HOLDING: Final = {
    Result.TAKEN_UP: Status.TAKEN_UP,
    Result.OFFERED: Status.OFFERED,
    Result.PENDING: Status.PROPOSED,
}
"""Results with which an attempt holds a place of its organisation's capacity, the strongest first."""

_OVER: Final = frozenset(
    {Result.RETURNED, Result.EXPIRED, Result.HANDED_BACK, Result.REFUSED, Result.WITHDRAWN}
)
"""Results after which the rule does not ask the organisation again for this case."""


@dataclass(frozen=True, slots=True)
class Findings:
    """What an attempt rests on, kept for whoever asks why: the choice, and who chose if a person did."""

    choice: Choice
    by_person: str | None = None
    note: str | None = None
    """Free text of the person; stored sealed, since it may name somebody."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """One run of the rule or one choice by a person. `findings` are written once and not loaded again."""

    number: int
    assignment_id: UUID
    at: datetime
    result: Result
    org_id: str | None = None
    findings: Findings | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class RoutingCase:
    """The facts that intake tells, and the attempts made with them.

    `facts` is None for a case that mediation closed before intake's events came here (G8). `waiting`: the
    citizen's needs are not here yet, and without them the choice might be wrong.
    """

    case_id: UUID
    district: str
    facts: CaseFacts | None = None
    waiting: bool = False
    closed: bool = False
    attempts: tuple[Attempt, ...] = ()

    @property
    def status(self) -> Status:
        """Where it stands: who took the case up has it, whatever was tried besides."""
        if self.closed:
            return Status.CLOSED
        if self.waiting:
            return Status.WAITING_NEEDS
        results = {attempt.result for attempt in self.attempts}
        for result, status in _HOLDING.items():
            if result in results:
                return status
        exhausted = bool(self.attempts) and self.attempts[-1].result is Result.EXHAUSTED
        return Status.EXHAUSTED if exhausted else Status.NEW

    @property
    def declined(self) -> frozenset[str]:
        """Organisations that had the case and do not get it again by the rule."""
        return frozenset(a.org_id for a in self.attempts if a.org_id and a.result in _OVER)

    @property
    def returns(self) -> int:
        """How often an organisation gave an offer back (退回)."""
        return sum(attempt.result is Result.RETURNED for attempt in self.attempts)

    @property
    def reservations(self) -> Counter[str]:
        """Places of capacity that the case holds, by organisation.

        Two while a newer attempt waits for mediation's answer: the older offer is open until then (G16).
        """
        return Counter(a.org_id for a in self.attempts if a.org_id and a.result in _HOLDING)

    @property
    def awaits_proposal(self) -> bool:
        """Whether nobody has it or is asked, and it is not at its end."""
        return self.status in (Status.NEW, Status.WAITING_NEEDS, Status.EXHAUSTED)

    def attempted(self, attempt: Attempt) -> "RoutingCase":
        """With one more attempt."""
        return replace(self, waiting=False, attempts=(*self.attempts, attempt))

    def answered(self, assignment_id: UUID, result: Result) -> "RoutingCase":
        """With mediation's answer to an attempt, the latest or an older one."""
        if self.closed and result in _HOLDING:
            result = Result.CLOSED
        attempts = tuple(
            replace(a, result=result) if a.assignment_id == assignment_id else a for a in self.attempts
        )
        return replace(self, attempts=attempts)

    def at_its_end(self) -> "RoutingCase":
        """Closed: whatever place it held is free again."""
        attempts = tuple(
            replace(a, result=Result.CLOSED) if a.result in _HOLDING else a for a in self.attempts
        )
        return replace(self, waiting=False, closed=True, attempts=attempts)
