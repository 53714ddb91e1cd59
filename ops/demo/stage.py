"""Where the demo is played: the stack that runs from HESHI_HOME, else one of its own in a fresh folder."""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from ops.stack.child import launched
from ops.stack.errors import StackError
from ops.stack.home import Home, StackState, free_port, is_free
from ops.stack.parts import PORT_OFFSETS
from ops.stack.run import STOP_SECONDS

NEEDED = frozenset({"intake", "routing", "mediation", "notify", "simulator"})
GIVEN = ("HESHI_POSTGRES", "HESHI_KAFKA", "HESHI_SMS_URL")


def standing() -> bool:
    """Whether a stack runs from HESHI_HOME; StackError where nothing may be played on it."""
    if os.environ.get("HESHI_MODE") == "production":
        raise StackError("The demo's people are invented and have no place in production: unset HESHI_MODE.")
    home = Home.from_environment()
    state = home.read_state()
    if state is not None:
        _check(state, home)
    return state is not None


def _check(state: StackState, home: Home) -> None:
    if not state.complete:
        raise StackError(f"The stack of {home.root} is not ready yet: wait for it, see `heshi status`.")
    if missing := NEEDED - {part.name for part in state.parts if part.ready}:
        raise StackError(f"The demo needs {min(missing)}: start it, or use `--fresh`.")


@contextmanager
def own_home() -> Iterator[None]:
    """A fresh state folder, named by this process's environment with free ports; it goes with the block."""
    folder = tempfile.mkdtemp(prefix="heshi-")
    try:
        with environment({"HESHI_HOME": folder, "HESHI_PORT_BASE": str(free_base())}):
            yield
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def environment(own: Mapping[str, str]) -> Iterator[None]:
    """These variables name this process's stack while the block runs, and no addresses of another one."""
    before = {name: os.environ.pop(name, None) for name in (*own, *GIVEN)}
    os.environ.update(own)
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name, None)
            if value is not None:
                os.environ[name] = value


@contextmanager
def supervised(*options: str) -> Iterator[None]:
    """`heshi up` with all parts ready while the block runs; told to stop when we are gone, however we go."""
    command = launched([sys.executable, "-m", "ops", "up", "--no-welcome", *options], signal.SIGTERM)
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, start_new_session=True) as supervisor:
        try:
            home = Home.from_environment()
            while not ((state := home.read_state()) and state.complete):
                if supervisor.poll() is not None:
                    raise StackError("The stack did not start: the reason stands above.")
                time.sleep(0.1)
            yield
        finally:
            supervisor.terminate()
            supervisor.wait(STOP_SECONDS)


def free_base() -> int:
    """A base whose ports are all free now."""
    for _ in range(100):
        base = free_port()
        if all(is_free(base + offset) for offset in PORT_OFFSETS.values()):
            return base
    raise StackError("No free range of ports was found: end some programs and start again.")
