"""The case as intake keeps it, who may see it, and how it is told to the other services and at the door.

The codes that other services decide by are one object, `CaseFacts`, from the first event to the last column:
there is no second copy of them to drift. What a person said is sealed and never loaded with the case.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final, Literal, get_args
from uuid import UUID

from libs.clocks.calendar import instant
from libs.db.work import Actor, Audit
from libs.events.base import CaseFacts, DueDate
from libs.messaging.deadline import Deadline, next_due, open_dates
from libs.web.errors import Forbidden, NotFound
from services.intake.domain.attachment import Attachment
from services.intake.domain.flags import FlagRules

Stage = Literal["registered", "accepted", "refused", "forwarded", "merged", "withdrawn", "erased"]

CLOSED: Final = "closed"
STATES: Final = frozenset({*get_args(Stage), CLOSED})
"""What `Case.state` may be."""
FINISHED: Final[frozenset[Stage]] = frozenset({"refused", "forwarded", "merged", "withdrawn"})
"""Stages in which nobody here works on the matter; an accepted one is finished when mediation closed it."""

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)

SEALED_KIND: Final = "REP"
"""An accusation (检举控告): only the sealed officer reads it, never a social organisation (XF22 art 30)."""

REGISTRARS: Final = frozenset({"operator", "dispatcher", "supervisor", "duty_officer"})
DISPATCHERS: Final = frozenset({"dispatcher", "supervisor", "duty_officer"})
SUPERVISORS: Final = frozenset({"supervisor", "duty_officer"})
SEALED_OFFICERS: Final = frozenset({"sealed_officer"})
AUDITORS: Final = frozenset({"auditor"})


@dataclass(frozen=True, slots=True)
class Warning:
    """Something that a person should look at: a code, where it comes from, and the flag it is about."""

    code: str
    pointer: str
    flag: str | None = None

    def as_json(self) -> dict[str, str]:
        """Without what is not there."""
        told = {"code": self.code, "pointer": self.pointer}
        return told if self.flag is None else {**told, "flag": self.flag}


@dataclass(frozen=True, slots=True)
class PhoneTrace:
    """By what a case is found when its applicant calls again: keyed hashes, never the number."""

    whole: bytes
    last_four: bytes


@dataclass(frozen=True, slots=True)
class Sealed:
    """What the citizen said, encrypted with the case's own data key; that key is wrapped by version
    `key_version` of the service's."""

    key_version: int
    data_key: bytes
    applicant: bytes
    story: bytes
    phone: PhoneTrace | None = None
    tokens: tuple[int, ...] = ()
    """Hashes of the words that the narrative is found by."""
    respondents: tuple[bytes, ...] = ()
    """Hashes of the respondents' names."""


@dataclass(frozen=True, slots=True)
class Note:
    """A free text that an act left, encrypted with the case's data key."""

    note_id: UUID
    act: str
    at: datetime
    by: str
    text: bytes


@dataclass(frozen=True, slots=True)
class Origin:
    """The caller's own number of a matter, unique per credential until the case is erased; a portal's keys
    count as one."""

    credential: str
    external_ref: str


@dataclass(frozen=True, slots=True)
class Child:
    """A case that was opened under this one."""

    case_id: UUID
    kind: str
    query_code: str

    def as_json(self) -> dict[str, str]:
        """As it is kept and told."""
        return {"case_id": str(self.case_id), "kind": self.kind, "query_code": self.query_code}


@dataclass(frozen=True, slots=True)
class Consent:
    """A consent that was given or taken back: whose word it is stands in the case, `by` is who entered it.

    `wording` is the version of the words that were read out (`data/consents.json`).
    """

    code: str
    given: bool
    at: datetime
    by: str
    wording: str

    def as_json(self) -> dict[str, Any]:
        """As it is kept and told."""
        return {**asdict(self), "at": instant(self.at)}


