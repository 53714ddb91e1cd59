"""`POST /v1/cases/search` with a text: the index names candidates, the opened narratives decide."""

from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import Any, Final
from uuid import UUID

from libs.web.errors import FieldError, Invalid
from services.intake.domain.searching import Sought, sought
from services.intake.domain.statement import Criteria, check_days
from services.intake.handlers.desk import Desk, Query, paged
from services.intake.handlers.reading import Page, find, phone_hashes, teller
from services.intake.handlers.sealing import scope

ROUNDS: Final = 5
"""How often more candidates are looked at for one page. A page that is short for it says where to go on."""
CANDIDATES: Final = 1_000
"""Cases that the index names at a time where more is asked than the text, and few of them will do."""


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
    hits: list[dict[str, Any]] = []
    for _ in range(ROUNDS):
        found, more = await _round(desk, query, tokens, wanted)
        hits += found
        if len(hits) > query.limit or (more and len(hits) == query.limit):
            page = hits[: query.limit]
            return page, UUID(page[-1]["case_id"])
        if more is None:
            return hits, None
        query = replace(query, after=more)
    return hits, query.after


async def _round(
    desk: Desk, query: Query, tokens: Collection[Sequence[int]], wanted: Sought
) -> tuple[list[dict[str, Any]], UUID | None]:
    """The hits among the next candidates, and where those after them begin."""
    enough = query.limit + 1
    most = max(CANDIDATES, enough) if query.narrowed else enough
    named, more = await desk.views.named(tokens, query, enough=enough, most=most)
    page, last = paged(await desk.views.find(replace(query, case_ids=named)), query.limit)
    kept = await desk.views.all_kept([case.case_id for case, _ in page])
    tell = teller(query)
    hits = [
        tell(case, version)
        for case, version in page
        if case.case_id in kept and wanted.stands_in(desk.vault.narrative(kept[case.case_id]))
    ]
    if last is not None:
        return hits, last[0].case_id
    return hits, named[-1] if more else None


def _scopes(query: Query) -> list[str]:
    """Whose keys may hold what this caller finds."""
    secrets = [secret for secret, known in ((False, query.open_kinds), (True, query.sealed)) if known]
    return [scope(district, secret=secret) for district in sorted(query.districts) for secret in secrets]
