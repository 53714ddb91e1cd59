"""The whole embedded stack: every part, its addresses, keys for partners, and its end."""

import json
import urllib.error
import urllib.request
from collections.abc import Iterator

import psutil
import pytest

from ops.stack.child import running
from ops.stack.home import free_port
from ops.stack.parts import PARTS, PORT_OFFSETS
from tests.component.test_stack_life import Heshi, eventually, lives


@pytest.fixture(scope="module")
def heshi(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Heshi]:
    """One stack for the tests of this file, in their order: the last one kills it."""
    command = Heshi(tmp_path_factory.mktemp("whole") / "home", free_port())
    command.up(",".join(PARTS))
    yield command
    command("down")


def get(port: int, path: str, credential: str) -> tuple[int, dict[str, object]]:
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}{path}", headers={"Authorization": f"Bearer {credential}"}
    )
    with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310
        return answer.status, json.load(answer)


def test_every_part_is_ready_at_the_address_that_others_rely_on(heshi: Heshi) -> None:
    status = heshi.status()
    base = int(heshi.environment["HESHI_PORT_BASE"])
    assert [(part["name"], part["ready"]) for part in status["parts"]] == [(name, True) for name in PARTS]
    ports = {part["name"]: part["port"] for part in status["parts"]}
    assert ports == {"postgres": None, **{name: base + offset for name, offset in PORT_OFFSETS.items()}}
    assert all(psutil.pid_exists(part["pid"]) for part in status["parts"])
    assert status["kafka"] == f"127.0.0.1:{base + PORT_OFFSETS['kafka']}"
    assert (status["parked"], status["dead_letters"], status["overdue"]) == (0, 0, 0)


def test_staff_token_opens_intake(heshi: Heshi) -> None:
    token = heshi("token", "--role", "operator").stdout.strip()
    answered, body = get(_port(heshi, "intake"), "/v1/cases", token)
    assert (answered, body) == (200, {"items": [], "next": None})


def test_issued_key_opens_mediation_when_the_command_returns_and_a_revoked_one_nothing(heshi: Heshi) -> None:
    issued = heshi("org", "key", "issue", "MED-01")
    assert issued.returncode == 0, issued.stderr
    key, key_id = issued.stdout.strip(), issued.stderr.split()[1]
    assert get(_port(heshi, "mediation"), "/partner/v1/cases", key)[0] == 200
    revoked = heshi("org", "key", "revoke", key_id)
    assert revoked.returncode == 0, revoked.stderr
    with pytest.raises(urllib.error.HTTPError) as refused:
        get(_port(heshi, "mediation"), "/partner/v1/cases", key)
    assert refused.value.code == 401


@pytest.mark.parametrize(
    ("command", "told"),
    [
        (["issue", "MED-999"], "Routing refused (404 not_found)"),
        (["revoke", "MED-01.99"], "No organisation of"),
    ],
)
def test_key_that_cannot_be_is_one_sentence(heshi: Heshi, command: list[str], told: str) -> None:
    done = heshi("org", "key", *command)
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert told in done.stderr


def test_nothing_personal_or_secret_stands_in_the_logs(heshi: Heshi) -> None:
    words = (heshi.home.root / "passwords.txt").read_text().split()[1::2]
    logs = "".join(path.read_text(errors="replace") for path in (heshi.home.root / "log").iterdir())
    assert words
    assert [word for word in words if word in logs] == []


def test_sigkill_of_the_supervisor_leaves_none_of_the_services(heshi: Heshi) -> None:
    supervisor = heshi.supervisor()
    family = [supervisor, *supervisor.children(recursive=True)]
    assert len(family) > len(PARTS)
    supervisor.kill()
    eventually(lambda: not any(lives(process) for process in family), 15)
    assert running(heshi.home) == []


def _port(heshi: Heshi, name: str) -> int:
    return int(heshi.environment["HESHI_PORT_BASE"]) + PORT_OFFSETS[name]
