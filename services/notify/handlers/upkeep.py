"""The guarantee behind every wake-up: what waits for something that has come, and what is silent too long."""

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol
from uuid import UUID

import structlog

from libs.db.work import UseCase, Work
from libs.runtime.loops import Pulse
from services.notify.domain.case import Correspondence
from services.notify.domain.rules import Practice
from services.notify.handlers import CONTACT_ARRIVED, GIVE_UP
from services.notify.handlers.desk import OURSELVES
from services.notify.handlers.events import ContactArrived
from services.notify.handlers.sender import Do
from services.notify.handlers.sending import GiveUp

log = structlog.get_logger()

LOOK_EVERY, LISTEN_EVERY = 1.0, 5.0
"""Seconds between two looks for contacts that came, and for messages that nothing was heard of."""
AT_ONCE = 200


@dataclass(frozen=True, slots=True)
class Silent:
    """A message of which nothing was heard for long."""

    message_id: UUID
    case_id: UUID
    district: str


class Place(Protocol):
    """A case, named by id and district."""

    @property
    def case_id(self) -> UUID: ...

    @property
    def district(self) -> str: ...


class Ledger(Protocol):
    """Where to look."""

    async def waiting(self) -> Sequence[Place]: ...

    async def silent(self, practice: Practice, now: datetime, limit: int) -> Sequence[Silent]: ...


class Upkeep:
    """Looks and hands what it finds to the shell, which decides again; it locks nothing (G1)."""

    def __init__(self, ledger: Ledger, do: Do, now: Callable[[], datetime], practice: Practice) -> None:
        self._ledger, self._do, self._now, self._practice = ledger, do, now, practice
        self._wake = asyncio.Event()
        self._listened_at = 0.0

    async def arrived(self, case_ids: Sequence[UUID]) -> None:
        """Contacts came that messages waited for: look at once."""
        self._wake.set()

    async def run(self, pulse: Pulse) -> None:
        """The loop."""
        while not pulse.stopping:
            self._wake.clear()
            try:
                await self.look()
            except Exception as error:
                log.warning("upkeep_put_off", error_type=type(error).__name__)
            pulse.beat()
            try:
                async with asyncio.timeout(LOOK_EVERY):
                    await self._wake.wait()
            except TimeoutError:
                continue

    async def look(self) -> None:
        """One look at both."""
        works = [
            self._work(CONTACT_ARRIVED, place, ContactArrived()) for place in await self._ledger.waiting()
        ]
        if time.monotonic() - self._listened_at >= LISTEN_EVERY:
            self._listened_at = time.monotonic()
            silent = await self._ledger.silent(self._practice, self._now(), AT_ONCE)
            works += [self._work(GIVE_UP, message, GiveUp(message.message_id)) for message in silent]
        for start in range(0, len(works), AT_ONCE):
            await self._do(works[start : start + AT_ONCE])

    def _work(
        self, use_case: UseCase[Correspondence, Any], place: Place, command: Any
    ) -> Work[Correspondence, Any]:
        return Work(
            use_case=use_case,
            case_id=place.case_id,
            command=command,
            actor=OURSELVES,
            district=place.district,
            received_at=self._now(),
        )
