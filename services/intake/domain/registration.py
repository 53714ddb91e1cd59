"""Registering a matter: always, whatever is missing (XF22 arts 22, 23, 44(1)); a ruling may come with it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from uuid import UUID

from libs.db.work import Decision, Moment, State
from libs.events.base import CaseFacts
from libs.events.intake import CaseRegistered
from libs.privacy.blindindex import Phone
from libs.web.errors import AlreadyExists, Busy, Title
from services.intake.domain.case import (
    REGISTRARS,
    SEALED_KIND,
    SEALED_OFFICERS,
    Case,
    Note,
    Origin,
    Sealed,
    Warning,
    answer,
    audited,
    header,
    require,
)
from services.intake.domain.clocks import with_clocks_of_danger, with_clocks_of_registration
from services.intake.domain.consenting import changed_consents
from services.intake.domain.flags import Judged
from services.intake.domain.people import entered, has_needs, real_name, warnings
from services.intake.domain.places import Places
from services.intake.domain.portal import MOST, answer_to_portal, check_pace
from services.intake.domain.reference import Reference
from services.intake.domain.ruling import Settle, settled
from services.intake.domain.statement import Place, Ruling, Statement

NO_DOSSIER, FIRST_DOSSIER = 0, 1


class AlreadyRegistered(AlreadyExists):
    """The caller registered this number of its own before; `case_id` says as what."""

    CODE, TITLE = "external_ref_taken", Title("该外部编号已登记", "This external number is registered")


@dataclass(frozen=True, slots=True)
class Judgement:
    """What the rules make of a statement before anybody decides: codes for events, and warnings."""

    facts: CaseFacts
    said_urgency: str
    warnings: tuple[Warning, ...]


def judge(said: Statement, phone: Phone | None, known: Reference, places: Places, now: datetime) -> Judgement:
    """Flags, urgency and grid of a statement received `now` (≤ 0.3 ms), with all codes of the case.

    The query code is still empty: who registers draws it. Codes are checked before (`check_codes`).
    """
    received_at = said.received_at or now
    fields = entered(said, received_at)
    judged = known.flags.judge(said.narrative, fields)
    flags = known.flags.sorted({*judged.flags, *said.flags})
    grid, doubts = _placed(said.place, places)
    facts = CaseFacts(
        channel=said.channel,
        kind=said.kind,
        track=known.kinds[said.kind].track if said.kind else None,
        category=said.category,
        topic=said.topic,
        grid=grid,
        flags=flags,
        urgency=known.flags.urgency(judged.said_urgency, flags),
        query_code="",
        received_at=received_at,
        registered_at=now,
        headcount=said.headcount,
        amount_fen=said.amount_fen,
        real_name=real_name(said),
        anonymous=said.applicant.anonymous,
        share_with_partner=said.consents.share_with_partner,
        sms_consent=said.consents.sms,
        complained_about_org=said.complained_about_org,
        chosen_target=said.chosen_target,
        facts=said.facts,
        has_needs=has_needs(said),
        dossier_version=NO_DOSSIER if said.kind == SEALED_KIND else FIRST_DOSSIER,
    )
    told = (*doubts, *_denied(judged), *warnings(said, phone, fields.age, known))
    return Judgement(facts, judged.said_urgency, told)


def _placed(place: Place, places: Places) -> tuple[str | None, tuple[Warning, ...]]:
    """The grid, or why a person must place the matter: never a guess, never a reason not to register."""
    if place.grid is not None:
        if place.grid in places.grids:
            return place.grid, ()
        return None, (Warning("GRID_UNKNOWN", "/place/grid"),)
    grid = places.grid(place.address or "")
    return grid, () if grid or not place.address else (Warning("GRID_UNRESOLVED", "/place/address"),)


def _denied(judged: Judged) -> tuple[Warning, ...]:
    return tuple(Warning("MENTIONED_AND_DENIED", "/narrative", flag) for flag in judged.denied)


@dataclass(frozen=True, slots=True)
class Neighbours:
    """What the decisions of one batch must know of other cases; each adds what it takes itself (G5)."""

    codes: set[str] = field(default_factory=set)
    """Query codes that are taken, of those that the batch would use."""
    origins: dict[Origin, UUID] = field(default_factory=dict)
    twins: Mapping[bytes, tuple[UUID, ...]] = field(default_factory=dict)
    """Open cases by the hash of their applicant's phone."""
    paces: dict[bytes, list[datetime]] = field(default_factory=dict)
    """When the last matters of a portal's applicant were registered, by the same hash, newest first."""


