"""How long a search takes beside a million cases, asked at intake's door, one request at a time."""

import asyncio
import os
import random
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from statistics import median
from typing import Any, Final

import aiohttp
import asyncpg

from bench import intake, million
from bench.figures import Row, Say, Section, at_most, quantile
from bench.million import Told
from libs.db.dsn import of_database
from libs.privacy.searchtokens import Tokens
from ops import tokens
from ops.demo.stage import environment, own_home, supervised
from ops.installation import Installation
from ops.stack.home import Home
from ops.stack.prepare import database_name
from services.intake.domain.searching import indexed
from tests.suggestions.labelled import texts

PAGE: Final = Path(__file__).parents[1] / "docs" / "search.md"
CASES: Final = int(os.environ.get("BENCH_CASES", "1000000"))
TIMES, TIMES_COLD = 300, 100
PARTS: Final = "--only=postgres,kafka,intake"
DEEP: Final = 20
WARM_MS, COLD_MS, SUGGESTION_MS = 40.0, 80.0, 50.0
RATE, SECONDS, TURNS = 150.0, 6.0, 4
"""Registrations a second, and how often in turn for how long, after one turn that warms up."""
FLAT: Final = 1.1
"""So many times the processor may a registration take beside all cases."""

Body = dict[str, Any]


def measure(say: Say) -> Section:
    """Make the cases, ask warm, then ask again after each restart with nothing of the database in memory."""
    with supervised(PARTS):
        known = asyncio.run(million.fill(CASES, say))
        sizes = asyncio.run(_sizes())
        warm = asyncio.run(_warm(known, say))
        flat = _flat(say)
    cold = []
    for number, (name, ask) in enumerate(COLD.items()):
        evict(Home.from_environment().root)
        with supervised(PARTS):
            took = asyncio.run(_timed("/v1/cases/search", _asked(known, ask, TIMES_COLD, 100 + number)))
        cold.append(_row(f"{name}, cold", took, COLD_MS))
        say(f"  {name}, cold: p99 {quantile(took, 0.99) * 1e3:.1f} ms")
    return Section(
        "search", f"Search with {CASES:,} cases", [*warm, *cold, *flat, _tokenising()], [*sizes, *NOTES]
    )


def _phone(told: Told, _: random.Random) -> Body:
    return {"phone": told.phone}


def _last_four(told: Told, _: random.Random) -> Body:
    return {"phone": told.phone[-4:]}


def _run(length: int) -> Callable[[Told, random.Random], Body]:
    def ask(told: Told, draw: random.Random) -> Body:
        """Neighbouring characters of a case's text, so common ones come as often as people use them."""
        while True:
            begin = draw.randrange(len(told.narrative) - length)
            text = told.narrative[begin : begin + length]
            if all(sign >= "\u4e00" and sign not in "，。" for sign in text) and indexed(text, (), COMMON):
                return {"q": text}

    return ask


def _two_words(told: Told, draw: random.Random) -> Body:
    return {"q": f"{_run(2)(told, draw)['q']} {_run(2)(told, draw)['q']}"}


def _filtered(told: Told, draw: random.Random) -> Body:
    return {**_run(2)(told, draw), "category": told.category, "state": "accepted", "area": told.grid[:9]}


def _draft(told: Told, _: random.Random) -> Body:
    draft = {"narrative": told.narrative, "address": told.place, "phone": told.phone}
    return {**draft, "category": told.category, "respondents": [{"name": told.side}]}


COMMON: Final = million.common()
COLD: Final = {
    "a phone number": _phone,
    "two characters": _run(2),
    "three characters": _run(3),
}
WARM: Final = {
    **COLD,
    "the last four digits": _last_four,
    "two words": _two_words,
    "two characters, category, street and state": _filtered,
}
NOTES: Final = (
    "Each text is neighbouring characters of a case drawn at random, so that common words are asked for as"
    " often as they are used; a page holds 50 cases, each opened and read before it is a hit.",
    "Cold: PostgreSQL, Kafka and intake stopped, the database's files put out of the machine's memory, all"
    f" started again, then {TIMES_COLD} different searches; the first of them meet empty caches. Warm:"
    f" {TIMES} searches after as many.",
    f"Registrations: {TURNS} times {SECONDS:.0f} s at {RATE:.0f} a second in turn at two stacks at work,"
    " the median of each; intake, PostgreSQL, Kafka and supervisor, without the load generator.",
    "The index of tokens was built after the rows were copied; cases that come in one by one are sorted into"
    " it every five seconds.",
)


async def _warm(known: Sequence[Told], say: Say) -> list[Row]:
    rows = []
    for number, (name, ask) in enumerate(WARM.items()):
        await _timed("/v1/cases/search", _asked(known, ask, TIMES, 50 + number))
        took = await _timed("/v1/cases/search", _asked(known, ask, TIMES, number))
        rows.append(_row(name, took, WARM_MS))
        say(f"  {name}: p50 / p99 {quantile(took, 0.5) * 1e3:.1f} / {quantile(took, 0.99) * 1e3:.1f} ms")
    deep = await _deep(_asked(known, _run(2), TIMES, 30))
    rows.append(_row(f"two characters, pages 2 to {DEEP}", deep, WARM_MS))
    await _timed("/v1/suggestions", _asked(known, _draft, TIMES, 41))
    drafts = await _timed("/v1/suggestions", _asked(known, _draft, TIMES, 40))
    rows.append(_row("suggestions of a draft, with duplicates and clusters", drafts, SUGGESTION_MS))
    return rows


