"""Whether the stack that runs has room for the play: organisations take a few new cases a day, and the play
may have been given there before."""

from collections.abc import AsyncIterator, Iterable, Mapping
from typing import Any

from ops.demo.doors import Doors
from ops.demo.samples import Sample

FULL = ["CAPACITY"]


async def full(doors: Doors, samples: Iterable[Sample]) -> list[str]:
    """The organisations that would be asked for these cases if they had not had their number already."""
    found = [org_id for sample in samples async for org_id in _full_for(doors, sample.input)]
    return sorted(set(found))


async def _full_for(doors: Doors, told: Mapping[str, Any]) -> AsyncIterator[str]:
    """Those that are out for nothing else, by the rule's own preview."""
    grid = told["place"]["grid"]
    if grid is None and told["place"]["address"]:
        found = await doors.routing.post("/v1/areas/resolve", {"address": told["place"]["address"]})
        grid = next((area["code"] for area in found.body["grids"]), None)
    facts = {"kind": told["kind"], "category": told["category"], "grid": grid}
    preview = await doors.routing.post("/v1/assignments/preview", facts)
    for out in preview.body["out"]:
        if out["reasons"] == FULL:
            yield out["org_id"]
