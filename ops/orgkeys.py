"""`heshi org key`: issue and revoke partners' API keys at routing, and wait until those who check them know.

Mediation and notify let a partner in by their own copy of the keys. A key is useful, and a revoked one
harmless, only when their copies have the change: the command ends then, or names who has it not (G15).
"""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from functools import partial

from libs.db.pool import Database
from libs.events import topics as declared
from libs.messaging import outbox, reader
from ops.doors import Doors, holds
from ops.installation import Installation
from ops.stack.errors import StackError

TOPIC = "routing.organisation.v1"
PATIENCE = timedelta(seconds=20)  # readers note where they stand every 5 s


async def issue(org_id: str, scopes: Sequence[str], district: str) -> tuple[str, str]:
    """A new key: its id and the key itself, which nobody can show again."""
    async with Doors("routing", "admin", district) as routing:
        made = await routing.call("POST", f"/v1/organisations/{org_id}/keys", {"scopes": list(scopes)})
    return made["key_id"], made["key"]


async def revoke(key_id: str, district: str) -> str:
    """Take a key back; the organisation that had it."""
    async with Doors("routing", "admin", district) as routing:
        async for organisation in routing.items("/v1/organisations"):
            if any(key["key_id"] == key_id for key in organisation["keys"]):
                await routing.call("DELETE", f"/v1/organisations/{organisation['org_id']}/keys/{key_id}")
                return str(organisation["org_id"])
    raise StackError(
        f"No organisation of district {district} has a key {key_id}: name another or its --district."
    )


async def those_without(org_id: str) -> list[str]:
    """The services whose copy of this organisation is still an older one when patience ends."""
    give_up = datetime.now(UTC) + PATIENCE
    async with Installation.current().database("routing") as database:
        if not await holds(partial(is_published, database, org_id), give_up):
            return ["routing"]  # it has the change; its topic does not
    since = datetime.now(UTC)
    groups = declared.load().topics[TOPIC].readers
    answers = await asyncio.gather(*(has_copy(group, since, give_up) for group in groups))
    return [service_of(group) for group, has in zip(groups, answers, strict=True) if not has]


async def is_published(database: Database, org_id: str) -> bool:
    """Whether the topic has the organisation as it stands."""
    async with database.read() as tx:
        return await outbox.is_published(tx, TOPIC, org_id)


async def has_copy(group: str, since: datetime, give_up: datetime) -> bool:
    """Whether a reader stands, in time, where the topic ended at `since`."""

    async def stands(database: Database) -> bool:
        known = await reader.as_of(database, group)
        return known is not None and known > since

    try:
        async with Installation.current().database(service_of(group)) as database:
            return await holds(partial(stands, database), give_up)
    except Exception:  # its database is away or was never made: then its copy is not known
        return False


def service_of(group: str) -> str:
    """The service that reads in a consumer group."""
    return group.partition(".")[0]