@dataclass(frozen=True, slots=True)
class Case:
    """One matter. `sealed` and `notes` hold what the present decision adds; loading leaves them empty.

    `closed_at` is mediation's word, of which intake keeps a copy: it is never written with the case. `portal`
    is the one that registered it, None where staff did. `ended_at` is when a ruling ended the matter here.
    """

    case_id: UUID
    district: str
    stage: Stage
    facts: CaseFacts
    said_urgency: str
    deadlines: Mapping[str, Deadline] = field(default_factory=dict)
    reminders: int = 0
    reason_code: str | None = None
    directed_to: str | None = None
    merged_into: UUID | None = None
    happened_on: date | None = None
    warnings: tuple[Warning, ...] = ()
    twins: tuple[UUID, ...] = ()
    children: tuple[Child, ...] = ()
    related: tuple[UUID, ...] = ()
    consents: tuple[Consent, ...] = ()
    holds: tuple[str, ...] = ()
    ended_at: datetime | None = None
    closed_at: datetime | None = None
    origin: Origin | None = None
    portal: str | None = None
    attachments: tuple[Attachment, ...] = ()
    sealed: Sealed | None = None
    notes: tuple[Note, ...] = ()

    @property
    def secret(self) -> bool:
        """Whether the case is an accusation, which hardly anybody may know of."""
        return self.facts.kind == SEALED_KIND

    @property
    def closed(self) -> bool:
        """Whether mediation has closed it."""
        return self.closed_at is not None

    @property
    def end(self) -> datetime | None:
        """When the last who worked on it was done."""
        return self.closed_at or self.ended_at

    @property
    def state(self) -> str:
        """Where it stands, as a refusal tells it: closed where mediation has closed it."""
        return CLOSED if self.closed else self.stage

    def with_facts(self, **changes: Any) -> "Case":
        """The case with some of its codes changed."""
        return replace(self, facts=self.facts.model_copy(update=changes))

    def noted(self, note: Note | None) -> "Case":
        """The case with one more free text to keep, beside those of acts decided in the same batch."""
        return self if note is None else replace(self, notes=(*self.notes, note))

    def told_facts(self) -> CaseFacts:
        """The facts as events carry them: of an accusation its kind alone (G14)."""
        if not self.secret:
            return self.facts
        return CaseFacts(
            channel="sealed",
            kind=self.facts.kind,
            track=self.facts.track,
            category=None,
            grid=None,
            urgency="BLUE",
            query_code="",
            received_at=self.facts.registered_at,
            registered_at=self.facts.registered_at,
            accepted_at=self.facts.accepted_at,
            real_name=False,
            anonymous=True,
            share_with_partner=False,
            sms_consent=False,
        )

    def told_deadlines(self) -> tuple[DueDate, ...]:
        """The open deadlines as events carry them (G18); an accusation's would tell its urgency."""
        return () if self.secret else open_dates(self.deadlines)


def visible(case: Case | None, actor: Actor, roles: frozenset[str] = REGISTRARS) -> Case:
    """The case, if this portal, or a person in one of these roles, may know of it; else `NotFound`, the same
    as if there were none."""
    if case is None or case.district not in actor.districts or case.stage == "erased":
        raise NotFound
    if actor.portal is not None:
        known = case.portal == actor.portal and not case.secret
    else:
        known = allowed(actor, roles, case)
    if not known:
        raise NotFound
    return case


def allowed(actor: Actor, roles: frozenset[str], case: Case | None = None) -> bool:
    """Whether the act is for these roles; on an accusation the sealed officer does it all."""
    wanted = SEALED_OFFICERS if case is not None and case.secret else roles
    return not actor.roles.isdisjoint(wanted)


def require(actor: Actor, roles: frozenset[str], case: Case | None = None) -> None:
    """Let the act pass for whom it is `allowed`, else Forbidden."""
    if not allowed(actor, roles, case):
        raise Forbidden


