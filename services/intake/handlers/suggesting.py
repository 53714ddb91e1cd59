"""`POST /v1/suggestions`: what a text suggests, with the reasons; nothing is kept and nothing decided."""

from dataclasses import asdict
from typing import Any, Final

from libs.privacy.blindindex import read_phone
from libs.web.principal import Principal
from services.intake.domain.flags import Entered
from services.intake.domain.statement import Draft
from services.intake.domain.suggesting import SHOWN, Suggestion, alike
from services.intake.handlers.desk import Desk, Query
from services.intake.handlers.reading import phone_hashes

BY_PHONE: Final = "phone"
"""The reason is the name of a field, as with flags."""
EARLIER: Final = 20
"""Earlier matters of a number that a draft is compared with, the newest."""
ALIKE: Final = 0.35
"""Two texts that share so much of the shorter one may tell of one matter."""


async def suggest(desk: Desk, draft: Draft, caller: Principal) -> dict[str, Any]:
    """Kinds, categories, flags, urgency, lawful routes, grids and possible duplicates of a draft."""
    judged = desk.known.flags.judge(draft.narrative, Entered(headcount=draft.headcount))
    flags = [Suggestion(code, 1.0, judged.because[code]) for code in judged.flags]
    denied = [Suggestion(code, 0.0, judged.because[code]) for code in judged.denied]
    about = desk.known.suggester.suggest(draft.narrative, judged.flags)
    lists = {
        **about,
        "flags": flags + denied,
        "grids": await _grids(desk, draft.address or "", caller),
        "duplicates": await _duplicates(desk, draft, caller),
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


async def _duplicates(desk: Desk, draft: Draft, caller: Principal) -> list[Suggestion]:
    """Earlier matters of this number, as far as the caller may know of them, whose text is like it."""
    number = read_phone(draft.phone).e164 if draft.phone else None
    if number is None:
        return []
    hashes = phone_hashes(desk, number, caller.districts)
    earlier = await desk.views.find(Query.of(caller, limit=EARLIER, **hashes))
    kept = await desk.views.all_kept([case.case_id for case, _ in earlier])
    scores = {
        case_id: alike(draft.narrative, desk.vault.open(one).story["narrative"])
        for case_id, one in kept.items()
    }
    return [
        Suggestion(str(case_id), round(score, 3), (BY_PHONE, "narrative"))
        for case_id, score in sorted(scores.items(), key=lambda pair: -pair[1])[:SHOWN]
        if score >= ALIKE
    ]
