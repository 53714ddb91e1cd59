"""What persons do with tasks, and the calls that the fate of messages asks for."""

from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Protocol
from uuid import UUID

from libs.clocks import due_for
from libs.db.work import Outcome, UseCase, Work
from libs.events.base import Payload
from libs.events.envelope import Envelope
from libs.web.errors import Busy, NotFound
from services.mediation.domain import tasks
from services.mediation.domain.case import Task
from services.mediation.domain.codes import Codes
from services.mediation.domain.tasks import Sheet
from services.mediation.handlers.desk import Asked, Wanted

TASK_ACTS: Final[Mapping[str, UseCase[Sheet, Any]]] = {
    "take": UseCase("task-take", tasks.take),
    "done": UseCase("task-done", tasks.done),
    "hand-over": UseCase("task-hand-over", tasks.hand_over),
}

URGENT_TERM, CALL_TERM = "PROD-TRIAGE-RED", "PROD-TRIAGE-BLUE"
"""By when a call is owed: the district's own terms for the gravest and the ordinary triage."""


class Runs(Protocol):
    """The shell of the sheets."""

    async def run(self, works: Sequence[Work[Sheet, Any]]) -> Sequence[Any]: ...


class TaskLists(Protocol):
    """What persons have to do."""

    async def case_of(self, task_id: UUID) -> UUID | None: ...

    async def page(
        self, districts: Collection[str], queues: Collection[str], owner: str | None, wanted: Wanted
    ) -> list[dict[str, Any]]: ...


@dataclass(frozen=True, slots=True)
class TaskDesk:
    """Does what the doors ask for with tasks. Raises `Refusal`."""

    shell: Runs
    lists: TaskLists

    async def act(self, act: str, task_id: UUID, command: Any, asked: Asked) -> Outcome:
        """One act on one task."""
        case_id = await self.lists.case_of(task_id)
        if case_id is None:
            raise NotFound
        work = Work(
            use_case=TASK_ACTS[act],
            case_id=case_id,
            command=command,
            actor=asked.actor,
            district=min(asked.actor.districts, default=""),
            received_at=asked.at,
            key=asked.key,
            trace=asked.trace,
        )
        (result,) = await self.shell.run([work])
        if result.outcome is None:
            raise result.error or Busy(retry_after=1)
        outcome: Outcome = result.outcome
        return outcome


Keep = Callable[[Any, Sequence[tuple[UUID, str, Task]]], Awaitable[None]]
"""Keeps calls (case, district, task) in the transaction of the events."""


@dataclass(frozen=True, slots=True)
class Calls:
    """Turns what became of messages into calls."""

    codes: Codes
    keep: Keep

    async def apply(self, tx: Any, events: Sequence[tuple[Envelope, Payload]]) -> None:
        """Every message that reached nobody, and every SMS that a person must answer, is a call."""
        calls = [
            (envelope.case_id, event.district, task)
            for envelope, event in events
            if (
                task := tasks.call_instead(
                    event, envelope.event_id, envelope.time, self._due(event, envelope.time)
                )
            )
        ]
        await self.keep(tx, calls)

    def _due(self, event: Payload, at: datetime) -> datetime:
        urgent = getattr(event, "reason", None) in tasks.URGENT_CALLS
        rule = self.codes.book.rule(URGENT_TERM if urgent else CALL_TERM)
        return due_for(rule, at, self.codes.calendar).due_at
