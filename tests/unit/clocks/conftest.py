"""The shipped tables and rules, read once."""

from pathlib import Path

import pytest

from libs.clocks import Calendar, RuleBook

DATA = Path(__file__).parents[3] / "data"


@pytest.fixture(scope="session")
def calendar() -> Calendar:
    return Calendar.load(DATA)


@pytest.fixture(scope="session")
def book() -> RuleBook:
    return RuleBook.load(DATA / "deadlines.json")
