"""Which rules an event starts, chosen by facts and date, and until when they run."""

import json
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from libs.clocks import Calendar, Rule, RuleBook, RuleBookError, UnknownFact, UnknownRule, due_for

FILE = Path(__file__).parents[3] / "data" / "deadlines.json"
DAY = date(2026, 3, 2)
Edit = Callable[[dict[str, Any]], None]


@pytest.fixture
def edited(tmp_path: Path) -> Callable[[Edit], RuleBook]:
    """The shipped book after a change to its file."""

    def load(edit: Edit) -> RuleBook:
        book = json.loads(FILE.read_text(encoding="utf-8"))
        edit(book)
        path = tmp_path / "deadlines.json"
        path.write_text(json.dumps(book), encoding="utf-8")
        return RuleBook.load(path)

    return load


def row(book: dict[str, Any], rule_id: str) -> dict[str, Any]:
    found: dict[str, Any] = next(row for row in book["rules"] if row["id"] == rule_id)
    return found


def ids(rules: list[Rule]) -> set[str]:
    return {rule.id for rule in rules}


@pytest.mark.parametrize(
    ("event", "facts", "started"),
    [
        pytest.param(
            "case.registered",
            {"track": "MEDIATION", "categories": "D10", "urgency": "BLUE"},
            {"LAB-TERM", "PROD-TRIAGE-BLUE"},
            id="one of a list, by a single value",
        ),
        pytest.param(
            "case.registered",
            {"track": "PETITION", "real_name": True, "urgency": "RED", "categories": "D11"},
            {"PET-FORWARD", "PET-NOTICE", "PROD-TRIAGE-RED"},
            id="the track decides: no labour term for a petition",
        ),
        pytest.param(
            "case.registered",
            {"track": "PETITION", "real_name": False, "urgency": "RED"},
            {"PET-FORWARD", "PROD-TRIAGE-RED"},
            id="a boolean must be what is asked",
        ),
        pytest.param(
            "case.registered", {"track": "PETITION"}, {"PET-FORWARD"}, id="missing facts meet nothing"
        ),
        pytest.param(
            "case.taken_up",
            {"track": "MEDIATION", "categories": "D12"},
            {"MEDICAL-TERM", "PROD-CONTACT", "PROD-SESSION"},
            id="none of a list",
        ),
        pytest.param(
            "case.taken_up",
            {"track": "MEDIATION", "categories": None},
            {"MED-TERM", "PROD-CONTACT", "PROD-SESSION"},
            id="no category is none of the list",
        ),
        pytest.param("case.taken_up", {"track": "SUPPORT"}, {"PROD-CONTACT"}, id="rules of any track"),
        pytest.param(
            "case.flags_changed",
            {"track": "PETITION", "flags": ["COLLECTIVE", "MASS_EVENT", "SELF_HARM"]},
            {"PET-URGENT", "RISK-MASS-NOTICE", "RISK-CRISIS-NOW", "RISK-CRISIS-CALLBACK"},
            id="one of a list, by a collection",
        ),
        pytest.param(
            "case.flags_changed", {"track": "PETITION", "flags": []}, set(), id="an empty collection"
        ),
        pytest.param(
            "review.requested",
            {"track": "PETITION", "lawful_route": "R6", "review_level": 2},
            {"PET-REEXAM"},
            id="all conditions must hold",
        ),
        pytest.param(
            "review.requested",
            {"track": "PETITION", "lawful_route": "R1", "review_level": 2},
            set(),
            id="one fails",
        ),
        pytest.param(
            "online.referred",
            {"track": "MEDIATION", "court_stage": "ORDINARY", "online": True},
            {"MED-ONLINE-ACCEPT"},
            id="court stage and online",
        ),
        pytest.param(
            "online.referred",
            {"track": "MEDIATION", "court_stage": "ORDINARY"},
            set(),
            id="online unknown is not so",
        ),
        pytest.param(
            "injury.claim_accepted",
            {"topics": "D10.2", "clear": False},
            {"INJ-DECIDE"},
            id="false is asked for",
        ),
        pytest.param("injury.claim_accepted", {"topics": "D10.2"}, set(), id="unknown is not false"),
        pytest.param(
            "case.forwarded",
            {"track": "MEDIATION", "categories": "D15", "target_types": "MARKET_REG"},
            {"CONS-ACCEPT"},
            id="by target",
        ),
        pytest.param("order.dispatched", {"track": "SERVICE"}, {"HOT-ORDER"}, id="disabled rows stay silent"),
        pytest.param("no.such_event", {"track": "SERVICE"}, set(), id="an event that starts nothing"),
    ],
)
def test_an_event_starts_the_rules_whose_conditions_hold(
    book: RuleBook, event: str, facts: dict[str, object], started: set[str]
) -> None:
    assert ids(book.started_by(event, facts, DAY)) == started


