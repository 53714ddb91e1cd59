"""Strike the stack and judge what came of it.

    python -m faults run --seed 1 --minutes 15 --faults all --rate 20
    python -m faults recover --away 120
    python -m faults report

`run` prints the seed, what it does and what it finds; exit code 1 when a promise did not hold, then with the
shortest list of faults that it still fails with (`--shrink`). What came of each run is kept in the folder of
`--results`; a seed that has passed for so many minutes is not run again. `report` writes docs/reliability.md.
"""

import asyncio
import json
import sys
import time
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from bench.figures import Section, show
from faults import recovery
from faults import report as pages
from faults.nemesis import FAULTS, Blow, schedule
from faults.run import Result, run
from faults.shrink import shortest

app = typer.Typer(no_args_is_help=True, add_completion=False, help=__doc__)

RESULTS, RECOVERY = Path(".heshi") / "faults", "recovery.json"


@app.command("run")
def strike(
    seed: Annotated[
        list[int], typer.Option(help="Makes the load and the faults; may be given more than once.")
    ],
    minutes: Annotated[float, typer.Option(help="How long faults come.")] = 15.0,
    faults: Annotated[str, typer.Option(help="`all`, or names with commas between them.")] = "all",
    rate: Annotated[float, typer.Option(help="Requests a second.")] = 10.0,
    often: Annotated[float, typer.Option(help="Faults a minute.")] = 2.5,
    results: Annotated[Path, typer.Option(help="Where the results are kept.")] = RESULTS,
    shrink: Annotated[bool, typer.Option(help="Look for the shortest list of faults that fails.")] = False,
) -> None:
    """Run each seed; go on with the next one also when one failed."""
    names = [] if faults == "all" else faults.split(",")
    if unknown := sorted(set(names) - FAULTS.keys()):
        raise typer.BadParameter(f"there is no fault {', '.join(unknown)}; there are {', '.join(FAULTS)}")
    failed = False
    for one in seed:
        kept = results / f"seed-{one}-{minutes:g}min-{faults.replace(',', '+')}.json"
        if kept.exists() and not json.loads(kept.read_text())["findings"]:
            print(f"seed {one}: passed before, see {kept}")
            continue
        blows = schedule(one, minutes * 60, often, names)
        print(
            f"seed {one}: {len(blows)} faults in {minutes:g} minutes, {rate:g} requests a second", flush=True
        )
        result = asyncio.run(run(one, minutes * 60, rate, blows, _say))
        keep(kept, result)
        print(summary(result), flush=True)
        if not result.passed:
            failed = True
            print(result.story, flush=True)
            if shrink:
                print(f"It still fails with: {_shortest(one, rate, blows)}")
    sys.exit(failed)


@app.command()
def recover(
    away: Annotated[float, typer.Option(help="Seconds for which the broker is away.")] = 120.0,
    results: Annotated[Path, typer.Option(help="Where the figures are kept.")] = RESULTS,
) -> None:
    """Measure how fast the stack catches up; exit code 1 when an aim is missed."""
    rows = asyncio.run(recovery.measure(away, _say))
    show(Console(highlight=False), Section("recovery", "Catching up", rows))
    recovery.keep(results / RECOVERY, rows)
    sys.exit(any(row.met is False for row in rows))


@app.command()
def report(results: Annotated[Path, typer.Option(help="Where the results are.")] = RESULTS) -> None:
    """Write what the kept runs came to into docs/reliability.md."""
    runs = [Result(**json.loads(path.read_text())) for path in sorted(results.glob("seed-*.json"))]
    kept = results / RECOVERY
    pages.write(runs, recovery.kept(kept) if kept.exists() else [])


def keep(path: Path, result: Result) -> None:
    """Write a result, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_suffix(".new")
    fresh.write_text(json.dumps(asdict(result), ensure_ascii=False, indent=1, default=str))
    fresh.rename(path)


def summary(result: Result) -> str:
    """A run on one line."""
    verdict = "every promise held" if result.passed else f"{len(result.findings)} findings"
    return (
        f"seed {result.seed}: {len(result.faults)} faults in {result.seconds:.0f} s, {result.requests} "
        f"requests asked {result.asked} times, {result.cases} cases, {result.events} events, "
        f"{result.repeats} repeats absorbed, {result.messages} SMS, "
        f"{result.clocks_run_out} clocks ran out: {verdict}"
    )


def _shortest(seed: int, rate: float, blows: list[Blow]) -> list[str]:
    def fails(some: list[Blow]) -> bool:
        seconds = max((blow.at for blow in some), default=0.0) + 10
        return not asyncio.run(run(seed, seconds, rate, some, _say)).passed

    return [f"{blow.nth} {blow.fault} (seed {blow.seed})" for blow in shortest(blows, fails)]


def _say(text: str) -> None:
    print(f"{time.strftime('%H:%M:%S')} {text}", flush=True)


if __name__ == "__main__":
    app()
