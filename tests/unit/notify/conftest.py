import json
from pathlib import Path
from typing import Any

import pytest

from services.notify.domain.rules import Practice, Rules

DATA = Path(__file__).parents[3] / "data"


def read(name: str) -> Any:
    return json.loads((DATA / name).read_text("utf-8"))


def rules_with(practice: Practice) -> Rules:
    return Rules.read(read("sms_templates.json"), read("flags.json"), read("areas.json"), practice)


@pytest.fixture(scope="session")
def rules() -> Rules:
    """The shipped rules as demo and bench use them: day and night, without a cap."""
    return rules_with(Practice(quiet_hours=False, daily_cap=False))


@pytest.fixture(scope="session")
def strict_rules() -> Rules:
    """The shipped rules with quiet hours and daily cap."""
    return rules_with(Practice())


@pytest.fixture(scope="session")
def carrier_rules() -> Rules:
    """The shipped rules before a real provider."""
    return rules_with(Practice(quiet_hours=False, daily_cap=False, real_provider=True))
