"""What the documents name is there: links, paths, targets of make, commands, variables, doors, acts."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import pytest
import typer.main
from fastapi.routing import APIRoute
from typer.core import TyperGroup

from libs.web import erasures
from ops.cli import app
from services.console import api as console
from services.intake import api as intake
from services.mediation import api as mediation
from services.mediation.api import bodies, partner
from services.notify import api as notify
from services.routing import api as routing

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
DOOR = re.compile(r"`((?:(?:GET|POST|PUT|PATCH|DELETE)(?:, )?)+) ([/…][^`?\s]*)")

BETWEEN_PARTS = {"HESHI_PART", "HESHI_DEMO_DATA", "HESHI_RUN_WITH"}
"""What one program of the house tells another, and nobody else."""
ROUTERS = (
    *console.ROUTERS,
    *intake.ROUTERS,
    *mediation.ROUTERS,
    *notify.ROUTERS,
    *routing.ROUTERS,
    erasures.router(cast(Any, None)),
)
DOORS = {
    (method, path)
    for router in ROUTERS
    for route in router.routes
    if isinstance(route, APIRoute)
    for path in [route.path]
    for method in route.methods or ()
}

page = pytest.mark.parametrize("page", PAGES, ids=lambda path: str(path.relative_to(ROOT)))


def prose(text: str) -> str:
    """The page without its fenced blocks."""
    return FENCE.sub("", text)


def code(text: str) -> str:
    """What stands in fences and backticks, a line each: prose may say `make sure` and mean nothing by it."""
    return "\n".join([*FENCE.findall(text), *SPAN.findall(prose(text))])


def commands(name: str) -> list[str]:
    """The lines of a page's shell examples."""
    return [
        line.strip()
        for block in re.findall(r"^```sh\n(.*?)^```", (ROOT / name).read_text(), re.MULTILINE | re.DOTALL)
        for line in block.splitlines()
        if not line.startswith("make ")
    ]


def doors(text: str) -> Iterator[tuple[str, str]]:
    """Each `GET /v1/cases` of a page; `…` is a beginning left out, `<act>` stands for what follows it."""
    for methods, path in DOOR.findall(prose(text)):
        for method in methods.split(", "):
            yield method, path


def is_open(method: str, path: str) -> bool:
    """Whether a service has such a door."""
    shape = re.escape(path).replace("…", ".*")
    shape = re.sub(r"<\w+>", r"[\\w-]+", shape)
    return any(method == known and re.fullmatch(shape, door) for known, door in DOORS)


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
    files.append(ROOT / "docker-compose.yml")
    known: set[str] = set()
    for file in files:
        if file != Path(__file__):
            known.update(VARIABLE.findall(file.read_text()))
    assert set(VARIABLE.findall(page.read_text())) - known == set()


def test_readme_tells_every_variable_that_one_may_set() -> None:
    files = [file for folder in ("libs", "ops", "services") for file in (ROOT / folder).rglob("*.py")]
    read = {name for file in files for name in VARIABLE.findall(file.read_text())}
    assert read - BETWEEN_PARTS - set(VARIABLE.findall((ROOT / "README.md").read_text())) == set()


def test_the_example_of_readme_is_of_the_walkthrough_which_a_test_runs() -> None:
    example = commands("README.md")
    assert len(example) > 10
    walked = iter(commands("docs/walkthrough.md"))
    assert [line for line in example if line not in walked] == []  # each after the one before


@page
def test_doors_exist(page: Path) -> None:
    assert [door for door in doors(page.read_text()) if not is_open(*door)] == []


def test_the_check_of_doors_tells_them_apart() -> None:
    found = list(doors("`POST …/decision`, `GET, POST /sign-in`, `GET /v1/cases/{case_id}/nothing`, `POST`"))
    assert [method for method, _ in found] == ["POST", "GET", "POST", "GET"]
    assert [is_open(*door) for door in found] == [True, True, True, False]


ACTS = {action.name: action for action in partner.ACTIONS} | {
    "sessions/{session_id}/outcome": partner.Action("session-outcome", bodies.SessionOutcome)
}


def test_the_partners_guide_tells_every_act_with_its_fields() -> None:
    """A field that may be left out is in *italics*; an act that moves the case is marked M."""
    text = (ROOT / "docs" / "guide-partner.md").read_text()
    rows = dict(
        re.findall(
            r"^\| `([\w/{}-]+)` \| (.*) \|$", text.partition("## Acts")[2].partition("## States")[0], re.M
        )
    )
    assert rows.keys() == ACTS.keys()
    for name, row in rows.items():
        mark, _, fields = row.partition("|")
        assert (mark.strip() == "M") is ACTS[name].moves, name
        told = re.sub(r"\(.*?\)|\[.*?\]|;.*", "", fields)
        assert {word.strip("*"): not word.startswith("*") for word in re.findall(r"\*?[a-z_]+\*?", told)} == {
            field: info.is_required() for field, info in ACTS[name].body.model_fields.items()
        }, name


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
