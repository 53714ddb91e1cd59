"""What the gateway brings back to the service: receipts, and the SMS that citizens write."""

import asyncio
import time
from collections.abc import Coroutine, Mapping

import aiohttp

from ops.simulator import kannel
from ops.simulator.ledger import Ledger, Sms

RETRY_AFTER_S = (0.2, 1.0, 3.0, 10.0, 30.0, 60.0, 120.0, 300.0)
PARALLEL = 32


class Callbacks:
    """Brings each owed receipt and each citizen's SMS to the service, with retries over about nine minutes.

    What is still owed when the process ends stays in the ledger, and `resume` takes it up again.
    """

    def __init__(self, ledger: Ledger, session: aiohttp.ClientSession, mo_url: str, mo_token: str) -> None:
        self._ledger, self._session = ledger, session
        self._mo_url, self._mo_token = mo_url, mo_token
        self._free = asyncio.Semaphore(PARALLEL)
        self._tasks: set[asyncio.Task[None]] = set()

    def resume(self) -> None:
        for sms in self._ledger.owed():
            self.start(sms)

    def start(self, sms: Sms) -> None:
        """Bring back what is owed for this SMS, in a task of its own."""
        if sms.direction == "in":
            self._spawn(self._hand_on(sms))
        elif sms.receipts:
            self._spawn(self._bring_receipts(sms))

    async def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _spawn(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _bring_receipts(self, sms: Sms) -> None:
        await asyncio.sleep(sms.delay_s)
        for kind in sms.receipts:
            url = kannel.receipt_url(sms.dlr_url or "", kind, sms.id, sms.phone, int(time.time()))
            for _ in range(sms.times):
                if not await self._posted(url, {}, {}):
                    return
        await self._ledger.settle(sms, "undelivered" if kannel.UNDELIVERED in sms.receipts else "delivered")

    async def _hand_on(self, sms: Sms) -> None:
        form = {
            "id": str(sms.id),
            "from": sms.phone,
            "to": sms.number,
            "text": sms.text,
            "charset": "UTF-8",
            "coding": "2",
            "time": sms.at,
        }
        if await self._posted(self._mo_url, form, {"X-Kannel-Token": self._mo_token}):
            await self._ledger.settle(sms, "handed_on")

    async def _posted(self, url: str, form: Mapping[str, str], headers: Mapping[str, str]) -> bool:
        """True when the service took it; False when it refused, or did not answer well in time."""
        for pause in (*RETRY_AFTER_S, None):
            status = await self._post(url, form, headers)
            if status is not None and status < 500 and status != 429:
                return status < 300
            if pause is not None:
                await asyncio.sleep(pause)
        return False

    async def _post(self, url: str, form: Mapping[str, str], headers: Mapping[str, str]) -> int | None:
        async with self._free:
            try:
                async with self._session.post(url, data=form, headers=headers) as response:
                    return response.status
            except (aiohttp.ClientError, TimeoutError, ValueError):
                return None