def readers(case: Case, rules: FlagRules, usual: frozenset[str] = DISPATCHERS) -> frozenset[str]:
    """Whose it is to see the applicant named and what nobody has masked: the `usual` roles, of who decides;
    where secrecy was asked for, supervisors alone. For `require`."""
    return SUPERVISORS if rules.hide_contact(case.facts.flags) else usual


def header(case: Case) -> dict[str, Any]:
    """The fields that every event of intake begins with."""
    return {"case_id": case.case_id, "district": case.district, "deadlines": case.told_deadlines()}


def audited(act: str, case: Case, **codes: object) -> tuple[Audit, ...]:
    """The audit entry of an act on this case; codes only, since it can never be erased (G25)."""
    return (Audit(act, {name: code for name, code in codes.items() if code is not None}, case.case_id),)


def answer(case: Case, version: int) -> dict[str, Any]:
    """The case as the door answers it (interfaces.md 3): codes and dates only, so it may be stored."""
    due = next_due(case.deadlines)
    facts = case.facts
    return {
        "case_id": str(case.case_id),
        "district": case.district,
        "query_code": facts.query_code,
        "kind": facts.kind,
        "track": facts.track,
        "category": facts.category,
        "grid": facts.grid,
        "flags": list(facts.flags),
        "urgency": facts.urgency,
        "state": case.stage,
        "version": version,
        "registered_at": instant(facts.registered_at),
        "due": {"rule": due.rule, "due_at": instant(due.due_at)} if due else None,
        "parent": str(facts.parent) if facts.parent else None,
        "children": [child.as_json() for child in case.children],
        "possible_duplicates": [str(twin) for twin in case.twins],
        "warnings": [warning.as_json() for warning in case.warnings],
    }


def first_id(at: datetime, later: timedelta = timedelta()) -> UUID:
    """The lowest id of the millisecond that lies `later` than an instant: ids are UUIDv7 (RFC 9562, 5.7)."""
    milliseconds = ((at - _EPOCH) + later) // timedelta(milliseconds=1)
    return UUID(int=max(0, milliseconds) << 80)


def dated_id(at: datetime, fresh: UUID) -> UUID:
    """An id (UUIDv7) with this instant in it, made of a fresh one: by their ids the cases of a day are found,
    also those that an import takes long after its file came. Those of one instant are in the order of the
    fresh ones, as long as these were made within an hour."""
    made = fresh.int >> 80 << 74 | (fresh.int >> 64 & 0xFFF) << 62 | fresh.int & (1 << 62) - 1
    order = made >> 22 & (1 << 74) - 1  # 22 bits of milliseconds, 42 of a counter, 10 by chance
    return UUID(int=first_id(at).int | 7 << 76 | order >> 62 << 64 | 2 << 62 | order & (1 << 62) - 1)


def detail(case: Case) -> dict[str, Any]:
    """The rest of the codes of a case, for those who read it at the door."""
    facts = case.facts
    return {
        "channel": facts.channel,
        "topic": facts.topic,
        "received_at": instant(facts.received_at),
        "accepted_at": instant(facts.accepted_at) if facts.accepted_at else None,
        "happened_on": case.happened_on.isoformat() if case.happened_on else None,
        "headcount": facts.headcount,
        "amount_fen": facts.amount_fen,
        "real_name": facts.real_name,
        "anonymous": facts.anonymous,
        "consents": {"share_with_partner": facts.share_with_partner, "sms": facts.sms_consent},
        "related": [str(one) for one in case.related],
        "consent_history": [consent.as_json() for consent in case.consents],
        "holds": list(case.holds),
        "ended_at": instant(case.end) if case.end else None,
        "complained_about_org": facts.complained_about_org,
        "chosen_target": facts.chosen_target,
        "facts": {event: day.isoformat() for event, day in facts.facts.items()},
        "released": facts.released,
        "reminders": case.reminders,
        "attachments": sum(file.kept for file in case.attachments),
        "lawful_route": facts.lawful_route,
        "reason_code": case.reason_code,
        "directed_to": case.directed_to,
        "merged_into": str(case.merged_into) if case.merged_into else None,
    }
