"""What the rule of routing is asked, what it reads, and what it answers."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from functools import cached_property
from typing import Any, Final, NamedTuple

from libs.clocks import LOCAL
from services.routing.domain.field import Contender

RULE: Final = "1"
"""Number of the rule in policy.py; the version of its data stands behind it."""


@dataclass(frozen=True, slots=True)
class Category:
    """Which types settle matters of a category: first, instead, and in support."""

    target: str
    alternatives: tuple[str, ...] = ()
    co_targets: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Rules:
    """The reference data that the rule reads; each row with its source in `data/`."""

    version: str
    classes: Mapping[str, str]
    kind_targets: Mapping[str, str | None]
    partner_kinds: frozenset[str]
    """Kinds whose track may go to a partner; a petition or a sealed report never does."""
    categories: Mapping[str, Category]
    flags: frozenset[str]
    holding_flags: frozenset[str]
    """Flags that keep a case from the router until a person releases it."""
    told_of: Mapping[str, tuple[str, ...]]
    """Types of bodies that hear of a case with the flag."""
    bounces_max: int

    @classmethod
    def of(cls, data: Mapping[str, Mapping[str, Any]]) -> "Rules":
        """The rules of the parsed files `kinds`, `categories`, `flags`, `limits` and `organisations`."""
        tracks = {row["code"]: row["may_go_to_partner"] for row in data["kinds"]["tracks"]}
        return cls(
            version=f"{RULE}.{data['categories']['version']}",
            classes={row["code"]: row["class"] for row in data["organisations"]["types"]},
            kind_targets={row["code"]: row["default_target"] for row in data["kinds"]["kinds"]},
            partner_kinds=frozenset(row["code"] for row in data["kinds"]["kinds"] if tracks[row["track"]]),
            categories={
                row["code"]: Category(
                    row["default_target"], tuple(row["alternative_targets"]), tuple(row["co_targets"])
                )
                for row in data["categories"]["categories"]
            },
            flags=frozenset(row["code"] for row in data["flags"]["flags"]),
            holding_flags=frozenset(
                row["code"] for row in data["flags"]["flags"] if not row["auto_routing_allowed"]
            ),
            told_of={row["code"]: tuple(row.get("tell", ())) for row in data["flags"]["flags"]},
            bounces_max=next(row["value"] for row in data["limits"]["limits"] if row["id"] == "BOUNCES_MAX"),
        )


@dataclass(frozen=True)
class Question:
    """One case as the rule sees it: codes and dates, the needs it asked for, and what was tried before."""

    kind: str | None
    category: str | None
    grid: str | None
    at: datetime
    flags: frozenset[str] = frozenset()
    released: bool = False
    chosen_target: str | None = None
    complained_about: str | None = None
    consent: bool = True
    declined: frozenset[str] = frozenset()
    returns: int = 0
    language: str | None = None
    mode: str | None = None
    ethnic_support: bool = False

    @cached_property
    def day(self) -> date:
        """The local day of the question."""
        return self.at.astimezone(LOCAL).date()

    @cached_property
    def instant(self) -> float:
        """The moment of the question as a timestamp: compared sixty times, so not as a datetime."""
        return self.at.timestamp()


class Referral(NamedTuple):
    """Where a person directs the citizen, or takes the matter over."""

    type: str
    org_id: str | None


class Candidate(NamedTuple):
    """An organisation that could take the case, and the figures that ranked it."""

    org_id: str
    rank: int
    area_level: int
    load_ratio: float


class Out(NamedTuple):
    """An organisation that cannot take the case, with every reason."""

    org_id: str
    reasons: tuple[str, ...]


class Co(NamedTuple):
    """A type asked to support the lead, and the organisation of it that can."""

    type: str
    org_id: str | None
    speaks_language: bool = False


@dataclass(frozen=True, slots=True)
class Choice:
    """The answer: an organisation, or the reason why a person takes over. `because` says what decided."""

    because: str
    rule_version: str
    chosen: Contender | None = None
    reason: str | None = None
    target: str | None = None
    referral: Referral | None = None
    candidates: tuple[Candidate, ...] = ()
    co_mediators: tuple[Co, ...] = ()
    out: tuple[Out, ...] = ()
