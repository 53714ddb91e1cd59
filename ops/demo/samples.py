"""The sample cases: their inputs for those who act, their expectations for those who compare afterwards."""

import json
import re
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

    def body(self, entered: Mapping[int, str]) -> Any:
        """The input as it stands, with the id of an earlier case where it says `$case_<number>`."""
        text = json.dumps(self.input)
        for number, case_id in entered.items():
            text = text.replace(f'"$case_{number}"', f'"{case_id}"')
        return json.loads(text)

    @property
    def builds_on(self) -> frozenset[int]:
        """The numbers of the cases that must be entered before."""
        return frozenset(map(int, re.findall(r'"\$case_(\d+)"', json.dumps(self.input))))


def inputs(numbers: Sequence[int]) -> list[Sample]:
    """The cases of these numbers, and those that they build on, in the order of the file; StackError for one
    that is not there."""
    if unknown := sorted(set(numbers) - set(_rows())):
        raise StackError(f"There is no sample case {unknown[0]}: choose from {', '.join(map(str, _rows()))}.")
    every = {number: Sample(number, row["input"]) for number, row in _rows().items()}
    wanted = set(numbers).union(*(every[number].builds_on for number in numbers))
    return [sample for number, sample in every.items() if number in wanted]


def expected(number: int) -> Mapping[str, Any]:
    """What must come of a case. `offered`: whether an organisation is offered it without a person's word."""
    wanted: Mapping[str, Any] = _rows()[number]["expected"]
    return {**wanted, "offered": wanted["auto_route_allowed"] and wanted["state"] == "accepted"}


@cache
def _rows() -> dict[int, Any]:
    return {row["no"]: row for row in json.loads(FILE.read_text())["cases"]}
