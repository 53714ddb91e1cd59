"""What may change inside a version of a type: optional fields may come and go, nothing else.

Topics hold 30 days of events, and during a roll-out old and new readers and writers run side by side. So old
must read new and new must read old ("full" compatibility): a required field, a type, a pattern, a bound, a
list of words and a default stay as they are; another meaning is a new version of the type.

`python -m libs.events.compatibility REF` compares the schemas here with those of a git revision.
"""

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from libs.events.export import ROOT, SCHEMAS

Schema = Mapping[str, Any]

_ANNOTATIONS = {"$defs", "$id", "$schema", "title", "description", "properties", "required"}


def violations(old: Schema, new: Schema) -> list[str]:
    """Where `new` breaks readers or writers of `old`, as pointers with the reason; empty when nowhere."""
    return list(_compare(old, new, old, new, ""))


def _compare(old: Any, new: Any, old_root: Schema, new_root: Schema, at: str) -> Iterator[str]:
    if isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        for index, (was, now) in enumerate(zip(old, new, strict=True)):
            yield from _compare(was, now, old_root, new_root, f"{at}/{index}")
        return
    if not (isinstance(old, Mapping) and isinstance(new, Mapping)):
        if old != new:
            yield f"{at}: changed"
        return
    old, new = _resolve(old, old_root), _resolve(new, new_root)
    yield from _fields(old, new, old_root, new_root, at)
    for keyword in sorted((old.keys() | new.keys()) - _ANNOTATIONS):
        yield from _compare(old.get(keyword), new.get(keyword), old_root, new_root, f"{at}/{keyword}")


def _fields(old: Schema, new: Schema, old_root: Schema, new_root: Schema, at: str) -> Iterator[str]:
    was, now = old.get("properties", {}), new.get("properties", {})
    for name in sorted(was.keys() | now.keys()):
        needed_before, needed_now = name in old.get("required", ()), name in new.get("required", ())
        if needed_now and not needed_before:
            yield f"{at}/{name}: became required, older events lack it"
        elif needed_before and not needed_now:
            yield f"{at}/{name}: no longer required, older readers need it"
        if name in was and name in now:
            yield from _compare(was[name], now[name], old_root, new_root, f"{at}/{name}")


def _resolve(schema: Schema, root: Schema) -> Schema:
    """A referenced shape in place of its reference: its name is no part of the contract."""
    while reference := schema.get("$ref"):
        beside = {key: value for key, value in schema.items() if key != "$ref"}
        schema = {**root["$defs"][reference.removeprefix("#/$defs/")], **beside}
    return schema


def _committed(revision: str) -> dict[str, Schema]:
    """The schemas of a git revision by path."""
    folder = SCHEMAS.relative_to(ROOT).as_posix()
    listing = _git("ls-tree", "-r", "--name-only", revision, "--", folder).splitlines()
    return {path: json.loads(_git("show", f"{revision}:{path}")) for path in listing}


def _git(*arguments: str) -> str:
    return subprocess.run(["git", *arguments], cwd=ROOT, check=True, capture_output=True, text=True).stdout  # noqa: S603, S607


def main(revision: str) -> int:
    """Prints what broke since the revision; 1 when something did."""
    broken = []
    for path, old in _committed(revision).items():
        here = Path(ROOT, path)
        if not here.exists():
            broken.append(f"{path}: the type is gone, topics still hold it")
            continue
        broken += [f"{path}{fault}" for fault in violations(old, json.loads(here.read_text("utf-8")))]
    sys.stdout.writelines(f"{line}\n" for line in broken)
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
