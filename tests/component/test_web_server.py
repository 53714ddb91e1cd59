"""The doors behind the real server: what a caller on the wire gets, and what a stop does."""

import asyncio
import os
import re
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from libs.runtime.server import HttpServer, PortTaken
from libs.runtime.watchdog import EXIT_STALLED
from libs.web.app import create_app
from tests.component.web_toy import FORM, Toy

ROOT = Path(__file__).parents[2]


class Wire:
    """A client of the toy."""

    def __init__(self, toy: Toy, port: int, session: aiohttp.ClientSession) -> None:
        self.toy = toy
        self.port = port
        self.session = session
        self.operator = {"authorization": f"Bearer {toy.token('operator')}"}

    async def ask(
        self, method: str, path: str, body: bytes | str | None = None, **headers: str
    ) -> tuple[int, Any, Any]:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        url = f"http://127.0.0.1:{self.port}{path}"
        async with self.session.request(method, url, data=body, headers=named) as answer:
            is_json = "json" in answer.headers.get("content-type", "")
            return (
                answer.status,
                await answer.json(content_type=None) if is_json else await answer.text(),
                answer,
            )

    async def post(self, path: str, body: bytes | str, **headers: str) -> tuple[int, Any, Any]:
        given = {"content_type": "application/json", "idempotency_key": "k", **self.operator, **headers}
        return await self.ask("POST", path, body, **given)


@asynccontextmanager
async def serving(toy: Toy) -> AsyncIterator[Wire]:
    port = toy.life.serve(toy.app, "127.0.0.1", 0)
    running = asyncio.create_task(toy.life.run())
    try:
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(20)) as session:
            yield Wire(toy, port, session)
    finally:
        toy.life.stop()
        await running


@pytest.fixture
async def wire(tmp_path: Path) -> AsyncIterator[Wire]:
    async with serving(Toy(tmp_path)) as wire:
        yield wire


@pytest.fixture
async def hasty(tmp_path: Path) -> AsyncIterator[Wire]:
    """A toy whose budget is a fifth of a second."""
    async with serving(Toy(tmp_path, budget=0.2)) as wire:
        yield wire


