"""The answer to "until when?" before anything is recorded: one rule or a bare term, counted and shown."""

from datetime import date, datetime

from pydantic import BaseModel, ConfigDict, Field

from libs.clocks.calendar import Calendar
from libs.clocks.counting import CountingError, Measure, Pause, Term, Unit, count
from libs.clocks.rules import Rule, RuleBook, UnknownRule, due_for


class PreviewTerm(BaseModel):
    """A length of time that no rule states."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    length: int
    measure: Measure = "day"
    unit: Unit = "calendar"
    rolls_over_rest_day: bool = False


class PreviewRequest(BaseModel):
    """Body of `POST /v1/deadlines/preview`: `rule` or `term`, and the day or instant it starts from."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    rule: str | None = None
    term: PreviewTerm | None = None
    start: str = Field(max_length=40)
    pauses: tuple[Pause, ...] = Field(default=(), max_length=100)
    region: str | None = None


def preview(request: PreviewRequest, book: RuleBook, calendar: Calendar) -> dict[str, object]:
    """Due date, warning and working of the term asked for, and the source it rests on; stores nothing.

    Raises CountingError with the pointer of the field at fault.
    """
    start = _start(request.start)
    if request.rule is not None and request.term is None:
        rule = _rule(book, request.rule, request.region)
        due, source = due_for(rule, start, calendar, pauses=request.pauses), rule.source
    elif request.term is not None and request.rule is None:
        due, source = count(start, Term(**request.term.model_dump()), calendar, request.pauses), book.source
    else:
        raise CountingError("rule_or_term", "/rule", "name either a rule or a term")
    return {"rule": request.rule, **due.as_json(), "source": source.model_dump()}


def _rule(book: RuleBook, rule_id: str, region: str | None) -> Rule:
    try:
        return book.rule(rule_id, region)
    except UnknownRule as error:
        raise CountingError("unknown_rule", "/rule", "no rule of deadlines.json has this id") from error


def _start(text: str) -> date:
    try:
        return date.fromisoformat(text) if len(text) == len("2026-01-01") else datetime.fromisoformat(text)
    except ValueError as error:
        raise CountingError("not_a_time", "/start", "neither a date nor an instant with offset") from error
