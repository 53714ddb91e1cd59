"""The codes and numbers of `data/` that intake decides by, gathered once at the start."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from libs.areas import Levels
from libs.clocks.calendar import Calendar
from libs.clocks.rules import RuleBook
from services.intake.domain.attachment import AttachmentRules, attachment_rules
from services.intake.domain.dangers import SecondLook, second_look
from services.intake.domain.flags import FlagRules, flag_rules
from services.intake.domain.notices import Notices, notices
from services.intake.domain.places import Places, places
from services.intake.domain.suggesting import Suggester, suggester

FILES: Final = (
    "areas",
    "attachments",
    "categories",
    "consents",
    "danger_weights",
    "flags",
    "kinds",
    "limits",
    "notices",
    "organisations",
    "reasons",
    "retention",
    "search",
    "suggestions",
    "suggestion_weights",
)
"""The files of `data/`, without ending, that `reference` reads."""


TRACKS_OF_CHILDREN: Final = frozenset({"MEDIATION", "CONSULTATION", "SUPPORT", "SERVICE"})
"""Tracks that settle or help beside the parent's own; what only a public body decides has no child."""


@dataclass(frozen=True, slots=True)
class Kind:
    """What the person wants, and the lifecycle it follows (XF22 arts 29-31)."""

    track: str
    lawful_route_required: bool


@dataclass(frozen=True, slots=True)
class Category:
    """A class of matters. A `tag_only` one stands beside another, never instead of it."""

    tag_only: bool
    topics: frozenset[str]
    zh: str
    topic_names: tuple[str, ...]
    keywords: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Reason:
    """Why a registered matter does not go on here; `action` is the decision that it may give a reason for."""

    action: str | None
    directed_to: str | None


@dataclass(frozen=True, slots=True)
class Reference:
    """Everything that a decision looks up."""

    kinds: Mapping[str, Kind]
    categories: Mapping[str, Category]
    lawful_routes: frozenset[str]
    reasons: Mapping[str, Reason]
    erasure_reasons: frozenset[str]
    hold_reasons: frozenset[str]
    wordings: Mapping[str, str]
    """The version of the words by which each consent is asked for."""
    retention: Mapping[str | None, int | None]
    """Months after its end that a case of each kind is kept; None until a person erases it."""
    organisation_types: frozenset[str]
    bodies: frozenset[str]
    """Organisation types and the organisations themselves: whoever a matter can be directed to."""
    type_of: Mapping[str, str]
    """The type of each organisation, by its id."""
    partner_types: frozenset[str]
    """Types that mediate, advise or support; none of them decides a petition."""
    child_kinds: frozenset[str]
    """Kinds that may stand under another case: a dispute, a consultation, support, a service."""
    modes: frozenset[str]
    limits: Mapping[str, int]
    flags: FlagRules
    suggester: Suggester
    dangers: SecondLook
    notices: Notices
    common: frozenset[str]
    """Pairs of characters too common to look for."""
    levels: Levels
    places: Mapping[str, Places]
    """The areas that the product ships, by district; routing's own go before them."""
    attachments: AttachmentRules
    rules: RuleBook
    calendar: Calendar


def reference(data: Mapping[str, Mapping[str, Any]], rules: RuleBook, calendar: Calendar) -> Reference:
    """The reference of the parsed `FILES`, by name without ending. Raises KeyError for what is missing."""
    limits = {row["id"]: row["value"] for row in data["limits"]["limits"]}
    levels = Levels(data["areas"]["levels"])
    organisations = data["organisations"]
    types = frozenset(row["code"] for row in organisations["types"])
    type_of = {
        row["org_id"]: row["type"]
        for part in ("organisations", "referral_targets")
        for row in organisations[part]
    }
    return Reference(
        kinds={
            row["code"]: Kind(row["track"], row["lawful_route_required"]) for row in data["kinds"]["kinds"]
        },
        categories={
            row["code"]: Category(
                row["tag_only"],
                frozenset(topic["code"] for topic in row["topics"]),
                row["zh"],
                tuple(topic["zh"] for topic in row["topics"]),
                tuple(row["keywords"]),
            )
            for row in data["categories"]["categories"]
        },
        lawful_routes=frozenset(row["code"] for row in data["kinds"]["lawful_routes"]),
        reasons={
            row["code"]: Reason(row["action"], next(iter(row["directed_to"]), None))
            for row in data["reasons"]["not_accepted"]
        },
        erasure_reasons=frozenset(row["code"] for row in data["reasons"]["erased"]),
        hold_reasons=frozenset(row["code"] for row in data["reasons"]["held"]),
        wordings={row["code"]: row["version"] for row in data["consents"]["consents"]},
        retention={row["kind"]: row["months"] for row in data["retention"]["periods"]},
        organisation_types=types,
        bodies=types.union(type_of),
        type_of=type_of,
        partner_types=frozenset(row["code"] for row in organisations["types"] if row["class"] == "partner"),
        child_kinds=frozenset(
            row["code"] for row in data["kinds"]["kinds"] if row["track"] in TRACKS_OF_CHILDREN
        ),
        modes=frozenset(row["code"] for row in organisations["modes"]),
        limits=limits,
        flags=flag_rules(data["flags"], limits),
        suggester=suggester(data),
        dangers=second_look(data["danger_weights"]),
        notices=notices(data),
        common=frozenset(data["search"]["common"]),
        levels=levels,
        places=places(levels, data["areas"]),
        attachments=attachment_rules(data["attachments"], limits, data["reasons"]["attachment_removed"]),
        rules=rules,
        calendar=calendar,
    )
