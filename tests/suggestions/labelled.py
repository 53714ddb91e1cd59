"""Nine hundred invented texts with what a person would say of them, split once.

A third (by the hash of a text's id) is only measured: nobody tunes a phrase or a weight by it.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Literal

PAGE = Path(__file__).with_name("labelled.jsonl")

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

    @property
    def part(self) -> Part:
        """Whether it may be tuned by."""
        return "tuned" if int(sha256(self.id.encode()).hexdigest(), 16) % 3 else "measured"


def texts() -> list[Labelled]:
    """All of them."""
    return [Labelled(**json.loads(line)) for line in PAGE.read_text("utf-8").splitlines()]
