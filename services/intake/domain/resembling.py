"""How much speaks for it that two people tell of the same facts (多人同诉). Shown to a person, who decides.

Of two invented texts of the same category that tell of different matters one pair in a hundred shares more
than 17 % of the shorter one's pairs of characters; of different categories one in a thousand shares 12 %
(`tests/suggestions`).
"""

from collections.abc import Collection, Mapping
from math import prod
from typing import Final

from services.intake.domain.case import Case, Stage
from services.intake.domain.suggesting import alike

ALIKE: Final = 0.35
"""Two texts of one person that share so much of the shorter one may tell of one matter."""
TOGETHER: Final = 0.4
"""What must speak for it that two people tell of one matter."""
SPEAKS: Final[Mapping[str, float]] = {"respondents": 0.3, "place": 0.1}
"""What a shared field says beside the text, by the field's name: the same other side; the same category in
the same grid of late."""

NO_MATTER_OF_ITS_OWN: Final[frozenset[Stage]] = frozenset({"merged", "withdrawn", "erased"})
"""What joined another case, or nobody wants any more."""


def stands_alone(case: Case) -> bool:
    """Whether a case, open or final, is a matter that another one can repeat: no child, nothing merged."""
    return case.facts.parent is None and case.stage not in NO_MATTER_OF_ITS_OWN


def together(one: str, other: str, shared: Collection[str]) -> float:
    """How likely two texts tell of one matter, with the fields that they share: 0 to 1."""
    return 1 - (1 - alike(one, other)) * prod(1 - SPEAKS[field] for field in shared)
