"""What is told of a case names no other one that the reader may not know of (`domain/linked.py`)."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from libs.db.work import Outcome, Work
from libs.web.errors import Refusal
from services.intake.domain.case import Case
from services.intake.domain.linked import named, naming
from services.intake.handlers.desk import Desk, Query


async def submit(desk: Desk, work: Work[Case, Any]) -> Outcome:
    """Do one command: its answer, or its refusal, as its actor may hear it. What is kept with the key of the
    request is whole; a repetition is told what its actor may hear by then."""
    reader = Query.of(work.actor, limit=0)
    try:
        outcome = await desk.shell.submit(work)
    except Refusal as refusal:
        (refusal.extra,) = await screened(desk, reader, [refusal.extra])
        raise
    (body,) = await screened(desk, reader, [outcome.body])
    return replace(outcome, body=body)


async def screened(desk: Desk, reader: Query, answers: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The answers without cases that this reader may not know of; asked at once for all of them."""
    linked = {case_id for answer in answers for case_id in named(answer)}
    known = await desk.views.known(reader.among(sorted(linked))) if linked else ()
    return [naming(known, answer) for answer in answers]
