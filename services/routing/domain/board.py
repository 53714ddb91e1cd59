"""What a batch of cases is decided on."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final
from uuid import UUID

from services.routing.domain.field import NO_LOAD, Field, Load
from services.routing.domain.question import Rules


@dataclass(frozen=True, slots=True)
class Needs:
    """What the citizen asked for, never inferred: the `needs` compartment of the dossier."""

    language: str | None = None
    mode: str | None = None
    ethnic_support: bool = False


NO_NEEDS: Final = Needs()


@dataclass(frozen=True, slots=True)
class NeedsCopy:
    """Routing's copy of a case's needs; after erasure the version stays and nothing is needed."""

    version: int
    needs: Needs = NO_NEEDS


@dataclass(slots=True)
class Board:
    """The rule's data, the fields by district, needs by case, and loads that run on from case to case (G5).

    A decision that reserves or releases says so here, so that the next case of the batch sees it; the store
    writes the difference between the cases before and after, not these figures.
    """

    rules: Rules
    fields: Mapping[str, Field]
    loads: dict[str, Load] = field(default_factory=dict)
    needs: Mapping[UUID, NeedsCopy] = field(default_factory=dict)

    def reserve(self, org_id: str, at: datetime) -> None:
        """Count one more open case."""
        self.loads[org_id] = self.loads.get(org_id, NO_LOAD).reserved(at)

    def release(self, org_id: str) -> None:
        """Count one open case less."""
        self.loads[org_id] = self.loads.get(org_id, NO_LOAD).released()
