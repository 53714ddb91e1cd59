"""Whatever comes in whatever order: each proposal has exactly one answer, each offer at most one end."""

from collections import Counter
from uuid import UUID

from hypothesis import given, settings
from hypothesis import strategies as st

from libs.db.work import Decision
from libs.events.base import Payload
from libs.events.intake import CaseFlagsChanged, CaseReleased, CaseWithdrawn
from libs.events.mediation import (
    CaseHandedBack,
    CaseOffered,
    CaseRecalled,
    CaseReturned,
    CaseTakenUp,
    OfferExpired,
    OfferRefused,
    OfferWithdrawn,
)
from libs.web.errors import Refusal
from services.mediation.domain.codes import Codes
from services.mediation.domain.offers import HandBack, Return
from services.mediation.handlers.cases import UseCases, use_cases
from tests.unit.mediation.play import CASE, DATA, DISTRICT, Play

ENDS = (OfferWithdrawn, CaseReturned, OfferExpired, CaseHandedBack, CaseRecalled)
CODES = Codes.load(DATA)
USES: UseCases = use_cases(CODES)

STEPS = st.lists(
    st.one_of(
        st.tuples(
            st.just("propose"),
            st.integers(1, 6),
            st.sampled_from(["LAB-01", "PMC-YQ", "LAW-01"]),
            st.booleans(),
        ),
        st.tuples(st.just("take_up")),
        st.tuples(st.just("return")),
        st.tuples(st.just("hand_back")),
        st.tuples(st.just("expire")),
        st.tuples(st.just("exhaust")),
        st.tuples(st.just("accept")),
        st.tuples(st.just("complain"), st.sampled_from(["LAB-01", "PMC-YQ"])),
        st.tuples(st.just("flag")),
        st.tuples(st.just("release")),
        st.tuples(st.just("withdraw")),
        st.tuples(st.just("end")),
    ),
    max_size=25,
)


def _step(play: Play, step: tuple[object, ...]) -> None:
    holder = (play.case.org_id if play.case else None) or "LAB-01"
    common = {"case_id": CASE, "district": DISTRICT}
    match step:
        case ("propose", int(attempt), str(org), bool(standing)):
            play.propose(attempt, org, standing_acceptance=standing, assignment_id=UUID(int=attempt))
        case ("take_up",):
            play.take_up(holder)
        case ("return",):
            play.act("return", Return("NO_CAPACITY"), holder)
        case ("hand_back",):
            play.act("hand-back", HandBack("NO_CAPACITY"), holder)
        case ("expire",):
            play.wait(days=30).sweep("PROD-OFFER")
        case ("exhaust",):
            play.exhaust()
        case ("accept",):
            play.accept()
        case ("complain", str(org)):
            play.facts = play.facts.model_copy(update={"complained_about_org": org})
            play.hear(CaseFlagsChanged(**common, case=play.facts))
        case ("flag",):
            play.facts = play.facts.model_copy(update={"flags": ("VIOLENCE",)})
            play.hear(CaseFlagsChanged(**common, case=play.facts, added=("VIOLENCE",)))
        case ("release",):
            play.facts = play.facts.model_copy(update={"released": True})
            play.hear(CaseReleased(**common, case=play.facts))
        case ("withdraw",):
            play.hear(CaseWithdrawn(**common))
        case _:
            play.end()


@settings(max_examples=300, deadline=None)
@given(STEPS)
def test_g16_exactly_one_answer_and_at_most_one_end(steps: list[tuple[object, ...]]) -> None:
    play = Play(CODES, USES)
    proposed: set[UUID] = set()
    for step in steps:
        if step[0] == "propose":
            proposed.add(UUID(int=int(str(step[1]))))
        play.last = None
        try:
            _step(play, step)
        except Refusal:
            assert play.last is None
        _check_numbers(play.last)
    answers = Counter(_assignment(e) for e in play.told if isinstance(e, CaseOffered | OfferRefused))
    assert answers == dict.fromkeys(proposed, 1)
    offered = Counter(_assignment(e) for e in play.told if isinstance(e, CaseOffered))
    taken = Counter(_assignment(e) for e in play.told if isinstance(e, CaseTakenUp))
    ends = Counter(_assignment(e) for e in play.told if isinstance(e, ENDS))
    assert ends <= offered
    assert taken <= offered
    _check_holder(play)


def _check_numbers(last: Decision[object] | None) -> None:
    """All events of one decision carry the same open deadlines (G18)."""
    if last is not None and last.events:
        assert len({event.deadlines for event in last.events}) == 1  # type: ignore[attr-defined]


def _check_holder(play: Play) -> None:
    """At most one offer is held, and whoever holds it is who may act, unless complained about."""
    if play.case is None:
        return
    held = [offer for offer in play.case.offers if offer.held]
    assert len(held) <= 1
    assert play.case.org_id == (held[0].org_id if held else None)
    complained = play.case.facts.complained_about_org
    assert complained is None or play.case.hidden_from(complained)


def _assignment(event: Payload) -> UUID:
    found = event.assignment_id  # type: ignore[attr-defined]
    assert isinstance(found, UUID)
    return found
