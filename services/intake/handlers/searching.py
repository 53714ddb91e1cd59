"""`POST /v1/cases/search` with a text: the index names candidates, the opened narratives decide."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Final
from uuid import UUID

from libs.web.errors import FieldError, Invalid
from services.intake.domain.searching import sought
from services.intake.domain.statement import Criteria, check_days
from services.intake.handlers.desk import Desk, Query, paged
from services.intake.handlers.reading import Page, find, listed, phone_hashes
from services.intake.handlers.sealing import scope

CANDIDATES: Final = 1_000
"""Cases that the index names at a time."""
ROUNDS: Final = 4
"""How often some of them are opened for one page. A page that is short for it says where to go on."""
MORE: Final = 2
"""How many times as many as in the round before: where few are hits, few of the next will be."""


def criteria_of(desk: Desk, wanted: Criteria, districts: frozenset[str]) -> dict[str, Any]:
    """What a list is asked by, the text apart and a number as its hashes. Raises Invalid."""
    check_days(wanted.registered_from, wanted.registered_to)
    criteria = wanted.model_dump(include=Criteria.model_fields.keys() - {"q", "phone"}, exclude_none=True)
    if wanted.phone is not None:
        criteria |= phone_hashes(desk, wanted.phone, districts)
    return criteria


async def look(desk: Desk, text: str | None, query: Query) -> Page:
    """A page of what was asked for, of narratives that hold the text if there is one."""
    return await (find(desk, query) if text is None else search(desk, text, query))


async def search(desk: Desk, text: str, query: Query) -> Page:
    """A page of the cases whose narrative holds the text, as `find` of `reading`: none that does not.

    Raises Invalid for a text by which nothing is found.
    """
    wanted = sought(text, desk.known.common)
    if not wanted.words:
        raise Invalid(errors=[FieldError("/q", "nothing_to_search")])
    tokens = desk.vault.sought(_scopes(query), wanted.words)
    hits: list[UUID] = []
    named: Sequence[UUID] = ()
    after, opened = query.after, query.limit + 1
    for _ in range(ROUNDS):
        if not named:
            named, more = await desk.views.named(
                tokens, replace(query, after=after), enough=query.limit + 1, most=CANDIDATES
            )
        candidates = await desk.views.find_kept(replace(query, after=after, case_ids=named, limit=opened))
        hits += [kept.case_id for kept in candidates if wanted.stands_in(desk.vault.narrative(kept))]
        if len(candidates) < opened:
            after, named = (named[-1] if more else None), ()
        else:
            last = candidates[-1].case_id
            after, named = last, [case_id for case_id in named if case_id < last]
        if after is None or len(hits) > query.limit:
            break
        opened *= MORE
    page, last_hit = paged(hits, query.limit)
    cases = await desk.views.find(replace(query, after=None, case_ids=page))
    return await listed(desk, query, cases), last_hit or after


def _scopes(query: Query) -> list[str]:
    """Whose keys may hold what this caller finds."""
    secrets = [secret for secret, known in ((False, query.open_kinds), (True, query.sealed)) if known]
    return [scope(district, secret=secret) for district in sorted(query.districts) for secret in secrets]
