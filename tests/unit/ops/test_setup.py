"""What set-up rests on: the lock files."""

import hashlib
import re
import subprocess
import tomllib
from pathlib import Path

import pytest

from ops.stack import jars
from ops.stack.errors import StackError
from ops.stack.jars import Jar, class_path, fetch, is_intact, locked_jars

ROOT = Path(__file__).parents[3]
GOOD = b"the right bytes"
SAMPLE = Jar("org.example", "sample", "1.0", hashlib.sha256(GOOD).hexdigest())


def pins(lock: str) -> set[str]:
    return set(re.findall(r"^[\w.-]+==\S+", (ROOT / lock).read_text(), re.MULTILINE))


def test_tests_run_on_the_very_packages_of_the_runtime() -> None:
    assert pins("requirements.lock")
    assert pins("requirements.lock") <= pins("requirements-dev.lock")


@pytest.mark.parametrize("lock", ["requirements.lock", "requirements-dev.lock", "requirements-setup.lock"])
def test_every_package_is_pinned_with_a_hash(lock: str) -> None:
    blocks = re.split(r"\n(?=\S)", (ROOT / lock).read_text())
    packages = [block for block in blocks if not block.startswith("#")]
    assert packages
    assert [block for block in packages if "==" not in block or "--hash=sha256:" not in block] == []


def test_no_file_names_where_packages_come_from() -> None:
    hosts = (
        "pypi" + ".org",
        "pythonhosted" + ".org",
        "repo1" + ".maven",
        "repo.maven" + ".apache",
        "registry" + ".npmjs",
    )
    found = subprocess.run(
        ["git", "grep", "--files-with-matches", *(word for host in hosts for word in ("-e", host))],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert found.stdout == ""


def test_a_logging_binding_leaves_kafka_at_its_own_version() -> None:
    wanted = tomllib.loads(jars.DESCRIPTION.read_text())["dependencies"]["coordinates"]
    versions = {jar.artifact: jar.version for jar in locked_jars()}
    assert "org.apache.kafka:kafka_2.13:4.3.1" in wanted
    assert {name: v for name, v in versions.items() if name.startswith("kafka") and v != "4.3.1"} == {}
    assert versions["kafka-clients"] == "4.3.1"
    assert versions["log4j-slf4j-impl"] == "2.25.4"


def write(content: bytes):  # type: ignore[no-untyped-def]
    def download(jar: Jar, folder: Path) -> None:
        path = folder / jar.path
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)

    return download


def test_damaged_jar_is_fetched_again(tmp_path: Path) -> None:
    write(b"torn")(SAMPLE, tmp_path)
    assert not is_intact(tmp_path / SAMPLE.path, SAMPLE.sha256)
    fetch([SAMPLE], tmp_path, lambda line: None, write(GOOD))
    assert is_intact(tmp_path / SAMPLE.path, SAMPLE.sha256)


def test_jar_that_is_not_the_locked_one_is_refused_and_not_kept(tmp_path: Path) -> None:
    with pytest.raises(StackError, match=r"sample-1\.0\.jar is not what the lock says"):
        fetch([SAMPLE], tmp_path, lambda line: None, write(b"another program"))
    assert not (tmp_path / SAMPLE.path).exists()


def test_broken_network_is_one_sentence_and_leaves_no_torn_file(tmp_path: Path) -> None:
    def torn(jar: Jar, folder: Path) -> None:
        write(b"half")(jar, folder)
        raise ConnectionError("reset")

    with pytest.raises(StackError, match="check the network and run it again"):
        fetch([SAMPLE], tmp_path, lambda line: None, torn)
    assert not (tmp_path / SAMPLE.path).exists()


def test_only_what_is_missing_or_damaged_is_fetched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    other = Jar("org.example", "other", "2.0", SAMPLE.sha256)
    monkeypatch.setattr(jars, "locked_jars", lambda: [SAMPLE, other])
    write(GOOD)(SAMPLE, tmp_path / "jars")
    asked: list[Jar] = []
    monkeypatch.setattr(jars, "fetch", lambda missing, folder, said: asked.extend(missing))
    assert class_path(tmp_path) == [tmp_path / "jars" / jar.path for jar in (SAMPLE, other)]
    assert asked == [other]
