"""The rows of `deadlines.json`: which clocks an event starts, and until when each of them runs.

Rows are matched on opaque facts: a condition `colours: ["red"]` asks for the fact `colours`, whatever that
may mean. So the law stays data, and a new row needs no line of code.
"""

import json
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from datetime import date
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from libs.clocks.calendar import Calendar
from libs.clocks.counting import CountingError, Due, Measure, Pause, Term, Unit, count, start_day, warn_at

Facts = Mapping[str, object]

ANY_TRACK = "ANY"


class RuleBookError(ValueError):
    """Rows that cannot be trusted: an unknown field or value, an id given twice, a name without meaning."""


class UnknownRule(KeyError):
    """No row has this id."""


class UnknownFact(KeyError):
    """A fact that no row asks for: a misspelt name would silently start the wrong clocks."""


class Row(BaseModel):
    """Part of the file: fixed once read, and a misspelt field is an error, not a default."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Source(Row):
    """Where a row comes from, and how far that is checked."""

    text: str
    status: Literal["law", "local", "press", "memory", "product", "assumption"]


class Extension(Row):
    """Who may prolong a term, and by how many units of it at most (None: as agreed)."""

    by: str
    max_length: int | None


class Rule(Row):
    """One row of `deadlines.json` (fields: data/README.md), with the terms of a region that has its own."""

    id: str
    group: str
    track: str
    nature: Literal["duty", "right", "information", "service_level"]
    enabled: bool
    zh: str
    en: str
    applies_when: Mapping[str, bool | frozenset[str | int]]
    start_event: str
    length: int
    measure: Measure
    unit: Unit
    rolls_over_rest_day: bool
    pause_events: tuple[tuple[str, str], ...]
    restart_events: tuple[str, ...]
    extends: str | None
    extension: Extension | None
    owed_by: str
    warn_at_percent: int = Field(ge=1, le=100)
    warn_tell: tuple[str, ...]
    breach_tell: tuple[str, ...]
    breach_action: str
    escalation: tuple[str, ...]
    source: Source
    region_override_allowed: bool
    override_direction: Literal["shorter", "longer", "any"] | None
    notes: str
    valid_until: date | None = None
    successor: str | None = None
    local_terms: tuple[Term, ...] = ()

    @cached_property
    def term(self) -> Term:
        """The length that the row states, before any region's own."""
        return Term(self.length, self.measure, self.unit, self.rolls_over_rest_day)

    @model_validator(mode="after")
    def _states_a_term(self) -> Self:
        Term(self.length, self.measure, self.unit)
        return self

    def expired(self, on: date) -> bool:
        """Whether the law that the row rests on had ended by `on`: then it is used provisionally."""
        return self.valid_until is not None and on > self.valid_until

    def applies(self, facts: Facts) -> bool:
        """Whether the row's track is ANY or that of the facts, and all its conditions hold for them."""
        return self.track in (ANY_TRACK, facts.get("track")) and all(
            _holds(name, wanted, facts) for name, wanted in self.applies_when.items()
        )


class LocalTerm(Row):
    """A region's own length for a rule; what it does not name stays as in the row."""

    region: str
    rule: str
    enabled: bool
    length: int
    measure: Measure | None = None
    unit: Unit | None = None
    source: str
    notes: str = ""

    def of(self, rule: Rule) -> Term:
        """The rule's term as the region has it; RuleBookError where the law leaves no room for one."""
        if not rule.region_override_allowed:
            raise RuleBookError(f"{rule.id} leaves no room for a region's own term")
        return Term(
            self.length, self.measure or rule.measure, self.unit or rule.unit, rule.rolls_over_rest_day
        )


