"""The client: asks at given times whether or not earlier answers came, and remembers everything."""

import asyncio
import json
import random
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import aiohttp
import orjson

from bench.cases import bodies, streets_and_grids
from faults.history import History, Line
from ops import tokens
from ops.installation import Installation

PATIENCE: Final = 15.0
"""Seconds that the client waits for an answer; a door answers within 10 (G2)."""
AGAIN: Final = (0.5, 1.0, 2.0, 4.0)
"""Seconds before an unknown or put-off request is asked again, the last for all later ones."""
CANARY: Final = "金丝雀"
"""Stands in every name, address and story that is sent, and every number begins with `NUMBERS`."""
NUMBERS: Final = "13975"
SECRETS: Final = (
    CANARY,
    json.dumps(CANARY)[1:-1].replace("\\", r"\\"),
    rf"(?<![0-9A-Za-z-])(?:\+?86)?{NUMBERS}\d{{6}}(?![0-9A-Za-z-])",
)
"""What no topic and no log may hold, as patterns."""
DANGER: Final = "来电人说最近总有轻生的念头，不想活了，家里人都不在身边。"


def requests(seed: int, *, danger: bool = True) -> Iterator[tuple[str, bytes]]:
    """Endlessly `(external_ref, body)`, the same for the same seed.

    Of ten, six go to an organisation that takes everything at once, two to one that has to answer, one tells
    of danger (unless it shall not), and one waits for a person's decision.
    """
    made = bodies(10**9, seed)
    for n, body in enumerate(made):
        told: dict[str, Any] = orjson.loads(body)
        ref = f"faults-{seed}-{n}"
        told["external_ref"] = ref
        told["category"] = "D06" if n % 10 in (3, 7) else "D02"
        told["applicant"] |= {"name": f"{CANARY}{n}", "phone": f"{NUMBERS}{n:06d}"}
        told["respondents"] = [{"name": f"{CANARY}对方{n}", "organisation": False}]
        told["place"]["address"] += CANARY
        opening = DANGER if danger and n % 10 == 5 else ""
        told["narrative"] = f"{CANARY}说：{opening}{told['narrative']}"
        if n % 10 == 9:
            del told["decision"]
        yield ref, orjson.dumps(told)


@dataclass
class Client:
    """Sends the requests of a seed, `rate` a second, until told to stop; `history` has what came of them."""

    seed: int
    rate: float
    path: Path
    danger: bool = True
    _stopping: asyncio.Event = field(default_factory=asyncio.Event)
    _going: asyncio.Event = field(default_factory=asyncio.Event)
    _under_way: set["asyncio.Task[None]"] = field(default_factory=set)
    sent: int = 0
    last_ok: float = 0.0
    """When a request was last told its number, by the monotonic clock."""

    async def run(self) -> None:
        """Send until `stop`; returns when every request has an answer that counts."""
        history, draw = History(self.path), random.Random(self.seed)
        self._going.set()
        connector = aiohttp.TCPConnector(limit=0)
        timeout = aiohttp.ClientTimeout(PATIENCE)
        try:
            async with aiohttp.ClientSession(connector=connector, timeout=timeout) as session:
                due = time.monotonic()
                for ref, body in requests(self.seed, danger=self.danger):
                    if not self._going.is_set():
                        await self._going.wait()
                        due = time.monotonic()
                    due += draw.expovariate(self.rate)
                    if await self._stopped_before(due):
                        break
                    task = asyncio.create_task(self._ask(session, history, self.sent, ref, body))
                    self._under_way.add(task)
                    task.add_done_callback(self._under_way.discard)
                    self.sent += 1
                await asyncio.gather(*self._under_way)
        finally:
            history.close()

    def stop(self) -> None:
        """Ask for nothing new; what is open is still asked to its end."""
        self._going.set()
        self._stopping.set()

    def pause(self) -> None:
        """Ask for nothing new until `go_on`."""
        self._going.clear()

    def go_on(self) -> None:
        """Ask again, from now."""
        self._going.set()

    async def all_answered(self) -> None:
        """Return when every request that was sent has an answer that counts."""
        await asyncio.sleep(2 / self.rate)  # the one that was due when the pause began
        while self._under_way:
            await asyncio.wait(set(self._under_way))

    async def _stopped_before(self, due: float) -> bool:
        with suppress(TimeoutError):
            await asyncio.wait_for(self._stopping.wait(), max(0.0, due - time.monotonic()))
        return self._stopping.is_set()  # also where it is too late to wait

    async def _ask(
        self, session: aiohttp.ClientSession, history: History, n: int, ref: str, body: bytes
    ) -> None:
        url = Installation.current().url("intake") + "/v1/cases"
        for attempt in range(10_000):
            headers = {
                "Authorization": f"Bearer {tokens.issue('operator', 'faults-operator')}",
                "Content-Type": "application/json",
                "Idempotency-Key": ref,
            }
            history.note(Line(n, ref, time.time(), "asked"))
            begun = time.monotonic()
            answer = await _answer(session, url, body, headers)
            line = _line(n, ref, time.monotonic() - begun, answer)
            history.note(line)
            if line.outcome == "ok":
                self.last_ok = time.monotonic()
            if line.outcome == "ok" or (line.outcome == "refused" and not _put_off(line.status)):
                return
            await asyncio.sleep(AGAIN[min(attempt, len(AGAIN) - 1)])


