"""A million cases as they lie in intake's tables, made without the door: sealed, hashed and dated as it does.

Texts are put together of the clauses of the labelled ones (`tests/suggestions`), which repeat a great deal,
and of rare words drawn by Zipf's law, so that words are as unequally common as in speech.
"""

import json
import random
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import accumulate
from typing import Any, Final
from uuid import UUID

import asyncpg
import orjson
from uuid_utils.compat import uuid7

from bench.cases import DATA, DISTRICT, streets_and_grids
from bench.figures import Say
from libs.db.dsn import of_database
from libs.events.base import CaseFacts
from libs.privacy.blindindex import Phone
from libs.privacy.casekey import CaseKey
from libs.privacy.keyring import Keyring
from ops.installation import Installation
from ops.stack.prepare import database_name
from services.intake.domain.case import Sealed
from services.intake.domain.people import Personal, personal
from services.intake.domain.statement import Statement
from services.intake.handlers.sealing import Vault
from tests.suggestions.labelled import texts

AT_ONCE: Final = 10_000
DAYS: Final = 365
"""So far back the cases go, evenly."""
CATEGORIES: Final = ("D01", "D02", "D03", "D04", "D05", "D06", "D07", "D08")
NUMBERS, SIDES, RARE_WORDS = 800_000, 100_000, 60_000
"""Different phones, names of respondents, and words that no clause holds."""

CODES: Final = str.maketrans("01", "AB")
"""Query codes have neither of these digits."""

_SAID: Final = Statement.model_validate({"channel": "phone", "narrative": "x", "respondents": [{}]})
APPLICANT, STORY = personal(_SAID).applicant, personal(_SAID).story
SIDE: Final = STORY["respondents"][0]
FACTS: Final = CaseFacts(
    channel="phone",
    kind="DIS",
    track="MEDIATION",
    category=None,
    grid=None,
    urgency="BLUE",
    query_code="",
    received_at=datetime.now(UTC),
    registered_at=datetime.now(UTC),
    real_name=False,
    anonymous=False,
    share_with_partner=True,
    sms_consent=True,
).model_dump(mode="json")
"""What all cases have in common, in the shapes of the service."""

COLUMNS: Final = {
    "case_head": ("case_id", "district", "version"),
    "intake_case": (
        *("case_id", "district", "state", "facts", "said_urgency", "reminders", "warnings", "twins"),
        "children",
    ),
    "vault": ("case_id", "district", "key_version", "data_key", "applicant", "story"),
    "phone_trace": ("case_id", "whole", "last_four"),
    "search_token": ("case_id", "tokens"),
    "respondent_trace": ("name", "case_id"),
}


@dataclass(frozen=True, slots=True)
class Told:
    """A case as somebody told it."""

    narrative: str
    phone: str
    side: str
    category: str
    place: str
    grid: str


class Tales:
    """Draws cases, the same ones for the same seed."""

    def __init__(self, seed: int) -> None:
        self._draw = random.Random(seed)
        self._clauses = [
            clause
            for one in texts()
            if one.may_be_measured
            for clause in re.split(r"[，。！？；、：\s]+", one.text)
            if len(clause) > 2
        ]
        characters = sorted({sign for clause in self._clauses for sign in clause if sign >= "\u4e00"})
        self._words = ["".join(self._draw.choices(characters, k=2)) for _ in range(RARE_WORDS)]
        self._weights = list(accumulate(1 / rank for rank in range(1, RARE_WORDS + 1)))
        self._places = [(street + grid["aliases"][0], grid["code"]) for street, grid in streets_and_grids()]

    def next(self) -> Told:
        """Another case."""
        draw = self._draw
        clauses = draw.choices(self._clauses, k=draw.randrange(5, 12))
        rare = draw.choices(self._words, cum_weights=self._weights, k=2)
        clauses += [f"在{rare[0]}那里", f"{rare[1]}也{draw.randrange(1, 900)}"]
        place, grid = draw.choice(self._places)
        return Told(
            narrative="，".join(clauses) + "。",
            phone=f"13{draw.randrange(NUMBERS):09d}",
            side=f"对方{draw.randrange(SIDES)}",
            category=draw.choice(CATEGORIES),
            place=place,
            grid=grid,
        )


def common() -> frozenset[str]:
    """The pairs of characters that nobody finds a case by."""
    return frozenset(json.loads((DATA / "search.json").read_text("utf-8"))["common"])


async def fill(count: int, say: Say) -> Sequence[Told]:
    """Write `count` cases by COPY, then build the index of tokens; a thousandth of them, to ask by."""
    here = Installation.current()
    vault, tales = Vault(Keyring.open(here.home.keys), common()), Tales(seed=7)
    key, begun = vault.new_key(), datetime.now(UTC) - timedelta(days=DAYS)
    known: list[Told] = []
    start = datetime.now(UTC)
    connection = await asyncpg.connect(of_database(here.postgres, database_name("intake")))
    try:
        index = await connection.fetchval("select pg_get_indexdef('search_token_terms'::regclass)")
        await connection.execute("drop index search_token_terms")
        for first in range(0, count, AT_ONCE):
            numbers = range(first, min(first + AT_ONCE, count))
            rows: dict[str, list[tuple[Any, ...]]] = {table: [] for table in COLUMNS}
            for number in numbers:
                told, at = tales.next(), begun + timedelta(days=DAYS) * (number / count)
                if number % 1_000 == 0:
                    known.append(told)
                for table, row in _rows(vault, key, told, at, number):
                    rows[table].append(row)
            for table, columns in COLUMNS.items():
                await connection.copy_records_to_table(table, columns=columns, records=rows[table])
            if numbers[-1] % 100_000 > 100_000 - AT_ONCE:
                say(f"  {numbers[-1] + 1:,} cases after {(datetime.now(UTC) - start).seconds} s")
        await connection.execute("set maintenance_work_mem = '512MB'")
        await connection.execute(index)
        await connection.execute("vacuum analyze")
    finally:
        await connection.close()
    return known


def _rows(
    vault: Vault, key: CaseKey, told: Told, at: datetime, number: int
) -> Iterator[tuple[str, tuple[Any, ...]]]:
    case_id = UUID(str(uuid7(nanoseconds=round(at.timestamp() * 1e9))))
    said = Personal(
        {**APPLICANT, "name": f"来电人{number}", "phone": told.phone},
        {**STORY, "narrative": told.narrative, "respondents": [{**SIDE, "name": told.side}]},
        Phone(told.phone, "mobile", f"+86{told.phone}"),
    )
    sealed = vault.close(key, case_id, DISTRICT, said, secret=False)
    facts = orjson.dumps(
        {
            **FACTS,
            "category": told.category,
            "grid": told.grid,
            "query_code": f"{number:08d}".translate(CODES),
            "received_at": at,
            "registered_at": at,
        }
    ).decode()
    yield "case_head", (case_id, DISTRICT, 2)
    yield "intake_case", (case_id, DISTRICT, "accepted", facts, "BLUE", 0, "[]", "[]", "[]")
    yield "vault", (case_id, DISTRICT, sealed.key_version, sealed.data_key, sealed.applicant, sealed.story)
    yield from _traces(case_id, sealed)


def _traces(case_id: UUID, sealed: Sealed) -> Iterator[tuple[str, tuple[Any, ...]]]:
    if sealed.phone is not None:
        yield "phone_trace", (case_id, sealed.phone.whole, sealed.phone.last_four)
    yield "search_token", (case_id, sealed.tokens)
    for name in sealed.respondents:
        yield "respondent_trace", (name, case_id)
