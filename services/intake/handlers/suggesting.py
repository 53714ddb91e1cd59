"""What a text suggests, with the reasons: on demand (`POST /v1/suggestions`) nothing is kept; for a case that
came without a kind the worker keeps it, to be shown. Nothing is decided by it."""

from collections.abc import Container
from typing import Any, Final

from libs.runtime.loops import Pulse
from libs.web.errors import FieldError, Invalid
from libs.web.principal import Principal
from services.intake.domain.flags import Entered
from services.intake.domain.statement import Draft
from services.intake.domain.suggesting import SHOWN, Suggestion, told
from services.intake.handlers.desk import Desk
from services.intake.handlers.resembling import resembling

AT_ONCE: Final = 50
EVERY: Final = 1.0
"""Seconds between looks for cases without a kind."""


async def suggest(desk: Desk, draft: Draft, caller: Principal) -> dict[str, Any]:
    """Kinds, categories, flags, flags that are possible, urgency, lawful routes, grids, possible duplicates
    and clusters of a draft. What is only possible is raised by nobody but a person.

    Raises Invalid for a category that nobody knows.
    """
    if draft.category is not None and draft.category not in desk.known.categories:
        raise Invalid(errors=[FieldError("/category", "unknown_code")])
    judged = desk.known.flags.judge(draft.narrative, Entered(headcount=draft.headcount))
    flags = [Suggestion(code, 1.0, judged.because[code]) for code in judged.flags]
    denied = [Suggestion(code, 0.0, judged.because[code]) for code in judged.denied]
    suggester = desk.known.suggester
    about = suggester.reasoned(suggester.suggest(draft.narrative, judged.flags), draft.narrative)
    grids = await _grids(desk, draft.address or "", caller.districts)
    grid = grids[0].code if len(grids) == 1 else None
    category = draft.category or next((one.code for one in about["categories"]), None)
    lists = {
        **about,
        "flags": flags + denied,
        "possible_flags": desk.known.dangers.possible(draft.narrative, judged.flags),
        "grids": grids,
        **await resembling(desk, draft, caller, grid, category),
    }
    return {
        "urgency": desk.known.flags.urgency(judged.said_urgency, judged.flags),
        **told(lists),
    }


async def follow(desk: Desk, pulse: Pulse) -> None:
    """Suggest for whatever arrives without a kind, until told to stop."""
    while not pulse.stopping:
        if await suggest_missing(desk) < AT_ONCE:
            await pulse.pause(EVERY)
        pulse.beat()


async def suggest_missing(desk: Desk) -> int:
    """Suggest for the next cases that came without a kind; how many there were.

    Kinds, categories and lawful routes, and grids where the place is not known: what else is suggested
    depends on who asks, and when.
    """
    case_ids = await desk.suggested.lacking(AT_ONCE)
    cases, kept = await desk.views.cases(case_ids), await desk.views.all_kept(case_ids)
    made = {}
    for case_id in cases.keys() & kept.keys():
        case, story = cases[case_id], desk.vault.open(kept[case_id]).story
        lists = dict(desk.known.suggester.suggest(story["narrative"], case.facts.flags))
        if case.facts.grid is None:
            lists["grids"] = await _grids(desk, story["address"] or "", {case.district})
        made[case_id] = told(lists)
    if made:
        await desk.suggested.keep(made, desk.now())
    return len(case_ids)


async def _grids(desk: Desk, address: str, districts: Container[str]) -> list[Suggestion]:
    found = {
        grid: words
        for district, places in (await desk.places.current()).items()
        if district in districts
        for grid, words in places.candidates(address).items()
    }
    share = round(1 / len(found), 3) if found else 0.0
    return [Suggestion(grid, share, words) for grid, words in sorted(found.items())[:SHOWN]]
