"""The main job through the whole embedded stack, and what is left of it after every way of stopping it.

One stack for all tests of this file, in their order: later ones stop and kill it. What nobody promises here
is speed: `make bench` measures it.
"""

import asyncio
import re
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from functools import partial

import aiohttp
import pytest

from libs.events import topics as declared
from libs.events.envelope import from_headers
from ops.demo import samples, script
from ops.demo.doors import Doors
from ops.demo.findings import settled
from ops.demo.play import Player
from ops.demo.stage import GIVEN, free_base
from ops.installation import Installation
from ops.stack.child import running
from ops.stack.keys import ensure_accounts
from ops.stack.parts import SERVICES
from tests.component.test_console_pages import sign_in
from tests.component.test_stack_life import ROOT, Heshi
from tests.e2e import world
from tests.support import chain
from tests.support.process import SHORTEST_SESSION_MS
from tests.support.wait import until


@pytest.fixture(scope="module")
def heshi(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Heshi]:
    """A stack of this file's own; the environment names it, for the commands that tests run in process."""
    command = Heshi(tmp_path_factory.mktemp("e2e") / "home", free_base())
    with pytest.MonkeyPatch.context() as environment:
        for name in ("HESHI_HOME", "HESHI_PORT_BASE"):
            environment.setenv(name, command.environment[name])
        for name in GIVEN:
            environment.delenv(name, raising=False)
        for service in SERVICES:  # so long the partitions of a killed reader wait for its successor
            command.environment[f"{service.upper()}_CONSUMING__SESSION_TIMEOUT_MS"] = str(SHORTEST_SESSION_MS)
        start(command)
        yield command
        command("down")
        assert running(command.home) == []


@pytest.fixture
async def doors(heshi: Heshi) -> AsyncIterator[Doors]:
    """The doors, with the ledger marked at the test's begin."""
    async with world.opened() as found:
        yield found


def start(heshi: Heshi) -> None:
    done = heshi("up", "--detach")
    assert done.returncode == 0, done.stdout + done.stderr


def run(heshi: Heshi, *command: str) -> subprocess.CompletedProcess[str]:
    """A command of the checkout, as somebody gives it who works with this stack."""
    return subprocess.run(
        command, env=heshi.environment, cwd=ROOT, capture_output=True, text=True, timeout=100, check=False
    )


async def test_case_1_comes_from_the_call_to_the_rating(doors: Doors) -> None:
    [sample] = samples.inputs([1])
    player = Player(doors, sample)
    await player.register({})
    case_id = player.trail.case_id
    assert case_id is not None
    await world.take_up(doors, case_id)
    await world.arrives(doors, case_id, "N01", "N07")

    await player.play(script.Part((), script.of(1).then))
    assert player.trail.trouble is None
    assert await world.ledger(doors, case_id) == ["N01", "N07", "N08", "N09", "N12", "N17"]
    seen = await doors.at_mediation(case_id)
    assert seen is not None
    assert (seen["state"], seen["result"], seen["rating"], seen["org_id"]) == (
        "closed",
        "SOLVED",
        1,
        "LAB-01",
    )

    told = [
        each
        for each in await chain.envelopes(world.place(), "mediation.case.v1")
        if str(each.case_id) == case_id
    ]
    assert [event.caseversion for event in told] == list(range(1, len(told) + 1))
    assert [event.type for event in told if not event.type.startswith("deadline.")] == [
        "case.opened",
        "case.offered",
        "case.taken_up",
        "contact.attempted",
        "contact.attempted",
        "consent.requested",
        "consent.requested",
        "consent.recorded",
        "contact.attempted",
        "consent.recorded",
        "mediator.appointed",
        "session.scheduled",
        "session.held",
        "agreement.reached",
        "performance.recorded",
        "performance.recorded",
        "case.closed",
        "case.rated",
    ]


