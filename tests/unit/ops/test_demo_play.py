"""Who acts in the demo: what is sent as it stands, what the script fills in, what it may know."""

import json
from dataclasses import dataclass, field, fields
from datetime import datetime
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
    tasks: list[dict[str, Any]] = field(default_factory=list)

    async def get(self, path: str, **query: str) -> Answer:
        return Answer({"org_id": "LAB-01", "timeline": [], "version": 7, "items": self.tasks}, 7)

    async def post(self, path: str, body: Any, *, version: int | None = None) -> Answer:
        self.posted.append((path, body, version))
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return cast(Answer, answer)


@dataclass
class Office:
    """All doors as one recorder each; `officers` says which roles came to which service."""

    intake: Recorder
    partner_door: Recorder = field(default_factory=Recorder)
    mediation: Recorder = field(default_factory=Recorder)
    officers: list[tuple[str, str]] = field(default_factory=list)

    def officer(self, role: str, service: str) -> Recorder:
        self.officers.append((role, service))
        return {"intake": self.intake, "routing": self.intake, "mediation": self.mediation}[service]

    async def partner(self, org_id: str) -> Recorder:
        return self.partner_door

    async def at_mediation(self, case_id: str) -> Any:
        return (await self.partner_door.get("")).body


def player(office: Office, number: int = 1, entered_by: str = "operator") -> Player:
    sample = next(one for one in samples.inputs([number]) if one.number == number)
    return Player(cast(Doors, office), sample, entered_by)


async def entered(office: Office) -> Player:
    one = player(office)
    await one.register({})
    return one


REGISTERED = Answer({"case_id": "c"}, 2)
STALE = Refused("POST", "/x", 412, {"code": "stale_version"})
BUSY = Refused("POST", "/x", 409, {"code": "busy"})


@pytest.mark.parametrize("number", script.numbers())
async def test_input_is_sent_as_it_stands_by_who_the_script_says(number: int) -> None:
    office = Office(Recorder([REGISTERED]))
    one = player(office, number, script.of(number).entered_by)
    await one.register({1: "the-first"})
    told = json.dumps(samples._rows()[number]["input"]).replace("$case_1", "the-first")
    assert office.intake.posted == [("/v1/cases", json.loads(told), None)]
    assert office.officers == [("dispatcher" if number == 9 else "operator", "intake")]
    assert (one.trail.case_id, one.trail.intake, one.trail.trouble) == ("c", 2, None)


def test_a_case_brings_those_that_it_builds_on() -> None:
    assert [sample.number for sample in samples.inputs([12])] == [1, 12]


def test_who_acts_knows_the_input_alone() -> None:
    assert {part.name for part in fields(Sample)} == {"number", "input"}
    assert not any("expected" in sample.input for sample in samples.inputs(list(range(1, 14))))


@pytest.mark.parametrize("passing", [STALE, BUSY])
async def test_partner_acts_on_the_version_it_read_and_repeats_what_came_at_a_bad_moment(
    passing: Refused,
) -> None:
    office = Office(Recorder([REGISTERED]), Recorder([passing, Answer({"session_id": None}, 9)]))
    one = await entered(office)
    await one.play(script.Part(begin=(script.Step(partner="take-up", body={"handler": "甲"}),), then=()))
    act = ("/partner/v1/cases/c/take-up", {"handler": "甲"}, 7)
    assert office.partner_door.posted == [act, act]
    assert one.trail.trouble is None


async def test_first_messages_end_with_the_beginning_of_the_script() -> None:
    office = Office(Recorder([REGISTERED]), Recorder([Answer({}, 8), Answer({}, 9)]))
    one = await entered(office)
    await one.play(
        script.Part((script.Step(partner="take-up", body={}),), (script.Step(partner="close", body={}),))
    )
    assert (one.trail.intake, one.trail.mediation) == (7, 7)


