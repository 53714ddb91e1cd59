"""From a citizen's call to the SMS: `POST /v1/cases` → N07 at the gateway, through all four services."""

import asyncio
import json
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import aiohttp

from bench import floor, processes
from bench.cases import DATA
from bench.figures import Row, Say, Section, at_least, at_most, long, quantile
from bench.load import Answers, Order, ordered
from ops import tokens
from ops.installation import Installation
from ops.stack.parts import SERVICES

FIRST_RATE, SLOWEST = 100.0, 5.0
LIMIT = 1.0
"""Seconds within which 99 of 100 cases come through at a rate that the stack bears."""
GROWTH = 0.25
"""Seconds by which the last third's median may exceed the middle third's before the lag counts as growing."""
PATIENCE = 60.0


@dataclass(frozen=True, slots=True)
class Run:
    """One rate: seconds from the due time of each request to its SMS, and what the parts used."""

    rate: float
    cases: int
    n01: list[float]
    n07: list[float]
    posts: list[float]
    cpu: Mapping[str, float]
    refused: Mapping[str, int]

    @property
    def complete(self) -> bool:
        """Every request was accepted and every accepted case's SMS came, once."""
        return not self.refused and len(self.n07) == self.cases

    @property
    def growing(self) -> bool:
        """Whether those who came late waited longer than those before them."""
        third = len(self.n07) // 3
        middle, last = self.n07[third : 2 * third], self.n07[2 * third :]
        return quantile(last, 0.5) > quantile(middle, 0.5) + GROWTH

    @property
    def borne(self) -> bool:
        """Whether the stack bears the rate."""
        return self.complete and not self.growing and quantile(self.n07, 0.99) <= LIMIT


async def measure(say: Say) -> Section:
    """The chain at a quiet rate, then at rising rates up to the knee, then the floor under it."""
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(PATIENCE)) as session:
        gateway = Gateway(session, Installation.current().url("simulator"))
        await at_rate(gateway, 40, 5, say)  # warms up
        quiet = await at_rate(gateway, SLOWEST, 120 if long() else 20, say)
        runs = await _to_the_knee(gateway, say)
    borne = [run for run in runs if run.borne]
    knee = max(borne, key=lambda run: run.rate, default=None)
    raw = await floor.measure(SERVICES, say)
    shown = knee or runs[0]
    rows = [
        at_most("at 5 cases/s, POST to N07, p50", quantile(quiet.n07, 0.5), 0.1, "s", 3),
        at_most("at 5 cases/s, POST to N07, p99", quantile(quiet.n07, 0.99), 0.3, "s", 3),
        Row("at 5 cases/s, POST to N01, p50 / p99", _pair(quiet.n01)),
        Row("at 5 cases/s, answer to the POST, p50 / p99", _pair(quiet.posts)),
        at_least("whole chain, highest rate with p99 ≤ 1 s", knee.rate if knee else 0, 150, "cases/s"),
        Row(f"there ({shown.rate:.0f} cases/s): POST to N07, p50 / p99", _pair(shown.n07)),
        Row("there: POST to N01, p50 / p99", _pair(shown.n01)),
        Row("there: answer to the POST, p50 / p99", _pair(shown.posts)),
        Row("raw floor of the same rows and records", f"{raw.rate:,.0f} cases/s"),
        Row("chain / raw floor", f"{(knee.rate if knee else 0) / raw.rate:.3f}"),
        Row("processor per case there", f"{sum(shown.cpu.values()) * 1e3:.2f} ms"),
    ]
    return Section(
        "chain",
        "The whole chain",
        rows,
        [
            f"Rates tried: {'; '.join(map(_told, runs))}.",
            f"Processor per case at {shown.rate:.0f} cases/s, ms: {_by_part(shown)}.",
            f"Processor per case at 5 cases/s, ms: {_by_part(quiet)} (with what runs when nothing happens).",
            raw.told,
        ],
    )


async def _to_the_knee(gateway: "Gateway", say: Say) -> list[Run]:
    """Rising rates until one is not borne twice: a single bad run may be the machine's."""
    runs: list[Run] = []
    rate, step = FIRST_RATE, 25.0 if long() else 50.0
    failures = 0
    while failures < 2:
        run = await at_rate(gateway, rate, 30 if long() else 10, say)
        runs.append(run)
        failures = 0 if run.borne else failures + 1
        if run.borne:
            rate += step
    return runs


