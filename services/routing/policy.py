"""Why a case goes to an organisation. The rule of routing, in its order; pure.

`choose` is the line that decides: it asks the STEPS one after the other, the first that answers wins. The
last step, `rank`, examines every organisation with the REASONS and takes the best of those that have none:
case 1 (unpaid wages in 云桥街道, category D10) goes to LAB-01 because LAB is the category's target and LAB-01
the only one of it that covers the grid.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cached_property
from typing import Any, Final, NamedTuple

from services.routing.domain.field import NO_LOAD, Contender, Field, Load
from services.routing.domain.organisation import PARTNER
from services.routing.domain.question import Candidate, Category, Choice, Co, Out, Question, Referral, Rules

DUTY_DESK: Final = "DUTY_DESK"
OTHER: Final = "D99"
"""The category of what fits nowhere: a person looks at it (domain.md 3)."""
SEALED_KIND: Final = "REP"
"""检举控告: only the competent organ reads it, never a social organisation (XF22 art 30)."""
PERSON: Final = "PERSON"
"""What decided when a person chose."""
ASKED_FOR: Final = frozenset({"ETH"})
"""Types that support only who asks for them: ethnicity is self-declared, never inferred (PIPL art 28)."""


@dataclass(frozen=True)
class Ask:
    """A question with everything it is answered from."""

    case: Question
    field: Field
    loads: Mapping[str, Load]
    rules: Rules
    languages_carried: frozenset[str] = frozenset()

    @cached_property
    def category(self) -> Category | None:
        """The row of the case's category."""
        return self.rules.categories.get(self.case.category or "")

    @cached_property
    def by_category(self) -> bool:
        """Whether the category leads: a kind with a target of its own has no alternatives and no support."""
        return self.rules.kind_targets.get(self.case.kind or "") is None

    @cached_property
    def target(self) -> str | None:
        """The citizen's choice, else the kind's default, else the category's; None when nothing says.

        No choice brings a petition or a sealed report to a partner: only an organ decides those (XF22).
        """
        kind, chosen = self.case.kind or "", self.case.chosen_target
        if kind not in self.rules.kind_targets:
            return None
        if chosen and (kind in self.rules.partner_kinds or not self.is_partner(chosen)):
            return chosen
        return self.rules.kind_targets[kind] or (self.category.target if self.category else None)

    @cached_property
    def preference(self) -> Mapping[str, int]:
        """The types that may lead, in order: the target, then the alternatives of the category.

        An outside body's alternatives are the citizen's to choose, never the router's.
        """
        types = [self.target] if self.target else []
        if self.category and self.by_category and self.is_partner(self.category.target):
            types += self.category.alternatives
        return {type_: nth for nth, type_ in enumerate(dict.fromkeys(types))}

    def is_partner(self, type_: str | None) -> bool:
        """Whether a type has a queue in Heshi."""
        return self.rules.classes.get(type_ or "") == PARTNER


def choose(case: Question, field: Field, loads: Mapping[str, Load], rules: Rules) -> Choice:
    """The organisation that gets the case, or why none does.

    Order of the rule: sealed kinds, cases a person must see first, targets that are no partner, too many
    returns, and then the ranking. Same facts, same answer.
    """
    ask = Ask(case, field, loads, rules)
    return next(choice for step in STEPS if (choice := step(ask)) is not None)


def seal(ask: Ask) -> Choice | None:
    """Kind REP leaves by the sealed way; nobody here ranks it (XF22 art 30)."""
    if ask.case.kind != SEALED_KIND:
        return None
    return _to_person(ask, "SEALED", "SEALED_KIND", ask.rules.kind_targets.get(SEALED_KIND))


def hold_flagged(ask: Ask) -> Choice | None:
    """A flag that forbids automatic routing holds until a person releases the case (flags.json). The person
    is told whom to think of: the bodies that hear of such a danger, who supports matters of the category."""
    if ask.case.released or ask.rules.holding_flags.isdisjoint(ask.case.flags):
        return None
    told = [type_ for flag in ask.case.flags for type_ in ask.rules.told_of[flag]]
    types = [*told, *(ask.category.co_targets if ask.category else ())]
    choice = _to_person(ask, DUTY_DESK, "HELD_BY_FLAG", DUTY_DESK)
    return replace(choice, co_mediators=_supporters(ask, types))


def hold_unplaced(ask: Ask) -> Choice | None:
    """Category D99, no area, or nothing that names a target: the manual queue, never a guess."""
    case = ask.case
    if case.category == OTHER:
        because = "CATEGORY_OTHER"
    elif case.grid not in ask.field.places:
        because = "NO_AREA"
    elif ask.target not in ask.rules.classes:
        because = "NO_TARGET"
    else:
        return None
    return _to_person(ask, DUTY_DESK, because, DUTY_DESK)


