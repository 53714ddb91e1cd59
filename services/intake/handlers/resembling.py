"""Matters that a draft may repeat: the same person's (a duplicate), and other people's (a cluster).

Indexes name at most some dozens of cases; their opened texts decide. Nothing is kept and nothing joined.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
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
from services.intake.handlers.reading import number_hashes

PHONE, NARRATIVE, RESPONDENTS, PLACE = "phone", "narrative", "respondents", "place"
"""Reasons are names of fields, as with flags."""
EARLIER: Final = 20
"""Cases that each index names, the newest."""


async def resembling(
    desk: Desk, draft: Draft, caller: Principal, grid: str | None, category: str | None
) -> dict[str, list[Suggestion]]:
    """`duplicates` and `clusters` of a draft, as far as the caller may know of them, best first."""
    earlier = await _earlier(desk, draft, caller)
    shared = await _of_others(desk, draft, caller, grid, category)
    for case_id in earlier:
        shared.pop(case_id, None)
    kept = await desk.views.all_kept({*earlier, *shared})
    texts = {case_id: desk.vault.narrative(one) for case_id, one in kept.items()}
    same = {
        case_id: (alike(draft.narrative, texts[case_id]), (PHONE, NARRATIVE))
        for case_id in earlier
        if case_id in texts
    }
    others = {
        case_id: (together(draft.narrative, texts[case_id], fields), (*fields, NARRATIVE))
        for case_id, fields in shared.items()
        if case_id in texts
    }
    return {"duplicates": _best(same, ALIKE), "clusters": _best(others, TOGETHER)}


async def _earlier(desk: Desk, draft: Draft, caller: Principal) -> Sequence[UUID]:
    """The newest matters of the draft's number."""
    number = read_phone(draft.phone).e164 if draft.phone else None
    if number is None:
        return []
    return await _find(desk, caller, **number_hashes(desk, number, caller.districts))


async def _of_others(
    desk: Desk, draft: Draft, caller: Principal, grid: str | None, category: str | None
) -> dict[UUID, list[str]]:
    """The newest matters of the last days against the same side, and of the same category in the same grid,
    with the fields that they share."""
    since = desk.now() - timedelta(days=desk.known.limits["CLUSTER_DAYS"])
    of_late = {"registered_from": since.astimezone(LOCAL).date()}
    shared: dict[UUID, list[str]] = defaultdict(list)
    names = [respondent.name for respondent in draft.respondents if respondent.name]
    if names:
        hashes = desk.vault.names(caller.districts, names)
        for case_id in await _find(desk, caller, respondents=hashes, **of_late):
            shared[case_id].append(RESPONDENTS)
    if grid is not None and category is not None:
        for case_id in await _find(desk, caller, grid=grid, category=category, **of_late):
            shared[case_id].append(PLACE)
    return shared


async def _find(desk: Desk, caller: Principal, **asked: Any) -> Sequence[UUID]:
    found = await desk.views.find(Query.of(caller, limit=EARLIER, **asked))
    return [case.case_id for case, _ in found if stands_alone(case)]


def _best(scores: Mapping[UUID, tuple[float, Sequence[str]]], least: float) -> list[Suggestion]:
    ranked = sorted(scores.items(), key=lambda one: -one[1][0])
    return [
        Suggestion(str(case_id), round(score, 3), tuple(because))
        for case_id, (score, because) in ranked[:SHOWN]
        if score >= least
    ]
