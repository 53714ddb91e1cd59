"""Organisations, a district and questions to build the rule's tests from."""

import json
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from libs.areas import Levels
from libs.clocks import Calendar
from libs.events.organisation import OrganisationProfile
from services.routing.domain.area import profiles_of
from services.routing.domain.field import Contender, Field, contender, field_of
from services.routing.domain.organisation import Organisation, Vocabulary
from services.routing.domain.question import Question, Rules

DATA = Path(__file__).parents[3] / "data"
DISTRICT = "990101"
GRID = "99010100100203"
MONDAY = datetime.fromisoformat("2026-03-02T10:00:00+08:00")


def read(name: str) -> Mapping[str, Any]:
    """A parsed file of data/."""
    parsed: Mapping[str, Any] = json.loads((DATA / f"{name}.json").read_text(encoding="utf-8"))
    return parsed


REFERENCE = {
    name: read(name) for name in ("kinds", "categories", "flags", "limits", "organisations", "areas")
}
LEVELS = Levels(REFERENCE["areas"]["levels"])
RULES = Rules.of(REFERENCE)
VOCABULARY = Vocabulary.of(REFERENCE)
CALENDAR = Calendar.load(DATA)
PLACES = frozenset(profile.code for profile in profiles_of(LEVELS, REFERENCE["areas"]))


def profile(org_id: str = "LAB-90", **changes: Any) -> OrganisationProfile:
    """A labour committee of the district, open on working days, that has no reason against it."""
    row = {
        "org_id": org_id,
        "name": org_id,
        "type": "LAB",
        "areas": [DISTRICT],
        "categories": ["D10"],
        "kinds": ["DIS"],
        "languages": ["zh"],
        "modes": ["phone"],
        "hours": [{"days": [1, 2, 3, 4, 5], "from": "09:00", "to": "17:00"}],
        "capacity": 10,
        "acceptance_working_days": 2,
    }
    return OrganisationProfile.model_validate({**row, **changes})


def an_organisation(org_id: str = "LAB-90", **changes: Any) -> Contender:
    """The same, prepared for the rule."""
    return contender(Organisation(profile(org_id, **changes), DISTRICT, 1), CALENDAR, 2)


def a_field(*organisations: Contender) -> Field:
    """A district with these organisations."""
    return field_of(DISTRICT, organisations, RULES.classes, PLACES)


def a_question(**changes: Any) -> Question:
    """A labour dispute on a Monday morning."""
    return Question(**{"kind": "DIS", "category": "D10", "grid": GRID, "at": MONDAY, **changes})


def _seeded() -> Field:
    rows = REFERENCE["organisations"]
    profiles = [
        OrganisationProfile.model_validate(row)
        for part in ("organisations", "referral_targets")
        for row in rows[part]
    ]
    prepared = [contender(Organisation(p, DISTRICT, 1), CALENDAR, 2) for p in profiles]
    return field_of(DISTRICT, prepared, RULES.classes, PLACES)


SEEDED = _seeded()
"""The district as `data/` seeds it."""
