"""The base of every event payload and the small shapes that several payloads share."""

from datetime import date, datetime
from typing import ClassVar
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field


class Shape(BaseModel):
    """A part of a payload: readers ignore fields that they do not know, writers cannot change one."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class Payload(Shape):
    """What an event says: ids, codes, dates and counts of one case, never personal data.

    `TYPE` is the event's name without prefix and version (`case.registered`), `TOPIC` the topic of its owner.
    """

    TYPE: ClassVar[str]
    TOPIC: ClassVar[str]
    VERSION: ClassVar[int] = 1

    case_id: UUID
    district: str = Field(pattern=r"^\d{6}$")


class DueDate(Shape):
    """A deadline that is open after the change an event tells of (G18).

    `due_at` is the instant after the last day of a day term, or the instant itself of a clock term.
    """

    rule: str
    due_on: date | None = None
    due_at: datetime
    provisional: bool = False


class Owned(Payload):
    """A payload of a service that keeps clocks: it carries the sender's open deadlines."""

    deadlines: tuple[DueDate, ...] = ()


class CaseFacts(Shape):
    """The codes of a case that other services decide by; each carrier holds all of them, so that a reader
    can make its row from whichever event comes first (G8)."""

    channel: str
    kind: str | None
    track: str | None
    category: str | None
    topic: str | None = None
    grid: str | None
    flags: tuple[str, ...] = ()
    urgency: str
    released: bool = False
    query_code: str
    received_at: datetime
    registered_at: datetime
    accepted_at: datetime | None = None
    headcount: int = 1
    amount_fen: int | None = None
    real_name: bool
    anonymous: bool
    share_with_partner: bool
    sms_consent: bool
    lawful_route: str | None = None
    complained_about_org: str | None = None
    chosen_target: str | None = None
    facts: dict[str, date] = Field(default_factory=dict)
    parent: UUID | None = None
    has_needs: bool = False
    dossier_version: int = 0