def refer(ask: Ask) -> Choice | None:
    """A target inside the centre or outside of Heshi is a task for a person, never an offer."""
    if ask.is_partner(ask.target):
        return None
    reason = DUTY_DESK if ask.target == DUTY_DESK else "REFERRAL"
    return _to_person(ask, reason, "TARGET_IS_NO_PARTNER", ask.target)


def stop_bouncing(ask: Ask) -> Choice | None:
    """After BOUNCES_MAX returns the duty officer rules (limits.json); shown with who would be left."""
    if ask.case.returns < ask.rules.bounces_max:
        return None
    examined = _examine(ask)
    return _to_person(ask, DUTY_DESK, "BOUNCES_MAX", DUTY_DESK, examined)


def rank(ask: Ask) -> Choice:
    """The best of the organisations that have no reason against them; else NO_ELIGIBLE."""
    examined = _examine(ask)
    if not examined.ranked:
        return _to_person(ask, "NO_ELIGIBLE", "NO_ELIGIBLE", None, examined)
    best = examined.ranked[0]
    return Choice(
        because=_what_decided(examined),
        rule_version=ask.rules.version,
        chosen=best.org,
        target=ask.target,
        candidates=examined.candidates(),
        co_mediators=examined.co_mediators,
        out=examined.out,
    )


Step = Callable[[Ask], Choice | None]
STEPS: Final[tuple[Step, ...]] = (seal, hold_flagged, hold_unplaced, refer, stop_bouncing, rank)


def of_other_type(ask: Ask, org: Contender) -> bool:
    """TYPE: neither the target nor an alternative, or it does not take cases of this kind."""
    return org.type not in ask.preference or ask.case.kind not in org.kinds


def elsewhere(ask: Ask, org: Contender) -> bool:
    """AREA: none of its areas covers the grid."""
    return not org.level_at(ask.case.grid)


def of_other_category(ask: Ask, org: Contender) -> bool:
    """CATEGORY: it does not take matters of this category."""
    return ask.case.category is not None and ask.case.category not in org.categories


def without_language(ask: Ask, org: Contender) -> bool:
    """LANGUAGE: it does not speak the language asked for, and no co-mediator does in its place."""
    language = ask.case.language
    return language is not None and language not in org.languages and language not in ask.languages_carried


def without_mode(ask: Ask, org: Contender) -> bool:
    """MODE: it does not work in the way asked for (坐诊, 出诊, 上门, 电话, 线上)."""
    return ask.case.mode is not None and ask.case.mode not in org.modes


def closed_too_long(ask: Ask, org: Contender) -> bool:
    """HOURS: neither open now nor opening within the term of an offer."""
    return not org.opening.opens_in_time(ask.case.instant, ask.case.day)


def full(ask: Ask, org: Contender) -> bool:
    """CAPACITY: as many open cases, or offers today, as it can take."""
    load = ask.loads.get(org.org_id, NO_LOAD)
    no_room = org.capacity is not None and load.open >= org.capacity
    return no_room or (org.new_per_day is not None and load.new_on(ask.case.day) >= org.new_per_day)


def paused(ask: Ask, org: Contender) -> bool:
    """PAUSED: by its own word, or on leave today."""
    return org.paused or org.opening.on_leave(ask.case.day)


def declined(ask: Ask, org: Contender) -> bool:
    """DECLINED: it had this case and gave it back or let it lapse; nobody is asked twice."""
    return org.org_id in ask.case.declined


def complained_about(ask: Ask, org: Contender) -> bool:
    """COMPLAINED_ABOUT: the complaint is about it; it never sees the case (XF22 art 30)."""
    return org.org_id == ask.case.complained_about


def without_consent(ask: Ask, org: Contender) -> bool:
    """NO_CONSENT: no separate consent to pass the file on (PIPL art 23), or not asked for where that is
    due."""
    return not ask.case.consent or (org.opt_in_required and not ask.case.ethnic_support)


Reason = Callable[[Ask, Contender], bool]
REASONS: Final[Mapping[str, Reason]] = {
    "TYPE": of_other_type,
    "AREA": elsewhere,
    "CATEGORY": of_other_category,
    "LANGUAGE": without_language,
    "MODE": without_mode,
    "HOURS": closed_too_long,
    "CAPACITY": full,
    "PAUSED": paused,
    "DECLINED": declined,
    "COMPLAINED_ABOUT": complained_about,
    "NO_CONSENT": without_consent,
}
SUPPORT_REASONS: Final = {
    code: REASONS[code]
    for code in (
        "AREA",
        "CATEGORY",
        "HOURS",
        "CAPACITY",
        "PAUSED",
        "DECLINED",
        "COMPLAINED_ABOUT",
        "NO_CONSENT",
    )
}
"""What keeps an organisation from supporting: type, kind, language and mode are the lead's."""

NOT_FOR_A_PERSON: Final = frozenset({"CAPACITY", "PAUSED", "COMPLAINED_ABOUT", "NO_CONSENT"})
"""Reasons that a supervisor's choice cannot set aside: they are the organisation's or the citizen's."""


