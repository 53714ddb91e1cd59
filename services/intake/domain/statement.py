"""What comes in at the doors, with the limit of every field. Only channel and narrative are asked for: what
is missing is a task for triage, never a reason not to register (XF22 arts 22, 44(1)).

Types are taken at their word (no number for a text or a date, no text for a number), and models are closed:
an unknown field is an error, not a loss.
"""

from collections.abc import Container, Iterator, Mapping
from datetime import date, datetime
from typing import Annotated, Any, Final, Literal
from uuid import UUID

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StrictBool,
    StrictInt,
    StringConstraints,
)
from pydantic_core import PydanticCustomError

from libs.clocks.calendar import LOCAL
from libs.events.base import Area
from libs.web.dates import credible, iso
from libs.web.errors import FieldError, Invalid
from services.intake.domain.case import STATES
from services.intake.domain.reference import Reference
from services.intake.domain.text import Unprintable, clean, is_blank

Channel = Literal["phone", "web", "visit", "letter", "sms", "grid", "import", "api"]

EARLIEST = 1900
"""The year before which no date lies that a living person tells of."""


def _cleaned(text: object) -> object:
    try:
        return clean(text) if isinstance(text, str) else text
    except Unprintable:
        raise PydanticCustomError("unprintable", "control characters are not accepted") from None


CLEANED: Final = BeforeValidator(_cleaned)
"""Before its length is looked at, which composing may add to."""


def _seen(text: str) -> str:
    if is_blank(text):
        raise PydanticCustomError("string_too_short", "nothing is to be seen in it", {"min_length": 1})
    return text


def _text(most: int, least: int = 0) -> StringConstraints:
    return StringConstraints(strip_whitespace=True, min_length=least, max_length=most)


Code = Annotated[str, _text(64, 1), CLEANED]
Line = Annotated[str, _text(200), CLEANED]
Paragraph = Annotated[str, _text(2_000), CLEANED]
Narrative = Annotated[str, _text(20_000, 1), CLEANED, AfterValidator(_seen)]
Reason = Annotated[str, _text(2_000, 1), CLEANED, AfterValidator(_seen)]
Language = Annotated[str, Field(pattern=r"^[A-Za-z]{2,3}(-[A-Za-z0-9]{1,8}){0,4}$")]
"""A BCP 47 tag, not a closed list: who speaks what no organisation offers is registered too."""
Day = Annotated[date, iso("date_type"), credible(EARLIEST)]
Instant = Annotated[AwareDatetime, iso("datetime_type"), credible(EARLIEST)]
Phone = Annotated[str, _text(40), CLEANED]
Headcount = Annotated[StrictInt, Field(ge=1, le=1_000_000)]
Lack = Literal["kind", "grid", "decision", "identity", "quarantine"]
"""What a case at triage waits for."""


class Said(BaseModel):
    """The base of all input. Faults are told without the value that caused them."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


class Place(Said):
    """Where the matter lies; `grid` only where the operator is sure."""

    address: Line | None = None
    grid: Code | None = None


class Guardian(Said):
    """Who applies for a minor or a person without full capacity (CC arts 19-23)."""

    name: Line
    phone: Phone | None = None


class Applicant(Said):
    """Who asks. `ethnic_support` is asked for, never inferred from a name."""

    name: Line | None = None
    phone: Phone | None = None
    phone_verified: StrictBool | None = None
    id_number: Line | None = None
    anonymous: StrictBool = False
    language: Language | None = None
    language_help: StrictBool | None = None
    ethnic_support: StrictBool | None = None
    safe_contact: StrictBool = True
    guardian: Guardian | None = None
    birth_date: Day | None = None


class Respondent(Said):
    """The other side, as far as known."""

    name: Line | None = None
    phone: Phone | None = None
    organisation: StrictBool = False


class Representative(Said):
    """Who speaks for a group, and what for (XF22 art 20)."""

    name: Line
    phone: Phone | None = None
    authority: Line | None = None


class Consents(Said):
    """What the person agreed to; silence is no consent (PIPL arts 14, 23)."""

    share_with_partner: StrictBool = False
    sms: StrictBool = False


class Ruling(Said):
    """What intake decides of a matter: in the act of registering, or later."""

    action: Literal["accept", "refuse", "forward", "merge", "withdraw"]
    reason_code: Code | None = None
    reason_text: Paragraph | None = None
    directed_to: Code | None = None
    lawful_route: Code | None = None
    into: UUID | None = None


class Matter(Said):
    """What is told of a matter, at first or when it is amended."""

    happened_on: Day | None = None
    kind: Code | None = None
    category: Code | None = None
    topic: Code | None = None
    place: Place = Place()
    applicant: Applicant = Applicant()
    respondents: Annotated[tuple[Respondent, ...], Field(max_length=20)] = ()
    headcount: Headcount = 1
    representatives: Annotated[tuple[Representative, ...], Field(max_length=50)] = ()
    amount_fen: Annotated[StrictInt, Field(ge=0, le=10**15)] | None = None
    complained_about_org: Code | None = None
    chosen_target: Code | None = None
    mode: Code | None = None
    consents: Consents = Consents()


class Statement(Matter):
    """The body of `POST /v1/cases`."""

    channel: Channel
    narrative: Narrative
    district: Annotated[str, Field(pattern=r"^[0-9]{6}$")] | None = None
    external_ref: Code | None = None
    received_at: Instant | None = None
    flags: Annotated[tuple[Code, ...], Field(max_length=20)] = ()
    facts: Annotated[dict[Code, Day], Field(max_length=40)] = Field(default_factory=dict)
    decision: Ruling | None = None


class ChildStatement(Matter):
    """The body of `POST …/children`: the child's kind, and what differs from its parent."""

    kind: Code
    channel: Channel = "phone"
    narrative: Narrative = "."
    flags: Annotated[tuple[Code, ...], Field(max_length=20)] = ()
    facts: Annotated[dict[Code, Day], Field(max_length=40)] = Field(default_factory=dict)
    decision: Ruling | None = None