@dataclass(frozen=True, slots=True)
class Register:
    """A statement, judged and sealed before it queues. The query code is the first of `query_codes` that
    nobody has; `dossier_of_first` is that of `Settle`."""

    known: Reference
    case_id: UUID
    district: str
    judgement: Judgement
    query_codes: tuple[str, ...]
    happened_on: date | None
    origin: Origin | None
    portal: str | None
    sealed: Sealed
    dossier: State | None
    ruling: Ruling | None
    note: Note | None
    dossier_of_first: State | None = field(default=None, kw_only=True)


def register(_: Case | None, command: Register, moment: Moment) -> Decision[Case]:
    """A new case with its clocks and its dossier, and the ruling of the same act if there is one.

    Raises AlreadyRegistered for an external number used before, TooManyOfOneNumber for a portal that floods
    one, and whatever the ruling raises: then nothing is registered, and the caller sends the matter again
    without it.
    """
    if moment.actor.portal is None:
        require(moment.actor, REGISTRARS | SEALED_OFFICERS)
    case = new_case(command, moment)
    if (pace := _pace(case, moment.shared)) is not None:
        check_pace(pace, command.known.limits[MOST], moment.now)
    if command.ruling is not None and command.ruling.action == "merge":
        # A repeated matter gets no clocks of its own: those of the first run on (XF22 art 19). Those of its
        # dangers go over to the first.
        case = with_clocks_of_danger(case, command.known)
    else:
        case = with_clocks_of_registration(case, command.known)
    return registered(case, command, moment)


def registered(case: Case, command: Register, moment: Moment) -> Decision[Case]:
    """The decision that makes a new case, its clocks started, with the ruling of the same act."""
    decided = command.ruling.action if command.ruling else None
    told = CaseRegistered(**header(case), case=case.told_facts(), decided=decided)
    act = Decision(case, [told], audit=audited("case.registered", case, kind=case.facts.kind))
    if command.ruling is not None:
        ruling = Settle(command.known, command.ruling, command.note, "/decision", command.dossier_of_first)
        act = _with_ruling(act, ruling, moment)
    _take(moment.shared, case, moment.now)
    act.state = [*act.state, *filter(None, [command.dossier])]
    tell = answer if moment.actor.portal is None else answer_to_portal
    act.reply = tell(act.case or case, moment.version + len(act.events))
    act.status, act.location = 201, f"/v1/cases/{case.case_id}"
    return act


def new_case(command: Register, moment: Moment) -> Case:
    """The case without clocks; raises AlreadyRegistered, and Busy when chance gave taken codes only."""
    neighbours: Neighbours = moment.shared
    if command.origin in neighbours.origins:
        raise AlreadyRegistered(case_id=str(neighbours.origins[command.origin]))
    free = (code for code in command.query_codes if code not in neighbours.codes)
    query_code = next(free, None)
    if query_code is None:
        raise Busy(retry_after=1)
    judgement, phone = command.judgement, command.sealed.phone
    return Case(
        case_id=command.case_id,
        district=command.district,
        stage="registered",
        facts=judgement.facts.model_copy(update={"query_code": query_code}),
        said_urgency=judgement.said_urgency,
        happened_on=command.happened_on,
        warnings=judgement.warnings,
        twins=neighbours.twins.get(phone.whole, ()) if phone else (),
        consents=changed_consents(judgement.facts, None, command.known, moment),
        origin=command.origin,
        portal=command.portal,
        sealed=command.sealed,
    )


def _with_ruling(act: Decision[Case], ruling: Settle, moment: Moment) -> Decision[Case]:
    """The registration with the ruling's change, events and audit behind its own."""
    assert act.case is not None  # noqa: S101 - it was just made
    decision = settled(act.case, ruling, moment)
    decision.events, decision.audit = [*act.events, *decision.events], [*act.audit, *decision.audit]
    return decision


def _pace(case: Case, neighbours: Neighbours) -> list[datetime] | None:
    """When the number's last matters came; None where it does not matter: staff register always."""
    phone = case.sealed.phone if case.sealed else None
    if case.portal is None or phone is None:
        return None
    return neighbours.paces.setdefault(phone.whole, [])


def _take(neighbours: Neighbours, case: Case, now: datetime) -> None:
    """Keep code, external number and pace from those who are decided later in the batch."""
    if (pace := _pace(case, neighbours)) is not None:
        pace.insert(0, now)
    neighbours.codes.add(case.facts.query_code)
    if case.origin is not None:
        neighbours.origins[case.origin] = case.case_id
