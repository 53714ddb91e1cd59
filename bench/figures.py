"""How a measurement is told: on the terminal and in docs/figures.md."""

import os
import platform
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console
from rich.table import Table

PAGE = Path(__file__).parents[1] / "docs" / "figures.md"


@dataclass(frozen=True, slots=True)
class Row:
    """One figure; `met` None: there is no aim for it."""

    what: str
    value: str
    aim: str = ""
    met: bool | None = None


def at_most(what: str, value: float, limit: float, unit: str, digits: int = 1) -> Row:
    """A figure that is good when it is small."""
    return Row(what, f"{value:.{digits}f} {unit}", f"≤ {limit:g} {unit}", value <= limit)


def at_least(what: str, value: float, limit: float, unit: str) -> Row:
    """A figure that is good when it is large."""
    return Row(what, f"{value:,.0f} {unit}", f"≥ {limit:,.0f} {unit}", value >= limit)


@dataclass(frozen=True, slots=True)
class Section:
    """What one module measured, how it did, and what a reader must know to judge it."""

    name: str
    title: str
    rows: Sequence[Row]
    notes: Sequence[str] = ()


def show(console: Console, section: Section) -> None:
    """The section as a table on the terminal."""
    table = Table(title=section.title, title_justify="left", title_style="bold")
    for heading in ("", "measured", "aim", "met"):
        table.add_column(heading)
    for row in section.rows:
        table.add_row(row.what, row.value, row.aim, _met(row))
    console.print(table)
    for note in section.notes:
        console.print(f"  {note}")


def paces(seconds: Sequence[float]) -> str:
    """How even the machine was: its times for the same loop, before the first section and after each."""
    told = ", ".join(f"{each:.2f}" for each in seconds)
    return f"The same loop of 10 million additions took {told} s before, between and after the sections."


def write(page: Path, sections: Sequence[Section], *, command: str, busy: float, pace: str) -> None:
    """Replace a page by these sections; `busy` is the load of the machine before the start."""
    lines = [
        "# Figures" if page == PAGE else "# Figures of search",
        "",
        f"Printed by `{command}`, {datetime.now(UTC):%Y-%m-%d %H:%M} UTC, on {machine()}. The stack, the "
        "load generator and the SMS gateway share this machine. One part alone: `python -m bench NAME`; "
        "longer runs and finer steps: `BENCH_LONG=1`.",
        "",
        f"Load of the machine just before: {busy:.1f} (1 = one core busy with something else). {pace}",
    ]
    for section in sections:
        lines += ["", f"## {section.title}", "", f"`python -m bench {section.name}`", ""]
        lines += ["| | measured | aim | met |", "|---|---|---|---|"]
        lines += [f"| {row.what} | {row.value} | {row.aim} | {_met(row)} |" for row in section.rows]
        lines += ["", *(f"- {note}" for note in section.notes)] if section.notes else []
    page.write_text("\n".join(lines) + "\n", encoding="utf-8")


def machine() -> str:
    """The machine in a few words."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    name = next(
        (
            line.partition(":")[2].strip()
            for line in Path("/proc/cpuinfo").read_text().splitlines()
            if line.startswith("model name")
        ),
        platform.machine(),
    )
    cores = len(os.sched_getaffinity(0))
    return f"{cores} cores ({name}), {memory:.0f} GiB, Linux {platform.release()}, {_python()}"


def quantile(values: Sequence[float], share: float) -> float:
    """The value that this share of all lies at or below; 0 for none."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else 0.0


def long() -> bool:
    """Whether long runs are asked for."""
    return os.environ.get("BENCH_LONG", "") not in ("", "0")


Say = Callable[[str], object]


def _met(row: Row) -> str:
    return {True: "yes", False: "**no**", None: ""}[row.met]


def _python() -> str:
    return f"Python {platform.python_version()}"