class Amendment(Matter):
    """The body of `PATCH …`: what changes, and why. What is left out stays; null takes a fact out."""

    reason: Reason
    narrative: Narrative = "."
    facts: Annotated[dict[Code, Day | None], Field(max_length=40)] = Field(default_factory=dict)


class FlagChange(Said):
    """The body of `POST …/flags`."""

    add: Annotated[tuple[Code, ...], Field(max_length=20)] = ()
    remove: Annotated[tuple[Code, ...], Field(max_length=20)] = ()
    reason: Paragraph | None = None


class Reminder(Said):
    """The body of `POST …/reminders` (催办)."""

    new_facts: StrictBool = False
    text: Paragraph | None = None


class Relation(Said):
    """The body of `POST …/related`: another case, and whether it belongs to this one."""

    case_id: UUID
    related: StrictBool = True


class Release(Said):
    """The body of `POST …/release`: why a person lets a case go to routing that a flag held back."""

    reason: Reason


class Duty(Said):
    """The body of `POST …/duties`: an act that one of intake's clocks waits for was done."""

    rule: Code
    done_at: Instant | None = None
    text: Paragraph | None = None


class Objection(Said):
    """The body of `POST …/objection`: why a body sends back what was forwarded to it, and when it said so."""

    reason: Reason
    objected_at: Instant | None = None


class Reveal(Said):
    """The body of `POST …/reveal`: what the personal data is needed for."""

    purpose: Annotated[str, _text(200, 2), CLEANED]


class Erasure(Said):
    """The body of `POST …/erasure`: why the personal data goes (PIPL art 47), as a code of reasons.json."""

    reason_code: Code


class Removal(Said):
    """The body of `POST …/removal`: why a file is taken out, as a code of reasons.json."""

    reason_code: Code


class HoldChange(Said):
    """The body of `POST …/holds`: reasons to keep a case (reasons.json, `held`) that come and go."""

    add: Annotated[tuple[Code, ...], Field(max_length=20)] = ()
    remove: Annotated[tuple[Code, ...], Field(max_length=20)] = ()
    reason: Paragraph | None = None


class PersonFile(Said):
    """The body of `POST /v1/persons/file`: the applicant's present number, and what the file is for."""

    phone: Annotated[str, _text(40, 4), CLEANED]
    purpose: Annotated[str, _text(200, 2), CLEANED]


class Draft(Said):
    """The body of `POST /v1/suggestions`: what was said so far; nothing of it is kept."""

    narrative: Narrative
    address: Line | None = None
    phone: Phone | None = None
    headcount: Headcount = 1
    category: Code | None = None
    respondents: Annotated[tuple[Respondent, ...], Field(max_length=20)] = ()


class Criteria(Said):
    """Which cases are looked for: personal data never stands in a URL (G21)."""

    q: Annotated[str, _text(100, 1), CLEANED] | None = None
    phone: Annotated[str, _text(40, 4), CLEANED] | None = None
    state: Code | None = None
    kind: Code | None = None
    category: Code | None = None
    area: Area | None = None
    flag: Code | None = None
    query_code: Code | None = None
    needs: Lack | None = None
    registered_from: Day | None = None
    registered_to: Day | None = None


