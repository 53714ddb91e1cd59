"""The records of routing's compacted topics: what an organisation and an area are at present (G12).

Readers keep the record with the highest `version` per key and ignore fields that they do not know
(`model_validate_json(value, extra="ignore")`). Nothing in here is a citizen's: phones and places are those
of offices.
"""

from datetime import date
from typing import Annotated, ClassVar, Literal, Self

from pydantic import AwareDatetime, ConfigDict, Field, model_validator

from libs.events.base import Area, Code, Count, District, Record, Shape

Clock = Annotated[str, Field(pattern=r"^(([01][0-9]|2[0-3]):[0-5][0-9]|24:00)$")]
"""Local time of day; 24:00 is the end of it."""
Weekday = Annotated[int, Field(ge=1, le=7)]
"""ISO: 1 is Monday."""
Words = Annotated[str, Field(max_length=100)]
Name = Annotated[str, Field(min_length=1, max_length=100)]

_BY_ALIAS = ConfigDict(serialize_by_alias=True, validate_by_name=True, validate_by_alias=True)


class Hours(Shape):
    """The same hours on several weekdays."""

    model_config = _BY_ALIAS

    days: tuple[Weekday, ...] = Field(min_length=1, max_length=7)
    from_: Clock = Field(alias="from")
    to: Clock

    @model_validator(mode="after")
    def _runs_forward(self) -> Self:
        if self.from_ >= self.to:
            raise ValueError("hours_reversed")
        return self


class Clinic(Shape):
    """Consulting hours at a fixed place (定期坐诊)."""

    model_config = _BY_ALIAS

    place: Name
    day: Weekday
    from_: Clock = Field(alias="from")
    to: Clock
    slot_minutes: int = Field(ge=5, le=240)


class Leave(Shape):
    """Days on which the organisation takes no offers, first and last included."""

    model_config = _BY_ALIAS

    from_: date = Field(alias="from")
    to: date

    @model_validator(mode="after")
    def _runs_forward(self) -> Self:
        if self.from_ > self.to:
            raise ValueError("ends_before_it_begins")
        return self


class Licence(Shape):
    """The document under which the organisation works."""

    number: Name
    valid_until: date


class Contact(Shape):
    """The office's own phone and place; `public_number` marks a real national service line."""

    phone: Words | None = None
    place: Words | None = None
    public_number: bool = False


class OrganisationProfile(Shape):
    """What an organisation does, where, for whom and when, as a row of `data/organisations.json`."""

    org_id: Code
    name: Name
    name_en: Words | None = None
    aliases: tuple[Name, ...] = Field((), max_length=20)
    type: Code
    areas: tuple[Area, ...] = Field(min_length=1, max_length=200)
    categories: tuple[Code, ...] = Field((), max_length=100)
    kinds: tuple[Code, ...] = Field((), max_length=20)
    languages: tuple[Code, ...] = Field(("zh",), max_length=50)
    modes: tuple[Code, ...] = Field((), max_length=20)
    hours: tuple[Hours, ...] = Field((), max_length=50)
    closed_on_holidays: bool = True
    clinics: tuple[Clinic, ...] = Field((), max_length=50)
    capacity: Count | None = None
    new_per_day: Count | None = None
    acceptance_working_days: int | None = Field(None, ge=1, le=30)
    data_view: Code | None = None
    opt_in_required: bool = False
    licence: Licence | None = None
    contact: Contact | None = None
    notes: str = Field("", max_length=1000)
    standing_acceptance: bool = False
    paused: bool = False
    leave: tuple[Leave, ...] = Field((), max_length=50)


class KeyHash(Shape):
    """An API key that is valid: its name, what it may do, and the SHA-256 of the key in hexadecimal."""

    key_id: Code
    hash: str = Field(pattern=r"^[0-9a-f]{64}$")
    scopes: tuple[Code, ...] = ()
    issued_at: AwareDatetime


class OrganisationChanged(OrganisationProfile, Record):
    """The record of `routing.organisation.v1`: profile and live keys; a key that is not here is revoked."""

    TYPE: ClassVar[str] = "organisation.changed"
    TOPIC: ClassVar[str] = "routing.organisation.v1"

    district: District
    version: Count
    keys: tuple[KeyHash, ...] = ()


class AreaProfile(Shape):
    """A place of the tree. `aliases` are the words of an address that point to it, `*_slot` posts, not
    people."""

    code: Area
    zh: Name
    kind: Literal["community", "village"] | None = None
    aliases: tuple[Name, ...] = Field((), max_length=100)
    households: Count | None = None
    public_phone: Words | None = None
    duty_slot: Code | None = None
    lead_slot: Code | None = None
    leader_slot: Code | None = None
    worker_slot: Code | None = None


class AreaChanged(AreaProfile, Record):
    """The record of `routing.area.v1`; intake resolves addresses from it."""

    TYPE: ClassVar[str] = "area.changed"
    TOPIC: ClassVar[str] = "routing.area.v1"

    district: District
    level: Code
    parent: Area | None
    version: Count
