"""Imports: how fast rows of both forms are checked and how fast they are taken, by the intake that runs."""

import asyncio
import random
import time
from collections.abc import Sequence

import aiohttp

from bench.cases import CATEGORIES, narrative, streets_and_grids
from bench.figures import Row, Say, Section, at_least, long
from libs.tables.reading import MEDIA, Form
from libs.tables.writing import writer
from ops import tokens
from ops.installation import Installation

HEADINGS = ("诉求内容", "诉求类型", "类别", "地址", "姓名", "电话", "语言", "对方姓名", "人数", "金额（元）",
            "发生日期", "同意提供给合作组织", "同意接收短信")  # fmt: skip
CHECKED_AIM = 2_000
EVERY = 0.05
"""Seconds between looks at the progress."""


async def measure(say: Say) -> Section:
    """A file of each form, from its arrival until every row is taken."""
    count = 50_000 if long() else 5_000
    shown = []
    for number, form in enumerate(MEDIA.values()):
        file = made(form, count, seed=number + int(time.time()))
        checked, taken = await _run(form, file)
        say(f"  {form}: {count / checked:,.0f} rows/s checked, {count / taken:,.0f} rows/s taken")
        shown += [
            at_least(f"{form}: rows checked", count / checked, CHECKED_AIM, "rows/s"),
            Row(f"{form}: rows taken", f"{count / taken:,.0f} rows/s"),
        ]
    return Section(
        "imports",
        "Imports",
        shown,
        [
            f"{count:,} rows of 13 columns with a text of 300 characters. Checked: from the file's arrival "
            "until its last row was read, validated and written down. Taken: registered as at the door, with "
            "seals, event, dossier and audit, a hundred rows a transaction, in one process; the relay "
            "publishes them meanwhile."
        ],
    )


def made(form: Form, count: int, seed: int) -> bytes:
    """A file of `count` different rows."""
    file = writer(form, "案件")
    return file.rows([HEADINGS]) + file.rows(_rows(count, random.Random(seed))) + file.end()


def _rows(count: int, draw: random.Random) -> list[Sequence[str]]:
    streets = [f"{street}{grid['zh']}" for street, grid in streets_and_grids()]
    return [_row(number, draw, draw.choice(streets)) for number in range(count)]


def _row(number: int, draw: random.Random, place: str) -> Sequence[str]:
    category = draw.choice(list(CATEGORIES))
    told = narrative(draw, place, CATEGORIES[category])
    phone, yuan = f"13{draw.randrange(10**9):09d}", f"{draw.randrange(100, 50_000)}.50"
    who = (f"{place}{number}号", f"来电人{number}", phone, "zh", f"对方{number}")
    return (told, "DIS", category, *who, "1", yuan, "2026-03-02", "是", "是")


async def _run(form: Form, file: bytes) -> tuple[float, float]:
    """Seconds of the checking and of the taking."""
    url = Installation.current().url("intake") + "/v1/imports"
    media = next(name for name, known in MEDIA.items() if known == form)
    headers = {"Authorization": f"Bearer {tokens.issue('operator', 'bench-operator')}"}
    async with aiohttp.ClientSession(headers=headers) as session:
        sent = {"Content-Type": media, "Idempotency-Key": f"bench-{time.time_ns()}"}
        async with session.post(url, data=file, headers=sent) as answer:
            assert answer.status == 202, await answer.text()
            address = f"{url}/{(await answer.json())['import_id']}"
        begun, checked = time.perf_counter(), 0.0
        while True:
            async with session.get(address) as answer:
                told = await answer.json()
            now = time.perf_counter()
            if not checked and told["state"] in ("taking", "done"):
                checked = now
            if told["state"] == "done":
                assert told["taken"] == told["rows"], told
                return checked - begun, now - checked
            assert told["state"] != "unreadable", told
            await asyncio.sleep(EVERY)
