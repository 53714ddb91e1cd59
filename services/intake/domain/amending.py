"""Correcting and completing what was said: the matter is judged anew, and what was said before is kept."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date
from typing import Any, Final

from libs.db.work import Decision, Moment, State
from libs.events.base import CaseFacts, Payload
from libs.events.intake import CaseAmended, CaseFlagsChanged
from libs.web.errors import FieldError, ForbiddenAction, Invalid
from services.intake.domain.case import (
    REGISTRARS,
    SEALED_KIND,
    Case,
    Note,
    Sealed,
    answer,
    audited,
    header,
    require,
    visible,
)
from services.intake.domain.clocks import with_clocks_of_amendment
from services.intake.domain.consenting import changed_consents
from services.intake.domain.flagging import IN_HAND, DossierOutdated
from services.intake.domain.people import Personal
from services.intake.domain.reference import Reference
from services.intake.domain.registration import Judgement

Told = Mapping[str, Any]
"""A statement as JSON-able values, as it came in at the door."""

_NESTED: Final = ("place", "applicant", "consents", "facts")
"""Parts that are amended field by field; any other field is replaced as a whole."""

_JUDGED: Final = (
    "kind", "track", "category", "topic", "grid", "headcount", "amount_fen", "real_name", "anonymous",
    "share_with_partner", "sms_consent", "complained_about_org", "chosen_target", "facts", "has_needs",
)  # fmt: skip
"""Codes that follow from what was said; the others tell what became of the case since."""


def restated(case: Case, said: Personal) -> dict[str, Any]:
    """The statement that would make this case as it stands."""
    facts, story = case.facts, said.story
    return {
        "channel": facts.channel,
        "narrative": story["narrative"],
        "happened_on": case.happened_on and case.happened_on.isoformat(),
        "received_at": facts.received_at.isoformat(),
        "kind": facts.kind,
        "category": facts.category,
        "topic": facts.topic,
        "place": {"address": story["address"], "grid": facts.grid},
        "applicant": dict(said.applicant),
        "respondents": story["respondents"],
        "headcount": facts.headcount,
        "representatives": story["representatives"],
        "amount_fen": facts.amount_fen,
        "complained_about_org": facts.complained_about_org,
        "chosen_target": facts.chosen_target,
        "mode": story["mode"],
        "facts": {event: day.isoformat() for event, day in facts.facts.items()},
        "consents": {"share_with_partner": facts.share_with_partner, "sms": facts.sms_consent},
    }


def amended(told: Told, patch: Told) -> tuple[dict[str, Any], tuple[str, ...]]:
    """The statement with the patch laid over it, and the names of the fields that differ.

    A nested part is amended by field, and null takes a fact out (RFC 7396). A new address without a grid is
    placed anew, a new number is unverified unless the patch says so: no call or code came from it.
    """
    after = {**told, **patch}
    for part in _NESTED:
        after[part] = {**told[part], **(patch.get(part) or {})}
    after["facts"] = {event: day for event, day in after["facts"].items() if day is not None}
    changed = tuple(_differing(told, after))
    place = patch.get("place") or {}
    if "address" in place and "grid" not in place:
        after["place"] = {**after["place"], "grid": None}
    applicant = patch.get("applicant") or {}
    if "applicant.phone" in changed and applicant.get("phone_verified") is None:
        after["applicant"] = {**after["applicant"], "phone_verified": False}
    return after, changed


def _differing(told: Told, after: Told) -> list[str]:
    names = []
    for name, value in after.items():
        if name in ("place", "applicant", "consents"):
            names += [f"{name}.{part}" for part in value if value[part] != told[name].get(part)]
        elif value != told.get(name):
            names.append(name)
    return names


@dataclass(frozen=True, slots=True)
class Amend:
    """The statement judged anew. `raised` are the flags that it raises and the former one did not."""

    known: Reference
    judgement: Judgement
    raised: tuple[str, ...]
    changed: tuple[str, ...]
    happened_on: date | None
    sealed: Sealed
    dossier: State | None
    note: Note | None


def amend(case: Case | None, command: Amend, moment: Moment) -> Decision[Case]:
    """Change what was said of a case that is in hand.

    Flags are only raised by it, never lowered. After acceptance the kind stands, since the track is gone on;
    a child's is one of a child's kinds; and an accusation stays one: who knew of it less would know of it by
    its change.
    """
    case = visible(case, moment.actor)
    require(moment.actor, REGISTRARS, case)
    if case.state not in IN_HAND:
        raise ForbiddenAction(state=case.state, allowed=[])
    _check_kind(case, command.judgement.facts, command.known)
    if not command.changed:
        return Decision(case, reply=answer(case, moment.version))
    dossier_version = _next_dossier(case, command)
    before, rules = case.facts, command.known.flags
    flags = rules.sorted({*before.flags, *command.raised})
    added = tuple(flag for flag in flags if flag not in before.flags)
    judged = {name: getattr(command.judgement.facts, name) for name in _JUDGED}
    case = replace(
        case,
        said_urgency=command.judgement.said_urgency,
        warnings=command.judgement.warnings,
        happened_on=command.happened_on,
        sealed=command.sealed,
    ).with_facts(
        **judged,
        flags=flags,
        urgency=rules.urgency(command.judgement.said_urgency, flags),
        released=before.released and not rules.holds_back(added),
        dossier_version=dossier_version,
    )
    consents = changed_consents(case.facts, before, command.known, moment)
    case = replace(case, consents=(*case.consents, *consents))
    case = with_clocks_of_amendment(case, command.known, added, moment.now).noted(command.note)
    events = _told(case, command.changed, added)
    return Decision(
        case,
        events,
        reply=answer(case, moment.version + len(events)),
        audit=audited("case.amended", case, changed=list(command.changed)),
        state=[command.dossier] if command.dossier else [],
    )


def _next_dossier(case: Case, command: Amend) -> int:
    present = case.facts.dossier_version
    if case.secret:
        return present
    if command.dossier is None or command.dossier.version != present + 1:
        raise DossierOutdated
    return present + 1


def _check_kind(case: Case, judged: CaseFacts, known: Reference) -> None:
    if judged.kind == case.facts.kind:
        return
    if case.stage != "registered" or case.facts.kind == SEALED_KIND:
        raise Invalid(errors=[FieldError("/kind", "not_amendable")])
    # An accusation is one wherever it turns up; else a child stays what a child may be.
    if case.facts.parent is not None and judged.kind not in known.child_kinds | {SEALED_KIND}:
        raise Invalid(errors=[FieldError("/kind", "not_for_child")])


def _told(case: Case, changed: tuple[str, ...], added: tuple[str, ...]) -> list[Payload]:
    if case.secret:
        return [CaseAmended(**header(case), case=case.told_facts(), changed=())]
    events: list[Payload] = [CaseAmended(**header(case), case=case.told_facts(), changed=changed)]
    if added:
        events.append(CaseFlagsChanged(**header(case), case=case.told_facts(), added=added))
    return events
