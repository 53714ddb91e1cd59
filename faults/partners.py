"""The organisations' software: takes offers up and brings cases to their end, until it is told that it did.

What it did is judged by the events, so it keeps no history of its own."""

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

import aiohttp

from libs.clocks import LOCAL
from ops.installation import Installation

Step = tuple[str, dict[str, Any]]

MEDIATED: Final[tuple[Step, ...]] = (
    ("contact-attempts", {"party": "applicant", "channel": "phone", "at": "$now", "outcome": "reached"}),
    ("consents", {"party": "applicant", "decision": "agrees", "evidence": "电话中表示愿意", "at": "$now"}),
    ("contact-attempts", {"party": "respondent", "channel": "phone", "at": "$now", "outcome": "reached"}),
    ("consents", {"party": "respondent", "decision": "agrees", "evidence": "当面表示愿意", "at": "$now"}),
    ("mediators", {"name": "值班调解员", "disclosure": "与双方无利害关系", "chosen_by": "organisation"}),
    (
        "agreement",
        {
            "form": "written",
            "partial": False,
            "terms": "双方按约定的数额和日期履行",
            "performance": [{"what": "一次付清", "due_on": "$week"}],
            "effective_on": "$today",
            "means": ["约"],
        },
    ),
    ("performance", {"item": 1, "done": True, "on": "$today"}),
    ("close", {"result": "SOLVED", "summary": "已履行"}),
)
TAKE_UP: Final[Step] = ("take-up", {"handler": "值班调解员", "first_contact_by": "$week"})
LOOK_EVERY: Final = 1.0
PAGE: Final = 100


@dataclass
class Partners:
    """Works on the cases of the organisations whose keys it has.

    Of ten cases with an offer it takes eight up and lets two run out; of ten that were taken up it brings
    three to their end. Which ones follows from the case's id.
    """

    keys: Mapping[str, str]
    at_once: int = 6
    _next_step: dict[str, int] = field(default_factory=dict)
    _bodies: dict[str, dict[str, Any]] = field(default_factory=dict)
    resting: bool = False
    """While it is set nothing new is done."""
    _stopping: bool = False
    acts: int = 0

    async def run(self) -> None:
        """Work until `stop`; whatever a door answers, the next look goes on from what is true."""
        timeout = aiohttp.ClientTimeout(15)
        async with aiohttp.ClientSession(timeout=timeout) as session:
            while not self._stopping:
                begun = time.monotonic()
                for org_id, key in self.keys.items():
                    await self._work(session, org_id, key)
                await asyncio.sleep(max(0.0, LOOK_EVERY - (time.monotonic() - begun)))

    def stop(self) -> None:
        """Begin no new round."""
        self._stopping = True

    async def _work(self, session: aiohttp.ClientSession, org_id: str, key: str) -> None:
        slots = asyncio.Semaphore(self.at_once)
        headers = {"Authorization": f"Bearer {key}"}
        url = Installation.current().url("mediation") + "/partner/v1/cases"

        async def one(case: Mapping[str, Any]) -> None:
            async with slots:
                if not (self._stopping or self.resting):
                    await self._step(session, url, headers, case)

        for state in ("offered", "taken_up", "consent_pending", "in_mediation", "agreed", "performing"):
            try:
                query = {"state": state, "limit": str(PAGE)}
                async with session.get(url, params=query, headers=headers) as answer:
                    if answer.status != 200:
                        return
                    cases = (await answer.json())["items"]
            except (aiohttp.ClientError, TimeoutError, ConnectionError, ValueError):
                return
            await asyncio.gather(*(one(case) for case in cases if self._wants(case)))

    def _wants(self, case: Mapping[str, Any]) -> bool:
        drawn = int(case["case_id"][-4:], 16) % 10
        return drawn < 8 if case["state"] == "offered" else drawn < 3

    async def _step(
        self, session: aiohttp.ClientSession, url: str, headers: dict[str, str], case: Mapping[str, Any]
    ) -> None:
        case_id = case["case_id"]
        nth = -1 if case["state"] == "offered" else self._next_step.get(case_id, 0)
        if nth >= len(MEDIATED):
            return
        action, body = TAKE_UP if nth < 0 else MEDIATED[nth]
        name = f"{case_id}-{nth}-{case['version']}"
        # A repeated request has to say the same, or it is another one under the same key.
        filled = self._bodies.setdefault(name, _filled(body))
        asked = {**headers, "Idempotency-Key": name, "If-Match": f'"{case["version"]}"'}
        try:
            async with session.post(f"{url}/{case_id}/{action}", json=filled, headers=asked) as answer:
                status, told = answer.status, await answer.json(content_type=None)
        except (aiohttp.ClientError, TimeoutError, ConnectionError, ValueError):
            return
        code = told.get("code") if isinstance(told, dict) else None
        if status >= 500 or status in (412, 429) or code == "busy":
            return
        self.acts += status < 300
        self._bodies.pop(name, None)
        if nth >= 0:  # done, or refused because it was done by an attempt whose answer was lost
            self._next_step[case_id] = nth + 1


def _filled(body: Any) -> Any:
    today = datetime.now(LOCAL)
    said = {
        "$now": (today - timedelta(seconds=1)).isoformat(timespec="seconds"),
        "$today": today.date().isoformat(),
        "$week": (today + timedelta(days=7)).date().isoformat(),
    }
    if isinstance(body, dict):
        return {name: _filled(value) for name, value in body.items()}
    if isinstance(body, list):
        return [_filled(value) for value in body]
    return said.get(body, body) if isinstance(body, str) else body
