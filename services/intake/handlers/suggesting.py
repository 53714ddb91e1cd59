"""`POST /v1/suggestions`: what a text suggests, with the reasons; nothing is kept and nothing decided."""

from dataclasses import asdict
from typing import Any

from libs.web.errors import FieldError, Invalid
from libs.web.principal import Principal
from services.intake.domain.flags import Entered
from services.intake.domain.statement import Draft
from services.intake.domain.suggesting import SHOWN, Suggestion
from services.intake.handlers.desk import Desk
from services.intake.handlers.resembling import resembling


async def suggest(desk: Desk, draft: Draft, caller: Principal) -> dict[str, Any]:
    """Kinds, categories, flags, urgency, lawful routes, grids, possible duplicates and clusters of a draft.

    Raises Invalid for a category that nobody knows.
    """
    if draft.category is not None and draft.category not in desk.known.categories:
        raise Invalid(errors=[FieldError("/category", "unknown_code")])
    judged = desk.known.flags.judge(draft.narrative, Entered(headcount=draft.headcount))
    flags = [Suggestion(code, 1.0, judged.because[code]) for code in judged.flags]
    denied = [Suggestion(code, 0.0, judged.because[code]) for code in judged.denied]
    about = desk.known.suggester.suggest(draft.narrative, judged.flags)
    grids = await _grids(desk, draft.address or "", caller)
    grid = grids[0].code if len(grids) == 1 else None
    category = draft.category or next((one.code for one in about["categories"]), None)
    lists = {
        **about,
        "flags": flags + denied,
        "grids": grids,
        **await resembling(desk, draft, caller, grid, category),
    }
    return {
        "urgency": desk.known.flags.urgency(judged.said_urgency, judged.flags),
        **{name: [asdict(one) for one in suggestions] for name, suggestions in lists.items()},
    }


async def _grids(desk: Desk, address: str, caller: Principal) -> list[Suggestion]:
    found = {
        grid: words
        for district, places in (await desk.places.current()).items()
        if district in caller.districts
        for grid, words in places.candidates(address).items()
    }
    share = round(1 / len(found), 3) if found else 0.0
    return [Suggestion(grid, share, words) for grid, words in sorted(found.items())[:SHOWN]]
