"""A case of mediation to play with: the real use cases on a case in memory, at a clock set by the test."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any
from uuid import UUID

from libs.clocks import LOCAL
from libs.db.work import Actor, Decision, Moment
from libs.events.base import CaseFacts, Payload
from libs.events.envelope import Envelope
from libs.events.intake import CaseAccepted
from libs.events.routing import AssignmentExhausted, AssignmentProposed
from services.mediation.domain.agreement import Agree, Owed
from services.mediation.domain.breaches import RanOut
from services.mediation.domain.case import Case, Words
from services.mediation.domain.closing import Close, End
from services.mediation.domain.codes import Codes
from services.mediation.domain.consents import Consent, ContactAttempt
from services.mediation.domain.offers import TakeUp
from services.mediation.domain.sessions import Schedule, SessionOutcome
from services.mediation.handlers.cases import UseCases
from services.mediation.process import Act

DATA = Path(__file__).resolve().parents[3] / "data"
CASE = UUID("019c2b6e-7001-7001-8001-000000000001")
DISTRICT = "990101"
SERVICE = Actor("service", "mediation")


def at(text: str) -> datetime:
    """An instant of local time, as `2026-02-05T10:12`."""
    return datetime.fromisoformat(text).replace(tzinfo=LOCAL)


def case_facts(**changes: Any) -> CaseFacts:
    """A dispute about noise, accepted in the act of registering, unless told otherwise."""
    received = changes.get("received_at", at("2026-03-02T09:00"))
    return CaseFacts(
        **{
            "channel": "phone",
            "kind": "DIS",
            "track": "MEDIATION",
            "category": "D02",
            "grid": "99010100100201",
            "urgency": "BLUE",
            "query_code": "23456789",
            "received_at": received,
            "registered_at": received,
            "accepted_at": received,
            "real_name": True,
            "anonymous": False,
            "share_with_partner": True,
            "sms_consent": True,
        }
        | changes
    )


@dataclass
class Play:
    """One case: every step goes through its use case, as the shell would do it."""

    codes: Codes
    use_cases: UseCases
    now: datetime = field(default_factory=lambda: at("2026-03-02T09:00"))
    facts: CaseFacts = field(default_factory=case_facts)
    case: Case | None = None
    version: int = 0
    told: list[Payload] = field(default_factory=list)
    last: Decision[Case] | None = None
    _ids: Iterator[int] = field(default_factory=lambda: count(1))
    _heard: Iterator[int] = field(default_factory=lambda: count(1))

    @property
    def state(self) -> str:
        assert self.case is not None
        return self.case.state

    @property
    def events(self) -> list[str]:
        """Types of the events of the last step."""
        assert self.last is not None
        return [event.TYPE for event in self.last.events]

    def new_id(self) -> UUID:
        return UUID(int=(0x019C2B6E << 96) + next(self._ids))

    def words(self) -> Words:
        return Words(self.new_id(), b"sealed")

    def wait(self, **time: int) -> "Play":
        self.now += timedelta(**time)
        return self

    def act(self, action: str, command: Any, org: str = "LAB-01", expected: int | None = None) -> "Play":
        """An organisation acts."""
        actor = Actor("partner", "key-1", org_id=org)
        return self._run(self.use_cases.partner[action].decide, Act(command, expected), actor)

    def staff(self, action: str, command: Any, district: str = DISTRICT, role: str = "supervisor") -> "Play":
        actor = Actor("staff", "somebody", frozenset({role}), districts=frozenset({district}))
        return self._run(self.use_cases.staff[action].decide, Act(command), actor)

    def hear(self, event: Payload) -> "Play":
        """Another service told something."""
        known = {**self.use_cases.intake, **self.use_cases.routing, **self.use_cases.notify}
        envelope = Envelope(
            self.new_id(), event.TYPE, "/services/x", CASE, next(self._heard), self.now, event.TOPIC
        )
        return self._run(known[type(event)].decide, event, SERVICE, envelope)

    def sweep(self, rule: str, kind: Any = "due", outages: Any = ()) -> "Play":
        """The sweep saw a clock."""
        return self._run(self.use_cases.clock.decide, RanOut(rule, kind, outages), SERVICE)

    def calendar_came(self) -> "Play":
        """A holiday table came."""
        return self._run(self.use_cases.calendar.decide, None, SERVICE)

    def _run(
        self, decide: Callable[..., Any], command: Any, actor: Actor, event: Envelope | None = None
    ) -> "Play":
        decision = decide(self.case, command, Moment(self.now, actor, self.version, self.new_id, event))
        self.last, self.case = decision, decision.case
        self.version += len(decision.events)
        self.told.extend(decision.events)
        return self

    # --- steps that many tests share

    def accept(self, **changes: Any) -> "Play":
        self.facts = self.facts.model_copy(update=changes)
        return self.hear(
            CaseAccepted(case_id=CASE, district=DISTRICT, case=self.facts, with_registration=True)
        )

    def propose(self, attempt: int = 1, org: str = "LAB-01", **changes: Any) -> "Play":
        return self.hear(self.proposal(attempt, org, **changes))

    def proposal(self, attempt: int = 1, org: str = "LAB-01", **changes: Any) -> AssignmentProposed:
        return AssignmentProposed(
            **{
                "case_id": CASE,
                "district": DISTRICT,
                "case": self.facts,
                "assignment_id": UUID(int=(0xA551 << 64) + attempt),
                "attempt": attempt,
                "org_id": org,
                "org_type": "LAB",
                "target_type": "LAB",
                "rule_version": "1",
            }
            | changes
        )

    def exhaust(self, reason: Any = "DUTY_DESK", **changes: Any) -> "Play":
        return self.hear(
            AssignmentExhausted(
                case_id=CASE,
                district=DISTRICT,
                case=self.facts,
                reason=reason,
                attempt=9,
                rule_version="1",
                **changes,
            )
        )

    def take_up(self, org: str = "LAB-01") -> "Play":
        return self.act("take-up", TakeUp(self.words()), org)

    def contact(self, outcome: str = "reached", party: Any = "applicant") -> "Play":
        return self.act("contact-attempts", ContactAttempt(party, "phone", self.now, outcome))

    def consent(self, party: Any, decision: Any = "agrees") -> "Play":
        return self.act("consents", Consent(party, decision, self.now, self.words()))

    def session(self, **changes: Any) -> "Play":
        command: dict[str, Any] = {
            "starts_at": self.now + timedelta(days=1),
            "mode": "clinic",
            "parties": ("applicant", "respondent"),
        }
        return self.act("sessions", Schedule(**command | changes))

    def session_held(self, held: bool = True) -> "Play":
        assert self.case is not None
        return self.act("session-outcome", SessionOutcome(self.case.sessions[-1].session_id, held))

    def agree(self, items: int = 0, **changes: Any) -> "Play":
        command: dict[str, Any] = {
            "form": "written",
            "partial": False,
            "terms": self.words(),
            "effective_on": self.now.astimezone(LOCAL).date(),
            "performance": tuple(Owed(self.words(), date(2026, 12, 1)) for _ in range(items)),
        }
        return self.act("agreement", Agree(**command | changes))

    def end(self, reason: str = "NO_AGREEMENT", routes: tuple[str, ...] = ("R1",)) -> "Play":
        return self.act("end", End(reason, routes))

    def close(self, result: str = "SOLVED") -> "Play":
        return self.act("close", Close(result))

    def reach(self, state: str) -> "Play":
        """Bring a new case of MEDIATION into a state, by the shortest path of real steps."""
        if state in ("with_duty_desk", "referred"):
            reason = "DUTY_DESK" if state == "with_duty_desk" else "REFERRAL"
            return self.accept().exhaust(reason, referral_type=None if reason == "DUTY_DESK" else "COURT")
        steps: dict[str, Callable[[], Any]] = {
            "awaiting_assignment": self.accept,
            "offered": self.propose,
            "taken_up": self.take_up,
            "consent_pending": self.contact,
            "in_mediation": lambda: (self.consent("applicant"), self.consent("respondent")),
        }
        ends: dict[str, Callable[[], Any]] = {
            "agreed": self.agree,
            "performing": lambda: self.agree(items=2),
            "ended": self.end,
            "closed": lambda: (self.end(), self.close("UNSOLVED")),
        }
        for name, step in steps.items():
            step()
            if name == state:
                return self
        ends[state]()
        return self
