"""The console in a browser's eyes: sign-in, cookies, headers, the live stream, and what one may not see."""

import asyncio
import json
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast
from uuid import UUID

import aiohttp
import pytest
from argon2 import PasswordHasher
from uuid_utils.compat import uuid7

from libs.db.pool import Database
from libs.runtime.metrics import Metrics
from libs.runtime.readiness import Readiness
from libs.runtime.server import HttpServer
from libs.testing.clock import ManualClock
from libs.web.app import create_app
from libs.web.auth import Edge
from libs.web.errors import NotFound
from libs.web.limits import RateLimit, Turns
from libs.web.tokens import Verifier
from services.console.api import ROUTERS, Container, Cookies, with_error_pages
from services.console.domain.access import Account
from services.console.handlers.casework import Answer, Download, Upload
from services.console.handlers.door import Door
from services.console.pages.files import Pages
from services.console.pages.words import Words
from services.console.store import AccountFile, CaseViews, SessionStore
from tests.component.test_console_board import event, held
from tests.unit.console.test_board import intake, mediation

DATA = Path(__file__).parents[2] / "data"
HASHER = PasswordHasher(time_cost=1, memory_cost=64, parallelism=1)
PASSWORD = "right-horse"


@dataclass
class House:
    """A running console and what the test may turn."""

    url: str
    database: Database
    accounts: Path
    clock: ManualClock
    services: "Elsewhere"
    views: CaseViews = field(init=False)

    def __post_init__(self) -> None:
        self.views = CaseViews(self.database)

    async def tell(self, *events: Any) -> None:
        async with self.database.transaction() as tx:
            await self.views.apply(tx, events)


@dataclass
class Elsewhere:
    """The other services: answers by (service, method, path below the version), and what was asked."""

    answers: dict[tuple[str, str, str], Any] = field(default_factory=dict)
    asked: list[dict[str, Any]] = field(default_factory=list)

    async def ask(
        self,
        account: Account,
        service: str,
        method: str,
        path: str,
        body: Any = None,
        *,
        key: str | None = None,
        version: int | None = None,
        query: Any = None,
    ) -> Answer:
        self.asked.append(
            {
                "user": account.user,
                "service": service,
                "path": path,
                "body": body,
                "key": key,
                "version": version,
            }
        )
        answer = self.answers.get((service, method, path), NotFound())
        if isinstance(answer, Exception):
            raise answer
        return cast(Answer, answer)

    async def send_file(self, account: Account, path: str, file: Upload, key: str) -> Answer:
        return await self.ask(account, "intake", "PUT", path, file, key=key)

    async def fetch_file(self, account: Account, path: str) -> Download:
        async def pieces(content: bytes) -> AsyncIterator[bytes]:
            yield content

        headers, content = (await self.ask(account, "intake", "GET", path)).body
        return Download(headers, pieces(content))


def account(user: str, *roles: str, **more: object) -> dict[str, object]:
    return {
        "user": user,
        "roles": list(roles or (user,)),
        "districts": ["990101"],
        "password_hash": HASHER.hash(PASSWORD),
        **more,
    }


ACCOUNTS = [
    account("operator", name="话务员甲"),
    account("dispatcher"),
    account("supervisor"),
    account("auditor"),
    account("sealed", "sealed_officer"),
    account("handler", "partner_handler", org="LAB-01"),
]


@pytest.fixture
async def house(
    database: Callable[[str], Awaitable[Database]], tmp_path: Path, request: pytest.FixtureRequest
) -> AsyncIterator[House]:
    accounts = tmp_path / "console-accounts.json"
    accounts.write_text(json.dumps(ACCOUNTS), "utf-8")
    console, clock, readiness = await database("console"), ManualClock(), Readiness()
    services = Elsewhere()
    container = Container(
        services=services,
        door=Door(AccountFile(accounts), SessionStore(console), HASHER, clock.now),
        board=CaseViews(console),
        pages=Pages(),
        words=Words.load(DATA, clock.now),
        cookies=Cookies(secure=getattr(request, "param", "demo") == "production"),
        turns=Turns(2),
        stopping=lambda: readiness.stopping,
    )
    edge = Edge(
        clock=clock,
        metrics=Metrics(),
        tokens=Verifier(tmp_path, mode="demo", now=clock.now),
        mac=lambda message: message,
        rate=RateLimit(1000, 1000),
    )
    app = create_app(
        "console", routers=ROUTERS, container=container, readiness=readiness, docs=False, edge=edge
    )
    server = HttpServer(with_error_pages(app), "127.0.0.1", 0, drain=2)
    running = asyncio.create_task(server.run())
    yield House(f"http://127.0.0.1:{server.port}", console, accounts, clock, services)
    readiness.stop()
    server.stop()
    await running


