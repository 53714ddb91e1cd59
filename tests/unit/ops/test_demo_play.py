"""Who acts in the demo: what is sent as it stands, what the script fills in, what it may know."""

from dataclasses import dataclass, field, fields
from datetime import datetime
from types import SimpleNamespace
from typing import Any, cast

import pytest

from libs.clocks import LOCAL
from ops.demo import samples, script
from ops.demo.doors import Answer, Doors, Refused
from ops.demo.play import Player
from ops.demo.samples import Sample
from ops.demo.stage import standing
from ops.stack.errors import StackError
from services.mediation.process import ACTIONS

NOON = datetime(2026, 3, 4, 12, 7, tzinfo=LOCAL)
SESSION = "0198c0de-0000-7000-8000-000000000001"


@dataclass
class Recorder:
    """A door that keeps what it was asked, and answers what it is told to in turn."""

    answers: list[Any] = field(default_factory=list)
    posted: list[tuple[str, Any, int | None]] = field(default_factory=list)

    async def get(self, path: str, **query: str) -> Answer:
        return Answer({"org_id": "LAB-01", "timeline": []}, 7)

    async def post(self, path: str, body: Any, *, version: int | None = None) -> Answer:
        self.posted.append((path, body, version))
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return cast(Answer, answer)


def player(intake: Recorder, partner: Recorder) -> Player:
    async def let_in(org_id: str) -> Recorder:
        return partner

    async def at_mediation(case_id: str) -> Any:
        return (await partner.get("")).body

    doors = SimpleNamespace(intake=intake, partner=let_in, at_mediation=at_mediation)
    [sample] = samples.inputs([1])
    return Player(cast(Doors, doors), sample)


STALE = Refused("POST", "/x", 412, {"code": "stale_version"})
BUSY = Refused("POST", "/x", 409, {"code": "busy"})


@pytest.mark.parametrize("number", script.numbers())
async def test_input_is_sent_as_it_stands(number: int) -> None:
    door = Recorder([Answer({"case_id": "c"}, 2)])
    [sample] = samples.inputs([number])
    one = Player(cast(Doors, SimpleNamespace(intake=door)), sample)
    await one.register()
    assert door.posted == [("/v1/cases", samples._rows()[number]["input"], None)]
    assert (one.trail.case_id, one.trail.intake, one.trail.trouble) == ("c", 2, None)


def test_who_acts_knows_the_input_alone() -> None:
    assert {part.name for part in fields(Sample)} == {"number", "input"}
    assert not any("expected" in sample.input for sample in samples.inputs(list(range(1, 14))))


@pytest.mark.parametrize("passing", [STALE, BUSY])
async def test_partner_acts_on_the_version_it_read_and_repeats_what_came_at_a_bad_moment(
    passing: Refused,
) -> None:
    intake, partner = (
        Recorder([Answer({"case_id": "c"}, 2)]),
        Recorder([passing, Answer({"session_id": None}, 9)]),
    )
    one = player(intake, partner)
    await one.register()
    await one.play(script.Part(begin=(script.Step(partner="take-up", body={"handler": "甲"}),), then=()))
    act = ("/partner/v1/cases/c/take-up", {"handler": "甲"}, 7)
    assert partner.posted == [act, act]
    assert (one.trail.mediation, one.trail.trouble) == (9, None)


async def test_first_messages_end_with_the_beginning_of_the_script() -> None:
    intake, partner = (
        Recorder([Answer({"case_id": "c"}, 2)]),
        Recorder([Answer({}, 4), Answer({}, 5)]),
    )
    one = player(intake, partner)
    await one.register()
    await one.play(
        script.Part((script.Step(partner="take-up", body={}),), (script.Step(partner="close", body={}),))
    )
    assert (one.trail.intake, one.trail.mediation) == (2, 4)


async def test_refused_act_ends_the_play_of_its_case_with_the_reason() -> None:
    refusal = Refused("POST", "/x", 409, {"code": "forbidden_action", "state": "offered", "allowed": []})
    intake, partner = Recorder([Answer({"case_id": "c"}, 2)]), Recorder([refusal])
    one = player(intake, partner)
    await one.register()
    await one.play(script.Part((script.Step(partner="close", body={}),), ()))
    assert one.trail.trouble is not None
    assert "409" in one.trail.trouble
    assert "forbidden_action" in one.trail.trouble


async def test_case_that_was_not_let_in_is_not_played() -> None:
    partner = Recorder()
    one = player(Recorder([Refused("POST", "/v1/cases", 422, {"code": "invalid"})]), partner)
    await one.register()
    await one.play(script.of(1))
    assert (one.trail.case_id, partner.posted) == (None, [])
    assert one.trail.trouble is not None


@pytest.mark.parametrize(
    ("told", "filled"),
    [
        ("$now", "2026-03-04T12:07:00+08:00"),
        ("$soon", "2026-03-04T12:15:00+08:00"),
        ("$today", "2026-03-04"),
        ("$today+30", "2026-04-03"),
        ("sessions/$session/outcome", f"sessions/{SESSION}/outcome"),
        ("今天$today付清", "今天$today付清"),
        (True, True),
        (None, None),
        ({"performance": [{"due_on": "$today+7"}]}, {"performance": [{"due_on": "2026-03-11"}]}),
    ],
)
def test_placeholders_are_filled_in(told: Any, filled: Any) -> None:
    assert script.fill(told, NOON, SESSION) == filled


def test_soon_is_the_next_quarter_also_on_the_quarter() -> None:
    assert script.fill("$soon", NOON.replace(hour=23, minute=45), None) == "2026-03-05T00:00:00+08:00"


@pytest.mark.parametrize("number", script.numbers())
def test_script_leads_each_case_to_a_rating_by_acts_that_the_partner_api_has(number: int) -> None:
    part = script.of(number)
    acts = [step.partner for step in (*part.begin, *part.then) if step.partner]
    known = {action for allowed in ACTIONS["MEDIATION"].values() for action in allowed}
    assert {act for act in acts if not act.startswith("sessions/")} <= known
    assert acts[0] == "take-up"
    assert acts[-1] == "close"
    assert part.then[-1].until == "case.rated"


def test_case_without_a_part_or_without_a_sample_is_one_sentence() -> None:
    with pytest.raises(StackError, match="The script has no case 99: choose from 1, 4, 7"):
        script.of(99)
    with pytest.raises(StackError, match="There is no sample case 99"):
        samples.inputs([1, 99])


def test_production_is_no_stage(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HESHI_MODE", "production")
    with pytest.raises(StackError, match="no place in production"):
        standing()