async def until(condition: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(20):
        while not await condition():  # noqa: ASYNC110 - what is awaited has no event of its own
            await asyncio.sleep(0.02)


GOOD = '{"narrative": "楼上漏水"}'


async def test_a_request_goes_through_and_comes_back(wire: Wire) -> None:
    status, body, answer = await wire.post(
        "/v1/things", GOOD, traceparent="00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    )
    assert (status, body) == (201, {"id": "00000000-0000-0000-0000-000000000001"})
    assert answer.headers["etag"] == '"1"'
    assert answer.headers["location"] == "/v1/things/1"
    ((thing, key, received, trace),) = wire.toy.world.seen
    assert thing.narrative == "楼上漏水"
    assert len(key.scope) == 32
    assert received == wire.toy.clock.now()
    assert trace.startswith("00-0af7651916cd43dd8448eb211c80319c-")
    assert "b7ad6b7169203331" not in trace


async def test_every_answer_is_safe_to_hand_to_a_browser_and_names_no_server(wire: Wire) -> None:
    for path in ("/livez", "/v1/nothing", "/v1/bug"):
        _, _, answer = await wire.ask("GET", path)
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["cache-control"] == "no-store"
        assert answer.headers["referrer-policy"] == "no-referrer"
        assert "server" not in answer.headers


async def test_unknown_paths_and_verbs_are_problems(wire: Wire) -> None:
    status, body, answer = await wire.ask("GET", "/v1/nothing/13800000001?phone=13800000001")
    assert (status, body["code"]) == (404, "not_found")
    assert answer.headers["content-type"] == "application/problem+json"
    assert "13800000001" not in str(body)
    status, body, answer = await wire.ask("PUT", "/v1/things", "{}", content_type="application/json")
    assert (status, body["code"]) == (405, "method_not_allowed")
    assert answer.headers["allow"] == "GET, POST"
    assert (await wire.ask("GET", "/v1/things/", **wire.operator))[0] in (404, 422)
    assert (await wire.ask("DELETE", "/livez"))[1]["code"] == "method_not_allowed"


async def test_titles_speak_the_callers_language(wire: Wire) -> None:
    assert (await wire.ask("GET", "/v1/nothing"))[1]["title"] == "未找到"
    _, body, answer = await wire.ask("GET", "/v1/nothing", accept_language="en-GB,en;q=0.9,zh;q=0.5")
    assert body["title"] == "There is no such thing"
    assert answer.headers["content-language"] == "en"
    assert re.fullmatch(r"[0-9a-f]{32}", body["trace_id"])


async def test_credentials_and_roles(wire: Wire) -> None:
    for headers in ({}, {"authorization": "Bearer x.y.z"}, {"authorization": "Basic eA=="}):
        status, body, answer = await wire.ask("GET", "/v1/things", **headers)
        assert (status, body["code"]) == (401, "unauthorised")
        assert answer.headers["www-authenticate"] == "Bearer"
    auditor = {"authorization": f"Bearer {wire.toy.token('auditor')}"}
    assert (await wire.ask("GET", "/v1/things", **auditor))[0] == 403
    assert (await wire.ask("GET", "/v1/things", **wire.operator))[0] == 200


async def test_a_mebibyte_is_refused_whether_its_length_is_told_or_not(wire: Wire) -> None:
    big = b'{"narrative": "' + b"x" * 1_048_576 + b'"}'

    async def pieces() -> AsyncIterator[bytes]:
        for start in range(0, len(big), 65_536):
            yield big[start : start + 65_536]

    for body in (big, pieces()):
        status, problem, _ = await wire.post("/v1/things", body)  # type: ignore[arg-type]
        assert (status, problem["code"]) == (413, "too_large")
    assert (await wire.post("/v1/things", GOOD))[0] == 201


async def test_a_body_that_waits_to_be_asked_for_is_not_asked_for_when_too_large(wire: Wire) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", wire.port)
    writer.write(
        b"POST /v1/form HTTP/1.1\r\nhost: x\r\ncontent-type: application/x-www-form-urlencoded\r\n"
        b"content-length: 1000000000\r\nexpect: 100-continue\r\n\r\n"
    )
    assert (await reader.readline()).startswith(b"HTTP/1.1 413")
    writer.close()


async def cut_after(wire: Wire, *pieces: bytes) -> bytes:
    """What the server says to a connection before it closes it."""
    reader, writer = await asyncio.open_connection("127.0.0.1", wire.port)
    try:
        for piece in pieces:
            writer.write(piece)
            await writer.drain()
        async with asyncio.timeout(10):
            return await reader.read()
    except ConnectionError:
        return b""
    finally:
        writer.close()


async def test_a_head_without_end_is_cut(wire: Wire) -> None:
    begun = b"GET /livez HTTP/1.1\r\nhost: x\r\nx-long: "
    assert await cut_after(wire, begun, *[b"y" * 65_536] * 100) == b""
    assert (await wire.ask("GET", "/livez", x_long="y" * 6_000))[0] == 200


@pytest.mark.parametrize("begun", [b"", b"GET /livez HTTP/1.1\r\nhos"])
async def test_a_head_that_does_not_come_is_cut(
    wire: Wire, begun: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("libs.runtime.server.SLOWEST_HEAD", 0.2)
    assert await cut_after(wire, begun) == b""
    assert (await wire.ask("GET", "/livez"))[0] == 200


async def test_several_requests_share_a_connection_also_when_they_come_at_once(wire: Wire) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", wire.port)
    plain = b"GET /livez HTTP/1.1\r\nhost: x\r\n\r\n"
    writer.write(plain * 3)
    async with asyncio.timeout(10):
        for _ in range(3):
            assert (await reader.readuntil(b"}")).endswith(b'{"live":true}')
        writer.write(plain)
        assert (await reader.readuntil(b"}")).endswith(b'{"live":true}')
    writer.close()


async def test_no_http_at_all_is_told_and_cut(wire: Wire) -> None:
    assert (await cut_after(wire, b"\x16\x03\x01 hello\r\n\r\n")).startswith(b"HTTP/1.1 400")


async def test_another_media_type_is_refused(wire: Wire) -> None:
    for media in ("text/plain", "application/xml", FORM):
        status, body, _ = await wire.post("/v1/things", GOOD, content_type=media)
        assert (status, body["code"]) == (415, "unsupported_media_type")
    assert (await wire.post("/v1/things", b"\x1f\x8b", content_encoding="gzip"))[0] == 415


@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b"not json",
        b'{"narrative": NaN}',
        b'{"narrative": "\\ud800"}',
        b'{"narrative": "\xff"}',
        b'{"headcount": ' + b"9" * 5_000 + b"}",
        b"[" * 100_000,
        b'{"facts": ' + b'{"a":' * 40_000,
    ],
)
async def test_malformed_json_is_400_and_never_500(wire: Wire, body: bytes) -> None:
    status, problem, _ = await wire.post("/v1/things", body)
    assert (status, problem["code"]) == (400, "malformed_json")


def nested(depth: int) -> str:
    return '{"narrative": "x", "facts": ' + '{"a":' * depth + "1" + "}" * depth + "}"


@pytest.mark.parametrize(
    ("body", "place", "code"),
    [
        ("{}", "/narrative", "missing"),
        ('{"narrative": 5}', "/narrative", "string_type"),
        ('{"narrative": "x", "surprise": 1}', "/surprise", "extra_forbidden"),
        ('{"narrative": "x", "headcount": -1}', "/headcount", "greater_than_equal"),
        ('{"narrative": "x", "headcount": 1e300}', "/headcount", "int_parsing_size"),
        ('{"narrative": "x", "places": [{"address": "y"}, {}]}', "/places/1/address", "missing"),
        ('{"narrative": "a\\u0000b"}', "/narrative", "null_byte"),
        ('{"narrative": "x", "facts": {"k\\u0000": 1}}', "/facts", "null_byte"),
        (nested(100), "/facts" + "/a" * 63, "too_deep"),
        ('{"narrative": "%s"}' % ("长" * 20_001), "/narrative", "string_too_long"),
        ("[]", "", "model_attributes_type"),
        ("null", "", "model_attributes_type"),
        ('"text"', "", "model_attributes_type"),
    ],
)
async def test_what_is_wrong_is_told_by_its_place(wire: Wire, body: str, place: str, code: str) -> None:
    status, problem, _ = await wire.post("/v1/things", body, accept_language="en")
    assert status == 422, problem
    assert problem["code"] == "invalid"
    assert [(error["pointer"], error["code"]) for error in problem["errors"]] == [(place, code)]
    assert all(error["detail"] for error in problem["errors"])


async def test_missing_body_and_missing_key(wire: Wire) -> None:
    assert (await wire.post("/v1/things", b""))[0] == 422
    given = {"content_type": "application/json", **wire.operator}
    status, body, _ = await wire.ask("POST", "/v1/things", GOOD, **given)
    assert (status, body["code"]) == (400, "idempotency_key_missing")


@pytest.mark.parametrize(
    ("query", "place", "code"),
    [
        ("limit=0", "/query/limit", "greater_than_equal"),
        ("limit=1000000000", "/query/limit", "less_than_equal"),
        ("limit=x", "/query/limit", "int_parsing"),
        ("after=rubbish", "/query/after", "malformed_cursor"),
        ("after=" + "x" * 600, "/query/after", "string_too_long"),
        ("offset=5", "/query", "unknown_parameter"),
        ("after=%00", "", "null_byte"),
    ],
)
async def test_parameters_have_limits_too(wire: Wire, query: str, place: str, code: str) -> None:
    status, body, _ = await wire.ask("GET", f"/v1/things?{query}", **wire.operator)
    assert status == 422
    assert [(error["pointer"], error["code"]) for error in body["errors"]] == [(place, code)]


async def test_pages_follow_each_other(wire: Wire) -> None:
    _, first, _ = await wire.ask("GET", "/v1/things?limit=2", **wire.operator)
    assert first["items"] == [0, 1]
    _, second, _ = await wire.ask("GET", f"/v1/things?limit=2&after={first['next']}", **wire.operator)
    assert second["items"] == [2, 3]


async def test_a_malformed_id_in_the_path_is_422(wire: Wire) -> None:
    status, body, _ = await wire.ask("GET", "/v1/things/13800000001", **wire.operator)
    assert (status, body["errors"][0]["pointer"]) == (422, "/path/thing_id")
    assert "13800000001" not in str(body)
    assert (await wire.ask("GET", "/v1/things/%00", **wire.operator))[0] == 422


async def test_a_bug_says_nothing_of_itself(wire: Wire, capfd: pytest.CaptureFixture[str]) -> None:
    status, body, _ = await wire.ask("GET", "/v1/bug")
    assert (status, body["code"], body["detail"]) == (500, "internal_error", "")
    captured = capfd.readouterr()
    assert "13800000001" not in captured.out + captured.err
    assert (await wire.ask("GET", "/livez"))[0] == 200


async def test_a_part_that_is_away_is_503_with_a_time(wire: Wire) -> None:
    status, body, answer = await wire.ask("GET", "/v1/away")
    assert (status, body["code"]) == (503, "unavailable")
    assert int(answer.headers["retry-after"]) > 0


async def test_an_answer_that_breaks_off_is_seen_as_broken(wire: Wire) -> None:
    with pytest.raises(aiohttp.ClientPayloadError):
        await wire.ask("GET", "/v1/broken")


async def test_forms_where_a_route_takes_them(wire: Wire) -> None:
    assert (await wire.ask("POST", "/v1/form", "name=li", content_type=FORM))[1] == {"name": "li"}
    assert (await wire.ask("POST", "/v1/callback", "{}", content_type="application/json"))[0] == 415
    assert (await wire.ask("POST", "/v1/callback", "a=1", content_type=FORM))[1] == {"body": "a=1"}
    assert (await wire.ask("POST", "/v1/form", "x" * 300_000, content_type=FORM))[0] == 413


async def test_uploads_are_larger_and_bounded(wire: Wire) -> None:
    status, body, _ = await wire.ask("POST", "/v1/upload", "x" * 1_900_000, content_type="text/csv")
    assert (status, body) == (200, {"bytes": 1_900_000})
    status, body, _ = await wire.ask("POST", "/v1/upload", "x" * 2_100_000, content_type="text/csv")
    assert (status, body["code"]) == (413, "too_large")


async def test_over_its_budget_a_request_is_answered_and_its_work_goes_on(hasty: Wire) -> None:
    status, body, answer = await hasty.ask("POST", "/v1/slow/0.6")
    assert (status, body["code"]) == (503, "timeout")
    assert answer.headers["retry-after"] == "1"
    assert hasty.toy.world.finished == []
    await until(lambda: asyncio.sleep(0, bool(hasty.toy.world.finished)))
    assert (await hasty.ask("POST", "/v1/slow/0"))[0] == 200


async def test_an_answer_that_has_begun_may_take_its_time(hasty: Wire) -> None:
    assert (await hasty.ask("GET", "/v1/stream/0.5"))[1] == "first,last"


async def test_a_body_that_trickles_in_is_given_up(hasty: Wire) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", hasty.port)
    writer.write(
        b"POST /v1/things HTTP/1.1\r\nhost: x\r\n"
        b"content-type: application/json\r\ncontent-length: 100\r\n\r\n{"
    )
    async with asyncio.timeout(10):
        answered = await reader.read()  # until the server closes
    assert answered.startswith(b"HTTP/1.1 408")
    assert b"request_timeout" in answered
    writer.close()


async def test_beyond_what_can_be_worked_on_requests_are_turned_away(tmp_path: Path) -> None:
    async with serving(Toy(tmp_path, in_flight=1)) as wire:
        first = asyncio.create_task(wire.ask("POST", "/v1/slow/0.5"))
        await wire.toy.world.begun.wait()
        status, body, answer = await wire.ask("POST", "/v1/slow/0")
        assert (status, body["code"]) == (503, "overloaded")
        assert answer.headers["retry-after"] == "1"
        assert (await first)[0] == 200
        assert (await wire.ask("POST", "/v1/slow/0"))[0] == 200


async def test_readiness_names_what_is_missing(wire: Wire) -> None:
    assert (await wire.ask("GET", "/readyz"))[:2] == (200, {"ready": True, "missing": {}})
    wire.toy.life.readiness.lacks("kafka", "not connected")
    status, body, _ = await wire.ask("GET", "/readyz")
    assert (status, body) == (503, {"ready": False, "missing": {"kafka": "not connected"}})
    assert (await wire.ask("GET", "/livez"))[:2] == (200, {"live": True})


async def test_metrics_count_requests_by_route_and_never_by_path(wire: Wire) -> None:
    await wire.ask("GET", "/v1/things/13800000001", **wire.operator)
    await wire.ask("GET", "/v1/13800000001")
    text = (await wire.ask("GET", "/metrics"))[1]
    assert 'heshi_http_seconds_count{method="GET",route="/v1/things/{thing_id}",status="422"} 1.0' in text
    assert 'route="unmatched",status="404"} 1.0' in text
    assert "13800000001" not in text


async def test_the_documents_describe_doors_and_problems(wire: Wire) -> None:
    _, openapi, _ = await wire.ask("GET", "/openapi.json")
    made = openapi["paths"]["/v1/things"]["post"]
    assert made["security"] == [{"bearer": []}]
    assert "security" not in openapi["paths"]["/v1/bug"]["get"]
    assert "application/problem+json" in made["responses"]["default"]["content"]
    assert "422" not in made["responses"]
    callback = openapi["paths"]["/v1/callback"]["post"]
    assert list(callback["requestBody"]["content"]) == [FORM]
    assert (await wire.ask("GET", "/asyncapi.json"))[1] == {"asyncapi": "3.0.0"}
    assert (await wire.ask("GET", "/docs"))[0] == 200


async def test_in_production_the_docs_are_closed(tmp_path: Path) -> None:
    async with serving(Toy(tmp_path, docs=False)) as wire:
        assert (await wire.ask("GET", "/docs"))[0] == 404
        assert (await wire.ask("GET", "/redoc"))[0] == 404


def test_a_route_without_a_door_does_not_start(tmp_path: Path) -> None:
    from fastapi import APIRouter, Depends

    from libs.web.auth import staff

    toy = Toy(tmp_path)

    def with_route(**options: Any) -> None:
        router = APIRouter()

        @router.get("/v1/forgotten", **options)
        async def forgotten() -> None: ...

        create_app(
            "toy",
            routers=[router],
            container=None,
            readiness=toy.life.readiness,
            docs=False,
            edge=toy.app.state.edge,
            roles=frozenset({"operator"}),
        )

    with pytest.raises(ValueError, match="/v1/forgotten names no door"):
        with_route()
    with pytest.raises(ValueError, match="king"):
        with_route(dependencies=[Depends(staff("king"))])
    with_route(dependencies=[Depends(staff("operator"))])


async def test_a_taken_port_is_said_in_one_sentence(wire: Wire) -> None:
    with pytest.raises(PortTaken, match=f"127.0.0.1:{wire.port} cannot be listened on"):
        HttpServer(wire.toy.app, "127.0.0.1", wire.port)


@asynccontextmanager
async def program(folder: Path, *arguments: str) -> AsyncIterator[tuple[asyncio.subprocess.Process, int]]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.component.web_toy", str(folder), *arguments),
        cwd=ROOT,
        stdout=asyncio.subprocess.PIPE,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )
    assert process.stdout is not None
    try:
        async with asyncio.timeout(60):
            yield process, int(await process.stdout.readline())
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def test_sigterm_lets_a_request_in_flight_finish_and_takes_no_new_one(tmp_path: Path) -> None:
    async with program(tmp_path) as (process, port), aiohttp.ClientSession() as session:
        url = f"http://127.0.0.1:{port}"
        async with session.get(f"{url}/readyz") as ready:
            assert ready.status == 200

        async def slow() -> Any:
            async with session.post(f"{url}/v1/slow/1.5") as answer:
                return answer.status, await answer.json()

        in_flight = asyncio.create_task(slow())
        await until(lambda: is_working(url, session))
        process.send_signal(signal.SIGTERM)
        process.send_signal(signal.SIGTERM)  # a second one, as Ctrl-C on a group brings, changes nothing
        await until(lambda: is_closed(port))
        assert not in_flight.done()
        assert await in_flight == (200, {"slept": 1.5})
        assert await process.wait() == 0


async def is_working(url: str, session: aiohttp.ClientSession) -> bool:
    """Whether the slow request has begun."""
    async with session.get(f"{url}/v1/begun") as answer:
        return bool((await answer.json())["begun"])


async def is_closed(port: int) -> bool:
    """Whether connections are refused."""
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return True
    writer.close()
    return False


async def test_a_blocked_process_ends_itself_for_its_supervisor(tmp_path: Path) -> None:
    async with program(tmp_path, "block") as (process, _):
        assert await process.wait() == EXIT_STALLED
