"""`POST /v1/cases/search` with a text: the index names candidates, the opened narratives decide."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Final
from uuid import UUID

from libs.web.errors import FieldError, Invalid
from services.intake.domain.searching import Sought, sought
from services.intake.handlers.desk import Desk, Query
from services.intake.handlers.reading import teller
from services.intake.handlers.sealing import scope

ROUNDS: Final = 5
"""How often more candidates are opened for one page. A page that is short for it says where to go on."""


async def search(desk: Desk, text: str, query: Query) -> tuple[Sequence[dict[str, Any]], UUID | None]:
    """A page of the cases whose narrative holds the text, as `find` of `reading`: none that does not.

    Raises Invalid for a text by which nothing is found.
    """
    wanted = sought(text, desk.known.common)
    if not wanted.words:
        raise Invalid(errors=[FieldError("/q", "nothing_to_search")])
    query = replace(query, tokens=desk.vault.sought(_scopes(query), wanted.words))
    hits: list[dict[str, Any]] = []
    for _ in range(ROUNDS):
        found, more = await _round(desk, query, wanted)
        hits += found
        if len(hits) > query.limit or (more and len(hits) == query.limit):
            page = hits[: query.limit]
            return page, UUID(page[-1]["case_id"])
        if more is None:
            return hits, None
        query = replace(query, after=more)
    return hits, query.after


async def _round(desk: Desk, query: Query, wanted: Sought) -> tuple[list[dict[str, Any]], UUID | None]:
    """The hits among the next candidates, and where those after them begin."""
    found = await desk.views.find(query)
    page = found[: query.limit]
    kept = await desk.views.all_kept([case.case_id for case, _ in page])
    tell = teller(query)
    hits = [
        tell(case, version)
        for case, version in page
        if case.case_id in kept and wanted.stands_in(desk.vault.narrative(kept[case.case_id]))
    ]
    return hits, page[-1][0].case_id if len(found) > query.limit else None


def _scopes(query: Query) -> list[str]:
    """Whose keys may hold what this caller finds."""
    secrets = [secret for secret, known in ((False, query.open_kinds), (True, query.sealed)) if known]
    return [scope(district, secret=secret) for district in sorted(query.districts) for secret in secrets]