def hindrances(case: Question, org: Contender, loads: Mapping[str, Load], rules: Rules) -> tuple[str, ...]:
    """The reasons for which even a person cannot give this case to this organisation."""
    ask = Ask(case, Field(case.grid or "", (org,), (), frozenset()), loads, rules)
    against = _reasons(ask, org, REASONS.items())
    return tuple(code for code in against if code in NOT_FOR_A_PERSON)


class Ranked(NamedTuple):
    """A candidate with its place in the order: the first difference to the next decides."""

    preference: int
    area: int
    """Negative level: the smallest area first."""
    load_ratio: float
    last_at: datetime
    org_id: str
    org: Contender


_DECIDERS: Final = ("TARGET", "AREA", "LOAD", "LONGEST_WAIT", "ID")
_NEVER: Final = datetime.min.replace(tzinfo=UTC)


class Examined(NamedTuple):
    """Every organisation of the district, looked at."""

    ranked: tuple[Ranked, ...]
    out: tuple[Out, ...]
    co_mediators: tuple[Co, ...]

    def candidates(self) -> tuple[Candidate, ...]:
        """The ranking as it is shown."""
        return tuple(
            Candidate(place.org_id, nth, -place.area, round(place.load_ratio, 4))
            for nth, place in enumerate(self.ranked, 1)
        )


def _examine(ask: Ask) -> Examined:
    co_mediators = _co_mediators(ask)
    carried = ask.case.language if any(co.speaks_language for co in co_mediators) else None
    if carried is not None:
        ask = Ask(ask.case, ask.field, ask.loads, ask.rules, frozenset({carried}))
    ranked, out = [], []
    reasons = tuple(REASONS.items())
    for org in ask.field.partners:
        against = _reasons(ask, org, reasons)
        if against:
            out.append(Out(org.org_id, against))
        else:
            ranked.append(_place(ask, org))
    return Examined(tuple(sorted(ranked, key=_order)), tuple(out), co_mediators)


def _reasons(ask: Ask, org: Contender, reasons: Iterable[tuple[str, Reason]]) -> tuple[str, ...]:
    return tuple([code for code, applies in reasons if applies(ask, org)])


def _place(ask: Ask, org: Contender) -> Ranked:
    load = ask.loads.get(org.org_id, NO_LOAD)
    return Ranked(
        preference=ask.preference.get(org.type, 0),
        area=-org.level_at(ask.case.grid),
        load_ratio=load.open / org.capacity if org.capacity else 0.0,
        last_at=load.last_at or _NEVER,
        org_id=org.org_id,
        org=org,
    )


def _order(place: Ranked) -> tuple[Any, ...]:
    return place[:5]


def _what_decided(examined: Examined) -> str:
    """The first difference between the winner and the next."""
    if len(examined.ranked) == 1:
        return "ONLY_CANDIDATE"
    first, second = examined.ranked[:2]
    return next(code for code, one, other in zip(_DECIDERS, first, second, strict=False) if one != other)


def _co_mediators(ask: Ask) -> tuple[Co, ...]:
    """Who supports the lead: the types that the category names, ETH only when asked for."""
    if not ask.category or not ask.by_category:
        return ()
    return _supporters(ask, [type_ for type_ in ask.category.co_targets if type_ != ask.target])


def _supporters(ask: Ask, types: Iterable[str]) -> tuple[Co, ...]:
    wanted = [type_ for type_ in types if type_ not in ASKED_FOR or ask.case.ethnic_support]
    return tuple(_support(ask, type_) for type_ in dict.fromkeys(wanted))


def _support(ask: Ask, type_: str) -> Co:
    """The organisation of a type that can support, one that speaks the language first; a body outside is
    told as it is."""
    if not ask.is_partner(type_):
        body = ask.field.body(type_, ask.case.grid)
        return Co(type_, body.org_id if body else None)
    language = ask.case.language
    able = [
        org
        for org in ask.field.partners
        if org.type == type_ and not _reasons(ask, org, SUPPORT_REASONS.items())
    ]
    best = min(able, key=lambda org: (language not in org.languages, _order(_place(ask, org))), default=None)
    if best is None:
        return Co(type_, None)
    return Co(type_, best.org_id, language is not None and language in best.languages)


def _to_person(
    ask: Ask, reason: str, because: str, referred_to: str | None, examined: Examined | None = None
) -> Choice:
    body = ask.field.body(referred_to, ask.case.grid) if referred_to else None
    return Choice(
        because=because,
        rule_version=ask.rules.version,
        reason=reason,
        target=ask.target,
        referral=Referral(referred_to, body.org_id if body else None) if referred_to else None,
        candidates=examined.candidates() if examined else (),
        co_mediators=examined.co_mediators if examined else (),
        out=examined.out if examined else (),
    )
