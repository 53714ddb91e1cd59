"""Portals' keys: the table of them, and the door's look into it."""

import time
from collections import OrderedDict
from collections.abc import Callable, Collection, Sequence
from datetime import datetime
from typing import Any, Final

from libs.db import idempotency
from libs.db.pool import Database, Tx
from libs.db.work import Outcome
from libs.web.apikeys import KeyRecord
from services.intake.domain.portal import ChannelKey
from services.intake.handlers.desk import Asked
from services.intake.store import trail

FRESH: Final = 2.0
"""Seconds for which a key that was found counts without another look: so long a revoked one may open."""
REMEMBERED: Final = 1_000


class ChannelStore:
    """Changes keys, each in one transaction with its audit entry."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def issue(self, key: ChannelKey, hash_: bytes, asked: Asked) -> Outcome:
        """Keep a new key; a repeated request gets the first answer again, which holds no secret."""
        async with self._database.transaction() as tx:
            if asked.key and (answer := await idempotency.first_answer(tx, asked.key)) is not None:
                return answer
            await tx.execute(
                """
                insert into channel_key
                    (key_id, channel, district, hash, shown, scopes, issued_at, expires_at)
                values ($1, $2, $3, $4, $5, $6, $7, $8)
                """,
                key.key_id,
                key.channel,
                key.district,
                hash_,
                key.shown,
                list(key.scopes),
                key.issued_at,
                key.expires_at,
            )
            outcome = Outcome(201, {**key.told(), "key": None}, 0)
            await idempotency.keep(tx, [(asked.key, outcome)] if asked.key else [])
            await _audit(tx, "channel.key_issued", key, asked)
        return outcome

    async def revoke(self, channel: str, key_id: str, asked: Asked) -> bool:
        """Whether there is such a key in the actor's districts; it is revoked now, or was before."""
        async with self._database.transaction() as tx:
            row = await tx.fetchrow(
                """
                select * from channel_key where key_id = $1 and channel = $2 and district = any($3) for update
                """,
                key_id,
                channel,
                sorted(asked.actor.districts),
            )
            if row is None:
                return False
            if row["revoked_at"] is None:
                await tx.execute("update channel_key set revoked_at = $2 where key_id = $1", key_id, asked.at)
                await _audit(tx, "channel.key_revoked", _key(row), asked)
        return True

    async def keys(
        self, districts: Collection[str], after: tuple[str, str, str] | None, limit: int
    ) -> Sequence[ChannelKey]:
        """The districts' keys in the order of district, channel and id, those after a given one."""
        async with self._database.read() as tx:
            rows = await tx.fetch(
                """
                select * from channel_key
                where district = any($1) and (district, channel, key_id) > ($2, $3, $4)
                order by district, channel, key_id limit $5
                """,
                sorted(districts),
                *(after or ("", "", "")),
                limit,
            )
        return [_key(row) for row in rows]


class ChannelKeys:
    """The keys by which the door knows portals (`libs.web.apikeys.KeyLookup`): intake's own table."""

    def __init__(
        self,
        database: Database,
        now: Callable[[], datetime],
        passed: Callable[[], float] = time.monotonic,
    ) -> None:
        """`passed` counts seconds."""
        self._database = database
        self._now = now
        self._passed = passed
        self._found: OrderedDict[bytes, tuple[float, KeyRecord]] = OrderedDict()

    async def find(self, hash: bytes) -> KeyRecord | None:
        """The live key with this hash, at most `FRESH` seconds old. Its use is noted once a minute."""
        found, record = self._found.get(hash, (float("-inf"), None))
        if self._passed() - found < FRESH:
            return record
        self._found.pop(hash, None)
        async with self._database.read() as tx:
            row = await tx.fetchrow(
                """
                with used as (
                    update channel_key set last_used_at = $2
                    where hash = $1 and revoked_at is null and (expires_at is null or expires_at > $2)
                      and (last_used_at is null or last_used_at < $2 - interval '1 minute')
                )
                select * from channel_key where hash = $1 and revoked_at is null
                """,
                hash,
                self._now(),
            )
        if row is None:
            return None
        record = KeyRecord(
            row["key_id"],
            "channel",
            row["channel"],
            hash,
            districts=frozenset({row["district"]}),
            scopes=frozenset(row["scopes"]),
            expires_at=row["expires_at"],
        )
        self._found[hash] = (self._passed(), record)
        if len(self._found) > REMEMBERED:
            self._found.popitem(last=False)
        return record

    async def as_of(self) -> datetime | None:
        """Now: the table is intake's own."""
        return self._now()


async def _audit(tx: Tx, act: str, key: ChannelKey, asked: Asked) -> None:
    codes = {"channel": key.channel, "key_id": key.key_id, "scopes": list(key.scopes)}
    await trail.record(tx, asked.actor, asked.at, act, **codes)


def _key(row: Any) -> ChannelKey:
    names = (
        "key_id",
        "channel",
        "district",
        "shown",
        "issued_at",
        "expires_at",
        "revoked_at",
        "last_used_at",
    )
    return ChannelKey(scopes=tuple(row["scopes"]), **{name: row[name] for name in names})
