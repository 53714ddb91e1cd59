"""Which flags and which urgency the words and the entered fields raise (`data/flags.json`).

The file's `matching.order` is followed to the letter: a cancel phrase is blanked out, and a phrase directly
behind a negator, unless a cancel blocker stands directly before; what is left is searched; entered fields are
compared last. Rules only raise (domain.md 5): lowering a flag is a supervisor's act, in `flagging.py`.
"""

import operator
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from services.intake.domain.headcount import told_headcount
from services.intake.domain.text import Found, Phrases, fold, outermost

DENIALS_SHOWN: Final = ("SELF_HARM", "VIOLENCE", "MINOR_AT_RISK")
"""Flags whose cancelled phrase the operator still sees as mentioned and denied (`cancelled_hint`)."""


@dataclass(frozen=True, slots=True)
class Entered:
    """The fields that structured rules compare; None is what nobody said."""

    headcount: int = 1
    language: str | None = None
    age: int | None = None
    anonymous: bool = False


@dataclass(frozen=True, slots=True)
class Judged:
    """What the rules raise: flags in the file's order, the urgency of the words alone, denied dangers.

    `because`: the phrases and entered fields that led to each flag, and those that were denied.
    """

    flags: tuple[str, ...]
    said_urgency: str
    denied: tuple[str, ...]
    because: Mapping[str, tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class Combination:
    """Words that mean something only together, or with enough people."""

    any_of: frozenset[str]
    and_any_of: frozenset[str]
    or_headcount: int | None
    within: int | None
    """The most characters between the two; None: they may stand anywhere in the text."""

    def holds(self, left: Sequence[Found], headcount: int) -> bool:
        """Whether a word of the first set stands, with one of the second or with enough people."""
        ones = [hit for hit in left if hit.phrase in self.any_of]
        if ones and self.or_headcount is not None and headcount >= self.or_headcount:
            return True
        others = [hit for hit in left if hit.phrase in self.and_any_of] if ones else []
        if self.within is None:
            return bool(others)
        return near(ones, others, self.within)


def near(ones: Sequence[Found], others: Sequence[Found], within: int) -> bool:
    """Whether so many characters or fewer stand between two that share none; both in the order of the text.

    Only the next one before and behind are looked at: texts are anybody's, and all pairs could be millions.
    """
    starts, ends = [hit.start for hit in others], sorted(hit.end for hit in others)
    for one in ones:
        behind, before = bisect_left(starts, one.end), bisect_right(ends, one.start)
        if behind < len(starts) and starts[behind] - one.end <= within:
            return True
        if before and one.start - ends[before - 1] <= within:
            return True
    return False


@dataclass(frozen=True, slots=True)
class Comparison:
    """An entered field against a value. What nobody said raises nothing."""

    field: str
    op: str
    value: Any

    def holds(self, entered: Entered) -> bool:
        """Whether the field was entered and compares as the rule says."""
        said = getattr(entered, self.field)
        return said is not None and _COMPARE[self.op](said, self.value)


_COMPARE: Final[Mapping[str, Callable[[Any, Any], bool]]] = {
    ">=": operator.ge,
    "==": operator.eq,
    "not_in": lambda said, value: said not in value,
}


@dataclass(frozen=True, slots=True)
class FlagRule:
    """One row of `flags.json`; `words` are all phrases that speak for the flag, alone or with others."""

    code: str
    minimum_urgency: str
    auto_routing_allowed: bool
    hides_contact: bool
    strong: frozenset[str]
    weak: frozenset[str]
    words: frozenset[str]
    cancel: frozenset[str]
    combine: tuple[Combination, ...]
    structured: tuple[Comparison, ...]

    def raised_by(self, left: Sequence[Found], entered: Entered, told: int) -> bool:
        """`raise_when`: one strong phrase, two different weak ones, a combination, or an entered field.

        `told`: how many people the text speaks of; combinations count it as well as the number entered.
        """
        crowd = max(told, entered.headcount)
        said = {hit.phrase for hit in left}
        return (
            not self.strong.isdisjoint(said)
            or len(self.weak & said) >= 2
            or any(rule.holds(left, crowd) for rule in self.combine)
            or any(rule.holds(entered) for rule in self.structured)
        )

    def says_alone(self, phrase: str) -> bool:
        """Whether a phrase means something without being combined."""
        return phrase in self.strong or phrase in self.weak

    def fields_that_hold(self, entered: Entered) -> Iterator[str]:
        """The entered fields that raise the flag by themselves."""
        return (rule.field for rule in self.structured if rule.holds(entered))


class FlagRules:
    """The flags and urgencies of a district, ready to judge texts."""

    def __init__(
        self,
        rules: Sequence[FlagRule],
        blockers: Collection[str],
        negators: Collection[str],
        urgencies: Sequence[str],
        hurry: Mapping[str, str],
    ) -> None:
        """`urgencies` from the lowest up; `hurry`: words that raise an urgency without any flag."""
        self.by_code = {rule.code: rule for rule in rules}
        self._blockers = tuple(map(fold, blockers))
        self._negators = tuple(map(fold, negators))
        self._urgencies = tuple(urgencies)
        self._hurry = hurry
        self._phrases = Phrases([*hurry, *(phrase for rule in rules for phrase in rule.words | rule.cancel)])

    def judge(self, narrative: str, entered: Entered) -> Judged:
        """What the words of a matter and its entered fields raise."""
        folded = fold(narrative)
        told = told_headcount(folded)
        found = self._phrases.find(folded)
        negated = {hit for hit in found if self._negated(hit, folded)}
        flags, denied, because = [], [], dict[str, tuple[str, ...]]()
        for rule in self.by_code.values():
            words = [hit for hit in found if hit.phrase in rule.words]
            cancels = {hit for hit in found if hit.phrase in rule.cancel and not self._blocked(hit, folded)}
            blank = {at for hit in cancels for at in range(hit.start, hit.end)}
            gone = {hit for hit in words if hit in negated or not blank.isdisjoint(range(hit.start, hit.end))}
            left = [hit for hit in words if hit not in gone]
            if rule.raised_by(left, entered, told):
                flags.append(rule.code)
                because[rule.code] = (*outermost(hit.phrase for hit in left), *rule.fields_that_hold(entered))
            elif rule.code in DENIALS_SHOWN and any(rule.says_alone(hit.phrase) for hit in gone):
                denied.append(rule.code)
                because[rule.code] = outermost(hit.phrase for hit in found if hit in gone or hit in cancels)
        hurry = [self._hurry[hit.phrase] for hit in found if hit.phrase in self._hurry]
        return Judged(tuple(flags), self._highest(hurry), tuple(denied), because)

    def urgency(self, said: str, flags: Collection[str]) -> str:
        """`urgency_rule`: the highest of the words' own urgency and the minimum of each flag."""
        return self._highest([said, *(self.by_code[flag].minimum_urgency for flag in flags)])

    def sorted(self, flags: Collection[str]) -> tuple[str, ...]:
        """The flags once each, in the file's order: the gravest first."""
        return tuple(code for code in self.by_code if code in flags)

    def holds_back(self, flags: Collection[str]) -> bool:
        """Whether one of the flags forbids automatic routing until a person releases the case."""
        return not all(self.by_code[flag].auto_routing_allowed for flag in flags)

    def hide_contact(self, flags: Collection[str]) -> bool:
        """Whether one of the flags keeps the applicant from the other side and partners (JN18 art 16)."""
        return any(self.by_code[flag].hides_contact for flag in flags)

    def _negated(self, hit: Found, folded: str) -> bool:
        """Whether a negator stands directly before, and no blocker before that."""
        return any(
            folded.endswith(negator, 0, hit.start)
            and not folded.endswith(self._blockers, 0, hit.start - len(negator))
            for negator in self._negators
        )

    def _blocked(self, cancel: Found, folded: str) -> bool:
        return folded.endswith(self._blockers, 0, cancel.start)

    def _highest(self, urgencies: Collection[str]) -> str:
        return max(urgencies, key=self._urgencies.index, default=self._urgencies[0])


def flag_rules(data: Mapping[str, Any], limits: Mapping[str, int]) -> FlagRules:
    """The rules of a parsed `flags.json`; `limits` are the numbers of `limits.json` by id."""
    return FlagRules(
        rules=[_flag_rule(row, limits, data["lists"]) for row in data["flags"]],
        blockers=data["matching"]["cancel_blockers"],
        negators=data["matching"]["negators"],
        urgencies=[level["code"] for level in data["urgency_levels"]],
        hurry={phrase: row["urgency"] for row in data["urgency_keywords"] for phrase in row["any_of"]},
    )


def _flag_rule(
    row: Mapping[str, Any], limits: Mapping[str, int], lists: Mapping[str, Sequence[str]]
) -> FlagRule:
    combine = tuple(
        Combination(
            _words(rule["any_of"], lists),
            _words(rule["and_any_of"], lists),
            limits[rule["or_headcount_limit"]] if "or_headcount_limit" in rule else None,
            rule.get("within"),
        )
        for rule in row["combine"]
    )
    strong, weak = frozenset(row["strong"]), frozenset(row["weak"])
    return FlagRule(
        code=row["code"],
        minimum_urgency=row["minimum_urgency"],
        auto_routing_allowed=row["auto_routing_allowed"],
        hides_contact=any(step["action"] == "HIDE_CONTACT" for step in row["reaction"]),
        strong=strong,
        weak=weak,
        words=strong.union(weak, *(rule.any_of | rule.and_any_of for rule in combine)),
        cancel=frozenset(row["cancel"]),
        combine=combine,
        structured=tuple(
            Comparison(rule["field"], rule["op"], limits[rule["limit"]] if "limit" in rule else rule["value"])
            for rule in row["structured"]
        ),
    )


def _words(named: Sequence[str], lists: Mapping[str, Sequence[str]]) -> frozenset[str]:
    """The phrases of a set, a name behind @ being all those of a list."""
    return frozenset(
        phrase for one in named for phrase in (lists[one[1:]] if one.startswith("@") else (one,))
    )
