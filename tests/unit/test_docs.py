"""What the documents name is there: links, paths, targets of make, commands, variables."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer.main
from typer.core import TyperGroup

from ops.cli import app

ROOT = Path(__file__).parents[2]
CODE_FOLDERS = ("bench", "libs", "ops", "services", "tests")
TOP = {path.name for path in ROOT.iterdir() if not path.name.startswith(".")} | {".ci", *CODE_FOLDERS}
PAGES = sorted((ROOT / "README.md", *ROOT.glob("docs/**/*.md"), *ROOT.glob("services/*/README.md")))

FENCE = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)
SPAN = re.compile(r"`([^`\n]+)`")
LINK = re.compile(r"\]\(<?([^)\s>]+)>?\)")
HEADING = re.compile(r"^#{1,6} +(.+?)\s*$", re.MULTILINE)
MAKE = re.compile(r"(?<![\w-])make +([a-z][\w-]*)")
HESHI = re.compile(r"(?<![\w.-])heshi +([^`|&;#()\n]+)")
VARIABLE = re.compile(r"\bHESHI_[A-Z]+(?:_[A-Z]+)*\b")

page = pytest.mark.parametrize("page", PAGES, ids=lambda path: str(path.relative_to(ROOT)))


def prose(text: str) -> str:
    """The page without its fenced blocks."""
    return FENCE.sub("", text)


def code(text: str) -> str:
    """What stands in fences and backticks, a line each: prose may say `make sure` and mean nothing by it."""
    return "\n".join([*FENCE.findall(text), *SPAN.findall(prose(text))])


def anchors(path: Path) -> set[str]:
    """The anchors that a forge gives to a page's headings."""
    titles = (title.replace("`", "").lower() for title in HEADING.findall(prose(path.read_text())))
    return {re.sub(r"[^\w\- ]", "", title).replace(" ", "-") for title in titles}


def paths(text: str) -> Iterator[str]:
    """Backticked words that begin in the repository's root: `libs/db/shell.py`, `services/*/store`."""
    for span in SPAN.findall(prose(text)):
        word = span.split("::")[0].split("#")[0].rstrip("/")
        if re.fullmatch(r"[\w.*/-]+", word) and word.split("/")[0] in TOP and ("/" in word or "." in word):
            yield word


def faults(words: str) -> Iterator[str]:
    """What of a command line `heshi` does not know; a placeholder such as `<command>` ends the look."""
    command: Any = typer.main.get_command(app)
    for word in words.split():
        if word[0] in "<[…":
            return
        if word.startswith("--"):
            known = {name for each in command.params for name in (*each.opts, *each.secondary_opts)}
            if word.split("=")[0] not in known | {"--help"}:
                yield f"{command.name} {word}"
        elif isinstance(command, TyperGroup):
            following = command.commands.get(word)
            if following is None:
                yield f"{command.name} {word}"
                return
            command = following


@page
def test_links_inside_lead_somewhere(page: Path) -> None:
    for target in LINK.findall(prose(page.read_text())):
        if re.match(r"[a-z]+:", target):
            continue
        name, _, anchor = target.partition("#")
        file = (page.parent / name).resolve() if name else page
        assert file.exists(), target
        assert ROOT in (file, *file.parents), f"{target} leads out of the repository"
        if anchor:
            assert anchor in anchors(file), target


@page
def test_paths_exist(page: Path) -> None:
    assert [word for word in paths(page.read_text()) if not any(ROOT.glob(word))] == []


@page
def test_targets_of_make_exist(page: Path) -> None:
    targets = set(re.findall(r"^([a-z][\w-]*):(?!=)", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert set(MAKE.findall(code(page.read_text()))) - targets == set()


@page
def test_commands_exist(page: Path) -> None:
    lines = HESHI.findall(code(page.read_text()))
    assert [fault for line in lines for fault in faults(line)] == []


@page
def test_variables_are_read_by_the_code(page: Path) -> None:
    files = [file for folder in CODE_FOLDERS for file in (ROOT / folder).rglob("*.py")]
    known: set[str] = set()
    for file in files:
        if file != Path(__file__):
            known.update(VARIABLE.findall(file.read_text()))
    assert set(VARIABLE.findall(page.read_text())) - known == set()


@pytest.mark.parametrize(
    ("line", "fault"),
    [("up --detach", None), ("audit verify", None), ("audit mend", "mend"), ("up --gently", "--gently")],
)
def test_the_check_of_commands_tells_them_apart(line: str, fault: str | None) -> None:
    assert [found.split()[-1] for found in faults(line)] == ([fault] if fault else [])


def test_the_check_of_paths_sees_what_is_not_there() -> None:
    found = list(paths("`libs/db/nothing.py` and `services/*/store`, not `make run` or `and/or`"))
    assert found == ["libs/db/nothing.py", "services/*/store"]
    assert [word for word in found if not any(ROOT.glob(word))] == ["libs/db/nothing.py"]