def test_a_misspelt_fact_is_an_error_not_a_wrong_clock(book: RuleBook) -> None:
    with pytest.raises(UnknownFact, match="category"):
        book.started_by("case.taken_up", {"track": "MEDIATION", "category": "D10"}, DAY)


def test_a_restart_event_begins_the_running_terms_anew(book: RuleBook) -> None:
    labour = {"categories": "D10", "topics": "D10.1"}
    assert ids(book.restarted_by("limitation.interrupted", labour, DAY)) == {
        "LAB-LIMITATION",
        "LAB-LIMITATION-WAGE",
    }
    assert book.restarted_by("limitation.interrupted", {"categories": "D02"}, DAY) == []


def test_an_unknown_rule_is_an_error(book: RuleBook) -> None:
    with pytest.raises(UnknownRule):
        book.rule("PET-NEVER")


def test_the_default_percentage_stands_where_a_row_names_none(
    book: RuleBook, edited: Callable[[Edit], RuleBook]
) -> None:
    assert book.rule("LAB-TERM").warn_at_percent == 80
    assert (
        edited(lambda raw: row(raw, "LAB-TERM").update(warn_at_percent=50)).rule("LAB-TERM").warn_at_percent
        == 50
    )


def test_a_length_of_its_own_replaces_that_of_the_row(book: RuleBook, calendar: Calendar) -> None:
    offer = book.rule("PROD-OFFER")
    assert due_for(offer, DAY, calendar).due_on == date(2026, 3, 4)
    assert due_for(offer, DAY, calendar, length=3).due_on == date(2026, 3, 5)


def test_a_due_date_carries_its_warning(book: RuleBook, calendar: Calendar) -> None:
    warning = due_for(book.rule("PROD-OFFER"), DAY, calendar).warn_at
    assert warning is not None
    assert warning.isoformat() == "2026-03-03T09:00:00+08:00"
    assert due_for(book.rule("RISK-VIOLENCE"), DAY, calendar).warn_at is None


def test_an_extension_starts_at_the_former_last_day_before_its_roll_over(
    book: RuleBook, calendar: Calendar
) -> None:
    finish = due_for(book.rule("PET-FINISH"), date(2026, 9, 8), calendar)
    assert (finish.before_roll, finish.due_on) == (date(2026, 11, 7), date(2026, 11, 9))
    extension = book.rule("PET-EXTENSION")
    assert extension.extends == "PET-FINISH"
    assert due_for(extension, date(2026, 11, 7), calendar).due_on == date(2026, 12, 7)


class TestValidity:
    """Rows are chosen by the start event's date."""

    FACTS = {"track": "MEDIATION", "categories": "D15", "target_types": "MARKET_REG"}  # noqa: RUF012
    LAST, NEXT = date(2026, 4, 14), date(2026, 4, 15)

    def test_on_its_last_day_a_row_is_the_law(self, book: RuleBook, calendar: Calendar) -> None:
        due = due_for(book.rule("CONS-ACCEPT"), self.LAST, calendar)
        assert not due.provisional
        assert due.notes == ()

    def test_past_its_end_and_without_successor_it_goes_on_marked(
        self, book: RuleBook, calendar: Calendar
    ) -> None:
        (rule,) = book.started_by("case.forwarded", self.FACTS, self.NEXT)
        due = due_for(rule, self.NEXT, calendar)
        assert due.due_on == date(2026, 4, 24)
        assert due.provisional
        assert "2026-04-14" in due.notes[0]

    def test_a_successor_takes_over_on_the_next_day(
        self, edited: Callable[[Edit], RuleBook], calendar: Calendar
    ) -> None:
        book = edited(self._with_successor(enabled=True))
        assert ids(book.started_by("case.forwarded", self.FACTS, self.LAST)) == {"CONS-ACCEPT"}
        (rule,) = book.started_by("case.forwarded", self.FACTS, self.NEXT)
        assert rule.id == "CONS-ACCEPT-2"
        assert not due_for(rule, self.NEXT, calendar).provisional

    def test_a_successor_not_yet_enabled_changes_nothing(self, edited: Callable[[Edit], RuleBook]) -> None:
        book = edited(self._with_successor(enabled=False))
        assert ids(book.started_by("case.forwarded", self.FACTS, self.NEXT)) == {"CONS-ACCEPT"}

    @staticmethod
    def _with_successor(*, enabled: bool) -> Edit:
        def edit(book: dict[str, Any]) -> None:
            old = row(book, "CONS-ACCEPT")
            new = {**old, "id": "CONS-ACCEPT-2", "enabled": enabled, "length": 10}
            del new["valid_until"], new["successor"]
            old["successor"] = new["id"]
            book["rules"].append(new)

        return edit