@pytest.fixture
async def browser(house: House) -> AsyncIterator[aiohttp.ClientSession]:
    jar = aiohttp.CookieJar(unsafe=True)
    async with aiohttp.ClientSession(house.url, cookie_jar=jar) as session:
        yield session


async def form_of(browser: aiohttp.ClientSession, page: str = "/sign-in") -> str:
    async with browser.get(page) as answer:
        found = re.search(r'name="form" value="([^"]+)"', await answer.text())
    assert found is not None
    return found[1]


async def sign_in(
    browser: aiohttp.ClientSession, user: str = "operator", password: str = PASSWORD
) -> aiohttp.ClientResponse:
    data = {"user": user, "password": password, "form": await form_of(browser)}
    async with browser.post("/sign-in", data=data, allow_redirects=False) as answer:
        await answer.read()
    return answer


async def test_who_is_not_signed_in_is_sent_to_the_door(browser: aiohttp.ClientSession) -> None:
    async with browser.get("/", allow_redirects=False) as answer:
        assert (answer.status, answer.headers["location"]) == (303, "/sign-in")
    for path in ("/events", "/session", f"/cases/{uuid7()}/timeline"):
        async with browser.get(path) as answer:
            assert answer.status == 401
            assert (await answer.json())["code"] == "unauthorised"


async def test_who_comes_for_a_case_is_led_back_to_it_and_nowhere_else(
    browser: aiohttp.ClientSession,
) -> None:
    case, html = f"/cases/{UUID(int=7)}?done=2", {"accept": "text/html"}
    async with browser.get(case, headers=html, allow_redirects=False) as answer:
        assert answer.status == 303
        door = answer.headers["location"]
    async with browser.get(door) as answer:
        assert f'name="next" value="{case}"' in await answer.text()
    for next_, leads_to in (
        (case, case),
        ("//elsewhere.example", "/"),
        ("/\\elsewhere.example", "/"),
        ("https://elsewhere.example", "/"),
        ("/\t/elsewhere.example", "/"),
        ("", "/"),
    ):
        browser.cookie_jar.clear()
        data = {"user": "operator", "password": PASSWORD, "form": await form_of(browser), "next": next_}
        async with browser.post("/sign-in", data=data, allow_redirects=False) as answer:
            assert (answer.status, answer.headers["location"]) == (303, leads_to)
    async with browser.get(door, allow_redirects=False) as answer:
        assert answer.headers["location"] == case


async def test_a_refusal_is_a_page_for_people_and_a_problem_for_scripts(
    browser: aiohttp.ClientSession,
) -> None:
    case = f"/cases/{UUID(int=7)}"
    async with browser.post(f"{case}/acts/remind", headers={"accept": "text/html"}) as answer:
        assert (answer.status, 'href="/sign-in"' in await answer.text()) == (401, True)
    await sign_in(browser, "auditor")
    for path, status, said in (
        (case, 404, "不在您的查看范围"),
        ("/nowhere", 404, "未找到"),
        ("/cases/new", 403, "您的岗位"),
        ("/search", 405, "不能直接打开"),
        ("/cases/not-an-id", 422, "输入有误"),
        ("/search%00", 422, "输入有误"),
    ):
        async with browser.get(path, headers={"accept": "text/html,*/*;q=0.8"}) as answer:
            text = await answer.text()
            assert (answer.status, said in text, 'href="/"' in text) == (status, True, True)
            assert "default-src 'none'" in answer.headers["content-security-policy"]
        async with browser.get(path) as answer:
            assert (answer.status, answer.content_type) == (status, "application/problem+json")


