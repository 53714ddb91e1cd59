"""Copies of what other services own: citizens' dossiers, organisations, and their keys (G12, G15)."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from libs.db.pool import Database, Tx
from libs.events.dossier import DossierSealed
from libs.events.organisation import OrganisationChanged
from libs.messaging.consumer import StateRecord
from libs.messaging.reader import as_of
from libs.privacy.casekey import CaseKey
from libs.privacy.dossier import open_compartment
from libs.web.apikeys import KeyRecord
from services.mediation.handlers.sealing import Vault

READER: Final = "mediation"


class Dossiers:
    """The copy of `intake.dossier.v1`: contact and story, sealed again under the case's own key."""

    def __init__(self, vault: Vault) -> None:
        self._vault = vault

    async def apply(self, tx: Tx, records: Sequence[StateRecord]) -> Sequence[UUID]:
        """Keep the newest copy of each case; of an erased one the version alone, without key and words."""
        gone = [record for record in records if record.value is None]
        here = [record for record in records if record.value is not None]
        if gone:
            await self._erase(tx, gone)
        if here:
            await self._keep(tx, here)
        return ()

    async def empty(self, tx: Tx) -> None:
        """Forget every copy, all but what is known to be erased; words that were said here stay."""
        await tx.execute("delete from dossier where not erased")

    async def _erase(self, tx: Tx, records: Sequence[StateRecord]) -> None:
        case_ids = [UUID(record.key) for record in records]
        await tx.execute(
            """
            insert into dossier (case_id, version, erased)
            select *, true from unnest($1::uuid[], $2::bigint[]) order by 1
            on conflict (case_id) do update set erased = true, contact = null, story = null,
                version = greatest(dossier.version, excluded.version)
            """,
            case_ids,
            [record.version for record in records],
        )
        await tx.execute("delete from note where case_id = any($1)", case_ids)
        await tx.execute("delete from data_key where case_id = any($1)", case_ids)

    async def _keep(self, tx: Tx, records: Sequence[StateRecord]) -> None:
        keys = await case_keys(tx, self._vault, [UUID(record.key) for record in records])
        sealed = [
            (case_id, record.version, *self._reseal(key, case_id, record))
            for record in records
            if (key := keys.get(case_id := UUID(record.key))) is not None
        ]
        await tx.execute(
            """
            insert into dossier (case_id, version, erased, contact, story)
            select case_id, version, false, contact, story
            from unnest($1::uuid[], $2::bigint[], $3::bytea[], $4::bytea[])
                as t (case_id, version, contact, story)
            order by 1
            on conflict (case_id) do update set version = excluded.version,
                contact = excluded.contact, story = excluded.story
            where not dossier.erased and dossier.version < excluded.version
            """,
            *([row[column] for row in sealed] for column in range(4)),
        )

    def _reseal(self, key: CaseKey, case_id: UUID, record: StateRecord) -> tuple[bytes | None, bytes | None]:
        dossier = DossierSealed.model_validate_json(record.value or b"", extra="ignore")

        def part(name: Any) -> bytes | None:
            token = dossier.compartments.get(name, {}).get(READER)
            if token is None:
                return None
            content = open_compartment(self._vault.keyring, READER, token, case_id, name, dossier.version)
            return key.seal("dossier", name, case_id, content)

        return part("contact"), part("story")


async def case_keys(tx: Tx, vault: Vault, case_ids: Sequence[UUID]) -> dict[UUID, CaseKey]:
    """The keys of these cases, made where there is none yet; an erased case never gets one again."""
    fresh = {case_id: vault.new().wrapped for case_id in sorted(await _without_key(tx, case_ids))}
    if fresh:
        await tx.execute(
            """
            insert into data_key (case_id, key_version, wrapped)
            select * from unnest($1::uuid[], $2::int[], $3::bytea[]) order by 1
            on conflict (case_id) do nothing
            """,
            list(fresh),
            [wrapped.version for wrapped in fresh.values()],
            [wrapped.wrapped for wrapped in fresh.values()],
        )
    rows = await tx.fetch(
        "select case_id, key_version, wrapped from data_key where case_id = any($1)", list(case_ids)
    )
    return {row["case_id"]: vault.of(row["key_version"], row["wrapped"]) for row in rows}


async def _without_key(tx: Tx, case_ids: Sequence[UUID]) -> list[UUID]:
    rows = await tx.fetch(
        """
        select case_id from unnest($1::uuid[]) as t (case_id)
        where not exists (select from data_key k where k.case_id = t.case_id)
          and not exists (select from dossier d where d.case_id = t.case_id and d.erased)
        """,
        list(case_ids),
    )
    return [row["case_id"] for row in rows]


async def apply_organisations(tx: Tx, records: Sequence[StateRecord]) -> Sequence[UUID]:
    """Keep the newest record of each organisation with its live keys; one that is gone has none."""
    newest = [
        (record.key, record.version, _organisation(record))
        for record in sorted(records, key=lambda record: record.key)
    ]
    rows = await tx.fetch(
        """
        insert into organisation (org_id, version, district, name, data_view)
        select * from unnest($1::text[], $2::bigint[], $3::text[], $4::text[], $5::text[]) order by 1
        on conflict (org_id) do update set version = excluded.version, district = excluded.district,
            name = excluded.name, data_view = excluded.data_view
        where organisation.version < excluded.version
        returning org_id
        """,
        [org_id for org_id, _, _ in newest],
        [version for _, version, _ in newest],
        [org and org.district for _, _, org in newest],
        [org and org.name for _, _, org in newest],
        [org and org.data_view for _, _, org in newest],
    )
    changed = {row["org_id"] for row in rows}
    keys = [(key, org_id) for org_id, _, org in newest if org and org_id in changed for key in org.keys]
    await tx.execute("delete from organisation_key where org_id = any($1)", sorted(changed))
    await tx.execute(
        """
        insert into organisation_key (hash, org_id, key_id, scopes)
        select hash, org_id, key_id, string_to_array(scopes, ' ')
        from unnest($1::bytea[], $2::text[], $3::text[], $4::text[]) as t (hash, org_id, key_id, scopes)
        order by 1
        """,
        [bytes.fromhex(key.hash) for key, _ in keys],
        [org_id for _, org_id in keys],
        [key.key_id for key, _ in keys],
        [" ".join(key.scopes) for key, _ in keys],
    )
    return ()


def _organisation(record: StateRecord) -> OrganisationChanged | None:
    if record.value is None:
        return None
    return OrganisationChanged.model_validate_json(record.value, extra="ignore")


class PartnerKeys:
    """The keys by which the door knows organisations: the copy that `consumer` keeps, with its age."""

    def __init__(self, database: Database, consumer: str) -> None:
        self._database = database
        self._consumer = consumer

    async def find(self, hash: bytes) -> KeyRecord | None:
        """The live key with this hash."""
        async with self._database.read() as tx:
            row = await tx.fetchrow(
                """
                select k.key_id, k.org_id, k.scopes, o.district
                from organisation_key k join organisation o using (org_id) where k.hash = $1
                """,
                hash,
            )
        if row is None:
            return None
        return KeyRecord(
            row["key_id"],
            "partner",
            row["org_id"],
            hash,
            districts=frozenset({row["district"]}),
            scopes=frozenset(row["scopes"]),
        )

    async def as_of(self) -> datetime | None:
        """When the copy was last known to be complete (G15)."""
        return await as_of(self._database, self._consumer)
