"""Legal day counting over a holiday table, and the rule rows that say what is counted."""

from libs.clocks.calendar import LOCAL, Calendar, CalendarError
from libs.clocks.counting import CountingError, Due, Pause, Term, WorkingStep, count, warn_at
from libs.clocks.preview import PreviewRequest, PreviewTerm, preview
from libs.clocks.rules import (
    Facts,
    Rule,
    RuleBook,
    RuleBookError,
    Source,
    UnknownFact,
    UnknownRule,
    due_for,
)

__all__ = [
    "LOCAL",
    "Calendar",
    "CalendarError",
    "CountingError",
    "Due",
    "Facts",
    "Pause",
    "PreviewRequest",
    "PreviewTerm",
    "Rule",
    "RuleBook",
    "RuleBookError",
    "Source",
    "Term",
    "UnknownFact",
    "UnknownRule",
    "WorkingStep",
    "count",
    "due_for",
    "preview",
    "warn_at",
]