async def at_rate(gateway: "Gateway", rate: float, seconds: float, say: Say) -> Run:
    """Send cases at a rate for so long, and wait for their messages."""
    token = tokens.issue("operator", "bench-operator")
    url = Installation.current().url("intake") + "/v1/cases"
    seed = int(time.time())
    await gateway.skip()
    before = processes.cpu()
    answers = await ordered(Order(url, token, rate, seconds, seed))
    arrived = await gateway.await_all(answers)
    cpu = processes.spent(before, processes.cpu()) | {"load generator": answers.cpu}
    cases = len(answers.codes)
    run = Run(
        rate,
        cases,
        _delays(answers, arrived["N01"]),
        _delays(answers, arrived["N07"]),
        answers.took,
        {part: used / max(cases, 1) for part, used in cpu.items()},
        answers.refused,
    )
    say(f"  {_told(run)}")
    return run


class Gateway:
    """Reads the simulator's ledger from where it was last read."""

    def __init__(self, session: aiohttp.ClientSession, url: str) -> None:
        self._session, self._url, self._after = session, url, "0"
        self._messages = {name: _pattern(name) for name in ("N01", "N07")}

    async def skip(self) -> None:
        """Whatever came so far belongs to nobody who waits now."""
        while await self._page():
            pass

    async def await_all(self, answers: Answers) -> dict[str, dict[str, float]]:
        """When each case's messages came (seconds since the epoch) by query code; what does not come while
        nothing else comes for some seconds is left out. A second N07 of a case fails the run."""
        wanted, found = set(answers.codes), {name: dict[str, float]() for name in self._messages}
        silent_since = time.monotonic()
        while len(found["N07"]) < len(wanted) and time.monotonic() - silent_since < 5:
            page = await self._page()
            if page:
                silent_since = time.monotonic()
            else:
                await asyncio.sleep(0.2)
            for sms in page:
                name, code = self._told(sms["text"])
                if code in wanted and name is not None:
                    assert code not in found[name], f"{name} of a case came twice"
                    found[name][code] = datetime.fromisoformat(sms["at"]).timestamp()
        return found

    async def _page(self) -> list[dict[str, Any]]:
        async with self._session.get(f"{self._url}/ledger", params={"after": self._after}) as answer:
            items: list[dict[str, Any]] = (await answer.json())["items"]
        self._after = items[-1]["id"] if items else self._after
        return items

    def _told(self, text: str) -> tuple[str | None, str | None]:
        for name, pattern in self._messages.items():
            if found := pattern.search(text):
                return name, found["no"]
        return None, None


def _pattern(template: str) -> re.Pattern[str]:
    """A message's text as its template has it, with the query code for `no`."""
    rows = json.loads((DATA / "sms_templates.json").read_text(encoding="utf-8"))["templates"]
    text = next(row["text"] for row in rows if row["id"] == template)
    parts = re.split(r"\{(\w+)\}", text)
    return re.compile(
        "".join(
            re.escape(part) if nth % 2 == 0 else "(?P<no>.+?)" if part == "no" else ".+?"
            for nth, part in enumerate(parts)
        )
    )


def _delays(answers: Answers, arrived: Mapping[str, float]) -> list[float]:
    """In the order in which the requests were due."""
    pairs = sorted(zip(answers.due, answers.codes, strict=True))
    return [arrived[code] - due for due, code in pairs if code in arrived]


def _pair(values: list[float]) -> str:
    return f"{quantile(values, 0.5):.3f} / {quantile(values, 0.99):.3f} s"


def _told(run: Run) -> str:
    lost = "" if run.complete else f", {run.cases - len(run.n07)} missing, refused {dict(run.refused)}"
    verdict = "borne" if run.borne else "lag grows" if run.growing else "not borne"
    return (
        f"{run.rate:.0f}/s ({run.cases} cases) p50 / p99 {_pair(run.n07)}, "
        f"{sum(run.cpu.values()) * 1e3:.2f} ms of processor a case, {verdict}{lost}"
    )


def _by_part(run: Run) -> str:
    return ", ".join(f"{part} {used * 1e3:.2f}" for part, used in run.cpu.items() if used >= 5e-6)
