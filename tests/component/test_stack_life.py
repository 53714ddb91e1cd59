"""The embedded stack's life with PostgreSQL and Kafka alone: start, second start, crashes, restarts, stop."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import psycopg
import pytest

from ops.stack.child import running
from ops.stack.home import Home, free_port
from ops.stack.kafka import EmbeddedKafka
from ops.stack.postgres import EmbeddedPostgres, program

ROOT = Path(__file__).parents[2]


class Heshi:
    """The command `heshi` on one state folder of its own."""

    def __init__(self, home: Path, port_base: int) -> None:
        self.home = Home(home)
        self.environment = {**os.environ, "HESHI_HOME": str(home), "HESHI_PORT_BASE": str(port_base)}
        for name in ("HESHI_POSTGRES", "HESHI_KAFKA", "HESHI_SMS_URL"):
            self.environment.pop(name, None)

    def __call__(self, *arguments: str, wrapped: tuple[str, ...] = ()) -> subprocess.CompletedProcess[str]:
        command = [*wrapped, sys.executable, "-m", "ops", *arguments]
        return subprocess.run(
            command, env=self.environment, cwd=ROOT, capture_output=True, text=True, timeout=100, check=False
        )

    def up(self, only: str = "postgres", wrapped: tuple[str, ...] = ()) -> None:
        done = self("up", "--detach", "--only", only, wrapped=wrapped)
        assert done.returncode == 0, done.stdout + done.stderr

    def status(self) -> dict[str, object]:
        return json.loads(self("status", "--json").stdout)

    def supervisor(self) -> psutil.Process:
        state = self.home.read_state()
        assert state is not None
        return psutil.Process(state.supervisor)

    def dsn(self) -> str:
        return str(self.status()["postgres"])

    def pid_of(self, part: str) -> int | None:
        state = self.home.read_state()
        return next((known.pid for known in state.parts if known.name == part), None) if state else None


@pytest.fixture
def heshi(tmp_path: Path) -> Iterator[Heshi]:
    command = Heshi(tmp_path / "home", free_port())
    yield command
    command("down")
    assert running(command.home) == []


def lives(process: psutil.Process) -> bool:
    """Whether it still does anything; where nobody takes leave of the dead they stay on as zombies."""
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def eventually(holds: Callable[[], bool], seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.05)


def test_detached_stack_is_up_when_the_command_returns_and_gone_after_down(heshi: Heshi) -> None:
    heshi.up("postgres,kafka")
    status = heshi.status()
    assert [(part["name"], part["ready"]) for part in status["parts"]] == [
        ("postgres", True),
        ("kafka", True),
    ]
    with psycopg.connect(heshi.dsn()) as connection:
        assert connection.execute("show fsync").fetchone() == ("on",)
    done = heshi("down")
    assert done.returncode == 0
    assert running(heshi.home) == []
    assert heshi("status").returncode == 1


def test_second_start_on_the_same_home_is_refused_in_one_sentence(heshi: Heshi) -> None:
    heshi.up()
    for arguments in (["up"], ["up", "--detach"]):
        second = heshi(*arguments)
        assert second.returncode == 1
        assert second.stderr.startswith("heshi: Heshi already runs from ")
        assert second.stderr.count("\n") == 1
    assert all(part["ready"] for part in heshi.status()["parts"])


def test_sigkill_of_the_supervisor_leaves_no_process(heshi: Heshi) -> None:
    heshi.up("postgres,kafka")
    supervisor = heshi.supervisor()
    family = [supervisor, *supervisor.children(recursive=True)]
    assert len(family) > 5  # the server has children of its own
    supervisor.kill()
    eventually(lambda: not any(lives(process) for process in family), 15)


def test_crashed_part_is_started_again_and_said_so(heshi: Heshi) -> None:
    heshi.up()
    before = heshi.pid_of("postgres")
    assert before is not None
    os.kill(before, signal.SIGKILL)
    eventually(lambda: heshi.pid_of("postgres") not in (None, before))
    eventually(lambda: all(part["ready"] for part in heshi.status()["parts"]))
    said = heshi.home.log("supervisor").read_text()
    assert "postgres ended unexpectedly; it starts again in 0.5 s" in said
    assert "postgres is ready again" in said


def test_session_that_did_not_notice_the_end_of_its_server_keeps_no_new_one_out(tmp_path: Path) -> None:
    postgres = EmbeddedPostgres(Home(tmp_path))
    postgres.start()
    with psycopg.connect(postgres.dsn) as connection:
        session = psutil.Process(connection.info.backend_pid)
        session.suspend()
        assert postgres.child is not None
        postgres.child.stop((signal.SIGKILL, 10))
    assert lives(session)
    postgres.start()
    try:
        assert not lives(session)
        with psycopg.connect(postgres.dsn) as connection:
            assert connection.execute("select 1").fetchone() == (1,)
    finally:
        postgres.stop()


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
@pytest.mark.parametrize(
    "wrapped",
    [
        pytest.param((), id="as-an-unprivileged-user"),
        pytest.param(("unshare", "--user", "--map-root-user"), id="where-only-root-exists"),
        pytest.param(("unshare", "--user", "--map-user=1000"), id="not-as-root-at-all"),
    ],
)
def test_start_as_root_from_a_0700_folder(tmp_path: Path, wrapped: tuple[str, ...]) -> None:
    if wrapped and subprocess.run([*wrapped, "true"], check=False).returncode != 0:
        pytest.skip("this machine allows no user namespaces")
    private = tmp_path / "private"
    private.mkdir(mode=0o700)
    heshi = Heshi(private / "home", free_port())
    try:
        heshi.up(wrapped=wrapped)
        with psycopg.connect(heshi.dsn()) as connection:
            assert connection.execute("select 1").fetchone() == (1,)
        outside = private.stat()
        assert (outside.st_uid, outside.st_mode & 0o777) == (0, 0o700)
    finally:
        heshi("down")


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
def test_postgres_starts_as_root_where_its_programs_lie_below_a_0700_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As in a checkout that only root may enter, with its `.venv`."""
    private = tmp_path / "private"
    private.mkdir(mode=0o700)
    programs = program("postgres").parents[2]
    for folder in (programs, programs.with_name(f"{programs.name}.libs")):
        shutil.copytree(folder, private / folder.name, symlinks=True, copy_function=link_or_copy)
    monkeypatch.setattr("ops.stack.postgres.wheel", lambda package: private / package)
    postgres = EmbeddedPostgres(Home(private / "home"))
    try:
        postgres.start()
        with psycopg.connect(postgres.dsn) as connection:
            assert connection.execute("show data_directory").fetchone() == (str(postgres.data),)
    finally:
        postgres.stop()


