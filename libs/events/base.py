"""The base of every event payload, the value types they are made of, and the shapes that several share."""

from datetime import date
from typing import Annotated, Any, ClassVar, Final
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

Code = Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9_.:-]{0,63}$")]
"""A word of a closed list: no name, no number of a person and no free text fits in."""
RuleVersion = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.:-]{0,63}$")]
District = Annotated[str, Field(pattern=r"^[0-9]{6}$")]
AREA_DIGITS: Final = (6, 9, 12, 14, 16)
"""Lengths of the codes of areas: district, street, community, grid (CJ/T 349-2010), and two digits for what
lies in a grid. Which of them a tree has is data (`libs.areas`)."""
Area = Annotated[str, Field(pattern=r"^[0-9]{6}([0-9]{3}([0-9]{3}([0-9]{2}([0-9]{2})?)?)?)?$")]
"""A code of one of these lengths; no mobile telephone and no identity number has such a one."""
QueryCode = Annotated[str, Field(pattern=r"^([2-9A-HJKMNP-Z]{8})?$")]
"""What the citizen quotes; empty for a sealed case (kind REP), whose events tell kind and district only."""
Count = Annotated[int, Field(ge=0, le=2**31 - 1)]
Fen = Annotated[int, Field(ge=0, le=2**53 - 1)]
Rating = Annotated[int, Field(ge=1, le=3)]
"""1 satisfied, 2 mostly, 3 not."""


def _open(schema: dict[str, Any]) -> None:
    """The schema is the reader's view: a field added later must not make it fail."""
    schema.pop("additionalProperties", None)


class Shape(BaseModel):
    """A part of a payload. Writers set only what is declared; readers ignore the rest (`Registry.decode`).

    Faults are told without the value that caused them.
    """

    model_config = ConfigDict(
        frozen=True, extra="forbid", allow_inf_nan=False, hide_input_in_errors=True, json_schema_extra=_open
    )


class Record(Shape):
    """What stands on a topic: an event's payload, or the present state of a key on a compacted topic.

    `TYPE` is its name without prefix and version (`case.registered`), `TOPIC` the topic of its owner.
    """

    TYPE: ClassVar[str]
    TOPIC: ClassVar[str]
    VERSION: ClassVar[int] = 1


class Payload(Record):
    """What an event says: ids, codes, dates and counts of one case, never personal data."""

    case_id: UUID
    district: District


class DueDate(Shape):
    """A deadline that is open after the change an event tells of (G18).

    `due_at` is the instant after the last day of a day term, or the instant itself of a clock term.
    """

    rule: Code
    due_on: date | None = None
    due_at: AwareDatetime
    provisional: bool = False


class Owned(Payload):
    """A payload of a service that keeps clocks: it carries the sender's open deadlines."""

    deadlines: tuple[DueDate, ...] = ()


class CaseFacts(Shape):
    """The codes of a case that other services decide by; each carrier holds all of them, so that a reader
    can make its row from whichever event comes first (G8)."""

    channel: Code
    kind: Code | None
    track: Code | None
    category: Code | None
    topic: Code | None = None
    grid: Area | None
    flags: tuple[Code, ...] = ()
    urgency: Code
    released: bool = False
    query_code: QueryCode
    received_at: AwareDatetime
    registered_at: AwareDatetime
    accepted_at: AwareDatetime | None = None
    headcount: Count = 1
    amount_fen: Fen | None = None
    real_name: bool
    anonymous: bool
    share_with_partner: bool
    sms_consent: bool
    lawful_route: Code | None = None
    complained_about_org: Code | None = None
    chosen_target: Code | None = None
    facts: dict[Code, date] = Field(default_factory=dict)
    parent: UUID | None = None
    has_needs: bool = False
    dossier_version: Count = 0
