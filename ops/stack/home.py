"""The one folder that holds all state, its lock against a second start, and what runs from it."""

import fcntl
import hashlib
import json
import os
import secrets
import shutil
import socket
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import IO

from ops.stack.errors import StackError, explained

LONGEST_SOCKET_FOLDER = 92  # sun_path holds 107 bytes, PostgreSQL's file name takes 15
NEEDED_BYTES = 512 * 1024 * 1024
GLANCES, GLANCE = 20, 0.02
"""How often the lock of the folder is tried, and seconds in between."""


@dataclass(slots=True)
class PartState:
    """One running part as `heshi status` shows it."""

    name: str
    pid: int | None = None
    port: int | None = None
    ready: bool = False


@dataclass(slots=True)
class StackState:
    """What a supervisor tells others about its stack; `complete` once every part was ready."""

    supervisor: int
    postgres: str = ""
    kafka: str = ""
    complete: bool = False
    parts: list[PartState] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Home:
    """The state folder (absolute path). Every folder below it is readable by its owner alone."""

    root: Path

    @classmethod
    def from_environment(cls) -> "Home":
        """`HESHI_HOME`, by default `.heshi` in the folder where the command is given."""
        return cls(Path(os.environ.get("HESHI_HOME", ".heshi")).absolute())

    def folder(self, *names: str) -> Path:
        """A folder below the root, made when missing."""
        path = self.root.joinpath(*names)
        with explained("making the state folder"):
            try:
                self.root.mkdir(mode=0o700, parents=True, exist_ok=True)
                path.mkdir(mode=0o700, parents=True, exist_ok=True)
            except (FileExistsError, NotADirectoryError) as error:
                raise StackError(
                    f"{error.filename} is not a folder: remove it or set HESHI_HOME to another place."
                ) from error
        return path

    @property
    def keys(self) -> Path:
        return self.folder("keys")

    @property
    def accounts(self) -> Path:
        """The console's accounts; there once the first ones were made."""
        return self.keys / "console-accounts.json"

    def log(self, part: str) -> Path:
        return self.folder("log") / f"{part}.log"

    def socket_folder(self) -> Path:
        """Where Unix sockets go: below the root; in the temporary folder when the root's path is too long."""
        inside = self.folder("run")
        if len(os.fsencode(inside)) <= LONGEST_SOCKET_FOLDER:
            return inside
        name = hashlib.sha256(os.fsencode(self.root)).hexdigest()[:16]
        outside = Path(tempfile.gettempdir()) / f"heshi-{name}"
        outside.mkdir(mode=0o700, exist_ok=True)
        if outside.stat().st_uid != os.geteuid():
            raise StackError(f"{outside} belongs to somebody else: set HESHI_HOME to a shorter path.")
        return outside

    def need_space(self) -> None:
        """Refuse to start when the disk is nearly full: a database that stops in the middle helps nobody."""
        free = shutil.disk_usage(self.folder("run")).free
        if free < NEEDED_BYTES:
            raise StackError(
                f"Only {free // 2**20} MiB are free at {self.root}, {NEEDED_BYTES // 2**20} MiB are needed: "
                "free some space or set HESHI_HOME to another disk."
            )

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the folder against a second supervisor; the kernel lets go however this process ends."""
        with explained("locking the state folder"):
            file = (self.folder("run") / "lock").open("a")
        with file:
            if not _taken(file):
                raise StackError(
                    f"Heshi already runs from {self.root}: use `heshi status` or `heshi down`, "
                    "or set HESHI_HOME to another folder."
                )
            yield

    def is_locked(self) -> bool:
        """Whether a supervisor holds the folder."""
        path = self.root / "run" / "lock"
        if not path.is_file():
            return False
        with path.open("a") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                return True
            return False

    def write_state(self, state: StackState) -> None:
        """Replace what is known of the stack, whole or not at all."""
        path = self.folder("run") / "state.json"
        with explained("writing the state"):
            fresh = path.with_suffix(".new")
            fresh.write_text(json.dumps(asdict(state), indent=1))
            fresh.replace(path)

    def read_state(self) -> StackState | None:
        """The running supervisor's word; None when nothing runs or nothing is known yet."""
        if not self.is_locked():
            return None
        try:
            raw = json.loads((self.root / "run" / "state.json").read_text())
            return StackState(**{**raw, "parts": [PartState(**part) for part in raw["parts"]]})
        except (OSError, ValueError, TypeError, KeyError):
            return None


def _taken(file: IO[str]) -> bool:
    """Take the lock. Whoever looks whether somebody holds it holds it for that moment: that is waited out."""
    for _ in range(GLANCES):
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            time.sleep(GLANCE)
        else:
            return True
    return False


def is_free(port: int) -> bool:
    """Whether this machine's `port` may be listened on now, by a server that asks as those of the stack do:
    what ended connections leave behind for a minute is no hindrance."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def ephemeral_ports(told: Path = Path("/proc/sys/net/ipv4/ip_local_port_range")) -> range:
    """The ports that this machine's outgoing connections get; none where it does not say."""
    try:
        first, last = map(int, told.read_text().split())
    except (OSError, ValueError):
        return range(0)
    return range(first, last + 1)


def free_port(wanted: int = 0, *, besides: int = 0) -> int:
    """`wanted` if nobody has it, else any free one below those that outgoing connections get.

    Never `besides`, which is promised already and still looks free.
    """
    if wanted and is_free(wanted):
        return wanted
    for _ in range(1000):
        port = secrets.choice(range(15000, 32000))
        if port != besides and is_free(port):
            return port
    raise StackError("No free port was found between 15000 and 32000: end some programs and start again.")
