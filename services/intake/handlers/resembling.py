"""Matters that a draft may repeat: the same person's (a duplicate), and other people's (a cluster).

Indexes name at most some dozens of cases; their opened texts decide. Nothing is kept and nothing joined.
"""

from collections import defaultdict
from collections.abc import Sequence
from datetime import timedelta
from typing import Any, Final
from uuid import UUID

from libs.clocks.calendar import LOCAL
from libs.privacy.blindindex import read_phone
from libs.web.principal import Principal
from services.intake.domain.resembling import ALIKE, TOGETHER, stands_alone, together
from services.intake.domain.statement import Draft
from services.intake.domain.suggesting import SHOWN, Suggestion, alike
from services.intake.handlers.desk import Desk, Query
from services.intake.handlers.reading import phone_hashes

PHONE, NARRATIVE, RESPONDENTS, PLACE = "phone", "narrative", "respondents", "place"
"""Reasons are names of fields, as with flags."""
EARLIER: Final = 20
"""Cases that each index names, the newest."""


async def duplicates(desk: Desk, draft: Draft, caller: Principal) -> list[Suggestion]:
    """Earlier matters of this number, as far as the caller may know of them, whose text is like it."""
    number = _number(draft)
    if number is None:
        return []
    found = await _find(desk, caller, **phone_hashes(desk, number, caller.districts))
    kept = await desk.views.all_kept(found)
    scores = {
        case_id: alike(draft.narrative, desk.vault.open(one).story["narrative"])
        for case_id, one in kept.items()
    }
    return _best({one: (score, (PHONE, NARRATIVE)) for one, score in scores.items()}, ALIKE)


async def clusters(
    desk: Desk, draft: Draft, caller: Principal, grid: str | None, category: str | None
) -> list[Suggestion]:
    """Matters of others of the last days that tell of the same facts: against the same side, or of the same
    category in the same grid."""
    since = desk.now() - timedelta(days=desk.known.limits["CLUSTER_DAYS"])
    of_late = {"registered_from": since.astimezone(LOCAL).date()}
    shared: dict[UUID, set[str]] = defaultdict(set)
    names = [respondent.name for respondent in draft.respondents if respondent.name]
    if names:
        hashes = desk.vault.names(caller.districts, names)
        for case_id in await _find(desk, caller, respondents=hashes, **of_late):
            shared[case_id].add(RESPONDENTS)
    if grid is not None and category is not None:
        for case_id in await _find(desk, caller, grid=grid, category=category, **of_late):
            shared[case_id].add(PLACE)
    number = _number(draft)
    scores = {}
    for case_id, kept in (await desk.views.all_kept(shared)).items():
        told = desk.vault.open(kept)
        if number is None or told.phone is None or told.phone.e164 != number:
            score = together(draft.narrative, told.story["narrative"], shared[case_id])
            scores[case_id] = score, (*sorted(shared[case_id], reverse=True), NARRATIVE)
    return _best(scores, TOGETHER)


def _number(draft: Draft) -> str | None:
    return read_phone(draft.phone).e164 if draft.phone else None


async def _find(desk: Desk, caller: Principal, **asked: Any) -> Sequence[UUID]:
    found = await desk.views.find(Query.of(caller, limit=EARLIER, **asked))
    return [case.case_id for case, _ in found if stands_alone(case)]


def _best(scores: dict[UUID, tuple[float, tuple[str, ...]]], least: float) -> list[Suggestion]:
    ranked = sorted(scores.items(), key=lambda one: -one[1][0])
    return [
        Suggestion(str(case_id), round(score, 3), because)
        for case_id, (score, because) in ranked[:SHOWN]
        if score >= least
    ]
