"""One run: the stack up, clients asking, faults striking, then rest, and the judgement."""

import asyncio
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path

import psutil

from faults import checker, evidence, history, load
from faults.nemesis import Blow, Struck, strike
from faults.partners import Partners
from faults.world import PROGRAMS, World, world

Say = Callable[[str], None]

BEFORE: float = 5.0
"""Seconds of load before the first fault."""
REST: float = 240.0
"""Seconds within which everything has to come to rest after the last fault."""
DRAIN: float = 60.0
"""Seconds in which requests without an answer get one, once everything works."""


@dataclass
class Result:
    """What came of a run, as it is kept and reported."""

    seed: int
    seconds: float
    rate: float
    faults: list[dict[str, object]] = field(default_factory=list)
    requests: int = 0
    asked: int = 0
    cases: int = 0
    events: int = 0
    repeats: int = 0
    """Records that stood on a topic a second time; each was absorbed, or the run has findings."""
    messages: int = 0
    partner_acts: int = 0
    clocks_run_out: int = 0
    findings: list[str] = field(default_factory=list)
    story: str = ""

    @property
    def passed(self) -> bool:
        """Whether every promise held."""
        return not self.findings


async def run(seed: int, seconds: float, rate: float, blows: Sequence[Blow], say: Say) -> Result:
    """Strike a stack of its own while `rate` requests a second come in; at least `seconds`."""
    with tempfile.TemporaryDirectory(prefix="heshi-history-") as folder:
        async with world() as stack:
            return await _run(stack, Path(folder) / "history.jsonl", seed, seconds, rate, blows, say)


async def _run(
    stack: World, path: Path, seed: int, seconds: float, rate: float, blows: Sequence[Blow], say: Say
) -> Result:
    begun = time.monotonic()
    client, partners = load.Client(seed, rate, path), Partners(await load.add_organisations())
    peaks: dict[str, float] = {}
    asking, working = asyncio.create_task(client.run()), asyncio.create_task(partners.run())
    watching = asyncio.create_task(_watch(stack, peaks))
    await asyncio.sleep(BEFORE)
    struck = await strike(stack, blows, lambda: client.last_ok, say)
    await asyncio.sleep(max(0.0, begun + seconds - time.monotonic()))
    client.stop()
    with suppress(TimeoutError):
        await asyncio.wait_for(asyncio.shield(asking), DRAIN)
    asking.cancel()
    left = await evidence.at_rest(stack, REST)
    partners.stop()
    await working
    left = await evidence.at_rest(stack, DRAIN)
    watching.cancel()
    say("  at rest; gathering")
    found = await evidence.gather(stack, list(history.read(path)))
    found.left, found.peaks, found.secrets = left, peaks, load.SECRETS
    found.recoveries = [(str(one), one.recovery) for one in struck]
    found.standstills = [(one.begun, one.begun + one.lasted) for one in struck if one.door_stood_still]
    return _judged(Result(seed, time.monotonic() - begun, rate), found, struck, partners.acts)


def _judged(result: Result, found: evidence.Evidence, struck: Sequence[Struck], acts: int) -> Result:
    findings = checker.check(found)
    result.faults = [
        {**asdict(one.blow), "notes": one.notes, "lasted": one.lasted, "recovery": one.recovery}
        for one in struck
    ]
    result.requests = len({line.ref for line in found.history})
    result.asked = sum(line.outcome == "asked" for line in found.history)
    result.cases, result.events = len(found.cases), len(found.events)
    result.repeats = len(found.records) - len({record.event_id for record in found.records})
    result.messages, result.partner_acts = len(found.ledger), acts
    result.clocks_run_out = sum(
        event.type in ("deadline.missed", "case.offer_expired") for event in found.events
    )
    result.findings = [f"{f.promise}: {f.case_id} {f.seen}" for f in findings]
    result.story = checker.told(findings, found)
    return result


async def _watch(stack: World, peaks: dict[str, float]) -> None:
    """Note the highest figures, every few seconds."""
    while True:
        for part in PROGRAMS:
            process = stack.process(part)
            with suppress(psutil.Error):
                if process is not None:
                    name = f"MiB of {part}"
                    peaks[name] = max(peaks.get(name, 0), process.memory_info().rss / 2**20)
        sessions = float(stack.wires["postgres"].connections)
        peaks["sessions of PostgreSQL"] = max(peaks.get("sessions of PostgreSQL", 0), sessions)
        await asyncio.sleep(3)
