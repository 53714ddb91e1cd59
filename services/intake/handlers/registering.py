"""`POST /v1/cases` and `…/children`: everything that costs time happens before the queue (G4)."""

from collections.abc import Container, Mapping
from random import Random
from typing import Any, Final
from uuid import UUID

from libs.db.work import Actor, Moment, Outcome, UseCase, Work
from libs.web.errors import Busy, FieldError, Forbidden, Invalid, NotFound
from services.intake.domain.case import SEALED_KIND, Case, Origin, Sealed, dated_id, visible
from services.intake.domain.children import (
    ParentChanged,
    RegisterChild,
    judged_as_child,
    register_child,
    require_child_kind,
    statement_of_child,
)
from services.intake.domain.people import Personal, personal
from services.intake.domain.places import Places
from services.intake.domain.portal import check_portal, credential
from services.intake.domain.registration import Judgement, Neighbours, Register, judge
from services.intake.domain.registration import register as decide
from services.intake.domain.statement import ChildStatement, KeyWanted, Statement, check
from services.intake.handlers.acting import ruled
from services.intake.handlers.desk import Asked, Desk, work
from services.intake.handlers.sealing import note

REGISTER: Final = UseCase("register", decide)
OPEN_CHILD: Final = UseCase("open_child", register_child)

REJUDGED: Final = 3
"""How often a child is judged again when its parent changed meanwhile."""

CODE_ALPHABET: Final = "23456789ABCDEFGHJKMNPQRSTUVWXYZ"
"""Without the signs that people take for one another; a code is read out on the phone."""
CODE_LENGTH, CODE_TRIES = 8, 3


async def register(desk: Desk, said: Statement, asked: Asked) -> Outcome:
    """Check, judge and seal a statement, and register it. Raises the typed refusals of each step."""
    return await ruled(desk, registration(desk, said, asked, await desk.places.current()))


def registration(
    desk: Desk, said: Statement, asked: Asked, places: Mapping[str, Places]
) -> Work[Case, Register]:
    """The command that registers a statement, once it is checked, judged and sealed; raises as `register`."""
    district = district_of(said, asked.actor, places)
    check_portal(said, asked.actor)
    check(said, desk.known, asked.at)
    told = personal(said)
    judgement = judge(said, told.phone, desk.known, places[district], asked.at)
    command = Register(**sealed(desk, said, told, judgement, district, asked))
    also = (said.decision.into,) if said.decision and said.decision.into else ()
    return work(REGISTER, command.case_id, command, asked, district=district, also=also)


def rehearse(desk: Desk, said: Statement, asked: Asked, places: Mapping[str, Places]) -> None:
    """Raise what `registration` and its decision would, as far as that does not hang on other cases."""
    district = district_of(said, asked.actor, places)
    check(said, desk.known, asked.at)
    if said.decision is None or said.decision.action == "merge":
        return
    judgement = judge(said, None, desk.known, places[district], asked.at)
    command = Register(
        known=desk.known,
        case_id=desk.new_id(),
        district=district,
        judgement=judgement,
        query_codes=(CODE_ALPHABET[:CODE_LENGTH],),
        happened_on=said.happened_on,
        origin=None,
        portal=None,
        sealed=Sealed(0, b"", b"", b""),
        dossier=None,
        ruling=said.decision,
        note=None,
    )
    decide(None, command, Moment(asked.at, asked.actor, 0, desk.new_id, shared=Neighbours()))


async def open_child(desk: Desk, parent_id: UUID, body: ChildStatement, asked: Asked) -> Outcome:
    """Register a child of a case; judged again when the parent's flags change meanwhile."""
    require_child_kind(body.kind, desk.known)
    for _ in range(REJUDGED):
        parent, kept = await desk.views.case(parent_id), await desk.views.kept(parent_id)
        if kept is None:
            raise NotFound
        parent = visible(parent, asked.actor)
        said = statement_of_child(parent, desk.vault.open(kept), body)
        check(said, desk.known, asked.at)
        told = personal(said)
        places = (await desk.places.current())[parent.district]
        judged = judge(said, told.phone, desk.known, places, asked.at)
        judgement = judged_as_child(judged, parent, body, desk.known)
        command = RegisterChild(
            **sealed(desk, said, told, judgement, parent.district, asked),
            parent=parent_id,
            flags_of_parent=parent.facts.flags,
        )
        also = (parent_id, *filter(None, [said.decision.into if said.decision else None]))
        try:
            return await ruled(
                desk, work(OPEN_CHILD, command.case_id, command, asked, district=parent.district, also=also)
            )
        except ParentChanged:
            continue
    raise Busy(retry_after=1)


def sealed(
    desk: Desk, said: Statement, told: Personal, judgement: Judgement, district: str, asked: Asked
) -> dict[str, Any]:
    """The fields of `Register`: a new id and key, what was said sealed under it, and the ruling if any."""
    case_id, key = dated_id(asked.at, desk.new_id()), desk.vault.new_key()
    ruling, known = said.decision, desk.known
    return {
        "known": known,
        "case_id": case_id,
        "district": district,
        "judgement": judgement,
        "query_codes": draw_codes(desk.chance),
        "happened_on": said.happened_on,
        "origin": Origin(credential(asked.actor, district), said.external_ref) if said.external_ref else None,
        "portal": asked.actor.portal,
        "sealed": desk.vault.close(key, case_id, district, told, secret=judgement.facts.kind == SEALED_KIND),
        "dossier": desk.vault.dossier(case_id, district, told, judgement.facts, known.flags)
        if judgement.facts.dossier_version
        else None,
        "ruling": ruling,
        "note": note(key, desk.new_id(), ruling.action, asked.at, asked.actor.label(), ruling.reason_text)
        if ruling and ruling.reason_text
        else None,
    }


def district_of(said: Statement | KeyWanted, actor: Actor, districts: Container[str]) -> str:
    """The district of a new case or key: the one named, else the credential's only one."""
    if said.district is None and len(actor.districts) == 1:
        (district,) = actor.districts
    elif said.district is None:
        raise Invalid(errors=[FieldError("/district", "required", "several_districts")])
    else:
        district = said.district
    if district not in districts:
        raise Invalid(errors=[FieldError("/district", "unknown_code")])
    if district not in actor.districts:
        raise Forbidden
    return district


def draw_codes(chance: Random) -> tuple[str, ...]:
    """Query codes to choose from: the first is taken unless somebody has it already."""
    return tuple(_code(chance.randrange(len(CODE_ALPHABET) ** CODE_LENGTH)) for _ in range(CODE_TRIES))


def _code(number: int) -> str:
    signs = []
    for _ in range(CODE_LENGTH):
        number, place = divmod(number, len(CODE_ALPHABET))
        signs.append(CODE_ALPHABET[place])
    return "".join(signs)
