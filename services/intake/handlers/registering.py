"""`POST /v1/cases`: everything that costs time happens before the queue (G4)."""

from collections.abc import Container
from random import Random
from typing import Final

from libs.db.work import Actor, Outcome, UseCase
from libs.web.errors import FieldError, Forbidden, Invalid
from services.intake.domain.case import Origin
from services.intake.domain.people import personal
from services.intake.domain.registration import Register, judge
from services.intake.domain.registration import register as decide
from services.intake.domain.statement import Statement, check
from services.intake.handlers.desk import Asked, Desk, work
from services.intake.handlers.sealing import note

REGISTER: Final = UseCase("register", decide)

CODE_ALPHABET: Final = "23456789ABCDEFGHJKMNPQRSTUVWXYZ"
"""Without the signs that people take for one another; a code is read out on the phone."""
CODE_LENGTH, CODE_TRIES = 8, 3


async def register(desk: Desk, said: Statement, asked: Asked) -> Outcome:
    """Check, judge and seal a statement, and register it. Raises the typed refusals of each step."""
    known = desk.known
    places = await desk.places.current()
    district = district_of(said, asked.actor, places)
    check(said, known, asked.at)
    told = personal(said)
    judgement = judge(said, told.phone, known, places[district], asked.at)
    case_id, key, ruling = desk.new_id(), desk.vault.new_key(), said.decision
    command = Register(
        known=known,
        case_id=case_id,
        district=district,
        judgement=judgement,
        query_codes=draw_codes(desk.chance),
        happened_on=said.happened_on,
        origin=Origin(asked.actor.label(), said.external_ref) if said.external_ref else None,
        sealed=desk.vault.close(key, case_id, district, told),
        dossier=desk.vault.dossier(case_id, district, told, judgement.facts, known.flags)
        if judgement.facts.dossier_version
        else None,
        ruling=ruling,
        note=note(key, desk.new_id(), ruling.action, asked.at, asked.actor.label(), ruling.reason_text)
        if ruling and ruling.reason_text
        else None,
    )
    also = (ruling.into,) if ruling and ruling.into else ()
    return await desk.shell.submit(work(REGISTER, case_id, command, asked, district=district, also=also))


def district_of(said: Statement, actor: Actor, districts: Container[str]) -> str:
    """The district of a new case: the one named, else the credential's only one."""
    if said.district is None and len(actor.districts) == 1:
        (district,) = actor.districts
    elif said.district is None:
        raise Invalid(errors=[FieldError("/district", "required", "the credential has several")])
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