class RuleBook:
    """All rows, found by id or by the event that starts their clock, in the order of the file."""

    def __init__(
        self,
        rules: Sequence[Rule],
        events: Mapping[str, bool],
        source: Source,
        local_terms: Sequence[LocalTerm] = (),
    ) -> None:
        """`events`: the ids that may start, pause or restart a clock, True where one is on a topic."""
        self._rules = {rule.id: rule for rule in rules}
        _check(rules, local_terms, self._rules, events)
        enabled = [rule for rule in rules if rule.enabled]
        self._starts = {event: [rule for rule in enabled if rule.start_event == event] for event in events}
        self._restarts = {
            event: [rule for rule in enabled if event in rule.restart_events] for event in events
        }
        self._successor = {
            rule.id: follower for rule in rules for follower in enabled if rule.successor == follower.id
        }
        self._predecessor = {follower.id: self._rules[id] for id, follower in self._successor.items()}
        self._facts = {"track"} | {name.removesuffix("_not") for rule in rules for name in rule.applies_when}
        self._local_terms = [local for local in local_terms if local.enabled]
        self.source = source
        self.dated_facts = frozenset(event for event, on_topic in events.items() if not on_topic)
        """Events that are no message but a date somebody recorded (`harm.known`)."""

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read `deadlines.json`; raise RuleBookError naming what is unsound."""
        book = json.loads(path.read_text(encoding="utf-8"))
        try:
            return cls(
                rules=[Rule.model_validate(_with_percent(row, book)) for row in book["rules"]],
                events={event["id"]: event["on_topic"] for event in book["events"]},
                source=Source(text=book["counting"]["source"], status="law"),
                local_terms=[LocalTerm.model_validate(row) for row in book["region_overrides_example"]],
            )
        except (ValidationError, CountingError, KeyError) as error:
            raise RuleBookError(f"{path.name}: {error}") from error

    def rule(self, rule_id: str, region: str | None = None) -> Rule:
        """The row of this id, enabled or not, with the terms `region` has of its own; else UnknownRule."""
        if rule_id not in self._rules:
            raise UnknownRule(rule_id)
        return self._localised(self._rules[rule_id], region)

    def started_by(self, event: str, facts: Facts, on: date, region: str | None = None) -> list[Rule]:
        """The rules whose clock `event` starts on `on` (a day or an instant) for a matter with these `facts`.

        Facts are named as in `applies_when` (without `_not`); each is a value or a collection of values. One
        that is missing meets no condition but a negative one. A row past `valid_until` gives way to its
        successor, or else stays, and `due_for` marks what it yields. Raises UnknownFact.
        """
        return self._matching(self._starts.get(event, ()), facts, on, region)

    def restarted_by(self, event: str, facts: Facts, on: date, region: str | None = None) -> list[Rule]:
        """The rules whose running clock `event` sets back to its beginning."""
        return self._matching(self._restarts.get(event, ()), facts, on, region)

    def _matching(self, rules: Sequence[Rule], facts: Facts, on: date, region: str | None) -> list[Rule]:
        if unknown := facts.keys() - self._facts:
            raise UnknownFact(f"{sorted(unknown)}; the rules ask for {sorted(self._facts)}")
        day = start_day(on)
        return [
            self._localised(rule, region)
            for rule in rules
            if self._in_force(rule, day) and rule.applies(facts)
        ]

    def _in_force(self, rule: Rule, on: date) -> bool:
        """A row takes over on the day after its predecessor's last; without successor it stays."""
        predecessor = self._predecessor.get(rule.id)
        begun = predecessor is None or predecessor.expired(on)
        return begun and not (rule.expired(on) and rule.id in self._successor)

    def _localised(self, rule: Rule, region: str | None) -> Rule:
        terms = tuple(
            local.of(rule) for local in self._local_terms if (local.region, local.rule) == (region, rule.id)
        )
        return rule.model_copy(update={"local_terms": terms}) if terms else rule


def due_for(
    rule: Rule,
    start: date,
    calendar: Calendar,
    *,
    length: int | None = None,
    pauses: Sequence[Pause] = (),
) -> Due:
    """When the clock of `rule` ends that `start` began, and when to warn of it.

    `length` replaces the row's own (an organisation's agreed term). Of several terms for one step the
    stricter one wins for a duty, the longer one for a right; a term that a region may set either way
    replaces the row's. A row that prolongs another starts at that one's `Due.before_roll`.
    """
    counted = [(count(start, term, calendar, pauses), term) for term in _terms(rule, length)]
    governing = max if rule.override_direction == "longer" else min
    due, term = governing(counted, key=lambda pair: pair[0].due_at)
    due = replace(due, warn_at=warn_at(due, start, term, rule.warn_at_percent, calendar, pauses))
    if not rule.expired(start_day(start)):
        return due
    note = f"依据有效期至{rule.valid_until},新规定未核实,暂按原期限"
    return replace(due, provisional=True, notes=(*due.notes, note))


def _terms(rule: Rule, length: int | None) -> list[Term]:
    if length is not None:
        return [replace(rule.term, length=length)]
    if rule.override_direction == "any" and rule.local_terms:
        return list(rule.local_terms)
    return [rule.term, *rule.local_terms]


def _holds(name: str, wanted: bool | frozenset[str | int], facts: Facts) -> bool:
    fact = facts.get(name.removesuffix("_not"))
    if isinstance(wanted, bool):
        return fact is wanted
    told = fact if isinstance(fact, Collection) and not isinstance(fact, str) else (fact,)
    return wanted.isdisjoint(told) == name.endswith("_not")


def _with_percent(row: Mapping[str, Any], book: Mapping[str, Any]) -> dict[str, Any]:
    """The row with the file's default in place of "as everywhere else"."""
    percent = row["warn_at_percent"]
    return {**row, "warn_at_percent": book["warn_at_percent_default"] if percent is None else percent}


def _check(
    rules: Sequence[Rule],
    local_terms: Sequence[LocalTerm],
    by_id: Mapping[str, Rule],
    events: Mapping[str, bool],
) -> None:
    """Every name in the rows leads somewhere, and no id is given twice."""
    twice = [rule_id for rule_id, times in Counter(rule.id for rule in rules).items() if times > 1]
    if twice:
        raise RuleBookError(f"given twice: {twice}")
    for rule in rules:
        named = {
            rule.start_event,
            *rule.restart_events,
            *(event for pair in rule.pause_events for event in pair),
        }
        if unknown := named - events.keys():
            raise RuleBookError(f"{rule.id}: unknown events {sorted(unknown)}")
        if rule.extends is not None and rule.extends not in by_id:
            raise RuleBookError(f"{rule.id} extends the unknown {rule.extends}")
    for local in local_terms:
        if local.rule not in by_id:
            raise RuleBookError(f"a term of {local.region} for the unknown {local.rule}")
        local.of(by_id[local.rule])
