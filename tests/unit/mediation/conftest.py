"""Fixtures of mediation's unit tests."""

from collections.abc import Callable
from typing import Any

import pytest

from services.mediation.domain.codes import Codes
from services.mediation.handlers.cases import UseCases, use_cases
from tests.unit.mediation.play import DATA, Play, at, case_facts


@pytest.fixture(scope="session")
def codes() -> Codes:
    return Codes.load(DATA)


@pytest.fixture(scope="session")
def uses(codes: Codes) -> UseCases:
    return use_cases(codes)


@pytest.fixture
def play(codes: Codes, uses: UseCases) -> Play:
    return Play(codes, uses)


@pytest.fixture
def new_play(codes: Codes, uses: UseCases) -> Callable[..., Play]:
    """More than one case in a test, or one with other facts."""

    def make(now: str = "2026-03-02T09:00", **changes: Any) -> Play:
        return Play(codes, uses, now=at(now), facts=case_facts(**changes))

    return make
