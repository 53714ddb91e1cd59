"""Measure the stack and say where it stands against its aims.

    python -m bench [start] [chain] [console] [intake] [imports] [consumer] [relay]
    python -m bench search

Everything runs in a folder of its own that goes with the end. Without names all but `search` is measured and
docs/figures.md is written anew; `search` alone makes a million cases first, takes a quarter of an hour and
writes docs/search.md. Exit code 1 when an aim is missed.
"""

import asyncio
import os
import sys
import time
from collections.abc import Collection, Iterator
from contextlib import ExitStack
from enum import StrEnum
from typing import Annotated

import typer
from rich.console import Console

from bench import chain, consumer, figures, imports, intake, processes, relay, search, start
from bench import console as pages
from bench.cases import add_organisations
from bench.figures import Section
from ops.demo.stage import own_home, supervised


class Name(StrEnum):
    """What can be measured alone."""

    START = "start"
    CHAIN = "chain"
    CONSOLE = "console"
    INTAKE = "intake"
    IMPORTS = "imports"
    CONSUMER = "consumer"
    RELAY = "relay"
    SEARCH = "search"


APART = (Name.SEARCH,)
"""Takes too long to go with the others."""


ENVIRONMENT = {
    # One credential sends all: the limit that protects the door from it is not what is measured.
    "INTAKE_SERVING__RATE_PER_SECOND": "1000000",
    "INTAKE_SERVING__BURST": "1000000",
    "MEDIATION_SERVING__KEY_RATE_PER_SECOND": "1000000",
    "MEDIATION_SERVING__KEY_BURST": "1000000",
}


def bench(names: Annotated[list[Name] | None, typer.Argument()] = None) -> None:
    """Measure all, or the named parts alone."""
    console, wanted = Console(highlight=False), names or [name for name in Name if name not in APART]
    os.environ.update(ENVIRONMENT)
    busy, begun = processes.busy_elsewhere(), time.monotonic()
    console.print(f"On {figures.machine()}; {busy:.1f} cores are busy with something else.")
    sections, paces = [], [processes.pace()]
    with own_home():
        for section in measured(wanted, console):
            figures.show(console, section)
            sections.append(section)
            paces.append(processes.pace())
    told = figures.paces(paces)
    console.print(f"Took {time.monotonic() - begun:.0f} s. {told}")
    pages = {(): (figures.PAGE, "make bench"), (Name.SEARCH,): (search.PAGE, "python -m bench search")}
    if written := pages.get(tuple(names or ())):
        place, command = written
        said = [f"{name}={os.environ[name]}" for name in ("BENCH_LONG", "BENCH_CASES") if name in os.environ]
        command = " ".join([*said, command])
        figures.write(place, sections, command=command, busy=busy, pace=told)
        console.print(f"Written to {place}.")
    sys.exit(any(row.met is False for section in sections for row in section.rows))


def measured(wanted: Collection[Name], console: Console) -> Iterator[Section]:
    """The sections one by one, each on a stack of the parts that it is about; all on the same folder."""
    if Name.SEARCH in wanted:
        yield search.measure(console.print)
    if set(wanted) <= set(APART):
        return
    with ExitStack() as life:
        cold = start.timed(life)
        if Name.START in wanted:
            life.close()
            warm = start.timed(life)
            yield asyncio.run(start.measure(cold, warm))
        asyncio.run(add_organisations())
        if Name.CHAIN in wanted:
            console.print("The whole chain:")
            yield asyncio.run(chain.measure(console.print))
        if Name.CONSOLE in wanted:
            console.print("The console:")
            yield asyncio.run(pages.measure(console.print))
    if {Name.INTAKE, Name.IMPORTS, Name.CONSUMER, Name.RELAY}.isdisjoint(wanted):
        return
    with supervised("--only=postgres,kafka,intake"):
        console.print("Intake alone:")
        if Name.INTAKE in wanted:
            yield asyncio.run(intake.measure(console.print))
        elif not {Name.CONSUMER, Name.RELAY}.isdisjoint(wanted):
            asyncio.run(intake.fill(console.print))
        if Name.IMPORTS in wanted:
            console.print("Imports:")
            yield asyncio.run(imports.measure(console.print))
    with supervised("--only=postgres,kafka"):
        if Name.CONSUMER in wanted:
            console.print("One consumer:")
            yield asyncio.run(consumer.measure(console.print))
        if Name.RELAY in wanted:
            console.print("The relay:")
            yield asyncio.run(relay.measure(console.print))


if __name__ == "__main__":
    typer.run(bench)
