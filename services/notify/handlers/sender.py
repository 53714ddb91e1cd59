"""The sender: takes due messages, calls the provider outside every transaction, brings back what it said."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Protocol
from uuid import UUID

import structlog

from libs.db.work import Outcome, UseCase, Work
from libs.runtime.loops import Pulse
from libs.runtime.telemetry import span
from services.notify.domain.case import Correspondence
from services.notify.domain.sending import Answer, Result
from services.notify.handlers import CLAIM, SETTLE
from services.notify.handlers.desk import OURSELVES
from services.notify.handlers.sending import Claim, Settle, ToCall

log = structlog.get_logger()

POLL = 0.5
"""Seconds between two looks when nothing woke the sender: what another process wrote goes out after that."""
FRESH = timedelta(seconds=30)
"""How old the copies of intake's facts and contacts may be before an SMS (G15)."""
LOOK_AT_AGE = 1.0
"""Seconds between two looks at how old they are."""
PROBE_FIRST, PROBE_LAST = 1.0, 15.0
"""Seconds for which a channel that does not work is left alone, growing."""
LOST_IN_A_ROW = 8
"""Calls without an answer after which one at a time is tried, or a gateway that hangs takes all messages."""
KEEP_ANSWER = timedelta(minutes=1)
"""How long an answer is offered to a case that stays locked; after that its message is indeterminate."""


@dataclass(frozen=True, slots=True)
class Due:
    """A message that may be sent now, with the number that it goes to."""

    message_id: UUID
    case_id: UUID
    district: str
    contact_version: int
    phone: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Sms:
    """One call of the provider."""

    message_id: UUID
    case_id: UUID
    district: str
    text: str = field(repr=False)
    phone: str = field(repr=False)


class Gateway(Protocol):
    """The provider. Promise: it answers within its time limit, with `INDETERMINATE` when it does not know."""

    async def send(self, sms: Sms) -> Answer: ...


class Postbag(Protocol):
    """What is to be sent, and whether it may be."""

    async def due(self, now: datetime, limit: int) -> Sequence[Due]: ...

    async def fresh_since(self) -> datetime | None: ...


Do = Callable[[Sequence[Work[Correspondence, Any]]], Awaitable[Sequence[Outcome | None]]]
"""Runs works in one transaction; None for one that was refused or whose case stayed locked. Raises when the
database is away: nothing of it is known to be done."""


class Channel:
    """Whether the provider may be called now, and how often at once.

    What concerns the channel and not the message closes it for a while: afterwards one call tries whether it
    works again, so that no message burns its attempts on wrong credentials or a gateway that is down.
    """

    def __init__(self, slots: int, told: Callable[[bool], None]) -> None:
        self._slots, self._told = slots, told
        self._closed_until = 0.0
        self._pause = PROBE_FIRST
        self._trying = False
        self._lost = 0

    def room(self, calling: int) -> int:
        """How many more calls may begin."""
        if time.monotonic() < self._closed_until:
            return 0
        return max(0, (1 if self._trying else self._slots) - calling)

    def heard(self, answer: Answer) -> Answer:
        """Learn from an answer; the same with the time for which its message is put off."""
        match answer.result:
            case Result.REFUSED_US | Result.UNREACHABLE:
                return self._close(answer)
            case Result.INDETERMINATE:
                self._lost += 1
                if self._lost >= LOST_IN_A_ROW:
                    self._trying = True
                    self._shut(PROBE_FIRST)
            case Result.THROTTLED:
                self._shut((answer.retry_after or timedelta(seconds=PROBE_FIRST)).total_seconds())
            case _:
                self._open()
        return answer

    def _open(self) -> None:
        if self._trying:
            log.info("sms_channel_open")
        self._trying, self._pause, self._lost = False, PROBE_FIRST, 0
        self._told(True)

    def _shut(self, seconds: float) -> None:
        self._closed_until = max(self._closed_until, time.monotonic() + seconds)

    def _close(self, answer: Answer) -> Answer:
        begun = time.monotonic()
        if begun >= self._closed_until:
            log.error("sms_channel_closed", reason=answer.result.value, code=answer.code)
            self._shut(self._pause)
            self._pause = min(self._pause * 2, PROBE_LAST)
        self._trying = True
        self._told(False)
        return Answer(answer.result, answer.code, timedelta(seconds=self._closed_until - begun))


