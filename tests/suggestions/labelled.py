"""Invented texts with what a person would say of them.

A third of `labelled.jsonl` (by the hash of a text's id) is only measured: nobody tunes a phrase or a weight
by it. Texts added later stand in `tuning/`, so that the measured ones stay the same.
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
    may_be_measured: bool = True

    @property
    def part(self) -> Part:
        """Whether it may be tuned by or is only measured."""
        measured = self.may_be_measured and int(sha256(self.id.encode()).hexdigest(), 16) % 3 == 0
        return "measured" if measured else "tuned"


def texts() -> list[Labelled]:
    """All of them."""
    later = [_read(page, may_be_measured=False) for page in sorted(TUNING.glob("*.jsonl"))]
    return [*_read(PAGE, may_be_measured=True), *chain.from_iterable(later)]


def _read(page: Path, may_be_measured: bool) -> list[Labelled]:
    lines = page.read_text("utf-8").splitlines()
    return [Labelled(**json.loads(line), may_be_measured=may_be_measured) for line in lines]