async def test_a_person_signs_in_sees_the_page_and_signs_out(browser: aiohttp.ClientSession) -> None:
    answer = await sign_in(browser)
    assert (answer.status, answer.headers["location"]) == (303, "/")
    async with browser.get("/") as page:
        text = await page.text()
    assert "话务员甲" in text
    assert 'id="cases"' in text
    async with browser.get("/sign-in", allow_redirects=False) as again:
        assert again.headers["location"] == "/"
    form = {"form": await form_of(browser, "/")}
    async with browser.post("/sign-out", data=form, allow_redirects=False) as out:
        assert (out.status, out.headers["location"]) == (303, "/sign-in")
    async with browser.get("/session") as gone:
        assert gone.status == 401


async def test_the_session_cookie_is_for_this_site_and_no_script(browser: aiohttp.ClientSession) -> None:
    answer = await sign_in(browser)
    [cookie] = [value for value in answer.headers.getall("set-cookie") if "heshi-session" in value]
    assert "HttpOnly" in cookie
    assert "SameSite=lax" in cookie
    assert "Path=/" in cookie
    assert "Secure" not in cookie
    assert "Domain" not in cookie


@pytest.mark.parametrize("house", ["production"], indirect=True)
async def test_in_production_the_cookie_is_bound_to_https_and_host(house: House) -> None:
    async with aiohttp.ClientSession(house.url) as client:
        async with client.get("/sign-in") as page:
            cookie, html = page.headers["set-cookie"], await page.text()
        assert cookie.startswith("__Host-heshi-form=")
        assert "Secure" in cookie
        form = re.findall(r'name="form" value="([^"]+)"', html)[0]
        headers = {"cookie": cookie.partition(";")[0]}
        data = {"user": "operator", "password": PASSWORD, "form": form}
        async with client.post("/sign-in", data=data, headers=headers, allow_redirects=False) as answer:
            cookies = answer.headers.getall("set-cookie")
    assert any(one.startswith("__Host-heshi-session=") and "Secure" in one for one in cookies)


@pytest.mark.parametrize(
    ("user", "password"), [("operator", "wrong"), ("nobody", PASSWORD), ("operator", ""), ("<b>'\"", "x")]
)
async def test_wrong_words_get_the_form_again(
    browser: aiohttp.ClientSession, user: str, password: str
) -> None:
    data = {"user": user, "password": password, "form": await form_of(browser)}
    async with browser.post("/sign-in", data=data) as answer:
        assert answer.status == 401
        text = await answer.text()
    assert "用户名或密码不正确" in text
    assert "<b>" not in text
    assert "set-cookie" in answer.headers
    assert "heshi-session" not in str(answer.headers)


async def test_guessing_is_slowed_down(browser: aiohttp.ClientSession) -> None:
    for _ in range(5):
        assert (await sign_in(browser, password="wrong")).status == 401
    answer = await sign_in(browser)
    assert (answer.status, answer.headers["retry-after"]) == (429, "1")


@pytest.mark.parametrize("form", ["", "forged"])
async def test_a_form_of_another_site_signs_nobody_in(browser: aiohttp.ClientSession, form: str) -> None:
    await form_of(browser)
    data = {"user": "operator", "password": PASSWORD, "form": form}
    async with browser.post("/sign-in", data=data, allow_redirects=False) as answer:
        assert answer.status == 403
        assert "页面已过期" in await answer.text()
    async with browser.get("/session") as session:
        assert session.status == 401


async def test_a_form_without_its_cookie_signs_nobody_in(house: House) -> None:
    async with aiohttp.ClientSession(house.url, cookie_jar=aiohttp.DummyCookieJar()) as client:
        data = {"user": "operator", "password": PASSWORD, "form": await form_of(client)}
        async with client.post("/sign-in", data=data) as answer:
            assert answer.status == 403