class Sender:
    """One round is one transaction: what came back is settled, what is due is claimed; then it is called.

    Never more is claimed than there are free calls, and the attempt is committed before its call (G19). What
    came back and could not be settled yet is kept and settled when the database is there again.
    """

    def __init__(
        self, postbag: Postbag, gateway: Gateway, do: Do, now: Callable[[], datetime], channel: Channel
    ) -> None:
        self._postbag, self._gateway, self._do, self._now = postbag, gateway, do, now
        self._channel = channel
        self._wake = asyncio.Event()
        self._calls: set[asyncio.Task[None]] = set()
        self._answers: list[Work[Correspondence, Any]] = []
        self._fresh = False
        self._looked_at = -LOOK_AT_AGE

    def wake(self) -> None:
        """Something was written or came back."""
        self._wake.set()

    async def run(self, pulse: Pulse) -> None:
        """The loop; a stop waits for calls under way and for what they bring back."""
        while not (pulse.stopping and not self._calls and not self._answers):
            self._wake.clear()
            try:
                idle = not await self._round(claiming=not pulse.stopping)
            except Exception as error:
                log.warning("sender_put_off", error_type=type(error).__name__)
                await asyncio.sleep(POLL)
                idle = False
            pulse.beat()
            if idle:
                await self._rest()

    async def _round(self, *, claiming: bool) -> bool:
        """One transaction; False when there was nothing to do."""
        due = await self._look() if claiming else ()
        answers = list(self._answers)
        works = [*answers, *map(self._claim, due)]
        if not works:
            return False
        outcomes = await self._do(works)
        for message, outcome in zip(due, outcomes[len(answers) :], strict=True):
            if outcome is not None and isinstance(outcome.body, ToCall):
                self._begin(message, outcome.body)
        locked = [work for work, outcome in zip(answers, outcomes, strict=False) if outcome is None]
        self._answers[: len(answers)] = [w for w in locked if self._now() - w.received_at < KEEP_ANSWER]
        return any(outcome is not None for outcome in outcomes)

    async def _look(self) -> Sequence[Due]:
        room = self._channel.room(len(self._calls))
        if room == 0 or not await self._copies_are_fresh():
            return ()
        return await self._postbag.due(self._now(), room)

    async def _copies_are_fresh(self) -> bool:
        if time.monotonic() - self._looked_at >= LOOK_AT_AGE:
            since = await self._postbag.fresh_since()
            fresh = since is not None and self._now() - since <= FRESH
            if fresh != self._fresh:
                log.info("copies_fresh" if fresh else "copies_stale", as_of=since)
            self._fresh, self._looked_at = fresh, time.monotonic()
        return self._fresh

    def _begin(self, message: Due, claimed: ToCall) -> None:
        call = asyncio.create_task(self._call(message, claimed))
        self._calls.add(call)
        call.add_done_callback(self._calls.discard)

    async def _call(self, message: Due, claimed: ToCall) -> None:
        sms = Sms(message.message_id, message.case_id, message.district, claimed.text, message.phone)
        with span("send sms", kind="client", parent=claimed.trace) as here:
            try:
                answer = await self._gateway.send(sms)
            except Exception as error:
                # Whatever it was, the provider may have the message: it is not sent twice.
                log.error("sms_call_failed", message_id=message.message_id, error_type=type(error).__name__)
                answer = Answer(Result.INDETERMINATE, type(error).__name__)
            here.set(result=answer.result.value, code=answer.code)
        settle = Settle(message.message_id, claimed.attempt, self._channel.heard(answer))
        self._answers.append(self._work(SETTLE, message, settle, here.trace.traceparent))
        self.wake()

    def _claim(self, message: Due) -> Work[Correspondence, Any]:
        return self._work(CLAIM, message, Claim(message.message_id, message.contact_version))

    def _work(
        self, use_case: UseCase[Correspondence, Any], message: Due, command: Any, trace: str | None = None
    ) -> Work[Correspondence, Any]:
        return Work(
            use_case=use_case,
            case_id=message.case_id,
            command=command,
            actor=OURSELVES,
            district=message.district,
            received_at=self._now(),
            trace=trace,
        )

    async def _rest(self) -> None:
        try:
            async with asyncio.timeout(POLL):
                await self._wake.wait()
        except TimeoutError:
            return
