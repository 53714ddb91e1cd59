"""The catalogue of `make mutants` fits the tree: what it replaces is there once, what it runs exists."""

from pathlib import Path

import pytest

from tests.mutants.catalogue import MUTANTS, Mutant

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.mechanism)
def test_a_mechanism_that_is_taken_out_is_there(mutant: Mutant) -> None:
    for replacement in mutant.replacements:
        assert (ROOT / replacement.path).read_text("utf-8").count(replacement.old) == 1


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.mechanism)
def test_what_shall_fail_without_it_exists(mutant: Mutant) -> None:
    for test in mutant.tests:
        path, _, name = test.partition("::")
        text = (ROOT / path).read_text("utf-8")
        assert not name or f"def {name.partition('[')[0]}(" in text


def test_the_page_of_reliability_lists_every_mechanism() -> None:
    page = (ROOT / "docs" / "reliability.md").read_text("utf-8")
    listed = [line.split("|")[1].strip() for line in page.splitlines() if line.startswith("| ")]
    assert [mutant.mechanism for mutant in MUTANTS if mutant.mechanism not in listed] == []
