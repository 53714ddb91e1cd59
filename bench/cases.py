"""What the load is made of: cases that differ in everything a citizen tells, and organisations for them."""

import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import aiohttp
import orjson

from libs.areas import Levels
from ops import tokens
from ops.installation import Installation

DATA = Path(__file__).parents[1] / "data"
DISTRICT = "990101"
LENGTH = 300
"""Characters of a narrative."""
AMPLE = 2**31 - 1

CATEGORIES = {
    "D02": ("漏水", "渗水", "噪声", "走道堆物", "空调外机滴水", "装修敲打"),
    "D04": ("定金", "货款", "装修款", "交货日期", "质量保证金", "退款"),
    "D06": ("修理费", "误工费", "物品损坏", "车辆剐蹭", "围墙倒塌", "浸水"),
}
"""Categories whose target is a people's mediation committee, with things to tell of."""

SENTENCES = (
    "来电人反映，{where}自{month}月以来{what}的情况一直没有解决，已经影响到日常生活。",
    "双方在{day}日当面谈过{n}次，对方答应{n}天内处理，到期以后仍然没有动静。",
    "第{n}次沟通时对方说{what}与自己无关，要求先弄清责任再谈费用，谈话没有结果。",
    "现场有照片{n}张、录像{n}段，旁边的人家也愿意说明当时的情形。",
    "经估算修复需要{yuan}元，来电人愿意承担其中合理的部分，希望有人居中协商。",
    "此前曾于{month}月{day}日向物业登记，编号{n}，工作人员上门看过{n}回。",
    "家中有客人来访时{what}尤其明显，早上{hour}点到{hour}点之间最为突出。",
    "来电人希望尽快安排双方见面，时间最好在{month}月{day}日以后的下午{hour}点。",
    "对方姓名和住处已经另外说明，联系方式不详，平时多在{where}附近活动。",
)


def bodies(count: int, seed: int) -> Iterator[bytes]:
    """`count` requests for `POST /v1/cases`, all different, the same ones for the same seed."""
    draw, places = random.Random(seed), _places()
    for number in range(count):
        category = draw.choice(list(CATEGORIES))
        place = draw.choice(places)
        yield orjson.dumps(
            {
                "channel": "phone",
                "district": DISTRICT,
                "kind": "DIS",
                "category": category,
                "narrative": narrative(draw, place, CATEGORIES[category]),
                "place": {"address": f"{place}{draw.randrange(1, 300)}号{draw.randrange(1, 30)}室"},
                "applicant": {
                    "name": f"来电人{seed}-{number}",
                    "phone": f"13{(seed * 100_003 + number) % 10**9:09d}",
                    "language": "zh",
                },
                "respondents": [{"name": f"对方{number}", "organisation": False}],
                "amount_fen": draw.randrange(10_000, 5_000_000),
                "consents": {"share_with_partner": True, "sms": True},
                "decision": {"action": "accept"},
            }
        )


def narrative(draw: random.Random, where: str, things: tuple[str, ...]) -> str:
    """A text of exactly `LENGTH` characters that raises no flag."""
    told = ""
    while len(told) < LENGTH:
        told += draw.choice(SENTENCES).format(
            where=where,
            what=draw.choice(things),
            month=draw.randrange(1, 13),
            day=draw.randrange(1, 29),
            hour=draw.randrange(1, 12),
            n=draw.randrange(1, 90),
            yuan=draw.randrange(100, 9_000),
        )
    return told[:LENGTH]


async def add_organisations() -> None:
    """Committees, one per grid, that take every case at once and are never full; made at routing's door."""
    url, token = Installation.current().url("routing"), tokens.issue("admin", "bench-admin")
    headers = {"Authorization": f"Bearer {token}"}
    async with aiohttp.ClientSession(headers=headers) as session:
        for _, grid in streets_and_grids():
            profile = {
                "org_id": f"BENCH-{grid['code']}",
                "name": f"{grid['zh']}人民调解委员会",
                "type": "PMC",
                "areas": [grid["code"]],
                "categories": list(CATEGORIES),
                "kinds": ["DIS"],
                "capacity": AMPLE,
                "standing_acceptance": True,
                "closed_on_holidays": False,
                "hours": [{"days": [1, 2, 3, 4, 5, 6, 7], "from": "00:00", "to": "24:00"}],
            }
            place = f"{url}/v1/organisations/{profile['org_id']}"
            async with session.put(place, json=profile) as answer:
                assert answer.status == 201, f"{place} answered {answer.status}: {await answer.text()}"


def _places() -> list[str]:
    """Addresses that each name one grid: a street and a word that only one grid of all has."""
    pairs = streets_and_grids()
    words = [word for _, grid in pairs for word in grid["aliases"]]
    return [street + word for street, grid in pairs for word in grid["aliases"] if words.count(word) == 1]


def streets_and_grids() -> list[tuple[str, dict[str, Any]]]:
    """Every grid of the district with the name of its street."""
    areas = json.loads((DATA / "areas.json").read_text(encoding="utf-8"))
    _, *rows = Levels(areas["levels"]).rows(areas)
    at = {digits: [row for row in rows if len(row["code"]) == digits] for digits in (9, 14)}
    return [
        (street["zh"], grid) for street in at[9] for grid in at[14] if grid["code"].startswith(street["code"])
    ]
