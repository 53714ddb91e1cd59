"""Who is told what of a person: decided when sealing (G14), and when a person reads.

The least that each reader needs: notify learns a number and whether it is safe to write, routing the needs
that choose an organisation, mediation the story for which the person agreed to share (PIPL art 23).
"""

from collections.abc import Mapping
from typing import Any

from libs.events.base import CaseFacts
from libs.privacy.masking import mask_address, mask_id_number, mask_name, mask_phone
from services.intake.domain.flags import FlagRules
from services.intake.domain.hiding import hide
from services.intake.domain.people import Personal, private_names

Compartments = Mapping[str, Mapping[str, Mapping[str, object]]]
"""Compartment → reader → content."""


def compartments(said: Personal, facts: CaseFacts, rules: FlagRules) -> Compartments:
    """The contents to seal, for each reader apart.

    Without consent to share, mediation learns nothing of the person; when secrecy was asked for, the matter
    goes on without the applicant (JN18 art 16). An accusation has no dossier at all: ask `Case.secret` first.
    """
    contact = _contact(said, facts)
    hidden = facts.anonymous or rules.hide_contact(facts.flags)
    contacts = {"notify": {**contact, "name": None}}
    story = {}
    if facts.share_with_partner:
        story = {"mediation": _story(said, facts, hidden)}
        if not hidden:
            contacts["mediation"] = contact
    needs = {"routing": _needs(said)} if facts.has_needs else {}
    parts = {"contact": contacts, "story": story, "needs": needs}
    return {name: readers for name, readers in parts.items() if readers}


def _contact(said: Personal, facts: CaseFacts) -> dict[str, object]:
    who, phone = said.applicant, None if facts.anonymous else said.phone
    return {
        "phone": phone.e164 if phone else None,
        "sms_capable": phone is not None and phone.takes_sms and bool(who["phone_verified"]),
        "language": who["language"],
        "language_help": bool(who["language_help"]),
        "safe_contact": who["safe_contact"],
        "name": None if facts.anonymous else who["name"],
    }


def _story(said: Personal, facts: CaseFacts, hidden: bool) -> dict[str, object]:
    """What an organisation works with. Ethnicity stays with routing: it is passed on by separate consent only
    (PIPL arts 28, 29)."""
    shown = ("name", "language", "language_help", "safe_contact", "guardian")
    return {
        "applicant": None if hidden else {name: said.applicant[name] for name in shown},
        "respondents": said.story["respondents"],
        "representatives": [] if hidden else said.story["representatives"],
        "narrative": said.story["narrative"],
        "address": said.story["address"],
        "amount_fen": facts.amount_fen,
    }


def _needs(said: Personal) -> dict[str, object]:
    return {
        "language": said.applicant["language"],
        "language_help": bool(said.applicant["language_help"]),
        "ethnic_support": bool(said.applicant["ethnic_support"]),
        "mode": said.story["mode"],
    }


def plain(said: Personal, grid: str | None) -> dict[str, object]:
    """Everything, for the one who may see it and said why; in the shape of the statement."""
    story = {name: part for name, part in said.story.items() if name != "address"}
    place = {"address": said.story["address"], "grid": grid}
    return {"applicant": dict(said.applicant), "place": place, **story, "masked": False}


def masked(said: Personal, grid: str | None, *, hide_applicant: bool) -> dict[str, object]:
    """What a person sees who handles the case: enough to recognise people, too little to use.

    `hide_applicant`: secrecy was asked for, so that only a supervisor sees who asks.
    """
    who, story = said.applicant, said.story
    spokesmen = [] if hide_applicant else story["representatives"]
    return {
        "applicant": None if hide_applicant else _masked_applicant(who),
        "narrative": masked_text(said, story["narrative"]),
        "place": {"address": story["address"] and mask_address(story["address"]), "grid": grid},
        "respondents": [_masked_party(party) for party in story["respondents"]],
        "representatives": [_masked_party(party) for party in spokesmen],
        "mode": story["mode"],
        "masked": True,
    }


def _masked_applicant(who: Mapping[str, Any]) -> dict[str, object]:
    return {
        **who,
        **_masked_party(who),
        "id_number": who["id_number"] and mask_id_number(who["id_number"]),
        "birth_date": who["birth_date"] and f"{who['birth_date'][:4]}-**-**",
        "guardian": who["guardian"] and _masked_party(who["guardian"]),
    }


def _masked_party(party: Mapping[str, Any]) -> dict[str, object]:
    """A company's name is no secret of a person."""
    open_name = party.get("organisation", False)
    return {
        **party,
        "name": party["name"] and (party["name"] if open_name else mask_name(party["name"])),
        "phone": party["phone"] and mask_phone(party["phone"]),
    }


def masked_text(said: Personal, text: str) -> str:
    """A text of the case without what tells who is meant."""
    return hide(text, private_names(said), said.story["address"])
