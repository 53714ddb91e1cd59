"""Takes mechanisms out one at a time and shows that a test fails for each: `make mutants`.

Every mutant is a copy of the tree in a temporary folder with a few lines replaced; the named tests run there
against it, on one PostgreSQL and one Kafka for all. The result goes to `docs/mutants.md`. The exit code is 1
when a mutant survives, when a replacement finds nothing to replace, or when the unchanged copy fails.
Arguments name single mechanisms; then nothing is written.
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.mutants.catalogue import MUTANTS, Mutant
from tests.support import infrastructure

ROOT = Path(__file__).parents[2]
REPORT = ROOT / "docs" / "mutants.md"
COPIED = ("libs", "services", "ops", "faults", "bench", "tests", "data", "topics.yaml", "pyproject.toml")
PYTEST = ("-q", "-rf", "--tb=line", "--timeout=180", "-p", "no:cacheprovider")
HEAD = """\
# Mechanisms taken out, one at a time

Written by `make mutants`. Each row is a copy of the tree without one mechanism; the tests that fail there
pass on the unchanged tree.

| taken out | in its place | tests that fail | how |
|---|---|---|---|
"""


@dataclass(frozen=True)
class Verdict:
    """What became of a run: pytest's exit code, each test that failed with its error, all that it printed."""

    code: int
    failed: tuple[tuple[str, str], ...]
    output: str

    @property
    def killed(self) -> bool:
        """Tests ran and at least one failed; a tree that cannot even be collected proves nothing."""
        return self.code == 1 and bool(self.failed)


def copy_tree(folder: Path) -> Path:
    """A copy of what the tests need."""
    tree = folder / "tree"
    tree.mkdir()
    for name in COPIED:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, tree / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, tree / name)
    return tree


def mutate(tree: Path, mutant: Mutant) -> None:
    """Apply every replacement; `SystemExit` where the text to be replaced is not there exactly once."""
    for replacement in mutant.replacements:
        path = tree / replacement.path
        text = path.read_text(encoding="utf-8")
        if text.count(replacement.old) != 1:
            sys.exit(f"{mutant.mechanism}: not exactly once in {replacement.path}: {replacement.old.strip()}")
        path.write_text(text.replace(replacement.old, replacement.new), encoding="utf-8")


def run(tree: Path, tests: Sequence[str]) -> Verdict:
    """The tests against the tree, in a process of their own."""
    environment = {
        **os.environ,
        "HESHI_STACK": "external",
        "HESHI_POSTGRES": infrastructure.server(),
        "HESHI_KAFKA": infrastructure.bootstrap(),
        "PYTHONDONTWRITEBYTECODE": "1",
        "COLUMNS": "250",
    }
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *PYTEST, *tests],
        cwd=tree,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    failed = re.findall(r"^FAILED .*?::(.+?)(?: - (.*))?$", done.stdout, re.MULTILINE)
    return Verdict(done.returncode, tuple(failed), done.stdout + done.stderr)


def imports_itself(tree: Path) -> bool:
    """Whether a process in the tree finds the tree's libraries, not those that are installed."""
    found = subprocess.run(
        [sys.executable, "-c", "import libs.db.batch as batch; print(batch.__file__)"],
        cwd=tree,
        capture_output=True,
        text=True,
        check=True,
    )
    return Path(found.stdout.strip()).is_relative_to(tree.resolve())


def judge(tests: Sequence[str], mutant: Mutant | None = None) -> Verdict:
    """Run the tests against a copy without the mechanism, or against an unchanged one."""
    with tempfile.TemporaryDirectory(prefix="heshi-mutant-") as folder:
        tree = copy_tree(Path(folder))
        if not imports_itself(tree):
            sys.exit("the copy's tests would run against another tree")
        if mutant is not None:
            mutate(tree, mutant)
        return run(tree, tests)


def report(verdicts: Sequence[tuple[Mutant, Verdict]]) -> str:
    """The page in `docs/`."""
    rows = [
        (mutant.mechanism, mutant.instead, f"`{test}`", f"`{shortened(error)}`")
        for mutant, verdict in verdicts
        for test, error in verdict.failed or (("none: it survived", ""),)
    ]
    return HEAD + "".join(f"| {' | '.join(row)} |\n" for row in rows)


def shortened(error: str) -> str:
    """An error without what differs from run to run (ids), short enough for a table."""
    plain = re.sub(r"UUID\('[0-9a-f-]+(?:'\))?", "UUID", error).replace("|", "\\|")
    return plain if len(plain) <= 100 else plain[:97] + "..."


def main() -> int:
    chosen = [mutant for mutant in MUTANTS if not sys.argv[1:] or mutant.mechanism in sys.argv[1:]]
    with infrastructure.running():
        unchanged = judge(sorted({test for mutant in chosen for test in mutant.tests}))
        print("unchanged".ljust(36), "passes" if unchanged.code == 0 else "FAILS", flush=True)
        if unchanged.code != 0:
            print(unchanged.output)
            return 1
        verdicts = []
        for mutant in chosen:
            verdict = judge(mutant.tests, mutant)
            verdicts.append((mutant, verdict))
            print(mutant.mechanism.ljust(36), "killed by" if verdict.killed else "SURVIVED", flush=True)
            for test, error in verdict.failed:
                print(f"    {test}\n        {shortened(error)}")
            if not verdict.killed:
                print(verdict.output)
    if chosen == list(MUTANTS):
        REPORT.write_text(report(verdicts), encoding="utf-8")
    return 0 if all(verdict.killed for _, verdict in verdicts) else 1


if __name__ == "__main__":
    sys.exit(main())
