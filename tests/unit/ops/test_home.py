"""The state folder: its lock, its secrets, its limits."""

import base64
import fcntl
import json
import os
import shutil
import socket
import stat
import threading
from collections import namedtuple
from pathlib import Path

import pytest
from argon2 import PasswordHasher

from ops.stack.child import wheel
from ops.stack.errors import StackError, explained
from ops.stack.home import Home, PartState, StackState, ephemeral_ports, free_port, is_free
from ops.stack.keys import PURPOSES, ensure_accounts, ensure_keys
from ops.stack.parts import PARTS, choose, port_base
from ops.stack.run import shared_ports


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path / "home")


def test_second_holder_of_the_folder_is_refused_until_the_first_lets_go(home: Home) -> None:
    with home.locked():
        with pytest.raises(StackError, match="already runs"), home.locked():
            pytest.fail("two held it")
        assert home.is_locked()
    assert not home.is_locked()


def test_a_look_at_the_folder_keeps_nobody_from_taking_it(home: Home) -> None:
    with (home.folder("run") / "lock").open("a") as looker:
        fcntl.flock(looker, fcntl.LOCK_SH)
        threading.Timer(0.05, lambda: fcntl.flock(looker, fcntl.LOCK_UN)).start()
        with home.locked():
            assert home.is_locked()


def test_state_of_a_dead_supervisor_is_not_believed(home: Home) -> None:
    state = StackState(supervisor=1, postgres="p", kafka="k", parts=[PartState("kafka", 2, 3, True)])
    with home.locked():
        home.write_state(state)
        assert home.read_state() == state
    assert home.read_state() is None


def test_damaged_state_file_is_no_state(home: Home) -> None:
    with home.locked():
        (home.folder("run") / "state.json").write_text('{"supervisor"')
        assert home.read_state() is None


def test_nearly_full_disk_is_refused_in_one_sentence(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage(10**9, 10**9 - 1, 1))
    with pytest.raises(StackError, match="free some space or set HESHI_HOME"):
        home.need_space()


def test_disk_that_fills_up_is_one_sentence() -> None:
    with (
        pytest.raises(StackError, match=r"The disk is full \(writing\): free some space"),
        explained("writing"),
    ):
        raise OSError(28, "No space left on device")


def test_file_in_place_of_the_folder_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StackError, match="is not a folder: remove it or set HESHI_HOME"):
        Home(tmp_path / "file").folder("run")


def test_folders_are_for_their_owner_alone(home: Home) -> None:
    assert stat.S_IMODE(home.folder("keys").stat().st_mode) == 0o700
    assert stat.S_IMODE(home.root.stat().st_mode) == 0o700


def test_sockets_of_a_deep_folder_go_to_a_short_private_one(tmp_path: Path) -> None:
    deep = Home(tmp_path.joinpath(*["a-rather-long-name"] * 6))
    outside = deep.socket_folder()
    try:
        assert len(os.fsencode(outside)) < 92
        assert stat.S_IMODE(outside.stat().st_mode) == 0o700
        assert deep.socket_folder() == outside
    finally:
        outside.rmdir()


def test_keys_are_made_once_whole_and_private(home: Home) -> None:
    ensure_keys(home)
    first = {path.name: path.read_bytes() for path in home.keys.iterdir()}
    assert {name for name in first if name.endswith(".key")} == {f"{purpose}.1.key" for purpose in PURPOSES}
    assert all(len(base64.urlsafe_b64decode(first[f"{purpose}.1.key"])) == 32 for purpose in PURPOSES)
    assert {stat.S_IMODE(path.stat().st_mode) for path in home.keys.iterdir()} == {0o600}
    ensure_keys(home)
    assert {path.name: path.read_bytes() for path in home.keys.iterdir()} == first


def test_rotated_key_is_left_alone(home: Home) -> None:
    ensure_keys(home)
    (home.keys / "index.1.key").rename(home.keys / "index.2.key")
    ensure_keys(home)
    assert not (home.keys / "index.1.key").exists()


def test_keys_of_production_bear_no_demo_mark(home: Home) -> None:
    ensure_keys(home, mode="production")
    assert not (home.keys / "DEMO").exists()


