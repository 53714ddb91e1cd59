"""`heshi deadletters`: what could not be handled, and a person's decision on it."""

import asyncio
import getpass
import json
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Literal

from libs.messaging import deadletter
from ops.installation import Installation
from ops.stack.errors import StackError
from ops.stack.parts import SERVICES

Verb = Literal["replay", "waive"]


class _OnlyTried(Exception):
    """Rolls a dry run back."""


def listing(services: Sequence[str]) -> list[str]:
    """One line per letter that waits for a person, oldest first in each service."""

    async def read(service: str) -> list[str]:
        async with Installation.current().database(service) as database, database.read() as tx:
            return [line_of(service, row) for row in await deadletter.listing(tx)]

    async def all_of() -> list[str]:
        return [line for service in services or SERVICES for line in await read(service)]

    return asyncio.run(all_of())


def show(name: str) -> str:
    """One letter with its headers, as JSON; never its value."""
    service, letter = parse(name)

    async def read() -> Mapping[str, Any]:
        async with Installation.current().database(service) as database, database.read() as tx:
            return await deadletter.show(tx, letter)

    return json.dumps(dict(asyncio.run(read())), default=str, ensure_ascii=False, indent=1)


def settle(verb: Verb, name: str, why: str, *, really: bool) -> str:
    """Replay or waive one letter; without `really` it is tried and taken back. The outcome in words."""
    service, letter = parse(name)

    async def act() -> None:
        async with Installation.current().database(service) as database, database.transaction() as tx:
            chosen = deadletter.replay if verb == "replay" else deadletter.waive
            await chosen(tx, service, letter, by=operator(), why=why, now=datetime.now(UTC))
            if not really:
                raise _OnlyTried

    try:
        asyncio.run(act())
    except _OnlyTried:
        return f"{name} can be settled by {verb}; nothing was changed, add --yes to do it."
    return f"{name} is settled by {verb}."


def parse(name: str) -> tuple[str, int]:
    """`routing:12` as service and number."""
    found = re.fullmatch(r"([a-z]+):([0-9]{1,18})", name)
    if not found:
        raise StackError(
            f"{name} names no dead letter: use a name from `heshi deadletters list`, as in routing:12."
        )
    return found[1], int(found[2])


def operator() -> str:
    """Who gives the command, as the audit chain names them."""
    return "cli:" + re.sub(r"[^A-Za-z0-9_.-]", "_", getpass.getuser())[:40]


def line_of(service: str, row: Mapping[str, Any]) -> str:
    """One letter in the list: its name, what it was, why it is dead."""
    place = f"{row['topic']}/{row['partition']}/{row['offset']}"
    what = f"case {row['case_id']} event {row['version']}" if row["case_id"] else "unreadable"
    return (
        f"{service}:{row['id']}  {row['dead_at']:%Y-%m-%d %H:%M}  {what}  {place}  "
        f"{row['error_type']}: {row['error']}"
    )
