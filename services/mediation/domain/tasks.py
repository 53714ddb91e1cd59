"""Work for persons: taken by one, done, or handed over; and the calls that stand in for messages.

Tasks of a case are its own part (`Turn.ask_person`); what persons do with them is decided here, on the sheet
of all tasks of that case and under the case's own lock.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from types import MappingProxyType
from typing import Any, Final
from uuid import UUID

from libs.db.work import Actor, Audit, Decision, Moment
from libs.events.base import Payload
from libs.events.notify import MessageFailed, MessageReceived, MessageSuppressed
from libs.web.errors import FieldError, Forbidden, ForbiddenAction, Invalid, NotFound
from services.mediation.domain.case import SEALED_OFFICER, Task

CALL: Final = "CALL"
SEALED: Final = "SEALED"
QUEUES: Final = frozenset({"DUTY_DESK", "REFERRAL", "NO_ELIGIBLE", "SUPERVISOR", CALL, SEALED})

CALLERS: Final = frozenset({"operator"})
WORKERS: Final = frozenset({"dispatcher", "supervisor", "duty_officer"})
SUPERVISORS: Final = frozenset({"supervisor", "duty_officer"})

ALLOWED: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {"open": ("done", "hand-over", "take"), "taken": ("done", "hand-over"), "done": ()}
)
"""What may be done with a task by its state."""

URGENT_CALLS: Final = frozenset({"RISK"})
"""Reasons for which the person called is in danger: the call has the term of the gravest triage."""

NO_CALL: Final = frozenset({"DUPLICATE", "ERASED"})
"""A message that went out already, or whose person is not to be reached any more, needs no call."""

REPLIES: Final[Mapping[str, str]] = MappingProxyType({"unclear": "REPLY_UNCLEAR", "dispute": "REPLY_DISPUTE"})
"""Citizens' SMS that a person must answer, by their meaning: none is dropped."""


@dataclass(frozen=True, slots=True)
class Sheet:
    """All tasks of one case, also of one that mediation has not opened or never will."""

    case_id: UUID
    district: str
    tasks: tuple[Task, ...]

    def task(self, task_id: UUID) -> Task | None:
        """The task of this id."""
        return next((task for task in self.tasks if task.task_id == task_id), None)

    def with_task(self, changed: Task) -> "Sheet":
        """The sheet with one task changed."""
        return replace(
            self, tasks=tuple(changed if task.task_id == changed.task_id else task for task in self.tasks)
        )


@dataclass(frozen=True, slots=True)
class Take:
    """Somebody takes a task for themselves."""

    task_id: UUID


@dataclass(frozen=True, slots=True)
class Done:
    """What the task asked for was done, with a coded result."""

    task_id: UUID
    result: str


@dataclass(frozen=True, slots=True)
class HandOver:
    """The task goes to a queue, where anybody may take it, or to a person."""

    task_id: UUID
    to: str


def queues_of(roles: Collection[str]) -> frozenset[str]:
    """The queues that these roles work on: calls are the operators', sealed matters the sealed officer's."""
    mine: set[str] = set()
    if not CALLERS.isdisjoint(roles):
        mine.add(CALL)
    if not WORKERS.isdisjoint(roles):
        mine |= QUEUES - {SEALED}
    if SEALED_OFFICER in roles:
        mine.add(SEALED)
    return frozenset(mine)


def take(sheet: Sheet | None, command: Take, moment: Moment) -> Decision[Sheet]:
    """The task is the caller's from here on."""
    sheet, task = _allowed(sheet, command.task_id, "take", moment.actor)
    return _decided(sheet, replace(task, state="taken", owner=moment.actor.id), "take")


def done(sheet: Sheet | None, command: Done, moment: Moment) -> Decision[Sheet]:
    """The task is settled; one that was never taken is settled by who says so."""
    sheet, task = _allowed(sheet, command.task_id, "done", moment.actor)
    owner = task.owner or moment.actor.id
    return _decided(sheet, replace(task, state="done", owner=owner, result=command.result), "done")


def hand_over(sheet: Sheet | None, command: HandOver, moment: Moment) -> Decision[Sheet]:
    """The task becomes somebody else's; its due date stays. None leaves the sealed queue or comes into it."""
    sheet, task = _allowed(sheet, command.task_id, "hand-over", moment.actor)
    if command.to not in QUEUES:
        changed = replace(task, state="taken", owner=command.to)
    elif SEALED in (task.queue, command.to) and task.queue != command.to:
        raise Invalid(errors=[FieldError("/to", "not_for_task")])
    else:
        changed = replace(task, state="open", queue=command.to, owner=None)
    return _decided(sheet, changed, "hand-over")


def call_instead(event: Payload, event_id: UUID, at: datetime, due_at: datetime) -> Task | None:
    """The call that the fate of a message, or a citizen's SMS, asks for; None where it asks for none.

    It bears the event's id: however often the event comes, there is one call.
    """
    match event:
        case MessageSuppressed() | MessageFailed() if event.reason not in NO_CALL:
            queue = SEALED if event.reason == SEALED else CALL
            about = {"template": event.template, "party": event.party, "message_id": str(event.message_id)}
            return Task(event_id, queue, event.reason, at, due_at, about=about)
        case MessageReceived(meaning=meaning) if meaning in REPLIES:
            return Task(event_id, CALL, REPLIES[meaning], at, due_at, about={"party": "applicant"})
        case _:
            return None


def shown(task: Task, case_id: UUID, district: str) -> dict[str, Any]:
    """A task as the door answers it: codes, ids and dates."""
    return {
        "task_id": str(task.task_id),
        "case_id": str(case_id),
        "district": district,
        "queue": task.queue,
        "reason_code": task.reason_code,
        "about": dict(task.about),
        "created_at": task.created_at.isoformat(),
        "due_at": task.due_at.isoformat(),
        "state": task.state,
        "owner": task.owner,
        "result": task.result,
    }


def _allowed(sheet: Sheet | None, task_id: UUID, act: str, actor: Actor) -> tuple[Sheet, Task]:
    """The task, if the caller may know of it and its state allows the act; a supervisor acts for others."""
    task = sheet.task(task_id) if sheet else None
    if sheet is None or task is None or sheet.district not in actor.districts:
        raise NotFound
    if task.queue not in queues_of(actor.roles):
        raise NotFound if task.queue == SEALED else Forbidden
    if act not in ALLOWED[task.state]:
        raise ForbiddenAction(state=task.state, allowed=list(ALLOWED[task.state]))
    if task.owner not in (None, actor.id) and SUPERVISORS.isdisjoint(actor.roles):
        raise Forbidden
    return sheet, task


def _decided(sheet: Sheet, task: Task, act: str) -> Decision[Sheet]:
    audit = Audit(f"task-{act}", {"task": str(task.task_id), "queue": task.queue, "state": task.state})
    return Decision(sheet.with_task(task), reply=shown(task, sheet.case_id, sheet.district), audit=[audit])