def test_passwords_open_the_accounts_and_stay_the_same(home: Home) -> None:
    passwords = ensure_accounts(home)
    rows = {row["user"]: row for row in json.loads((home.keys / "console-accounts.json").read_text())}
    assert set(rows) == {"operator", "dispatcher", "supervisor", "admin", "auditor"}
    for user, password in passwords.items():
        assert PasswordHasher().verify(rows[user]["password_hash"], password)
        assert password not in json.dumps(rows[user])
    assert ensure_accounts(home) == passwords
    assert stat.S_IMODE((home.root / "passwords.txt").stat().st_mode) == 0o600


def test_passwords_taken_away_are_not_made_again(home: Home) -> None:
    ensure_accounts(home)
    (home.root / "passwords.txt").unlink()
    assert ensure_accounts(home) == {}


def test_given_addresses_leave_their_parts_out(home: Home) -> None:
    given = {
        "HESHI_POSTGRES": "postgresql://x@db/postgres",
        "HESHI_KAFKA": "broker:9092",
        "HESHI_SMS_URL": "http://sms/send",
    }
    stack = choose(home, environ=given)
    assert (stack.postgres, stack.kafka) == (None, None)
    assert "simulator" not in stack.programs
    environment = stack.program("notify")._environment
    assert {name: environment[name] for name in given} == given


def test_only_and_without_choose_parts_in_the_order_of_start(home: Home) -> None:
    everything = choose(home, environ={})
    assert (everything.postgres is not None, everything.kafka is not None) == (True, True)
    assert everything.programs == PARTS[2:]
    assert choose(home, only=["notify", "kafka", "postgres", "intake"], environ={}).programs == (
        "intake",
        "notify",
    )
    assert choose(home, without=["console"], environ={}).programs[0] == "intake"


@pytest.mark.parametrize("missing", ["postgres", "kafka"])
def test_services_without_what_they_need_are_one_sentence(home: Home, missing: str) -> None:
    with pytest.raises(StackError, match=f"The services need {missing}: start it with them, or set HESHI_"):
        choose(home, without=[missing], environ={})


def test_unknown_part_is_one_sentence(home: Home) -> None:
    with pytest.raises(StackError, match="There is no part intakes: choose from postgres, kafka"):
        choose(home, only=["intakes"], environ={})


@pytest.mark.parametrize("text", ["", "eight", "80", "65536", "-1"])
def test_port_base_is_checked(text: str) -> None:
    with pytest.raises(StackError, match="HESHI_PORT_BASE"):
        port_base({"HESHI_PORT_BASE": text})


def test_taken_port_is_one_sentence_before_the_program_starts(home: Home) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        taken = other.getsockname()[1]
        assert not is_free(taken)
        assert free_port(taken) != taken
        stack = choose(home, environ={"HESHI_PORT_BASE": str(taken)})
        with pytest.raises(StackError, match=f"Port {taken} for console is taken: end the program"):
            stack.program("console").prepare()


def test_a_port_that_a_server_has_just_left_is_free() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        with socket.create_connection(("127.0.0.1", port)):
            server.accept()[0].close()  # the side that ends first waits on (TIME_WAIT)
    assert is_free(port)


def test_a_base_among_the_ports_of_outgoing_connections_is_told(tmp_path: Path) -> None:
    told = tmp_path / "ip_local_port_range"
    told.write_text("32768\t60999\n")
    lent = ephemeral_ports(told)
    assert "32768 to 60999" in shared_ports(32700, lent)  # Kafka's is 92 above
    assert shared_ports(8000, lent) == shared_ports(61000, lent) == ""
    assert shared_ports(40000, ephemeral_ports(tmp_path / "none")) == ""


def test_free_port_is_never_one_that_is_promised_already(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn = iter([20001, 20002])
    monkeypatch.setattr("ops.stack.home.secrets.choice", lambda _: next(drawn))
    monkeypatch.setattr("ops.stack.home.is_free", lambda port: port != 20000)
    assert free_port(20000, besides=20001) == 20002


def test_missing_package_is_one_sentence() -> None:
    with pytest.raises(StackError, match="The package no_such_wheel is missing: run `make setup`"):
        wheel("no_such_wheel")
