"""Play the sample cases against the stack that runs from HESHI_HOME, else against a fresh one of our own.

    python -m ops.demo [--fresh] [CASE_NUMBER ...]

Exit code 0 when every case came out as expected, 1 when one did not or there is no stack.
"""

import asyncio
import sys
import time
from collections.abc import Sequence
from contextlib import ExitStack
from typing import Annotated

import aiohttp
import typer
from rich.console import Console

from ops.demo import report, samples, script
from ops.demo.doors import Doors
from ops.demo.findings import find
from ops.demo.play import Player
from ops.demo.room import full
from ops.demo.stage import own_home, standing, supervised
from ops.demo.waiting import Trouble
from ops.stack.errors import StackError
from ops.stack.home import Home

TIMEOUT = aiohttp.ClientTimeout(15)

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
def demo(
    numbers: Annotated[
        list[int] | None, typer.Argument(help="Which cases; without, all of the script.")
    ] = None,
    fresh: Annotated[
        bool, typer.Option("--fresh", help="Start a stack of its own even if one runs.")
    ] = False,
) -> None:
    """Play the sample cases, print the path of each, and compare what became of it with what is expected."""
    console = Console(highlight=False, width=None if sys.stdout.isatty() else 120)
    chosen = [(sample, script.of(sample.number)) for sample in samples.inputs(numbers or script.numbers())]
    began = time.monotonic()
    with ExitStack() as stage:
        if fresh or not fits(console, [sample for sample, _ in chosen]):
            console.print("A fresh stack is the stage; it goes when the play is over.")
            stage.enter_context(own_home())
            stage.enter_context(supervised())
        stories = asyncio.run(play(chosen))
    took = time.monotonic() - began
    unmet = [story.sample.number for story in stories if not report.tell(console, story)]
    report.sum_up(console, len(stories), unmet, took)
    sys.exit(1 if unmet else 0)


def fits(console: Console, chosen: Sequence[samples.Sample]) -> bool:
    """Whether a stack runs from HESHI_HOME whose organisations have room for these cases."""
    if not standing():
        return False
    if crowded := asyncio.run(full_here(chosen)):
        console.print(f"Today {', '.join(crowded)} takes no more new cases on the stack that runs.")
        return False
    console.print(f"The stack that runs from {Home.from_environment().root} is the stage.")
    return True


async def full_here(chosen: Sequence[samples.Sample]) -> list[str]:
    """The organisations that have none, on the stack at hand."""
    async with aiohttp.ClientSession(timeout=TIMEOUT) as session:
        return await full(await Doors.open(session), chosen)


async def play(chosen: Sequence[tuple[samples.Sample, script.Part]]) -> list[report.Story]:
    """Enter the cases one by one, let all take their course at once, then see what became of them."""
    async with aiohttp.ClientSession(timeout=TIMEOUT) as session:
        doors = await Doors.open(session)
        players = [Player(doors, sample, part.entered_by) for sample, part in chosen]
        entered: dict[int, str] = {}
        for player in players:
            await player.register(entered)
            entered[player.sample.number] = player.trail.case_id or ""
        parts = [part for _, part in chosen]
        await asyncio.gather(*(player.play(part) for player, part in zip(players, parts, strict=True)))
        found = await find(doors, {player.sample.number: player.trail for player in players})
        await doors.take_keys_back()
        return [
            report.Story(player.sample, findings, player.trail.trouble)
            for player, findings in zip(players, found, strict=True)
        ]


def main() -> None:
    """Run the command; what a person can mend is one sentence."""
    try:
        app()
    except (StackError, Trouble) as error:
        sys.exit(f"heshi: {error}")


if __name__ == "__main__":
    main()
