"""Audit records of what concerns no single case."""

from datetime import datetime

from libs.db import auditlog
from libs.db.pool import Database
from libs.db.work import Actor


class AuditTrail:
    """The audit log of this service."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def record(self, actor: Actor, at: datetime, act: str, **codes: object) -> None:
        """Who did what; ids and codes only (G25)."""
        detail = {name: code for name, code in codes.items() if code is not None}
        async with self._database.transaction() as tx:
            await auditlog.append(tx, "intake", [auditlog.Entry(at, actor.label(), act, None, detail)])
