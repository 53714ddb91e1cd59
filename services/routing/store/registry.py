"""Organisations and areas: aggregates of their own, whose changes are told on compacted topics (G12)."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

import orjson

from libs.areas import Levels
from libs.db import auditlog, idempotency
from libs.db.pool import Database, Tx
from libs.db.work import IdempotencyKey, Outcome, State
from libs.events.base import Record
from libs.events.organisation import AreaProfile, OrganisationProfile
from libs.messaging.outbox import append_states
from services.routing.domain.area import Area
from services.routing.domain.organisation import Key, Organisation
from services.routing.handlers.registry import Act, Change, Redraw

SERVICE = "routing"


class RegistryStore:
    """Changes organisations and areas, each in one transaction with its record, its audit entry and its
    outbox pointer; the row stays locked from reading to writing, so no two changes cross."""

    def __init__(
        self, database: Database, levels: Levels, published: Callable[[], None] = lambda: None
    ) -> None:
        """`levels`: of the area tree, by which a record tells its level and the area above."""
        self._database = database
        self._levels = levels
        self._published = published

    async def change(self, org_id: str, district: str | None, change: Change, act: Act) -> Organisation:
        """The organisation after the change. `district`: where a new one would lie. Raises what `change`
        raises."""
        async with self._database.transaction() as tx:
            after = await self._change(tx, org_id, district, change, act)
        self._published()
        return after

    async def answer_once(
        self,
        key: IdempotencyKey,
        org_id: str,
        change: Change,
        act: Act,
        reply: Callable[[Organisation], Outcome],
    ) -> Outcome:
        """As `change`, for a request that may be repeated: the first answer is kept with the change, so it
        must hold nothing secret. A repetition gets it again, marked as replayed."""
        async with self._database.transaction() as tx:
            answer = await idempotency.first_answer(tx, key)
            if answer is not None:
                return answer
            outcome = reply(await self._change(tx, org_id, None, change, act))
            await idempotency.keep(tx, [(key, outcome)])
        self._published()
        return outcome

    async def redraw(self, district: str, redraw: Redraw, act: Act) -> int:
        """The version of the district's tree after the change; unchanged where no area differs."""
        async with self._database.transaction() as tx:
            await tx.execute(
                "insert into area_tree (district, version) values ($1, 0) on conflict do nothing", district
            )
            version = int(
                await tx.fetchval("select version from area_tree where district = $1 for update", district)
            )
            areas = await read_areas(tx, district)
            changed = redraw(areas, version)
            if not changed:
                return version
            await _write_areas(tx, changed)
            await tx.execute("update area_tree set version = $2 where district = $1", district, version + 1)
            await append_states(
                tx, [_state(area.record(self._levels), area.code, area.version) for area in changed]
            )
            await _audit(tx, act, {"district": district, "areas": [area.code for area in changed][:50]})
        self._published()
        return version + 1

    async def _change(
        self, tx: Tx, org_id: str, district: str | None, change: Change, act: Act
    ) -> Organisation:
        await tx.fetchval("select pg_advisory_xact_lock(hashtextextended($1, 0))", f"organisation {org_id}")
        row = await tx.fetchrow("select * from organisation where org_id = $1 for update", org_id)
        before = organisation_of(row) if row else None
        places = await read_places(tx, before.district if before else district)
        after = change(before, places)
        if after is before:
            return after
        await _write(tx, before, after)
        await append_states(tx, [_state(after.record(), org_id, after.version)])
        await _audit(tx, act, {"org_id": org_id, "version": after.version})
        return after


async def read_places(tx: Tx, district: str | None) -> frozenset[str]:
    """Every code of a district's tree."""
    rows = await tx.fetch("select code from area where district = $1", district)
    return frozenset(row["code"] for row in rows)


async def read_areas(tx: Tx, district: str) -> dict[str, Area]:
    """The tree of a district by code, in its order."""
    rows = await tx.fetch("select version, profile from area where district = $1 order by code", district)
    areas = (
        Area(AreaProfile.model_validate_json(row["profile"], extra="ignore"), row["version"]) for row in rows
    )
    return {area.code: area for area in areas}


async def _write(tx: Tx, before: Organisation | None, after: Organisation) -> None:
    values = (
        after.org_id,
        after.district,
        after.version,
        after.profile.model_dump_json(),
        orjson.dumps([_key_row(key) for key in after.keys]).decode(),
    )
    if before is not None:
        await tx.execute(
            """
            update organisation set district = $2, version = $3, profile = $4::json, keys = $5::json
            where org_id = $1
            """,
            *values,
        )
        return
    await tx.execute(
        """
        insert into organisation (org_id, district, version, profile, keys)
        values ($1, $2, $3, $4::json, $5::json)
        """,
        *values,
    )
    await tx.execute("insert into org_load (org_id) values ($1)", after.org_id)


async def _write_areas(tx: Tx, areas: Sequence[Area]) -> None:
    await tx.execute(
        """
        insert into area (code, district, version, profile)
        select * from unnest($1::text[], $2::text[], $3::int[], $4::json[]) order by 1
        on conflict (code) do update set version = excluded.version, profile = excluded.profile
        """,
        [area.code for area in areas],
        [area.district for area in areas],
        [area.version for area in areas],
        [area.profile.model_dump_json() for area in areas],
    )


async def _audit(tx: Tx, act: Act, detail: Mapping[str, object]) -> None:
    await auditlog.append(tx, SERVICE, [auditlog.Entry(act.at, act.actor.label(), act.name, None, detail)])


def _state(record: Record, key: str, version: int) -> State:
    return State(record.TOPIC, key, version, record.model_dump_json().encode())


def organisation_of(row: Mapping[str, Any]) -> Organisation:
    return Organisation(
        profile=OrganisationProfile.model_validate_json(row["profile"], extra="ignore"),
        district=row["district"],
        version=row["version"],
        keys=tuple(_key(key) for key in orjson.loads(row["keys"])),
    )


def _key_row(key: Key) -> dict[str, object]:
    return {
        "key_id": key.key_id,
        "hash": key.hash,
        "scopes": key.scopes,
        "issued_at": key.issued_at,
        "revoked_at": key.revoked_at,
    }


def _key(row: Mapping[str, Any]) -> Key:
    revoked_at = row["revoked_at"]
    return Key(
        row["key_id"],
        row["hash"],
        tuple(row["scopes"]),
        datetime.fromisoformat(row["issued_at"]),
        datetime.fromisoformat(revoked_at) if revoked_at else None,
    )
