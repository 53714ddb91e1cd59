"""Kafka's jars: exactly those of the committed lock, in the cache folder, every byte checked at every use.

python -m ops.stack.jars         fetch what is missing (`make setup`)
python -m ops.stack.jars lock    resolve ops/kafka/jgo.toml again (`make lock`)
"""

import fcntl
import hashlib
import logging
import os
import sys
import tomllib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from ops.stack.errors import StackError, explained

DESCRIPTION = Path(__file__).parents[1] / "kafka" / "jgo.toml"
LOCK = DESCRIPTION.with_name("jgo.lock.toml")


@dataclass(frozen=True, slots=True)
class Jar:
    """One artifact of the lock."""

    group: str
    artifact: str
    version: str
    sha256: str

    @property
    def path(self) -> Path:
        """Its place in a Maven repository, which the cache folder is."""
        return Path(
            *self.group.split("."), self.artifact, self.version, f"{self.artifact}-{self.version}.jar"
        )


def cache_folder() -> Path:
    """What can be fetched again: `HESHI_CACHE`, by default `~/.cache/heshi`."""
    base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(os.environ.get("HESHI_CACHE") or Path(base) / "heshi").absolute()


def locked_jars() -> list[Jar]:
    """The jars of the committed lock, in the order of the class path."""
    rows = tomllib.loads(LOCK.read_text())["dependencies"]
    return [Jar(row["groupId"], row["artifactId"], row["version"], row["sha256"]) for row in rows]


def class_path(cache: Path | None = None, said: Callable[[str], None] = lambda line: None) -> list[Path]:
    """Where all locked jars lie, each with its right checksum; fetches what is missing or damaged."""
    folder = (cache or cache_folder()) / "jars"
    jars = locked_jars()
    missing = [jar for jar in jars if not is_intact(folder / jar.path, jar.sha256)]
    if missing:
        fetch(missing, folder, said)
    return [folder / jar.path for jar in jars]


def is_intact(path: Path, sha256: str) -> bool:
    """Whether the file is there and holds what the lock says."""
    if not path.is_file():
        return False
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest() == sha256


def fetch(
    jars: list[Jar],
    folder: Path,
    said: Callable[[str], None],
    download: Callable[[Jar, Path], object] | None = None,
) -> None:
    """Download each jar into the repository `folder`; one that does not match its checksum is not kept."""
    bring = download or downloader(folder)

    def one(jar: Jar) -> Jar:
        path = folder / jar.path
        if is_intact(path, jar.sha256):  # another set-up has just brought it
            return jar
        path.unlink(missing_ok=True)
        try:
            bring(jar, folder)
        except (OSError, RuntimeError) as error:
            path.unlink(missing_ok=True)
            raise StackError(
                f"{path.name} could not be fetched ({error}): check the network and run it again."
            ) from error
        if not is_intact(path, jar.sha256):
            path.unlink(missing_ok=True)
            raise StackError(f"{path.name} is not what the lock says and was not kept: run it again.")
        return jar

    with explained("fetching Kafka"), alone_in(folder), ThreadPoolExecutor(6) as pool:
        for number, jar in enumerate(pool.map(one, jars), start=1):
            said(f"  Kafka {number}/{len(jars)}  {jar.path.name}")


def downloader(folder: Path) -> Callable[[Jar, Path], object]:
    """jgo's download into the repository `folder`."""
    from jgo.maven import MavenContext  # costs half a second, needed once

    logging.getLogger("jgo").setLevel(logging.ERROR)  # our own check is the one that counts
    context = MavenContext(repo_cache=folder, timeout=60)
    return lambda jar, _: (
        context.project(jar.group, jar.artifact).at_version(jar.version).artifact().resolve()
    )


@contextmanager
def alone_in(folder: Path) -> Iterator[None]:
    """Keep two set-ups that share the cache from writing the same file."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def relock() -> None:
    """Resolve the description anew and write the lock, without a time: the same jars are the same file."""
    from jgo.env import EnvironmentBuilder, EnvironmentSpec
    from jgo.maven import MavenContext

    spec = EnvironmentSpec.load(DESCRIPTION)
    builder = EnvironmentBuilder(context=MavenContext(repo_cache=cache_folder() / "jars", timeout=60))
    lock = builder.resolve_lockfile(spec)
    lines = ["# Written by `make lock` from jgo.toml."]
    for dependency in lock.dependencies:
        lines += ["", "[[dependencies]]"]
        names = ("groupId", "artifactId", "version", "packaging", "sha256")
        lines += [f'{name} = "{getattr(dependency, name)}"' for name in names]
    LOCK.write_text("\n".join(lines) + "\n")


def main() -> None:
    try:
        if sys.argv[1:] == ["lock"]:
            relock()
        else:
            class_path(said=print)
    except StackError as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
