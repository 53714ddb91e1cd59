"""The sample cases: their inputs for those who act, their expectations for those who compare afterwards."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from ops.stack.errors import StackError

FILE = Path(__file__).parents[2] / "data" / "sample_cases.json"


@dataclass(frozen=True, slots=True)
class Sample:
    """A sample case as an operator enters it."""

    number: int
    input: Mapping[str, Any]

    @property
    def phone(self) -> str | None:
        """The citizen's number, as told."""
        phone: str | None = self.input["applicant"]["phone"]
        return phone


def inputs(numbers: Sequence[int]) -> list[Sample]:
    """The cases of these numbers, in the order of the file; StackError for one that is not there."""
    if unknown := sorted(set(numbers) - set(_rows())):
        raise StackError(f"There is no sample case {unknown[0]}: choose from {', '.join(map(str, _rows()))}.")
    return [Sample(number, row["input"]) for number, row in _rows().items() if number in numbers]


def expected(number: int) -> Mapping[str, Any]:
    """What must come of a case."""
    wanted: Mapping[str, Any] = _rows()[number]["expected"]
    return wanted


@cache
def _rows() -> dict[int, Any]:
    return {row["no"]: row for row in json.loads(FILE.read_text())["cases"]}
