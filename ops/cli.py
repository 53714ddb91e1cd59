"""The command `heshi`. Each command is a few lines here; the work is done in the module that it names."""

import sys
from typing import Annotated

import typer

from ops.stack.errors import StackError

app = typer.Typer(
    help="Heshi (和事) on this machine.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


def main() -> None:
    """Run the command; what a person can mend is one sentence and exit code 1, never a traceback."""
    sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]  # progress shows when it is piped too
    try:
        app()
    except StackError as error:
        sys.exit(f"heshi: {error}")


def names(text: str) -> list[str]:
    """`a,b` as a list."""
    return [name.strip() for name in text.split(",") if name.strip()]


@app.command()
def up(
    detach: Annotated[
        bool, typer.Option("--detach", help="Return when all is ready and leave it running.")
    ] = False,
    only: Annotated[str, typer.Option(help="Start these parts alone, as in postgres,kafka.")] = "",
    without: Annotated[str, typer.Option(help="Leave these parts out.")] = "",
    demo_data: Annotated[bool, typer.Option(help="Begin with the sample district's data.")] = True,
    welcome: Annotated[bool, typer.Option(hidden=True)] = True,
) -> None:
    """Start the stack and keep it running until Ctrl-C."""
    from ops.stack import run

    if detach:
        run.detached(names(only), names(without), demo_data=demo_data)
    else:
        run.foreground(names(only), names(without), demo_data=demo_data, greet=welcome)


@app.command()
def down() -> None:
    """Stop the stack that runs from HESHI_HOME; nothing is lost."""
    from ops.stack import run

    run.stop()


@app.command()
def status(as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False) -> None:
    """Health, lag, outbox age, parked, dead letters, overdue; exit code 1 unless all parts are ready."""
    from ops.stack import status

    sys.exit(status.show(as_json=as_json))
