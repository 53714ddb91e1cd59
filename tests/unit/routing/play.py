"""Plays commands and events on routing's use cases, case after case, as the shell does."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, TypeVar
from uuid import UUID, uuid4

from libs.db.work import Actor, Decision, Moment, UseCase
from libs.events import mediation as m
from libs.events.base import CaseFacts, Payload
from libs.events.intake import CaseAccepted
from libs.events.registry import encode
from libs.events.routing import AssignmentExhausted, AssignmentProposed
from services.routing import handlers
from services.routing.domain.board import Board, Needs, NeedsCopy
from services.routing.domain.case import RoutingCase
from services.routing.domain.field import Contender
from services.routing.handlers.cases import AWAITING
from tests.unit.routing.build import DISTRICT, GRID, MONDAY, RULES, a_field

E = TypeVar("E", bound=Payload)


def facts(**changes: Any) -> CaseFacts:
    """An accepted labour dispute with consent to share."""
    row = {
        "channel": "phone",
        "kind": "DIS",
        "track": "MEDIATION",
        "category": "D10",
        "grid": GRID,
        "urgency": "BLUE",
        "query_code": "ABCDEFGH",
        "received_at": MONDAY,
        "registered_at": MONDAY,
        "accepted_at": MONDAY,
        "real_name": True,
        "anonymous": False,
        "share_with_partner": True,
        "sms_consent": True,
    }
    return CaseFacts.model_validate({**row, **changes})


@dataclass
class Stage:
    """A district whose organisations and cases live in memory."""

    organisations: Sequence[Contender]
    now: datetime = MONDAY
    cases: dict[UUID, RoutingCase] = field(default_factory=dict)
    events: list[Payload] = field(default_factory=list)
    board: Board = field(init=False)
    needs: dict[UUID, NeedsCopy] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.board = Board(RULES, {DISTRICT: a_field(*self.organisations)}, needs=self.needs)

    def do(self, use_case: UseCase[RoutingCase, Any], case_id: UUID, command: Any) -> Decision[RoutingCase]:
        """One decision; its events are encoded, as they would be when stored."""
        self.now += timedelta(seconds=1)
        moment = Moment(
            now=self.now,
            actor=Actor("staff", "supervisor"),
            version=0,
            new_id=uuid4,
            shared=self.board,
        )
        decision = use_case.decide(self.cases.get(case_id), command, moment)
        if decision.case is not None:
            self.cases[case_id] = decision.case
        for event in decision.events:
            encode(event)
        self.events.extend(decision.events)
        return decision

    def accept(self, case_id: UUID | None = None, **changes: Any) -> UUID:
        """A case is accepted; its id."""
        case_id = case_id or uuid4()
        event = CaseAccepted(
            case_id=case_id, district=DISTRICT, case=facts(**changes), with_registration=True
        )
        self.do(handlers.PROPOSE, case_id, event)
        return case_id

    def tell(self, case_id: UUID, kind: type[m.MediationEvent], *, attempt: int = -1, **more: Any) -> None:
        """Mediation says something of an attempt (by default the latest)."""
        assignment_id = self.cases[case_id].attempts[attempt].assignment_id
        state = {m.CaseOffered: "offered", m.CaseTakenUp: "taken_up"}.get(kind, AWAITING)
        told = {
            "case_id": case_id,
            "district": DISTRICT,
            "state": state,
            "assignment_id": assignment_id,
            "attempt": self.cases[case_id].attempts[attempt].number,
            "reason_code": "NO_CAPACITY",
            **more,
        }
        event = kind.model_validate(told, extra="ignore")
        use_case = handlers.RECORD_ANSWER if kind in (m.CaseOffered, m.CaseTakenUp) else handlers.TRY_NEXT
        self.do(use_case, case_id, event)

    def close(self, case_id: UUID) -> None:
        """Mediation closes the case."""
        event = m.CaseClosed(case_id=case_id, district=DISTRICT, state="closed", result="SETTLED")
        self.do(handlers.CLOSE, case_id, event)

    def know_needs(self, case_id: UUID, version: int, needs: Needs) -> None:
        """Routing's copy of the needs is written."""
        self.needs[case_id] = NeedsCopy(version, needs)

    def last(self, kind: type[E]) -> E:
        """The latest event, of this kind."""
        event = self.events[-1]
        assert isinstance(event, kind)
        return event

    def proposed(self) -> list[str]:
        """The organisations proposed so far."""
        return [event.org_id for event in self.events if isinstance(event, AssignmentProposed)]

    def exhausted(self) -> list[str]:
        """The reasons for which a person took over."""
        return [event.reason for event in self.events if isinstance(event, AssignmentExhausted)]

    def open_cases(self) -> dict[str, int]:
        """What the running figures say, without those at zero."""
        return {org_id: load.open for org_id, load in self.board.loads.items() if load.open}
