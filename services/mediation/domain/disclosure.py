"""What an organisation gets to read of a citizen's dossier."""

from typing import Final, Literal

from services.mediation.domain.case import Case

Part = Literal["story", "contact"]

FULL_VIEW: Final = "FILE"
NOTHING: Final[frozenset[Part]] = frozenset()


def disclosed(case: Case, data_view: str | None) -> frozenset[Part]:
    """The parts that its holder may read now.

    Nothing without the citizen's separate consent (PIPL art 23). The story is for organisations that see
    files, already with the offer: only names show a conflict of interest. The contact comes with the
    take-up, and not where secrecy was asked for (JN18 art 16).
    """
    facts = case.facts
    if not facts.share_with_partner:
        return NOTHING
    story: set[Part] = {"story"} if data_view == FULL_VIEW else set()
    reachable = case.state != "offered" and "CONFIDENTIAL" not in facts.flags
    return frozenset(story | ({"contact"} if reachable else set()))
