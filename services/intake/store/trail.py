"""Audit records of what concerns no single case."""

from datetime import datetime
from typing import Final

from libs.db import auditlog
from libs.db.pool import Database, Tx
from libs.db.work import Actor

SERVICE: Final = "intake"


async def record(tx: Tx, actor: Actor, at: datetime, act: str, **codes: object) -> None:
    """Who did what, in the transaction of the act; ids and codes only (G25)."""
    detail = {name: code for name, code in codes.items() if code is not None}
    await auditlog.append(tx, SERVICE, [auditlog.Entry(at, actor.label(), act, None, detail)])


class AuditTrail:
    """The audit log of this service, for acts without a transaction of their own."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def record(self, actor: Actor, at: datetime, act: str, **codes: object) -> None:
        """Who did what; ids and codes only (G25)."""
        async with self._database.transaction() as tx:
            await record(tx, actor, at, act, **codes)
