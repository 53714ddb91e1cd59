"""Invented texts with what a person would say of them.

A third of `labelled.jsonl` (by the hash of a text's id) is only measured: nobody tunes a phrase or a weight
by it. Texts added later stand in `tuning/`, so that the measured ones stay the same: those of `matters/` for
kinds and categories, those of `dangers/` for flags.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from itertools import chain
from pathlib import Path
from typing import Literal

PAGE = Path(__file__).with_name("labelled.jsonl")
TUNING = Path(__file__).with_name("tuning")

Part = Literal["tuned", "measured"]
Use = Literal["all", "matters", "dangers"]


@dataclass(frozen=True, slots=True)
class Labelled:
    """A text; `category` None: none fits. `also`: categories of a second matter in the same text."""

    id: str
    text: str
    kind: str
    category: str | None
    flags: Sequence[str]
    traits: Sequence[str]
    also: Sequence[str] = ()
    written_for: Use = "all"

    @property
    def may_be_measured(self) -> bool:
        """Whether it is one of `labelled.jsonl`."""
        return self.written_for == "all"

    @property
    def part(self) -> Part:
        """Whether it may be tuned by or is only measured."""
        measured = self.may_be_measured and int(sha256(self.id.encode()).hexdigest(), 16) % 3 == 0
        return "measured" if measured else "tuned"


def texts() -> list[Labelled]:
    """All of them."""
    uses: tuple[Use, ...] = ("matters", "dangers")
    later = (_read(page, use) for use in uses for page in sorted((TUNING / use).glob("*.jsonl")))
    return [*_read(PAGE, "all"), *chain.from_iterable(later)]


def _read(page: Path, use: Use) -> list[Labelled]:
    lines = page.read_text("utf-8").splitlines()
    return [Labelled(**json.loads(line), written_for=use) for line in lines]
