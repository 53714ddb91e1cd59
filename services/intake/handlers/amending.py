"""`PATCH /v1/cases/{case_id}`: what was said is opened, changed, judged and sealed anew before the queue."""

from typing import Final
from uuid import UUID

from libs.db.work import Outcome, State, UseCase
from libs.web.errors import Busy, NotFound
from services.intake.domain.amending import Amend, amend, amended, restated
from services.intake.domain.case import SEALED_KIND, Case, visible
from services.intake.domain.flagging import DossierOutdated
from services.intake.domain.people import Personal, personal
from services.intake.domain.registration import Judgement, judge
from services.intake.domain.statement import Amendment, Statement, check
from services.intake.handlers.desk import Asked, Desk, work
from services.intake.handlers.linking import submit
from services.intake.handlers.sealing import note

AMEND: Final = UseCase("amend", amend)


async def change(desk: Desk, case_id: UUID, amendment: Amendment, asked: Asked) -> Outcome:
    """Amend a case; raises the refusals of a statement, and those of the domain."""
    case = visible(await desk.views.case(case_id), asked.actor)
    kept = await desk.views.kept(case_id)
    if kept is None:
        raise NotFound
    key = desk.vault.key_of(kept)
    told = restated(case, desk.vault.open(kept))
    after, changed = amended(told, amendment.model_dump(mode="json", exclude_unset=True, exclude={"reason"}))
    said = Statement.model_validate(after)
    check(said, desk.known, asked.at)
    former, _ = await _judged(desk, Statement.model_validate(told), case, asked)
    judgement, now_told = await _judged(desk, said, case, asked)
    command = Amend(
        known=desk.known,
        judgement=judgement,
        raised=tuple(flag for flag in judgement.facts.flags if flag not in former.facts.flags),
        changed=changed,
        happened_on=said.happened_on,
        sealed=desk.vault.close(
            key, case_id, kept.district, now_told, secret=judgement.facts.kind == SEALED_KIND
        ),
        dossier=_dossier(desk, case, judgement, now_told),
        note=note(key, desk.new_id(), "amend", asked.at, asked.actor.label(), amendment.reason),
    )
    try:
        return await submit(desk, work(AMEND, case_id, command, asked))
    except DossierOutdated:  # somebody else's act came between the opening and the queue
        raise Busy(retry_after=1) from None


async def _judged(desk: Desk, said: Statement, case: Case, asked: Asked) -> tuple[Judgement, Personal]:
    told = personal(said)
    places = (await desk.places.current())[case.district]
    return judge(said, told.phone, desk.known, places, asked.at), told


def _dossier(desk: Desk, case: Case, judgement: Judgement, said: Personal) -> State | None:
    """The next dossier; an accusation never has one, and what becomes one loses it."""
    if case.secret:
        return None
    flags = desk.known.flags.sorted({*case.facts.flags, *judgement.facts.flags})
    version = case.facts.dossier_version + 1
    facts = judgement.facts.model_copy(update={"flags": flags, "dossier_version": version})
    return desk.vault.dossier(case.case_id, case.district, said, facts, desk.known.flags)