async def test_operator_sees_on_the_console_what_every_service_told(heshi: Heshi, doors: Doors) -> None:
    case_id = await world.enter(doors, 1)
    await world.arrives(doors, case_id, "N01")
    jar = aiohttp.CookieJar(unsafe=True)
    async with aiohttp.ClientSession(Installation.current().url("console"), cookie_jar=jar) as browser:
        answer = await sign_in(browser, password=ensure_accounts(heshi.home)["operator"])
        assert answer.status == 303

        async def timeline() -> str | None:
            async with browser.get(f"/cases/{case_id}/timeline") as page:
                text = await page.text()
            words = ("登记", "建议派单", "开始计时", "短信送达", "临江区劳动人民调解委员会")
            return text if all(word in text for word in words) else None

        await until(timeline)


def test_make_demo_ends_well_against_the_stack_that_runs(heshi: Heshi) -> None:
    played = run(heshi, sys.executable, "-m", "ops.demo")
    assert played.returncode == 0, played.stdout + played.stderr
    assert f"All {len(script.numbers())} cases as expected" in played.stdout
    assert "is the stage" in played.stdout
    assert "fresh" not in played.stdout


def commands_of(heshi: Heshi, page: str) -> str:
    """What the commands of a page print, run as they stand but for the ports."""
    text = (ROOT / "docs" / page).read_text()
    commands = "\n".join(re.findall(r"^```sh\n(.*?)^```", text, re.MULTILINE | re.DOTALL))
    base = int(heshi.environment["HESHI_PORT_BASE"])
    here = re.sub(r"(?<=127\.0\.0\.1:)80(\d\d)", lambda port: str(base + int(port[1])), commands)
    done = run(heshi, "bash", "-eu", "-o", "pipefail", "-c", here)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_walkthrough_leads_to_the_sms_of_the_take_up(heshi: Heshi) -> None:
    told = commands_of(heshi, "walkthrough.md")
    assert '"state": "taken_up"' in told
    assert told.rindex("已登记") < told.rindex("已安排专人负责")


def test_the_operators_calls_do_what_their_page_says(heshi: Heshi) -> None:
    told = commands_of(heshi, "operator.md")
    assert '"errors"' not in told
    assert not re.findall(r'"status": [45]\d\d', told)
    for state in ("registered", "accepted", "merged"):
        assert f'"state": "{state}"' in told
    assert '"合计"' in told
    assert '"taken": 1' in told
    assert "人数：应为整数" in told
    assert '"kind": "CON"' in told
    assert '"working": [' in told
    assert '"name": "噪声记录.txt"' in told
    assert "the same file" in told
    assert '"state": "removed"' in told


def test_the_partners_calls_do_what_their_page_says(heshi: Heshi) -> None:
    told = commands_of(heshi, "partner-api.md")
    refused = re.findall(r'"status": ([45]\d\d)', told)
    assert refused == [
        "409"
    ]  # the agreement before anybody consented: the page shows what such an answer says
    states = re.findall(r'"state": "([a-z_]+)"', told)
    wanted = ["offered", "taken_up", "consent_pending", "in_mediation", "performing", "closed"]
    assert [state for state in wanted if state in states] == wanted
    assert states[-1] == "closed"


def test_the_portals_calls_do_what_their_page_says(heshi: Heshi) -> None:
    told = commands_of(heshi, "portal-api.md")
    assert re.findall(r'"status": ([45]\d\d)', told) == ["422"]  # the flags that a portal may not raise
    assert '"code": "staff_only"' in told
    assert '"state": "registered"' in told
    assert '"138****0004"' in told
    assert '"status": "open"' in told
    assert '"name": "损**.txt"' in told
    assert "13800000004" not in told


async def test_poison_ends_in_the_dead_letters_and_the_next_message_is_handled(
    doors: Doors, record_property: Callable[[str, object], None]
) -> None:
    count = await world.poison("intake.case.v1")
    begun = time.monotonic()
    case_id = await world.enter(doors, 1)  # it follows a poisonous record whichever partition it goes to
    await world.offered(doors, case_id)
    record_property("seconds from the call to the offer, behind poison", round(time.monotonic() - begun, 2))
    await world.arrives(doors, case_id, "N01")

    for group in declared.load().topics["intake.case.v1"].readers:

        async def buried(topic: str = f"{group}.dlt") -> list[object] | None:
            letters = await chain.dump(world.place(), topic)
            return letters if len(letters) == count else None

        letters = await until(buried)
        headers = [dict(letter.headers) for letter in letters]
        assert {letter.value for letter in letters} == {b"{poison"}
        assert {told["dlt_source_topic"] for told in headers} == {b"intake.case.v1"}
        assert {told["dlt_source_partition"] for told in headers} == {str(n).encode() for n in range(count)}
        assert {told["dlt_error_type"] for told in headers} == {b"invalid_json"}
        assert all(
            from_headers(letter.headers, "intake.case.v1").type == "case.accepted" for letter in letters
        )


