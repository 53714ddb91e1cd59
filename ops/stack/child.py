"""One program of the stack: it dies with us, its output goes to a capped log, its stop has a time limit."""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path

import psutil

from ops.stack.errors import StackError, explained
from ops.stack.home import Home

LOG_LIMIT = 8 * 1024 * 1024
LAUNCHER = Path(__file__).with_name("launch.py")


class Child:
    """A running program. The thread that makes it must outlive it: its end is what the kernel watches."""

    def __init__(
        self,
        home: Home,
        name: str,
        command: Sequence[str | Path],
        *,
        environment: Mapping[str, str] | None = None,
        end_signal: signal.Signals = signal.SIGKILL,
        server_folders: Sequence[Path] = (),
    ) -> None:
        self.home, self.name = home, name
        self.log = home.log(name)
        with explained(f"starting {name}"), self.log.open("ab") as output:
            self._log_start = output.tell()
            self._process = subprocess.Popen(
                launched(command, end_signal, server_folders),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                cwd=home.root,
                env={**os.environ, **(environment or {}), "HESHI_HOME": str(home.root), "HESHI_PART": name},
            )

    @property
    def pid(self) -> int:
        return self._process.pid

    def exit_code(self) -> int | None:
        """None while it runs; negative is the signal that ended it."""
        return self._process.poll()

    def wait_until(self, ready: Callable[[], bool], seconds: float) -> None:
        """Return once `ready()`; StackError with the program's last words if it ends first or is too slow."""
        deadline = time.monotonic() + seconds
        while not ready():
            if self.exit_code() is not None:
                raise StackError(f"{self.name} ended at its start ({self.last_words()}): see {self.log}.")
            if time.monotonic() > deadline:
                raise StackError(f"{self.name} was not ready after {seconds:.0f} s: see {self.log}.")
            time.sleep(0.05)

    def last_words(self) -> str:
        """The line of this run's log that most likely says why it ended."""
        with self.log.open("rb") as file:
            file.seek(self._log_start)
            lines = [
                line.strip()
                for line in file.read()[-65536:].decode(errors="replace").splitlines()
                if line.strip()
            ]
        telling = [line for line in lines if any(word in line for word in ("FATAL", "ERROR", "Error"))]
        return (telling or lines or ["it said nothing"])[-1][:300]

    def stop(self, *steps: tuple[signal.Signals, float]) -> None:
        """Send each signal in turn, wait its seconds, and end with SIGKILL."""
        for wish, seconds in (*steps, (signal.SIGKILL, 10.0)):
            if self.exit_code() is not None:
                return
            self._process.send_signal(wish)
            try:
                self._process.wait(seconds)
            except subprocess.TimeoutExpired:
                continue

    def cap_log(self) -> None:
        """Keep the log and one older part below the limit; lines written during the copy may be lost."""
        if self.log.stat().st_size > LOG_LIMIT:
            shutil.copyfile(self.log, self.log.with_suffix(".log.1"))
            os.truncate(self.log, 0)
            self._log_start = 0


def launched(
    command: Sequence[str | Path], end_signal: signal.Signals, server_folders: Sequence[Path] = ()
) -> list[str]:
    """`command` behind the launcher, bound to the life of this thread."""
    owned = [text for folder in server_folders for text in ("--server", str(folder))]
    options = ["--parent", str(os.getpid()), "--signal", str(int(end_signal)), *owned]
    return [sys.executable, "-I", "-S", str(LAUNCHER), *options, "--", *map(str, command)]


def run_once(
    home: Home, name: str, command: Sequence[str | Path], server_folders: Sequence[Path] = ()
) -> None:
    """Run a preparing program to its end; StackError with its last words when it fails."""
    child = Child(home, name, command, server_folders=server_folders)
    code = child._process.wait()
    if code != 0:
        raise StackError(f"{name} failed ({child.last_words()}): see {child.log}.")


def running(home: Home, part: str | None = None) -> list[psutil.Process]:
    """The programs of this state folder's stack that still run, whoever started them."""
    found = []
    for process in psutil.process_iter():
        try:
            environment = process.environ()
        except psutil.Error:
            continue
        name = environment.get("HESHI_PART", "")
        if environment.get("HESHI_HOME") == str(home.root) and name and part in (None, name):
            found.append(process)
    return found


def wheel(package: str) -> Path:
    """Where an installed package lies, without running it; StackError when it is missing."""
    spec = find_spec(package)
    if spec is None or spec.origin is None:
        raise StackError(f"The package {package} is missing: run `make setup`.")
    return Path(spec.origin).parent
