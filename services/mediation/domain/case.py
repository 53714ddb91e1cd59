"""A case as mediation holds it: its state, who holds it, and what the parties and the organisation did.

Codes, ids and dates only. What people say is sealed before it gets here (`Words`).
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Literal
from uuid import UUID

from libs.events.base import CaseFacts
from libs.events.mediation import Party
from libs.messaging.deadline import Deadline

Answer = Literal["agrees", "refuses"]
OfferStatus = Literal[
    "open", "taken_up", "returned", "expired", "withdrawn", "handed_back", "recalled", "refused"
]

DUTY_DESK = "DUTY_DESK"
SEALED_TRACK = "SEALED"
SEALED_OFFICER = "sealed_officer"
"""The only role that sees sealed cases; by itself it sees no others (XF22 art 30)."""
PARTIES: tuple[Party, ...] = ("applicant", "respondent")


@dataclass(frozen=True, slots=True)
class Offer:
    """A proposal of routing and what became of it. `due_at`: its term as counted, before any grace (G17)."""

    assignment_id: UUID
    attempt: int
    org_id: str
    status: OfferStatus
    at: datetime
    due_at: datetime | None = None
    reason_code: str | None = None

    @property
    def held(self) -> bool:
        """Whether the organisation has the case in its hands, answered or not."""
        return self.status in ("open", "taken_up")


@dataclass(frozen=True, slots=True)
class Session:
    """A meeting; `held` None: not yet known."""

    session_id: UUID
    starts_at: datetime
    mode: str
    parties: tuple[Party, ...]
    held: bool | None = None


@dataclass(frozen=True, slots=True)
class Item:
    """What one side owes under the agreement; its words are a note. `done` None: nothing reported yet."""

    due_on: date | None = None
    done: bool | None = None


@dataclass(frozen=True, slots=True)
class Agreement:
    """What the parties agreed, without its words (PMA arts 28-31)."""

    form: Literal["written", "oral"]
    partial: bool
    effective_on: date
    items: tuple[Item, ...] = ()

    @property
    def performed(self) -> bool:
        """Whether nothing of it is left to do."""
        return all(item.done for item in self.items)


@dataclass(frozen=True, slots=True)
class Task:
    """Something that a person has to do about the case, in a queue, by a time.

    `about` names the message that a call stands in for; such a call is owed whatever the case does.
    """

    task_id: UUID
    queue: str
    reason_code: str
    created_at: datetime
    due_at: datetime
    state: Literal["open", "taken", "done"] = "open"
    owner: str | None = None
    about: Mapping[str, str] = field(default_factory=dict)
    result: str | None = None


@dataclass(frozen=True, slots=True)
class Words:
    """What somebody said, sealed at the door for the place of one note; nothing in the domain can read it."""

    note_id: UUID
    sealed: bytes


@dataclass(frozen=True, slots=True)
class Note:
    """Words kept with a case: of which kind, when, by which organisation, and what they belong to."""

    words: Words
    kind: str
    at: datetime
    org_id: str | None = None
    about: str | None = None


@dataclass(frozen=True, slots=True)
class Case:
    """One case in mediation.

    `facts_version` is the number of intake's event that the facts are from; 0: told by routing, whose word
    counts only until intake's own has come. `opened_at` None: the acceptance is not known here yet (G8).
    `org_id` is the organisation that holds the case or its offer. `notes` are only those that the decision
    at hand adds; the stored ones are not loaded.
    """

    case_id: UUID
    district: str
    facts: CaseFacts
    track: str
    state: str
    facts_version: int = 0
    opened_at: datetime | None = None
    org_id: str | None = None
    offers: tuple[Offer, ...] = ()
    taken_up_at: datetime | None = None
    consents: Mapping[Party, Answer] = field(default_factory=dict)
    sessions: tuple[Session, ...] = ()
    agreement: Agreement | None = None
    ended_as: str | None = None
    result: str | None = None
    rating: int | None = None
    referred_to: str | None = None
    deadlines: Mapping[str, Deadline] = field(default_factory=dict)
    tasks: tuple[Task, ...] = ()
    notes: tuple[Note, ...] = ()

    @property
    def offer(self) -> Offer | None:
        """The offer that an organisation holds now, open or taken up."""
        return next((offer for offer in reversed(self.offers) if offer.held), None)

    @property
    def both_agree(self) -> bool:
        """Whether each side said that it takes part."""
        return all(self.consents.get(party) == "agrees" for party in PARTIES)

    @property
    def owner(self) -> str:
        """Who has to act: an open case is never nobody's."""
        if self.state == "awaiting_assignment":
            return "ROUTING"
        return self.org_id or self.referred_to or DUTY_DESK

    def for_staff(self, districts: Collection[str], roles: Collection[str]) -> bool:
        """Whether a person of these districts and roles may know of the case."""
        fitting = [role for role in roles if (role == SEALED_OFFICER) == (self.track == SEALED_TRACK)]
        return self.district in districts and bool(fitting)

    def hidden_from(self, org_id: str | None) -> bool:
        """Whether the organisation must not know of the case: not its own, or complained about in it."""
        return org_id is None or self.org_id != org_id or self.facts.complained_about_org == org_id
