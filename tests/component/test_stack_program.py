"""How a program of the stack is started, watched and ended; the SMS simulator stands for all of them."""

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from ops.stack.child import Child, launched
from ops.stack.errors import StackError
from ops.stack.home import Home, free_port
from tests.component.test_stack_life import Heshi, eventually, lives

SLEEP = [sys.executable, "-c", "import time; time.sleep(60)"]


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path / "home")


def test_program_ends_with_the_one_that_started_it(tmp_path: Path) -> None:
    starter = (
        "import subprocess, sys; from ops.stack.child import launched; from signal import SIGKILL;"
        f"child = subprocess.Popen(launched({SLEEP!r}, SIGKILL)); print(child.pid, flush=True); child.wait()"
    )
    with subprocess.Popen([sys.executable, "-c", starter], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        child = psutil.Process(int(parent.stdout.readline()))
        parent.kill()
    eventually(lambda: not lives(child), 10)


def test_program_whose_starter_has_gone_already_does_not_start() -> None:
    command = launched(["/bin/echo", "started"], signal.SIGKILL)
    command[command.index("--parent") + 1] = "1"
    done = subprocess.run(command, capture_output=True, text=True, timeout=20, check=False)
    assert (done.returncode != 0, done.stdout) == (True, "")


def test_program_that_ends_at_its_start_is_told_with_its_last_words(home: Home) -> None:
    code = "print('fine so far'); raise SystemExit('ERROR: no luck today')"
    child = Child(home, "luck", [sys.executable, "-c", code])
    with pytest.raises(
        StackError, match=r"luck ended at its start \(ERROR: no luck today\): see .*luck\.log"
    ):
        child.wait_until(lambda: False, 20)


def test_program_that_ignores_the_wish_to_stop_is_ended(home: Home) -> None:
    code = "trap '' TERM; echo deaf; while :; do sleep 0.1; done"
    child = Child(home, "deaf", ["/bin/sh", "-c", code])
    eventually(lambda: b"deaf" in child.log.read_bytes())
    child.stop((signal.SIGTERM, 0.2))
    assert child.exit_code() == -signal.SIGKILL


def test_log_is_capped_with_the_older_part_beside_it(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ops.stack.child.LOG_LIMIT", 1000)
    child = Child(home, "talker", [sys.executable, "-c", "print('x' * 2000, flush=True); input()"])
    eventually(lambda: child.log.stat().st_size > 2000 or child.exit_code() is not None)
    child.cap_log()
    assert child.log.stat().st_size == 0
    assert child.log.with_suffix(".log.1").stat().st_size > 2000
    child.stop()


def test_taken_port_is_told_in_one_sentence_and_leaves_nothing_running(tmp_path: Path) -> None:
    heshi = Heshi(tmp_path / "home", free_port())
    with socket.socket() as other:
        other.bind(("127.0.0.1", int(heshi.environment["HESHI_PORT_BASE"]) + 10))
        other.listen()
        done = heshi("up", "--only", "postgres,simulator")
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert "for simulator is taken: end the program that has it, or set HESHI_PORT_BASE" in done.stderr
    assert "postgres" not in done.stdout


def test_ctrl_c_stops_in_order_and_ends_well(tmp_path: Path) -> None:
    heshi = Heshi(tmp_path / "home", free_port())
    command = [sys.executable, "-m", "ops", "up", "--only", "postgres,simulator"]
    with subprocess.Popen(command, env=heshi.environment, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        said = ""
        while "Ctrl-C" not in said:
            line = process.stdout.readline()
            assert line, said
            said += line
        process.send_signal(signal.SIGINT)
        said += process.stdout.read()
        assert process.wait(30) == 0
    assert said.index("simulator   stopped") < said.index("postgres    stopped")


def test_service_that_crashes_again_and_again_waits_longer_each_time(tmp_path: Path) -> None:
    heshi = Heshi(tmp_path / "home", free_port())
    try:
        heshi.up("simulator")
        for pause in ("0.5", "1.0"):
            before = heshi.pid_of("simulator")
            assert before is not None
            os.kill(before, signal.SIGKILL)
            told = f"simulator ended unexpectedly; it starts again in {pause} s"
            eventually(lambda told=told: told in heshi.home.log("supervisor").read_text())
            eventually(lambda before=before: heshi.pid_of("simulator") not in (None, before))
            eventually(lambda: all(part["ready"] for part in heshi.status()["parts"]))
    finally:
        heshi("down")


@pytest.mark.parametrize(
    ("variable", "address", "here", "told"),
    [
        (
            "HESHI_POSTGRES",
            "postgresql://heshi@127.0.0.1:{port}/postgres",
            "kafka,console",
            "PostgreSQL does not answer",
        ),
        ("HESHI_KAFKA", "127.0.0.1:{port}", "postgres,console", "Kafka does not answer"),
    ],
)
def test_given_server_that_is_away_is_one_sentence(
    tmp_path: Path, variable: str, address: str, here: str, told: str
) -> None:
    heshi = Heshi(tmp_path / "home", free_port())
    heshi.environment[variable] = address.format(port=free_port())
    done = heshi("up", "--only", here)
    assert done.returncode == 1
    assert done.stderr.startswith(f"heshi: {told}")
    assert done.stderr.rstrip().endswith(f"start it or put {variable} right.")
