"""An import: many matters in one file. Every row is checked before any is taken; one with a fault is refused
alone, and goes back with its reason."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Literal
from uuid import UUID

from libs.clocks.calendar import instant
from libs.tables.reading import Form
from libs.web import fieldtexts
from libs.web.errors import FieldError, ForbiddenAction, NotFound, Refusal
from libs.web.fieldfaults import Language
from services.intake.domain.columns import in_chinese

Stage = Literal["received", "checking", "taking", "done", "unreadable"]

MOST_OPEN: Final = 10
"""Imports of one credential that may wait or run at a time."""


@dataclass(frozen=True, slots=True)
class Import:
    """What is known of an import, without its file.

    `rows` is counted once all are checked; `taken` and `refused` make it up in the end. `problem`: why the
    whole file cannot be read. `erased`: what was kept of its faulty rows is gone.
    """

    import_id: UUID
    form: Form
    state: Stage
    received_at: datetime
    rows: int | None = None
    checked: int = 0
    taken: int = 0
    refused: int = 0
    problem: FieldError | None = None
    finished_at: datetime | None = None
    erased: bool = False

    def answer(self, spoken: Language) -> dict[str, Any]:
        """The progress as the door tells it."""
        has_errors = self.state == "done" and self.refused > 0 and not self.erased
        return {
            "import_id": str(self.import_id),
            "form": self.form,
            "state": self.state,
            "received_at": instant(self.received_at),
            "finished_at": self.finished_at and instant(self.finished_at),
            "rows": self.rows,
            "checked": self.checked,
            "taken": self.taken,
            "refused": self.refused,
            "error_file": f"/v1/imports/{self.import_id}/errors" if has_errors else None,
            "problem": self.problem
            and {
                "pointer": self.problem.pointer,
                "code": self.problem.code,
                "detail": fieldtexts.text(self.problem.code, spoken),
            },
        }

    def require_errors(self) -> None:
        """Its error file can be made: ForbiddenAction before the end, NotFound when the rows are erased."""
        if self.state != "done":
            raise ForbiddenAction(state=self.state, allowed=["done"])
        if self.refused and self.erased:
            raise NotFound


@dataclass(frozen=True, slots=True)
class Faulty:
    """A row that is not taken: its number in the file, why, and its cells, sealed."""

    number: int
    faults: tuple[FieldError, ...]
    content: bytes


def faults_of(refusal: Refusal) -> tuple[FieldError, ...]:
    """Why a row was refused, as its error file tells it."""
    if refusal.errors:
        return in_chinese(refusal.errors)
    case_id = refusal.extra.get("case_id")
    told = f"{refusal.title.zh}（{case_id}）" if case_id else refusal.title.zh
    return (FieldError("", refusal.code, told),)


BROKEN: Final[Sequence[FieldError]] = (FieldError("", "internal_error", "系统内部错误，请联系管理员"),)
"""What is told of a row that could not be taken through a fault of ours; the log has the rest."""
