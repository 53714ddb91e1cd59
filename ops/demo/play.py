"""One sample case from its registration to the end of the script."""

from collections.abc import Sequence
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
    """Sends a sample's input as it stands, then lets partner and citizen act; notes why it cannot go on."""

    def __init__(self, doors: Doors, sample: Sample) -> None:
        self.sample = sample
        self.trail = Trail(phone=sample.phone)
        self._doors = doors
        self._session: str | None = None
        self._version = 0

    async def register(self) -> None:
        """The operator enters the case."""
        answer = await self.trail.attempt(self._doors.intake.post("/v1/cases", self.sample.input))
        if answer is not None:
            self.trail.case_id, self.trail.intake = answer.body["case_id"], answer.version

    async def play(self, part: Part) -> None:
        """Everything that the script has for the case, as far as it comes."""
        if self.trail.case_id is not None:
            await self.trail.attempt(self._play(part))

    async def _play(self, part: Part) -> None:
        await self._all(part.begin)
        self.trail.mediation = self._version
        await self._all(part.then)

    async def _all(self, steps: Sequence[Step]) -> None:
        for step in steps:
            if step.partner is not None:
                await self._partner_acts(step.partner, step.body)
            if step.citizen is not None and step.answers is not None:
                await self._citizen_answers(step.answers, step.citizen)
            if step.until is not None:
                await awaited(partial(self._has_come, step.until), step.until)

    async def _partner_acts(self, action: str, body: Any) -> None:
        """The organisation that holds the case acts; what it decided on may have changed in the meantime."""
        door = await self._doors.partner(await awaited(self._holder, "an organisation that holds the case"))
        told = fill({"action": action, "body": body}, datetime.now(LOCAL) - A_MOMENT, self._session)
        done = await awaited(partial(self._act, door, told["action"], told["body"]), f"an answer to {action}")
        self._version = done.version
        self._session = done.body.get("session_id", self._session)

    async def _act(self, door: Door, action: str, body: Any) -> Answer | None:
        """Act on the case as it stands now; None when something else happened to it at the same time."""
        place = f"/partner/v1/cases/{self._case_id}"
        seen = await door.get(place)
        try:
            return await door.post(f"{place}/{action}", body, version=seen.version)
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

    async def _holder(self) -> str | None:
        seen = await self._doors.at_mediation(self._case_id)
        holder: str | None = seen["org_id"] if seen else None
        return holder

    async def _has_come(self, event: str) -> bool:
        seen = await self._doors.at_mediation(self._case_id)
        return seen is not None and any(told["type"] == event for told in seen["timeline"])

    @property
    def _case_id(self) -> str:
        return self.trail.case_id or ""