def link_or_copy(source: str, target: str) -> None:
    """As `shutil.copytree` wants it, without moving 70 MB where a link does."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)


def test_state_folder_with_a_foreign_database_is_explained(heshi: Heshi) -> None:
    data = heshi.home.folder("postgres", "data")
    (data / "PG_VERSION").write_text("9.6\n")
    done = heshi("up", "--only", "postgres")
    assert done.returncode == 1
    assert "holds 9.6, not PostgreSQL 18: restore a backup" in done.stderr


def test_damaged_database_is_explained(heshi: Heshi) -> None:
    heshi.up()
    heshi("down")
    (heshi.home.root / "postgres" / "data" / "global" / "pg_control").write_bytes(b"rubbish")
    done = heshi("up", "--only", "postgres")
    assert done.returncode == 1
    assert "postgres ended at its start" in done.stderr
    assert "Traceback" not in done.stderr


def test_damaged_kafka_folder_is_explained(heshi: Heshi) -> None:
    heshi.home.folder("kafka", "data")
    done = heshi("up", "--only", "kafka")
    assert done.returncode == 1
    assert "is not a Kafka folder any more" in done.stderr


def test_stopped_servers_can_be_started_again_on_their_folder(tmp_path: Path) -> None:
    home = Home(tmp_path)
    postgres, kafka = EmbeddedPostgres(home), EmbeddedKafka(home)
    for _ in range(2):
        for part in (postgres, kafka):
            part.start()
            assert part.is_ready()
        for part in (kafka, postgres):
            part.stop()
    assert running(home) == []