async def test_another_site_signs_nobody_out(browser: aiohttp.ClientSession) -> None:
    await sign_in(browser)
    async with browser.post("/sign-out", data={"form": "forged"}) as answer:
        assert answer.status == 403
    async with browser.get("/session") as session:
        assert session.status == 204


async def test_a_page_loads_nothing_from_elsewhere_and_runs_nothing_inline(
    browser: aiohttp.ClientSession,
) -> None:
    await sign_in(browser)
    async with browser.get("/") as answer:
        policy, html = answer.headers["content-security-policy"], await answer.text()
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert not re.search(r"<script(?![^>]*\bsrc=)|<style|\sstyle=|\son\w+=|https?:", html)
    loaded = re.findall(r'<(?:script|img|link)[^>]* (?:src|href)="([^"]+)"', html)
    assert len(loaded) >= 3
    for address in loaded:
        async with browser.get(address) as asset:
            assert asset.status == 200
            assert "immutable" in asset.headers["cache-control"]


@pytest.mark.parametrize("name", ["words.json", "..%2fapi.py", "console.js", "%2e%2e/api.py"])
async def test_no_other_file_is_served(browser: aiohttp.ClientSession, name: str) -> None:
    async with browser.get(f"/assets/{name}") as answer:
        assert answer.status == 404


async def test_an_auditor_signs_in_and_sees_no_case(browser: aiohttp.ClientSession) -> None:
    await sign_in(browser, "auditor")
    async with browser.get("/") as page:
        text = await page.text()
    assert 'id="cases"' not in text
    async with browser.get("/events") as stream:
        assert stream.status == 403


class Stream:
    """The live stream, read event by event."""

    def __init__(self, answer: aiohttp.ClientResponse) -> None:
        assert answer.headers["content-type"].startswith("text/event-stream")
        self._answer = answer

    async def next(self) -> tuple[str, Any]:
        name = ""
        while line := (await self._answer.content.readline()).decode().rstrip("\n"):
            if line.startswith("event: "):
                name = line.removeprefix("event: ")
            if line.startswith("data: "):
                data = json.loads(line.removeprefix("data: "))
                await self._answer.content.readline()
                return name, data
        raise AssertionError("the stream ended")


async def test_the_page_follows_a_case_live(house: House, browser: aiohttp.ClientSession) -> None:
    first, second = uuid7(), uuid7()
    await house.tell(event(first, 1, intake("case.registered")))
    await sign_in(browser)
    async with browser.get("/events") as answer:
        stream = Stream(answer)
        name, rows = await stream.next()
        assert (name, [row["id"] for row in rows]) == ("board", [str(first)])
        assert rows[0]["state"] == "已登记"
        await house.tell(event(second, 1, intake("case.registered")))
        name, change = await stream.next()
        assert (name, [row["id"] for row in change["rows"]], change["gone"]) == ("change", [str(second)], [])
        await house.tell(event(first, 1, mediation("case.taken_up")))
        _, change = await stream.next()
        [row] = change["rows"]
        assert (row["state"], row["org"]) == ("已承接", "临江区劳动人民调解委员会")


async def test_a_partner_sees_a_case_come_and_go(house: House, browser: aiohttp.ClientSession) -> None:
    mine, foreign = uuid7(), uuid7()
    for case_id, org in ((mine, "LAB-01"), (foreign, "PSY-01")):
        await house.tell(*(event(case_id, 1, payload) for payload in held(org)))
    await sign_in(browser, "handler")
    async with browser.get("/events") as answer:
        stream = Stream(answer)
        _, rows = await stream.next()
        assert [row["id"] for row in rows] == [str(mine)]
        await house.tell(event(foreign, 2, mediation("case.returned", org_id="PSY-01")))
        await house.tell(event(mine, 2, mediation("case.returned")))
        assert await stream.next() == ("change", {"rows": [], "gone": [str(mine)]})