class Search(Criteria):
    """The body of `POST /v1/cases/search`."""

    limit: Annotated[StrictInt, Field(ge=1, le=100)] = 50
    after: Annotated[str, Field(max_length=512)] | None = None


class Export(Criteria):
    """The body of `POST /v1/cases/export`."""

    format: Literal["csv", "xlsx"] = "csv"


ChannelName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9]*(-[a-z][a-z0-9]*)*$", max_length=32)]
"""A portal's name: words with hyphens between, none of them a number, since it stands in the audit log."""


class KeyWanted(Said):
    """The body of `POST /v1/channels/{name}/keys`."""

    scopes: Annotated[tuple[Code, ...], Field(max_length=20)] = ()
    district: Annotated[str, Field(pattern=r"^[0-9]{6}$")] | None = None
    expires_at: Instant | None = None


def check(said: Statement, known: Reference, now: datetime) -> None:
    """Every code is one of `data/`, and nothing that is told happened later than `now`.

    Raises Invalid with all faults. The ruling is checked where it is decided.
    """
    if faults := [*_unknown(said, known), *_future(said, now)]:
        raise Invalid(errors=faults)


def check_days(first: date | None, last: date | None, at: str = "") -> None:
    """A range of days has an end that does not come before its beginning; Invalid. `at`: where it stands."""
    if first is not None and last is not None and last < first:
        raise Invalid(errors=[FieldError(f"{at}/registered_to", "ends_before_it_begins")])


def check_codes(criteria: Mapping[str, Any], known: Reference, at: str = "") -> None:
    """Every code that a list is asked by is in use: a slip would look as if there were no cases. Raises
    Invalid with all that are not; `at`: where they stand."""
    in_use: Mapping[str, Container[str]] = {
        "state": STATES,
        "kind": known.kinds,
        "category": known.categories,
        "flag": known.flags.by_code,
    }
    asked = {name: code for name in in_use if (code := criteria.get(name)) is not None}
    if unknown := [name for name, code in asked.items() if code not in in_use[name]]:
        raise Invalid(errors=[FieldError(f"{at}/{name}", "unknown_code") for name in unknown])


def ruling_faults(ruling: Ruling, known: Reference, at: str = "") -> Iterator[FieldError]:
    """The codes of a ruling that nobody knows; `at` is the pointer of the ruling."""
    if ruling.reason_code is not None and ruling.reason_code not in known.reasons:
        yield FieldError(f"{at}/reason_code", "unknown_code")
    if ruling.directed_to is not None and ruling.directed_to not in known.bodies:
        yield FieldError(f"{at}/directed_to", "unknown_code")
    if ruling.lawful_route is not None and ruling.lawful_route not in known.lawful_routes:
        yield FieldError(f"{at}/lawful_route", "unknown_code")


def flag_faults(flags: tuple[str, ...], known: Reference, at: str) -> Iterator[FieldError]:
    """The flags that nobody knows; `at` is the pointer of their list."""
    for nth, flag in enumerate(flags):
        if flag not in known.flags.by_code:
            yield FieldError(f"{at}/{nth}", "unknown_code")


def _unknown(said: Statement, known: Reference) -> Iterator[FieldError]:
    category = known.categories.get(said.category or "")
    looked_up: Mapping[str, tuple[str | None, Container[str]]] = {
        "kind": (said.kind, known.kinds),
        "category": (said.category, known.categories),
        "topic": (said.topic, category.topics if category else ()),
        "chosen_target": (said.chosen_target, known.organisation_types),
        "complained_about_org": (said.complained_about_org, known.bodies),
        "mode": (said.mode, known.modes),
    }
    for name, (code, codes) in looked_up.items():
        if code is not None and code not in codes:
            yield FieldError(f"/{name}", "unknown_code")
    yield from flag_faults(said.flags, known, "/flags")
    if category is not None and category.tag_only:
        yield FieldError("/category", "tag_only")
    if not said.facts.keys() <= known.rules.dated_facts:
        yield FieldError("/facts", "unknown_code")


def _future(said: Statement, now: datetime) -> Iterator[FieldError]:
    today = now.astimezone(LOCAL).date()
    if said.received_at is not None and said.received_at > now:
        yield FieldError("/received_at", "in_future")
    dates = {"/happened_on": said.happened_on, "/applicant/birth_date": said.applicant.birth_date}
    dates |= {f"/facts/{event}": day for event, day in said.facts.items()}
    yield from (FieldError(at, "in_future") for at, day in dates.items() if day is not None and day > today)
