"""What the client asked, and what it was told: on the disk before a request goes out and after its answer.

A request is `ok` when it was told its case's number, `refused` when it was told that nothing was done,
`unknown` when nobody can say: the connection broke, or the time ran out. An unknown one is asked again under
its key, so at the end none should be left unknown.
"""

import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

import orjson

Outcome = Literal["asked", "ok", "refused", "unknown"]


@dataclass(frozen=True, slots=True)
class Line:
    """One asking or one answer. `at`: seconds since the epoch; `took`: seconds until the answer."""

    n: int
    ref: str
    at: float
    outcome: Outcome
    status: int = 0
    took: float = 0.0
    case_id: str = ""
    code: str = ""


class History:
    """The file of it, written through to the disk line by line."""

    def __init__(self, path: Path) -> None:
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)

    def note(self, line: Line) -> None:
        """Return when the line is on the disk."""
        os.write(self._file, orjson.dumps(asdict(line), option=orjson.OPT_APPEND_NEWLINE))
        os.fdatasync(self._file)

    def close(self) -> None:
        """No more lines."""
        os.close(self._file)


def read(path: Path) -> Iterator[Line]:
    """The lines in their order; one that a crash tore is left out."""
    for line in path.read_bytes().splitlines():
        try:
            yield Line(**orjson.loads(line))
        except (orjson.JSONDecodeError, TypeError):
            return
