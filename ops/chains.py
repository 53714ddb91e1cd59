"""`heshi audit verify` and `heshi republish`: the stored record checked, the stored events sent again."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime
from uuid import UUID

from libs.db import auditlog
from libs.messaging import outbox
from libs.privacy.audit import Break, verify
from ops.installation import Installation
from ops.stack.parts import SERVICES


def verify_all(services: Sequence[str]) -> tuple[int, list[tuple[str, Break]]]:
    """Check every chain, one snapshot per service; the number of rows, and each place that does not hold."""

    async def one(service: str) -> tuple[int, list[Break]]:
        count, breaks = 0, []
        async with Installation.current().database(service) as database, database.transaction() as tx:
            await auditlog.one_snapshot(tx)
            for head in await auditlog.heads(tx):
                rows = await auditlog.rows(tx, service, head.chain)
                count += len(rows)
                breaks += verify(rows, [head])
        return count, breaks

    async def each() -> tuple[int, list[tuple[str, Break]]]:
        total, places = 0, []
        for service in services or SERVICES:
            count, breaks = await one(service)
            total += count
            places += [(service, place) for place in breaks]
        return total, places

    return asyncio.run(each())


def republish(service: str, since: datetime | None, case_id: UUID | None) -> int:
    """Point the service's relay to its stored events and states again; how many. Inboxes absorb repeats."""

    async def act() -> int:
        async with Installation.current().database(service) as database, database.transaction() as tx:
            moment = since.replace(tzinfo=UTC) if since else None
            return await outbox.republish(tx, since=moment, case_id=case_id)

    return asyncio.run(act())
