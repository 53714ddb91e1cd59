"""Registrations alone: `POST /v1/cases`, accepted and durable, with PostgreSQL, Kafka and intake running."""

import asyncio
import time
from dataclasses import dataclass

from bench import floor, processes
from bench.figures import Row, Say, Section, at_least, long, quantile
from bench.load import Order, ordered
from ops import tokens
from ops.installation import Installation

FIRST_RATE, STEP = 300.0, 100.0
LIMIT = 1.0
"""Seconds within which 99 of 100 requests are answered at a rate that intake bears."""


@dataclass(frozen=True, slots=True)
class Run:
    """One rate: seconds from each request's due time to its answer, and processor seconds per case."""

    rate: float
    took: list[float]
    cpu: dict[str, float]
    refused: int

    @property
    def borne(self) -> bool:
        """Whether every request was accepted, 99 of 100 in time."""
        return not self.refused and quantile(self.took, 0.99) <= LIMIT


async def measure(say: Say) -> Section:
    """Rising rates up to the knee, then the floor under intake."""
    await run_at(100, 4, say)  # warms up
    runs: list[Run] = []
    rate, failures = FIRST_RATE, 0
    while failures < 2:
        run = await run_at(rate, 20 if long() else 8, say)
        runs.append(run)
        failures = 0 if run.borne else failures + 1
        rate += STEP if run.borne else 0
    knee = max((run for run in runs if run.borne), key=lambda run: run.rate, default=None)
    shown = knee or runs[0]
    raw = await floor.measure(["intake"], say)
    reached = knee.rate if knee else 0.0
    return Section(
        "intake",
        "Intake alone",
        [
            at_least("highest rate with p99 of the answer ≤ 1 s", reached, 600, "registrations/s"),
            Row(f"there ({shown.rate:.0f}/s): answer, p50 / p99", _pair(shown)),
            Row("raw floor of the same rows and records", f"{raw.rate:,.0f} cases/s"),
            Row("intake / raw floor", f"{reached / raw.rate:.3f}"),
            Row("processor per registration there", f"{sum(shown.cpu.values()) * 1e3:.2f} ms"),
        ],
        [
            f"Rates tried: {'; '.join(map(_told, runs))}.",
            "Processor per registration there, ms: "
            + ", ".join(f"{part} {used * 1e3:.2f}" for part, used in shown.cpu.items() if used >= 5e-6)
            + ".",
            raw.told,
        ],
    )


async def fill(say: Say) -> None:
    """A backlog for those who read what intake tells."""
    await run_at(FIRST_RATE, 20, say)


async def run_at(rate: float, seconds: float, say: Say) -> Run:
    """Registrations at a rate, at intake's door."""
    token = tokens.issue("operator", "bench-operator")
    url = Installation.current().url("intake") + "/v1/cases"
    before = processes.cpu()
    answers = await ordered(Order(url, token, rate, seconds, int(time.time())))
    await asyncio.sleep(1)  # what the relay still sends belongs to these cases
    cpu = processes.spent(before, processes.cpu()) | {"load generator": answers.cpu}
    cases = max(len(answers.codes), 1)
    run = Run(
        rate,
        answers.took,
        {part: used / cases for part, used in cpu.items()},
        sum(answers.refused.values()),
    )
    say(f"  {_told(run)}")
    return run


def _pair(run: Run) -> str:
    return f"{quantile(run.took, 0.5):.3f} / {quantile(run.took, 0.99):.3f} s"


def _told(run: Run) -> str:
    verdict = "borne" if run.borne else f"not borne ({run.refused} refused)"
    return f"{run.rate:.0f}/s p50 / p99 {_pair(run)}, {sum(run.cpu.values()) * 1e3:.2f} ms a case, {verdict}"