def _flat(say: Say) -> list[Row]:
    """What a registration costs beside all these cases and beside none, in turn."""
    beside: dict[str, list[float]] = {"none": [], f"{CASES:,} cases": []}
    full = {name: os.environ[name] for name in ("HESHI_HOME", "HESHI_PORT_BASE")}
    with own_home():
        fresh = {name: os.environ[name] for name in full}
        with supervised(PARTS):
            for _ in range(1 + TURNS):
                for place, spent in zip((fresh, full), beside.values(), strict=True):
                    with environment(place):
                        run = asyncio.run(intake.run_at(RATE, SECONDS, say))
                    spent.append(sum(run.cpu.values()) - run.cpu["load generator"])
    none, many = (median(spent[1:]) for spent in beside.values())
    return [
        Row(f"processor of a registration beside {name}", f"{spent * 1e3:.2f} ms")
        for name, spent in zip(beside, (none, many), strict=True)
    ] + [at_most("the second over the first", many / none, FLAT, "times", 2)]


def _row(name: str, took: Sequence[float], limit: float) -> Row:
    row = at_most("", quantile(took, 0.99) * 1e3, limit, "ms")
    return Row(f"{name}, p50 / p99", f"{quantile(took, 0.5) * 1e3:.1f} / {row.value}", row.aim, row.met)


def _asked(
    known: Sequence[Told], ask: Callable[[Told, random.Random], Body], count: int, seed: int
) -> Iterator[Body]:
    draw = random.Random(seed)
    for _ in range(count):
        yield ask(draw.choice(known), draw)


async def _timed(path: str, bodies: Iterator[Body]) -> list[float]:
    took = []
    async with _client() as client:
        for body in bodies:
            begun = time.perf_counter()
            async with client.post(path, json=body) as answer:
                assert answer.status == 200, f"{path} answered {answer.status}: {await answer.text()}"
                await answer.read()
            took.append(time.perf_counter() - begun)
    return took


async def _deep(bodies: Iterator[Body]) -> list[float]:
    """The later pages of searches that have so many."""
    took: list[float] = []
    async with _client() as client:
        for body in bodies:
            for page in range(DEEP):
                begun = time.perf_counter()
                async with client.post("/v1/cases/search", json=body) as answer:
                    found = await answer.json()
                if page:
                    took.append(time.perf_counter() - begun)
                if found["next"] is None:
                    break
                body["after"] = found["next"]
            if len(took) > TIMES * 2:
                break
    return took


def _client() -> aiohttp.ClientSession:
    here = Installation.current()
    headers = {"Authorization": f"Bearer {tokens.issue('operator', 'bench-operator')}"}
    return aiohttp.ClientSession(here.url("intake"), headers=headers)


async def _sizes() -> list[str]:
    connection = await asyncpg.connect(of_database(Installation.current().postgres, database_name("intake")))
    try:
        rows = await connection.fetch(
            """
            select relname, pg_table_size(oid) / 1048576 as mib, pg_indexes_size(oid) / 1048576 as index_mib
            from pg_class where relname in ('intake_case', 'vault', 'search_token', 'respondent_trace')
            order by relname
            """
        )
        words = await connection.fetchval("select avg(cardinality(tokens)) from search_token limit 1")
    finally:
        await connection.close()
    told = ", ".join(f"{row['relname']} {row['mib']} + {row['index_mib']}" for row in rows)
    index, whole = (
        sum(row["mib"] + row["index_mib"] for row in some) / 1024 * 10_000_000 / CASES
        for some in ([row for row in rows if row["relname"] == "search_token"], rows)
    )
    return [
        f"MiB, table + indexes: {told}; {words:.0f} tokens a case.",
        f"Ten million cases, by size: {index:.0f} GiB of tokens with their index, {whole:.0f} GiB in all four"
        " tables. What a search reads grows with how many cases hold its rarest word: memory that holds the"
        " index (a `shared_buffers` of some GiB in place of 128 MB), and beyond that partitions by year.",
    ]


def _tokenising() -> Row:
    """What a registration pays for being found by its text."""
    told, token = [one.text for one in texts() if one.may_be_measured], Tokens(bytes(32))
    for _ in range(2):
        begun = time.perf_counter()
        for text in told:
            sorted({token[word] for word in indexed(text, ("周小川",), COMMON)})
        took = (time.perf_counter() - begun) / len(told)
    length = sum(map(len, told)) / len(told)
    return at_most(f"words and hashes of a text of {length:.0f} characters", took * 1e6, 100, "µs")


def evict(folder: Path) -> None:
    """Put the files of a folder out of the machine's memory; what was not written to the disk yet stays."""
    os.sync()
    for file in folder.rglob("*"):
        if file.is_file():
            opened = os.open(file, os.O_RDONLY)
            try:
                os.posix_fadvise(opened, 0, 0, os.POSIX_FADV_DONTNEED)
            finally:
                os.close(opened)
