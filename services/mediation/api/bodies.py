"""What comes in, with the limit of every field; each body becomes the command of its rule.

Types are taken at their word (no number for a text or a date), models are closed, and words are sealed on
the way (`Sealer`).
"""

from datetime import date
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import (
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    StrictBool,
    StrictInt,
    StringConstraints,
)

from libs.events.mediation import Means, Party
from libs.web.dates import credible, iso
from services.mediation.domain import agreement, closing, consents, offers, petition, sessions
from services.mediation.handlers.sealing import Sealer

EARLIEST = 2000
"""The year before which nothing happened that is handled here."""


def _text(most: int) -> StringConstraints:
    return StringConstraints(strip_whitespace=True, min_length=1, max_length=most)


Code = Annotated[str, Field(pattern=r"^[A-Z][A-Z0-9_]{0,39}$")]
"""Of `reasons.json` or `kinds.json`; whether it is there, the rule says."""
Word = Annotated[str, Field(pattern=r"^[a-z][a-z_-]{0,31}$")]
"""A plain word such as `phone` or `no_answer`: no name and no number of a person fits in."""
OrgId = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.:-]{0,63}$")]
Line = Annotated[str, _text(200)]
Paragraph = Annotated[str, _text(2_000)]
Record = Annotated[str, _text(20_000)]
Day = Annotated[date, iso("date_type"), credible(EARLIEST)]
Moment = Annotated[AwareDatetime, iso("datetime_type")]
Instant = Annotated[Moment, credible(EARLIEST)]
Mode = Literal["clinic", "call-out", "house-call", "phone", "online"]


class Body(BaseModel):
    """The base of all bodies. Faults are told without the value that caused them."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    def command(self, seal: Sealer) -> Any:
        """The command of the rule that handles this body."""
        raise TypeError(type(self).__name__)


class TakeUp(Body):
    """The organisation takes the case."""

    handler: Line
    first_contact_by: Day | None = None

    def command(self, seal: Sealer) -> offers.TakeUp:
        """See `offers.take_up`."""
        return offers.TakeUp(seal(self.handler), self.first_contact_by)


class Return(Body):
    """The organisation gives the offer back."""

    reason_code: Code
    reason_text: Paragraph | None = None
    proposed_org: OrgId | None = None

    def command(self, seal: Sealer) -> offers.Return:
        """See `offers.give_back`."""
        return offers.Return(self.reason_code, seal(self.reason_text), self.proposed_org)


class HandBack(Body):
    """The organisation gives a case up."""

    reason_code: Code
    reason_text: Paragraph | None = None

    def command(self, seal: Sealer) -> offers.HandBack:
        """See `offers.hand_back`."""
        return offers.HandBack(self.reason_code, seal(self.reason_text))


class ContactAttempt(Body):
    """The organisation tried to reach a party; the outcome `reached` counts as contact."""

    party: Party
    channel: Word
    at: Instant
    outcome: Word

    def command(self, seal: Sealer) -> consents.ContactAttempt:
        """See `consents.contact`."""
        return consents.ContactAttempt(self.party, self.channel, self.at, self.outcome)


class Consent(Body):
    """A party said whether it takes part."""

    party: Party
    decision: Literal["agrees", "refuses"]
    evidence: Paragraph | None = None
    at: Instant

    def command(self, seal: Sealer) -> consents.Consent:
        """See `consents.consent`."""
        return consents.Consent(self.party, self.decision, self.at, seal(self.evidence))


class Mediator(Body):
    """Who mediates, after disclosing kinship and interest; nothing to disclose is said too."""

    name: Line
    disclosure: Paragraph
    chosen_by: Word

    def command(self, seal: Sealer) -> consents.Mediator:
        """See `consents.appoint`."""
        return consents.Mediator(seal.must(self.name), seal.must(self.disclosure), self.chosen_by)


class Session(Body):
    """A session is set."""

    starts_at: Instant
    place: Line | None = None
    mode: Mode
    parties: tuple[Party, ...] = Field(min_length=1, max_length=2)

    def command(self, seal: Sealer) -> sessions.Schedule:
        """See `sessions.schedule`."""
        parties = tuple(dict.fromkeys(self.parties))
        return sessions.Schedule(self.starts_at, self.mode, parties, seal(self.place))


class SessionOutcome(Body):
    """What became of a session. `next`: an instant sets the next session, words say what else follows.

    A text that reads as an instant is one, credible or not; without the order of the union, words would win.
    """

    held: StrictBool
    record: Record | None = None
    next: Annotated[Moment | Line | None, Field(union_mode="left_to_right"), credible(EARLIEST)] = None

    def of(self, session_id: UUID) -> "SessionOutcomeOf":
        """The same, of the session that the address names."""
        return SessionOutcomeOf.model_construct(session_id=session_id, **dict(self))


class SessionOutcomeOf(SessionOutcome):
    """An outcome with its session."""

    session_id: UUID

    def command(self, seal: Sealer) -> sessions.SessionOutcome:
        """See `sessions.outcome`."""
        words = self.next if isinstance(self.next, str) else None
        return sessions.SessionOutcome(
            self.session_id,
            self.held,
            seal(self.record),
            None if isinstance(self.next, str) else self.next,
            seal(words),
        )


class Owed(Body):
    """One thing that a side promises."""

    what: Paragraph
    due_on: Day | None = None


class Agreement(Body):
    """The parties agreed."""

    form: Literal["written", "oral"]
    partial: StrictBool = False
    terms: Record
    performance: tuple[Owed, ...] = Field((), max_length=50)
    effective_on: Day
    means: tuple[Means, ...] = Field((), max_length=3)

    def command(self, seal: Sealer) -> agreement.Agree:
        """See `agreement.agree`."""
        return agreement.Agree(
            form=self.form,
            partial=self.partial,
            terms=seal.must(self.terms),
            effective_on=self.effective_on,
            performance=[agreement.Owed(seal.must(owed.what), owed.due_on) for owed in self.performance],
            means=tuple(dict.fromkeys(self.means)),
        )


class Performance(Body):
    """What became of an item; items are numbered from 1."""

    item: StrictInt
    done: StrictBool
    on: Day

    def command(self, seal: Sealer) -> agreement.Performed:
        """See `agreement.perform`."""
        return agreement.Performed(self.item, self.done, self.on)


class End(Body):
    """The mediation ends without agreement."""

    reason_code: Code
    routes_told: tuple[Code, ...] = Field(max_length=6)

    def command(self, seal: Sealer) -> closing.End:
        """See `closing.end`."""
        return closing.End(self.reason_code, tuple(dict.fromkeys(self.routes_told)))


class Extend(Body):
    """Both parties prolong the term."""

    until: Day
    both_agree: StrictBool
    reason: Paragraph | None = None

    def command(self, seal: Sealer) -> closing.Extend:
        """See `closing.extend`."""
        return closing.Extend(self.until, self.both_agree, seal(self.reason))


class Reply(Body):
    """A petition is answered; `issued_on` is the day of the answer, today where it is left out."""

    form: Literal["written", "oral"]
    content: Record
    legal_basis: Paragraph | None = None
    issued_on: Day | None = None

    def command(self, seal: Sealer) -> petition.Reply:
        """See `petition.reply`."""
        written = self.form == "written"
        return petition.Reply(written, seal.must(self.content), seal(self.legal_basis), self.issued_on)


class Close(Body):
    """The case is closed."""

    result: Code
    summary: Record | None = None

    def command(self, seal: Sealer) -> closing.Close:
        """See `closing.close`."""
        return closing.Close(self.result, seal(self.summary))
