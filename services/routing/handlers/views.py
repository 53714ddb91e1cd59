"""What routing shows: declared here, read by the store."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol
from uuid import UUID

from libs.db.work import Actor
from services.routing.domain.area import Area
from services.routing.domain.board import Board
from services.routing.domain.organisation import Organisation
from services.routing.handlers.registry import Act
from services.routing.policy import SEALED_KIND

OFFICERS: Final = ("operator", "dispatcher", "supervisor", "duty_officer")
SEALED_OFFICER: Final = "sealed_officer"


@dataclass(frozen=True, slots=True)
class CaseHeader:
    """What decides who may see a case, its state, and its version."""

    case_id: UUID
    district: str
    kind: str | None
    status: str
    version: int

    def seen_by(self, actor: Actor) -> bool:
        """A sealed report is for the sealed officer alone, who sees nothing else (XF22 art 30)."""
        roles = {SEALED_OFFICER} if self.kind == SEALED_KIND else set(OFFICERS)
        return self.district in actor.districts and not roles.isdisjoint(actor.roles)


class Views(Protocol):
    """Reads; none of them locks or changes anything but the audit log."""

    async def organisation(self, org_id: str) -> Organisation | None:
        """The organisation of this id."""

    async def organisations(
        self, districts: Sequence[str], types: Sequence[str], after: str, limit: int
    ) -> list[Organisation]:
        """The organisations of the districts by id, those after a given one."""

    async def areas(self, district: str) -> tuple[int, Mapping[str, Area]]:
        """The version of a district's tree, 0 for none, and its areas in the order of their codes."""

    async def board(self, district: str) -> Board:
        """What a case of the district would be decided on now."""

    async def header(self, case_id: UUID) -> CaseHeader | None:
        """The header of a case that routing knows."""

    async def attempts(self, case_id: UUID, act: Act) -> list[dict[str, Any]]:
        """Every attempt of a case with all that it rests on; reading a person's words is audited."""