async def test_a_stream_ends_with_its_session(
    house: House, browser: aiohttp.ClientSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.console.handlers.board.QUIET_LOOKS", 1)
    await sign_in(browser)
    async with browser.get("/events") as answer:
        stream = Stream(answer)
        assert (await stream.next())[0] == "board"
        house.accounts.write_text("[]", "utf-8")
        assert await stream.next() == ("bye", {})
        assert await answer.content.read() == b""


async def test_an_idle_session_ends(house: House, browser: aiohttp.ClientSession) -> None:
    await sign_in(browser)
    house.clock.advance(hours=2)
    async with browser.get("/session") as answer:
        assert answer.status == 401


async def test_a_case_s_timeline_is_told_in_words(house: House, browser: aiohttp.ClientSession) -> None:
    case_id = uuid7()
    await house.tell(
        event(case_id, 1, intake("case.registered")),
        event(case_id, 1, mediation("case.returned"), minutes=90),
    )
    await sign_in(browser)
    async with browser.get(f"/cases/{case_id}/timeline") as answer:
        items = (await answer.json())["items"]
    assert items == [
        {"at": "2月5日 10:00", "what": "登记", "detail": ""},
        {"at": "2月5日 11:30", "what": "退回", "detail": items[1]["detail"]},
    ]
    assert "临江区劳动人民调解委员会" in items[1]["detail"]


async def test_cases_are_listed_by_what_presses_most(house: House, browser: aiohttp.ClientSession) -> None:
    case_id = uuid7()
    missed = intake("deadline.missed", rule="PROD-TRIAGE-BLUE", deadlines=[])
    await house.tell(event(case_id, 1, intake("case.registered")), event(case_id, 2, missed))
    await sign_in(browser)
    async with browser.get("/cases/pressing") as answer:
        text = await answer.text()
    assert answer.status == 200
    for shown in (f'href="/cases/{case_id}"', "逾期：", "2月7日 00:00"):
        assert shown in text
    async with browser.get(f"/cases/pressing?at=2026-02-06T16:00:00Z&case_id={case_id}") as answer:
        assert f'href="/cases/{case_id}"' not in await answer.text()


async def test_who_sees_no_case_sees_no_list(house: House, browser: aiohttp.ClientSession) -> None:
    await sign_in(browser, "auditor")
    async with browser.get("/cases/pressing") as answer:
        assert answer.status == 403
    async with browser.get("/") as answer:
        assert "/cases/pressing" not in await answer.text()


@pytest.mark.parametrize(("case_id", "status"), [(str(UUID(int=0)), 404), ("not-an-id", 422), ("%00", 422)])
async def test_no_such_case(browser: aiohttp.ClientSession, case_id: str, status: int) -> None:
    await sign_in(browser)
    async with browser.get(f"/cases/{case_id}/timeline") as answer:
        assert answer.status == status


async def test_a_report_is_the_sealed_officer_s_alone(house: House, browser: aiohttp.ClientSession) -> None:
    case_id = uuid7()
    await house.tell(event(case_id, 1, intake("case.registered", case={"kind": "REP"})))
    await sign_in(browser)
    async with browser.get(f"/cases/{case_id}/timeline") as answer:
        assert answer.status == 404
    browser.cookie_jar.clear()
    await sign_in(browser, "sealed")
    async with browser.get(f"/cases/{case_id}/timeline") as answer:
        assert answer.status == 200


async def test_a_broken_accounts_file_lets_nobody_in_and_heals(
    house: House, browser: aiohttp.ClientSession
) -> None:
    whole = house.accounts.read_text("utf-8")
    for broken in ("{", '[{"user": "operator"}]', "null", '"text"'):
        house.accounts.write_text(broken, "utf-8")
        assert (await sign_in(browser)).status == 401
        house.clock.advance(minutes=2)
    house.accounts.write_text(whole, "utf-8")
    assert (await sign_in(browser)).status == 303


async def test_a_form_that_is_too_large_or_no_form_is_refused(browser: aiohttp.ClientSession) -> None:
    async with browser.post("/sign-in", data={"user": "x" * 300_000}) as answer:
        assert answer.status == 413
    async with browser.post("/sign-in", json={"user": "operator", "password": PASSWORD}) as answer:
        assert answer.status == 403
