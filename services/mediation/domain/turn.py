"""One decision in the making: the case as it becomes, and the events that tell of it, in order."""

from dataclasses import replace
from datetime import date, datetime
from typing import Any

from libs.clocks import LOCAL
from libs.db.work import Audit, Decision, Moment
from libs.db.work import ignored as ignored_decision
from libs.events.mediation import MediationEvent
from libs.messaging.deadline import open_dates
from services.mediation.domain.case import Case, Note, Task, Words
from services.mediation.domain.codes import Codes


class Turn:
    """What a rule works on. It sees the case and the moment, changes the case and tells events.

    Nothing leaves it before `decision`: a rule that raises changes nothing.
    """

    def __init__(self, case: Case, moment: Moment, codes: Codes) -> None:
        self.case = case
        self.moment = moment
        self.codes = codes
        self.reply: dict[str, Any] = {}
        self.status = 200
        self._told: list[tuple[type[MediationEvent], dict[str, Any]]] = []
        self._ignored: str | None = None

    @property
    def now(self) -> datetime:
        """The instant at which the command counts (G17)."""
        return self.moment.now

    @property
    def today(self) -> date:
        """The local day of `now`: the law counts in local days."""
        return self.now.astimezone(LOCAL).date()

    def become(self, **changes: Any) -> None:
        """Change fields of the case."""
        self.case = replace(self.case, **changes)

    def tell(self, event: type[MediationEvent], **fields: Any) -> None:
        """Add an event; it carries the state and the holder as they are at this point."""
        standing = {"state": self.case.state, "track": self.case.track, "org_id": self.case.org_id}
        self._told.append((event, standing | fields))

    def note(self, kind: str, words: Words | None, *, about: str | None = None) -> None:
        """Keep words with the case; None: nothing was said."""
        if words is not None:
            note = Note(words, kind, self.now, self.moment.actor.org_id, about)
            self.become(notes=(*self.case.notes, note))

    def ask_person(self, queue: str, reason_code: str, due_at: datetime) -> None:
        """Put a task into a queue, once: an unfinished one of the same queue and reason stands for both."""
        if not any((t.queue, t.reason_code) == (queue, reason_code) for t in self._unfinished()):
            task = Task(self.moment.new_id(), queue, reason_code, self.now, due_at)
            self.become(tasks=(*self.case.tasks, task))

    def tasks_done(self) -> None:
        """The case went on: what persons were asked to do about it is settled, calls to citizens are not."""
        self.become(
            tasks=tuple(task if task.about else replace(task, state="done") for task in self.case.tasks)
        )

    def ignore(self, reason: str) -> None:
        """The event means nothing here, and why; nothing may be told beside it."""
        self._ignored = reason

    def decision(self, audit: str | None = None) -> Decision[Case]:
        """The finished decision: every event carries the deadlines that are open after all of it (G18).

        `audit` names the act of a person or an organisation in the audit log.
        """
        if self._ignored is not None and not self._told:
            return ignored_decision(self.case, self._ignored)
        shared = {
            "case_id": self.case.case_id,
            "district": self.case.district,
            "deadlines": open_dates(self.case.deadlines),
        }
        events = [event(**shared, **fields) for event, fields in self._told]
        entries = [Audit(audit, {"state": self.case.state})] if audit else []
        reply = self._answer(len(events)) if audit else None
        return Decision(self.case, events, reply, self.status, entries)

    def _answer(self, steps: int) -> dict[str, Any]:
        due = open_dates(self.case.deadlines)
        return {
            "case_id": str(self.case.case_id),
            "state": self.case.state,
            "version": self.moment.version + steps,
            "due": due[0].model_dump(mode="json") if due else None,
            **self.reply,
        }

    def _unfinished(self) -> list[Task]:
        return [task for task in self.case.tasks if task.state != "done"]
