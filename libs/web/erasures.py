"""`GET /v1/erasures/{case_id}`, the same door in every service: whether an erasure has reached it (G13)."""

from typing import Annotated, Final
from uuid import UUID

from fastapi import APIRouter, Depends
from starlette.responses import Response

from libs.db.erasure import Erasures
from libs.web.answers import json
from libs.web.auth import staff
from libs.web.principal import Principal

READERS: Final = ("supervisor", "duty_officer", "sealed_officer", "auditor")


def router(erasures: Erasures) -> APIRouter:
    """The door over what this service holds."""
    made = APIRouter(prefix="/v1/erasures", tags=["erasures"])

    @made.get("/{case_id}")
    async def erasure(case_id: UUID, caller: Annotated[Principal, Depends(staff(*READERS))]) -> Response:
        """How far the erasure of a case has come here: its state, and rows with something of people by table.

        `pending`, with nothing counted, also for what is not erased, of another district or no case: its
        existence is told to nobody.
        """
        return json((await erasures.read(case_id, caller.districts)).told())

    return made
