"""How fast the console's pages are made with a large read model behind them, as a signed-in browser asks."""

import re
import time
from collections.abc import Awaitable, Callable

import aiohttp
import orjson

from bench.cases import bodies
from bench.figures import Row, Say, Section, at_most, quantile
from ops import tokens
from ops.installation import Installation
from ops.stack.keys import ensure_accounts

CASES = 100_000
TIMES = 200
LIMIT_MS = 150.0

_FILL = """
    with new as (
        insert into case_view (case_id, district, query_code, kind, category, urgency, registered_at,
            intake_state, mediation_state, org_id, mediation_rule, mediation_due_at, intake_version)
        select gen_random_uuid(), '990101', 'K7M2P9QX', 'DIS', 'D02', 'BLUE', now() - n * interval '1 minute',
            'accepted', 'in_mediation', 'PMC-YQ', 'MED-TERM', now() + n * interval '1 minute', 2
        from generate_series(1, $1::int) n returning case_id, registered_at
    )
    insert into case_moment (case_id, topic, version, type, at, detail)
    select case_id, 'intake.case.v1', v, 'case.registered', registered_at, '{}'
    from new, generate_series(1, 8) v
"""


async def measure(say: Say) -> Section:
    """Fill the read model by rows of its own, then ask for each page many times, one after the other."""
    here = Installation.current()
    async with here.database("console") as database:
        await database.execute(_FILL, CASES)
        await database.execute("analyze")
    say(f"  {CASES:,} cases on the board")
    case_id = await _entered()
    jar = aiohttp.CookieJar(unsafe=True)
    async with aiohttp.ClientSession(here.url("console"), cookie_jar=jar) as browser:
        await _sign_in(browser)
        pages = {
            "the board's page": lambda: _page(browser, "/"),
            "the board's first rows on its stream": lambda: _board(browser),
            "the list by what presses most": lambda: _page(browser, "/cases/pressing"),
            "the entry form": lambda: _page(browser, "/cases/new"),
            "a case's page, asked of four services": lambda: _page(browser, f"/cases/{case_id}"),
            "a case's timeline": lambda: _page(browser, f"/cases/{case_id}/timeline"),
        }
        rows: list[Row] = []
        for name, ask in pages.items():
            took = await _timed(ask)
            rows.append(at_most(f"{name}, p95", quantile(took, 0.95) * 1e3, LIMIT_MS, "ms"))
            rows.append(Row(f"{name}, p50", f"{quantile(took, 0.5) * 1e3:.1f} ms"))
    note = f"{CASES:,} cases with 8 events each in the read model, {TIMES} requests a page, one at a time."
    return Section("console", "The console's pages", rows, [note])


async def _timed(ask: Callable[[], Awaitable[None]]) -> list[float]:
    took = []
    for _ in range(TIMES):
        begun = time.perf_counter()
        await ask()
        took.append(time.perf_counter() - begun)
    return took


async def _page(browser: aiohttp.ClientSession, path: str) -> None:
    async with browser.get(path) as answer:
        assert answer.status == 200, (path, answer.status)
        await answer.read()


async def _board(browser: aiohttp.ClientSession) -> None:
    async with browser.get("/events") as stream:
        async for line in stream.content:
            if line.startswith(b"data: "):
                return


async def _entered() -> str:
    """A case with everything that a case has, its events told to all services by the time it is looked at."""
    headers = {
        "Authorization": f"Bearer {tokens.issue('operator', 'bench-operator')}",
        "Idempotency-Key": f"console-{time.time_ns()}",
        "Content-Type": "application/json",
    }
    url = Installation.current().url("intake") + "/v1/cases"
    (body,) = bodies(1, int(time.time()))
    async with aiohttp.ClientSession() as session, session.post(url, data=body, headers=headers) as answer:
        return str(orjson.loads(await answer.read())["case_id"])


async def _sign_in(browser: aiohttp.ClientSession) -> None:
    async with browser.get("/sign-in") as answer:
        form = re.search(r'name="form" value="([^"]+)"', await answer.text())
    assert form is not None
    password = ensure_accounts(Installation.current().home)["operator"]
    data = {"user": "operator", "password": password, "form": form[1]}
    async with browser.post("/sign-in", data=data) as answer:
        assert answer.status == 200