async def _answer(
    session: aiohttp.ClientSession, url: str, body: bytes, headers: dict[str, str]
) -> tuple[int, bytes] | None:
    try:
        async with session.post(url, data=body, headers=headers) as answer:
            return answer.status, await answer.read()
    except (aiohttp.ClientError, TimeoutError, ConnectionError):
        return None


def _line(n: int, ref: str, took: float, answer: tuple[int, bytes] | None) -> Line:
    if answer is None:
        return Line(n, ref, time.time(), "unknown", took=took)
    status, body = answer
    if status in (200, 201):
        case = orjson.loads(body)
        return Line(n, ref, time.time(), "ok", status, took, case["case_id"], case["query_code"])
    return Line(
        n, ref, time.time(), "unknown" if status >= 500 and status != 503 else "refused", status, took
    )


def _put_off(status: int) -> bool:
    return status in (409, 429, 503)


async def add_organisations() -> dict[str, str]:
    """`FAULTS-NOW` takes every case at once, `FAULTS-LATER` has to answer; their keys, by organisation."""
    url, token = Installation.current().url("routing"), tokens.issue("admin", "faults-admin")
    grids = [grid["code"] for _, grid in streets_and_grids()]
    keys: dict[str, str] = {}
    async with aiohttp.ClientSession(headers={"Authorization": f"Bearer {token}"}) as session:
        for org_id, categories, at_once in (
            ("FAULTS-NOW", ["D02"], True),
            ("FAULTS-LATER", ["D06"], False),
            ("FAULTS-NEXT", ["D06"], False),
        ):
            profile = {
                "org_id": org_id,
                "name": f"{org_id}调解委员会",
                "type": "PMC",
                "areas": grids,  # nearer than any other organisation of the district, so it is chosen
                "categories": categories,
                "kinds": ["DIS"],
                "capacity": 2**31 - 1,
                "standing_acceptance": at_once,
                "closed_on_holidays": False,
                "hours": [{"days": [1, 2, 3, 4, 5, 6, 7], "from": "00:00", "to": "24:00"}],
            }
            place = f"{url}/v1/organisations/{org_id}"
            async with session.put(place, json=profile) as answer:
                assert answer.status in (200, 201), await answer.text()
            headers = {"Idempotency-Key": f"key-{org_id}"}
            async with session.post(f"{place}/keys", json={"scopes": []}, headers=headers) as answer:
                assert answer.status == 201, await answer.text()
                keys[org_id] = (await answer.json())["key"]
    return keys
