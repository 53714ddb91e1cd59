"""What a person agreed to, when and by which words: to be shown, and taken back (PIPL arts 14, 15, 23)."""

from collections.abc import Mapping
from typing import Final

from libs.db.work import Moment
from libs.events.base import CaseFacts
from services.intake.domain.case import Consent
from services.intake.domain.reference import Reference

ASKED: Final[Mapping[str, str]] = {"share_with_partner": "share_with_partner", "sms": "sms_consent"}
"""The consents that are asked for (`data/consents.json`), with the code of the case that tells of each."""


def changed_consents(
    after: CaseFacts, before: CaseFacts | None, known: Reference, moment: Moment
) -> tuple[Consent, ...]:
    """Each consent that was given or taken back since `before`; at registration (None) those that were given,
    for silence is none."""
    return tuple(
        Consent(code, given, moment.now, moment.actor.label(), known.wordings[code])
        for code, fact in ASKED.items()
        if (given := getattr(after, fact)) != (before is not None and getattr(before, fact))
    )
