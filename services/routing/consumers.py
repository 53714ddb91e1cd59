"""What routing reacts to: events of intake and mediation, and the citizens' needs in the dossier."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from libs.db.shell import Shell
from libs.db.work import Actor, Work
from libs.events.intake import CaseAccepted, CaseAmended, CaseFlagsChanged, CaseReleased, CaseWithdrawn
from libs.events.mediation import (
    CaseClosed,
    CaseHandedBack,
    CaseOffered,
    CaseRecalled,
    CaseReturned,
    CaseTakenUp,
    OfferExpired,
    OfferRefused,
    OfferWithdrawn,
)
from libs.messaging.consumer import Apply, Empty, EventConsumer, StateReader
from libs.runtime.loops import Pulse
from services.routing.domain.case import RoutingCase
from services.routing.handlers import (
    CLOSE,
    NEEDS_ARRIVED,
    PROPOSE,
    RECORD_ANSWER,
    RECORD_FACTS,
    TRY_NEXT,
    WITHDRAW,
)
from services.routing.handlers.cases import NeedsArrived

INTAKE: Final = EventConsumer(
    name="routing.intake-case",
    topic="intake.case.v1",
    handlers={
        CaseAccepted: PROPOSE,
        CaseReleased: PROPOSE,
        CaseAmended: RECORD_FACTS,
        CaseFlagsChanged: RECORD_FACTS,
        CaseWithdrawn: WITHDRAW,
    },
)

MEDIATION: Final = EventConsumer(
    name="routing.mediation-case",
    topic="mediation.case.v1",
    handlers={
        CaseOffered: RECORD_ANSWER,
        CaseTakenUp: RECORD_ANSWER,
        CaseReturned: TRY_NEXT,
        OfferExpired: TRY_NEXT,
        CaseHandedBack: TRY_NEXT,
        CaseRecalled: TRY_NEXT,
        OfferRefused: TRY_NEXT,
        OfferWithdrawn: TRY_NEXT,
        CaseClosed: CLOSE,
    },
    gather=0.1,
)


def dossier(apply: Apply, empty: Empty) -> StateReader:
    """Routing's copy of what citizens need."""
    return StateReader("routing.intake-dossier", "intake.dossier.v1", apply, empty, gather=0.05)


LOOK_EVERY: Final = 1.0
"""Seconds between two looks for waiting cases: what a crash or a race left behind goes on after that."""

Released = Callable[[Sequence[UUID] | None], Awaitable[Sequence[tuple[UUID, str]]]]
"""Waiting cases whose needs are here, of these or of all, with their districts."""


@dataclass(frozen=True)
class Resume:
    """Lets cases go on that waited for needs: woken by their arrival, sure by looking."""

    shell: Shell[RoutingCase]
    released: Released
    now: Callable[[], datetime]

    async def arrived(self, case_ids: Sequence[UUID] | None) -> None:
        """Hand the cases to the shell, which decides again whether they wait."""
        works: list[Work[RoutingCase, Any]] = [
            Work(
                use_case=NEEDS_ARRIVED,
                case_id=case_id,
                command=NeedsArrived(),
                actor=Actor("service", "routing"),
                district=district,
                received_at=self.now(),
            )
            for case_id, district in await self.released(case_ids)
        ]
        if works:
            await self.shell.run(works)

    async def look(self, pulse: Pulse) -> None:
        """The loop."""
        while not pulse.stopping:
            await self.arrived(None)
            await pulse.pause(LOOK_EVERY)