async def test_registration_goes_on_while_kafka_is_down_and_nothing_is_lost(
    heshi: Heshi, doors: Doors
) -> None:
    [sample] = samples.inputs([1])
    with world.down(heshi, "kafka"):
        answer = await world.ask(doors, "POST", "intake", "/v1/cases", sample.input)
        assert answer.status == 201
        case_id = answer.body["case_id"]
        assert await doors.at_mediation(case_id) is None
    await world.take_up(doors, case_id)
    await world.arrives(doors, case_id, "N01", "N07")


async def test_database_down_is_503_in_time_and_heals(heshi: Heshi, doors: Doors) -> None:
    [sample] = samples.inputs([1])
    known = await world.enter(doors, 1)
    await world.arrives(doors, known, "N01")
    requests = [
        ("POST", "intake", "/v1/cases", sample.input, "once"),
        ("GET", "intake", f"/v1/cases/{known}"),
        ("GET", "routing", f"/v1/cases/{known}/assignments"),
        ("GET", "mediation", f"/v1/cases/{known}"),
        ("GET", "notify", f"/v1/messages?case_id={known}"),
    ]
    with world.down(heshi, "postgres"):
        heard = await asyncio.gather(*(world.ask(doors, *request) for request in requests))
        for request, answer in zip(requests, heard, strict=True):
            assert (request[:2], answer.status) == (request[:2], 503)
            assert 1 <= int(answer.headers["Retry-After"]) <= 10
            assert answer.headers["Content-Type"] == "application/problem+json"
            assert answer.seconds <= world.BUDGET

    async def again() -> world.Heard | None:
        answer = await world.ask(doors, *requests[0])
        return answer if answer.status == 201 else None

    answer = await until(again, seconds=30)
    await world.offered(doors, answer.body["case_id"])
    await world.arrives(doors, answer.body["case_id"], "N01")


async def test_state_is_there_after_down_and_up(heshi: Heshi) -> None:
    async with world.opened() as doors:
        case_id = await world.enter(doors, 7)
        await world.offered(doors, case_id)
        await world.arrives(doors, case_id, "N01")
        await until(partial(settled, doors, case_id))
        await until(partial(world.answered, doors, case_id))
        before = await until(partial(world.at_rest, doors, case_id))
        events = sorted(event.event_id for event in await chain.envelopes(world.place()))
        mark = doors.mark
    stopped = heshi("down")
    assert (stopped.returncode, running(heshi.home)) == (0, [])
    start(heshi)
    async with world.opened() as doors:
        doors.mark = mark
        assert await world.all_that_is_known(doors, case_id) == before
        assert sorted(event.event_id for event in await chain.envelopes(world.place())) == events
        await world.take_up(doors, case_id)
        await world.arrives(doors, case_id, "N01", "N07")


async def test_state_is_there_after_kill_9_of_everything(heshi: Heshi) -> None:
    async with world.opened() as doors:
        mark = doors.mark
        cases = await asyncio.gather(*(world.enter(doors, 1) for _ in range(4)))
    world.kill_everything(heshi)  # between registering and any other step, wherever each case stands
    start(heshi)
    async with world.opened() as doors:
        doors.mark = mark
        for case_id in cases:
            assert (await doors.intake.get(f"/v1/cases/{case_id}")).body["state"] == "accepted"
            await world.offered(doors, case_id)
            await until(partial(world.on_their_way, doors, case_id), seconds=60)
        texts = [entry["text"] for entry in await doors.ledger()]
        assert len(texts) == len(set(texts))
        await world.take_up(doors, cases[0])

        async def told_of_the_take_up() -> bool:
            return "N07" in await world.ledger(doors, cases[0])

        await until(told_of_the_take_up, seconds=60)