async def test_an_officer_acts_in_a_role_on_the_version_it_read() -> None:
    office = Office(Recorder([REGISTERED, Answer({}, 3)]))
    one = await entered(office)
    step = script.Step(officer="dispatcher", at="intake", act="decision", body={"action": "accept"})
    await one.play(script.Part((step,), ()))
    assert office.officers[-1] == ("dispatcher", "intake")
    assert office.intake.posted[-1] == ("/v1/cases/c/decision", {"action": "accept"}, 7)


async def test_acts_on_the_child_go_to_the_one_opened_last() -> None:
    office = Office(
        Recorder([REGISTERED, Answer({"case_id": "k"}, 2), Answer({}, 3)]), Recorder([Answer({}, 4)])
    )
    one = await entered(office)
    child = script.Step(officer="operator", at="intake", act="children", body={"kind": "CON"})
    release = script.Step(officer="supervisor", at="intake", act="release", body={}, child=True)
    await one.play(script.Part((child, release, script.Step(partner="take-up", body={}, child=True)), ()))
    assert [path for path, _, _ in office.intake.posted] == [
        "/v1/cases",
        "/v1/cases/c/children",
        "/v1/cases/k/release",
    ]
    assert office.partner_door.posted[0][0] == "/partner/v1/cases/k/take-up"


async def test_an_officer_settles_the_task_of_the_case() -> None:
    desk = Recorder([Answer({}, 0), Answer({}, 0)])
    desk.tasks = [{"case_id": "x", "task_id": "t0"}, {"case_id": "c", "task_id": "t1"}]
    office = Office(Recorder([REGISTERED]), mediation=desk)
    one = await entered(office)
    step = script.Step(officer="duty_officer", task="DUTY_DESK", body={"result": "HANDLED"})
    await one.play(script.Part((step,), ()))
    assert [(path, body) for path, body, _ in desk.posted] == [
        ("/v1/tasks/t1/take", {}),
        ("/v1/tasks/t1/done", {"result": "HANDLED"}),
    ]


async def test_refused_act_ends_the_play_of_its_case_with_the_reason() -> None:
    refusal = Refused("POST", "/x", 409, {"code": "forbidden_action", "state": "offered", "allowed": []})
    one = await entered(Office(Recorder([REGISTERED]), Recorder([refusal])))
    await one.play(script.Part((script.Step(partner="close", body={}),), ()))
    assert one.trail.trouble is not None
    assert "409" in one.trail.trouble
    assert "forbidden_action" in one.trail.trouble


async def test_case_that_was_not_let_in_is_not_played() -> None:
    office = Office(Recorder([Refused("POST", "/v1/cases", 422, {"code": "invalid"})]))
    one = await entered(office)
    await one.play(script.of(1))
    assert (one.trail.case_id, office.partner_door.posted) == (None, [])
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
def test_partners_act_by_acts_that_the_partner_api_has(number: int) -> None:
    part = script.of(number)
    acts = {step.partner for step in (*part.begin, *part.then) if step.partner}
    known = {action for table in ACTIONS.values() for allowed in table.values() for action in allowed}
    assert {act for act in acts if not act.startswith("sessions/")} <= known


@pytest.mark.parametrize("number", [1, 2, 3, 4, 6, 7, 8, 13])
def test_script_leads_a_case_that_somebody_works_on_to_its_rating(number: int) -> None:
    part = script.of(number)
    assert part.then[-1].until == "case.rated"
    assert "close" in (part.then[-2].partner, part.then[-2].act)


def test_the_script_plays_every_sample() -> None:
    assert script.numbers() == list(samples._rows())


def test_case_without_a_part_or_without_a_sample_is_one_sentence() -> None:
    with pytest.raises(StackError, match="The script has no case 99: choose from 1, 2, 3"):
        script.of(99)
    with pytest.raises(StackError, match="There is no sample case 99"):
        samples.inputs([1, 99])


def test_production_is_no_stage(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HESHI_MODE", "production")
    with pytest.raises(StackError, match="no place in production"):
        standing()
