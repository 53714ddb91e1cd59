"""`heshi up` and `heshi down`: a supervisor in this terminal, one left behind, and the end of either."""

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Collection

from ops.stack.errors import StackError, explained
from ops.stack.home import Home, StackState, ephemeral_ports
from ops.stack.keys import ensure_accounts
from ops.stack.parts import PORT_OFFSETS, SERVICES, choose

STOP_SECONDS = 120


def foreground(
    only: Collection[str], without: Collection[str], *, demo_data: bool, greet: bool = True
) -> None:
    """Run the stack in this process until it is asked to stop."""
    from ops.stack.supervisor import Supervisor  # half a second that the other commands need not wait

    home = Home.from_environment()
    with home.locked():
        home.write_state(StackState(os.getpid()))  # before anybody believes what an earlier start has left
        supervisor = Supervisor(choose(home, only, without, demo_data=demo_data), print)
        print(f"Heshi starts from {home.root}")
        if warning := shared_ports(supervisor.stack.port_base, ephemeral_ports()):
            print(warning)
        asyncio.run(supervisor.run(lambda: print(welcome(home, supervisor.state)) if greet else None))


def shared_ports(base: int, lent: range) -> str:
    """What to say of a base whose ports are among those lent to outgoing connections; empty if none is."""
    if not any(base + offset in lent for offset in PORT_OFFSETS.values()):
        return ""
    return (
        f"Ports above HESHI_PORT_BASE {base} are of {lent[0]} to {lent[-1]}, which outgoing connections get: "
        "one of these may take the port of a part, so a base outside is better."
    )


def detached(only: Collection[str], without: Collection[str], *, demo_data: bool) -> None:
    """Leave a supervisor running behind; return when all its parts are ready, showing its words meanwhile."""
    home = Home.from_environment()
    with home.locked():
        log = home.log("supervisor")
    options = [f"--only={','.join(only)}", f"--without={','.join(without)}"]
    # The passwords are for this terminal, not for the log.
    options += ["--no-welcome", "--demo-data" if demo_data else "--no-demo-data"]
    with explained("starting the supervisor"), log.open("ab") as output:
        begin = output.tell()
        supervisor = subprocess.Popen(
            [sys.executable, "-m", "ops", "up", *options],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            env={**os.environ, "HESHI_HOME": str(home.root)},
        )
    with log.open("r", errors="replace") as words:
        words.seek(begin)
        while True:
            ended = supervisor.poll() is not None
            state = home.read_state()
            sys.stdout.write(words.read())
            if ended:
                raise StackError(f"The stack did not start: the reason stands above and in {log}.")
            if state and state.supervisor == supervisor.pid and state.complete:
                break
            time.sleep(0.1)
    print(welcome(home, state))


def stop() -> None:
    """Ask the supervisor to stop and return when it has gone."""
    home = Home.from_environment()
    state = home.read_state()
    if state is None:
        print(f"Nothing runs from {home.root}.")
        return
    with contextlib.suppress(ProcessLookupError):
        os.kill(state.supervisor, signal.SIGTERM)
    deadline = time.monotonic() + STOP_SECONDS
    # The lock and not the process: where nobody takes leave of the dead, the process stays on as a zombie.
    while home.is_locked():
        if time.monotonic() > deadline:
            raise StackError(
                f"Process {state.supervisor} runs on after {STOP_SECONDS} s: see {home.log('supervisor')}."
            )
        time.sleep(0.1)
    print(f"Stopped; all cases are kept in {home.root}.")


def welcome(home: Home, state: StackState) -> str:
    """Addresses, sign-in names and a next step."""
    ports = {part.name: part.port for part in state.parts}
    programs = [name for name in (*SERVICES, "simulator") if name in ports]
    addresses = {name: f"http://127.0.0.1:{ports[name]}" for name in programs}
    addresses |= {"postgres": state.postgres, "kafka": state.kafka}
    lines = [f"  {name:<11} {place}" for name, place in addresses.items() if place]
    if "console" in ports:
        lines += ["", "  Sign in to the console as"]
        lines += [f"  {name:<11} {password}" for name, password in ensure_accounts(home).items()]
    if programs:
        lines += [
            "",
            "  Next: `make demo` plays the sample cases; `heshi token --role operator` lets scripts in.",
        ]
    return "\n".join(["", *lines, "  Ctrl-C or `heshi down` stops all, nothing is lost."])
