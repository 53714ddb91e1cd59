"""G13: every place in which a service seals something of people is one that an erasure reaches."""

from collections.abc import Awaitable, Callable
from importlib import import_module
from uuid import uuid4

import pytest

from libs.db.erasure import Erasures
from libs.db.pool import Database

NOBODY: dict[str, set[str]] = {
    "mechanisms": {"audit", "audit_head", "dead_letter", "idempotency", "parked", "state_record"},
    "intake": {"import", "import_part", "import_fault", "channel_key"},
    "routing": set(),
    "mediation": {"organisation_key"},
    "notify": {"opt_out", "message"},
    "console": {"session", "sign_in_tries"},
}
"""Tables whose bytes are of nobody: hashes of keys, sessions and requests, records as published, digests of
outside numbers. Files with many matters hold no case: they go with their last row, their refused rows with
time. Whoever opted out stays opted out when a case of theirs is erased."""


@pytest.mark.parametrize("service", ["intake", "routing", "mediation", "notify"])
async def test_g13_each_table_with_sealed_bytes_is_reached(
    database: Callable[[str], Awaitable[Database]], service: str
) -> None:
    opened = await database(service)
    holdings = import_module(f"services.{service}.store.erasure").HOLDINGS
    sealed = await sealed_tables(opened)
    assert sealed - NOBODY["mechanisms"] - NOBODY[service] == set(holdings.tables) & sealed
    told = await Erasures(service, opened, holdings).read(uuid4(), frozenset())
    assert not told.complete
    assert not any(told.left.values())


async def test_the_console_seals_nothing_of_a_case(database: Callable[[str], Awaitable[Database]]) -> None:
    assert await sealed_tables(await database("console")) <= NOBODY["mechanisms"] | NOBODY["console"]


async def sealed_tables(database: Database) -> set[str]:
    """Tables with a column of bytes."""
    async with database.read() as tx:
        rows = await tx.fetch(
            "select distinct table_name from information_schema.columns"
            " where table_schema = 'public' and data_type = 'bytea'"
        )
    return {row["table_name"] for row in rows}