class TestRegions:
    """A region's own terms: the stricter one for a duty, the longer one for a right."""

    @staticmethod
    def _book(edited: Callable[[Edit], RuleBook], rule: str, **local: object) -> RuleBook:
        entry = {"region": "990101", "rule": rule, "enabled": True, "source": "local", **local}
        return edited(lambda book: book["region_overrides_example"].append(entry))

    @staticmethod
    def _due_on(book: RuleBook, rule: str, region: str | None, calendar: Calendar) -> date | None:
        return due_for(book.rule(rule, region), date(2026, 9, 14), calendar).due_on

    def test_none_is_in_force_by_default(self, book: RuleBook) -> None:
        assert book.rule("PET-NOTICE", "example-A").local_terms == ()

    @pytest.mark.parametrize(
        ("rule", "local", "due"),
        [
            pytest.param(
                "PET-NOTICE", {"length": 5, "unit": "working"}, date(2026, 9, 20), id="stricter duty"
            ),
            pytest.param(
                "PET-NOTICE", {"length": 20, "unit": "working"}, date(2026, 9, 29), id="laxer duty: no"
            ),
            pytest.param("PET-REVIEW-ASK", {"length": 40}, date(2026, 10, 26), id="longer right"),
            pytest.param("PET-REVIEW-ASK", {"length": 20}, date(2026, 10, 14), id="shorter right: no"),
            pytest.param("MED-TERM", {"length": 2, "measure": "month"}, date(2026, 11, 16), id="either way"),
        ],
    )
    def test_the_governing_term(
        self,
        edited: Callable[[Edit], RuleBook],
        calendar: Calendar,
        rule: str,
        local: dict[str, object],
        due: date,
    ) -> None:
        book = self._book(edited, rule, **local)
        assert self._due_on(book, rule, "990101", calendar) == due
        assert self._due_on(book, rule, "990102", calendar) == self._due_on(book, rule, None, calendar)

    def test_an_event_in_the_region_starts_its_own_terms(self, edited: Callable[[Edit], RuleBook]) -> None:
        book = self._book(edited, "PROD-CONTACT", length=2)
        (rule,) = book.started_by("case.taken_up", {"track": "SUPPORT"}, DAY, "990101")
        assert [term.length for term in rule.local_terms] == [2]

    def test_the_law_may_leave_no_room(self, edited: Callable[[Edit], RuleBook]) -> None:
        with pytest.raises(RuleBookError, match="PET-OBJECTION"):
            self._book(edited, "PET-OBJECTION", length=3)


@pytest.mark.parametrize(
    ("edit", "named"),
    [
        pytest.param(
            lambda b: row(b, "LAB-TERM").update(valid_untl="2026-01-01"), "valid_untl", id="misspelt"
        ),
        pytest.param(lambda b: row(b, "LAB-TERM").update(start_event="case.borne"), "case.borne", id="event"),
        pytest.param(lambda b: row(b, "PET-EXTENSION").update(extends="PET-X"), "PET-X", id="extends"),
        pytest.param(lambda b: row(b, "LAB-TERM").update(length=-1), "LAB-TERM", id="length"),
        pytest.param(
            lambda b: row(b, "LAB-TERM").update(measure="month", unit="working"), "working", id="unit"
        ),
        pytest.param(lambda b: b["rules"].append(row(b, "LAB-TERM")), "LAB-TERM", id="twice"),
        pytest.param(lambda b: b["region_overrides_example"][0].update(rule="PET-Y"), "PET-Y", id="local"),
        pytest.param(lambda b: b.pop("events"), "events", id="no events"),
    ],
)
def test_an_unsound_book_is_refused_by_name(
    edited: Callable[[Edit], RuleBook], edit: Edit, named: str
) -> None:
    with pytest.raises(RuleBookError, match=named):
        edited(edit)


def test_dated_facts_are_the_events_that_no_topic_carries(book: RuleBook) -> None:
    assert "employment.ended" in book.dated_facts
    assert "case.registered" not in book.dated_facts
