"""One sample case from its registration to the end of the script."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from libs.clocks import LOCAL
from ops.demo import sms
from ops.demo.doors import Answer, Door, Doors, Refused
from ops.demo.samples import Sample
from ops.demo.script import Part, Step, fill
from ops.demo.trail import Trail
from ops.demo.waiting import awaited

A_MOMENT = timedelta(seconds=1)
"""How long ago "now" was: an act is told after it happened, to a clock that may differ a little."""


class Player:
    """Sends a sample's input as it stands, then lets officers, partner and citizen act; notes why it cannot
    go on."""

    def __init__(self, doors: Doors, sample: Sample, entered_by: str = "operator") -> None:
        self.sample = sample
        self.trail = Trail(phone=sample.phone)
        self._doors = doors
        self._entered_by = entered_by
        self._child_id = ""
        self._session: str | None = None

    async def register(self, entered: Mapping[int, str]) -> None:
        """The case is entered; `entered` are the ids of those that were entered before, by number."""
        door = self._doors.officer(self._entered_by, "intake")
        answer = await self.trail.attempt(door.post("/v1/cases", self.sample.body(entered)))
        if answer is not None:
            self.trail.case_id, self.trail.intake = answer.body["case_id"], answer.version

    async def play(self, part: Part) -> None:
        """Everything that the script has for the case, as far as it comes."""
        if self.trail.case_id is not None:
            await self.trail.attempt(self._play(part))

    async def _play(self, part: Part) -> None:
        await self._all(part.begin)
        self.trail.intake = (await self._doors.intake.get(f"/v1/cases/{self._case_id}")).version
        seen = await self._doors.at_mediation(self._case_id)
        self.trail.mediation = seen["version"] if seen else 0
        await self._all(part.then)

    async def _all(self, steps: Sequence[Step]) -> None:
        for step in steps:
            case_id = self._child_id if step.child else self._case_id
            if step.officer is not None and step.task is not None:
                await self._officer_settles(step.officer, step.task, step.body, case_id)
            elif step.officer is not None:
                await self._officer_acts(step, case_id)
            if step.partner is not None:
                await self._partner_acts(step.partner, step.body, case_id)
            if step.citizen is not None and step.answers is not None:
                await self._citizen_answers(step.answers, step.citizen)
            if step.until is not None:
                await awaited(partial(self._has_come, step.until, case_id), step.until)

    async def _officer_acts(self, step: Step, case_id: str) -> None:
        """An officer acts on the case as it stands; a child that was opened is the play's from here on."""
        door, place = self._doors.officer(step.officer or "", step.at or ""), f"/v1/cases/{case_id}"
        seen_at = f"{place}/{step.act}" if step.at == "routing" else place
        body = fill(step.body, datetime.now(LOCAL) - A_MOMENT, self._session)
        act = partial(self._act, door, seen_at, f"{place}/{step.act}", body)
        done = await awaited(act, f"an answer to {step.act}")
        if step.act == "children":
            self._child_id = done.body["case_id"]

    async def _officer_settles(self, role: str, queue: str, body: Any, case_id: str) -> None:
        """An officer takes the case's task of a queue, and says what came of it."""
        door = self._doors.officer(role, "mediation")

        async def found() -> str | None:
            tasks = (await door.get("/v1/tasks", queue=queue, limit="100")).body["items"]
            return next((task["task_id"] for task in tasks if task["case_id"] == case_id), None)

        task_id = await awaited(found, f"a task of {queue}")
        await door.post(f"/v1/tasks/{task_id}/take", {})
        await door.post(f"/v1/tasks/{task_id}/done", body)

    async def _partner_acts(self, action: str, body: Any, case_id: str) -> None:
        """The organisation that holds the case acts; what it decided on may have changed in the meantime."""
        holder = await awaited(partial(self._holder, case_id), "an organisation that holds the case")
        door, place = await self._doors.partner(holder), f"/partner/v1/cases/{case_id}"
        told = fill({"action": action, "body": body}, datetime.now(LOCAL) - A_MOMENT, self._session)
        act = partial(self._act, door, place, f"{place}/{told['action']}", told["body"])
        done = await awaited(act, f"an answer to {action}")
        self._session = done.body.get("session_id", self._session)

    async def _act(self, door: Door, seen_at: str, path: str, body: Any) -> Answer | None:
        """Act on the case as it stands now; None when something else happened to it at the same time."""
        seen = await door.get(seen_at)
        try:
            return await door.post(path, body, version=seen.version)
        except Refused as refused:
            if refused.passing:
                return None
            raise

    async def _citizen_answers(self, template: str, text: str) -> None:
        """The citizen has read a message and writes back."""

        async def read() -> bool:
            phone = self.trail.phone or ""
            told = await self._doors.messages(self._case_id)
            received = sms.received(told, await self._doors.ledger(to=phone))
            return any(message.template == template for message in received)

        await awaited(read, f"the message {template}")
        await self._doors.simulator.post("/inbox", {"from": self.trail.phone, "text": text})

    async def _holder(self, case_id: str) -> str | None:
        seen = await self._doors.at_mediation(case_id)
        holder: str | None = seen["org_id"] if seen else None
        return holder

    async def _has_come(self, event: str, case_id: str) -> bool:
        seen = await self._doors.at_mediation(case_id)
        return seen is not None and any(told["type"] == event for told in seen["timeline"])

    @property
    def _case_id(self) -> str:
        return self.trail.case_id or ""
