"""The same system in containers: brought up, played on, taken down; then the tests on containers' servers.

    python -m tests.containers

Needs a Docker engine with `docker compose`. What it starts is named by this run alone and goes with its end.
"""

import asyncio
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console

from ops.demo import report, samples, script
from ops.demo.__main__ import play
from ops.demo.stage import free_base
from ops.stack.parts import PORT_OFFSETS, SERVICES

ROOT = Path(__file__).parents[2]
SUITES = ("tests/contract", "tests/integration", "tests/component")


def main() -> None:
    """Exit code 0 when every sample case came out as expected in containers, and every test passed."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # takes down what is up
    with composed() as home:
        os.environ["HESHI_HOME"] = str(home)
        met = played()
    tested = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-n", "0", *SUITES],
        cwd=ROOT,
        env={"TESTCONTAINERS_RYUK_DISABLED": "true", **os.environ, "HESHI_STACK": "containers"},
        check=False,
    )
    sys.exit(0 if met and tested.returncode == 0 else 1)


@contextmanager
def composed() -> Iterator[Path]:
    """The whole system, healthy, on free ports of this machine; a folder with its keys, for those who act."""
    base = free_base()
    ports = {
        f"HESHI_PORT_{name.upper()}": str(base + PORT_OFFSETS[name]) for name in (*SERVICES, "simulator")
    }
    environment = {**os.environ, **ports, "COMPOSE_PROJECT_NAME": f"heshi-check-{os.getpid()}"}

    def compose(*arguments: str) -> None:
        subprocess.run(["docker", "compose", *arguments], cwd=ROOT, env=environment, check=True)

    home = Path(tempfile.mkdtemp(prefix="heshi-"))
    try:
        began = time.monotonic()
        compose("up", "--build", "--wait", "--quiet-pull")
        took = time.monotonic() - began
        sys.stdout.write(f"All containers are healthy after {took:.0f} s.\n")
        sys.stdout.flush()
        compose("cp", "intake:/var/lib/heshi/keys", str(home / "keys"))
        os.environ["HESHI_PORT_BASE"] = str(base)
        yield home
    except subprocess.CalledProcessError:
        subprocess.run(
            ["docker", "compose", "logs", "--tail=40", "--no-color"], cwd=ROOT, env=environment, check=False
        )
        raise
    finally:
        subprocess.run(
            ["docker", "compose", "down", "--volumes", "--remove-orphans"],
            cwd=ROOT,
            env=environment,
            check=False,
        )
        shutil.rmtree(home, ignore_errors=True)


def played() -> bool:
    """Whether all sample cases came out as expected."""
    chosen = [(sample, script.of(sample.number)) for sample in samples.inputs(script.numbers())]
    began, console = time.monotonic(), Console(highlight=False, width=120)
    stories = asyncio.run(play(chosen))
    unmet = [story.sample.number for story in stories if not report.tell(console, story)]
    report.sum_up(console, len(stories), unmet, time.monotonic() - began)
    return not unmet


if __name__ == "__main__":
    main()
