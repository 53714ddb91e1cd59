"""Routing's copy of what citizens need, taken from the dossier and sealed again in its own vault."""

from collections.abc import Sequence
from typing import Final, NamedTuple
from uuid import UUID

import orjson

from libs.db.pool import Tx
from libs.events.dossier import DossierSealed
from libs.messaging.consumer import StateRecord
from libs.privacy.dossier import open_compartment
from libs.privacy.keyring import Keyring
from services.routing.domain.board import NO_NEEDS, Needs, NeedsCopy
from services.routing.store.sealing import NOTHING, Sealed, open_field, seal_field

READER: Final = "routing"


class Waiting(NamedTuple):
    """A case whose needs are here now, so that its choice may go on."""

    case_id: UUID
    district: str


class NeedsStore:
    """Keeps the needs, and forgets with them."""

    def __init__(self, keyring: Keyring) -> None:
        self._keyring = keyring

    async def apply(self, tx: Tx, records: Sequence[StateRecord]) -> Sequence[UUID]:
        """Keep the newest copy of each case, and of an erased one its version alone (G12); the cases that
        waited for them."""
        rows = [(UUID(record.key), record.version, *self._sealed(record)) for record in records]
        case_ids = [row[0] for row in rows]
        await tx.execute(
            """
            insert into needs (case_id, version, erased, sealed, data_key, key_version)
            select * from unnest($1::uuid[], $2::bigint[], $3::boolean[], $4::bytea[], $5::bytea[], $6::int[])
            order by 1
            on conflict (case_id) do update set
                version = greatest(needs.version, excluded.version), erased = excluded.erased,
                sealed = excluded.sealed, data_key = excluded.data_key, key_version = excluded.key_version
            where not needs.erased and (excluded.erased or needs.version < excluded.version)
            """,
            case_ids,
            [row[1] for row in rows],
            [record.value is None for record in records],
            [row[2] for row in rows],
            [row[3] for row in rows],
            [row[4] for row in rows],
        )
        await _forget_notes(tx, [UUID(record.key) for record in records if record.value is None])
        return [waiting.case_id for waiting in await released(tx, case_ids)]

    async def empty(self, tx: Tx) -> None:
        """Forget every copy, all but what is known to be erased."""
        await tx.execute("delete from needs where not erased")

    async def read(self, tx: Tx, case_ids: Sequence[UUID]) -> dict[UUID, NeedsCopy]:
        """The copies of these cases, opened."""
        if not case_ids:
            return {}
        rows = await tx.fetch(
            "select case_id, version, sealed, data_key, key_version from needs where case_id = any($1)",
            case_ids,
        )
        copies = {}
        for row in rows:
            sealed = Sealed(row["sealed"], row["data_key"], row["key_version"])
            text = open_field(self._keyring, "needs", "sealed", row["case_id"], sealed)
            copies[row["case_id"]] = NeedsCopy(
                row["version"], Needs(**orjson.loads(text)) if text else NO_NEEDS
            )
        return copies

    def _sealed(self, record: StateRecord) -> Sealed:
        """The compartment of the record, checked against its place and sealed for ours; a record without one
        says that nothing is needed."""
        if record.value is None:
            return NOTHING
        dossier = DossierSealed.model_validate_json(record.value, extra="ignore")
        token = dossier.compartments.get("needs", {}).get(READER)
        if token is None:
            return NOTHING
        told = open_compartment(self._keyring, READER, token, record.key, "needs", record.version)
        kept = {
            "language": told.get("language"),
            "mode": told.get("mode"),
            "ethnic_support": bool(told.get("ethnic_support")),
        }
        return seal_field(self._keyring, "needs", "sealed", UUID(record.key), orjson.dumps(kept).decode())


async def _forget_notes(tx: Tx, erased: Sequence[UUID]) -> None:
    """A person's words about an erased case go with the citizen's: they may name somebody (G13)."""
    if erased:
        await tx.execute(
            """
            update assignment set note = null, note_key = null, note_key_version = null
            where case_id = any($1) and note is not null
            """,
            erased,
        )


async def released(tx: Tx, case_ids: Sequence[UUID] | None = None) -> list[Waiting]:
    """Waiting cases whose needs are here: of these, or of all (at most 500, the rest the next time)."""
    rows = await tx.fetch(
        """
        select c.case_id, c.district from routing_case c join needs n using (case_id)
        where c.status = 'waiting_needs' and n.version >= c.needs_version
          and ($1::uuid[] is null or c.case_id = any($1))
        order by c.case_id limit 500
        """,
        case_ids,
    )
    return [Waiting(row["case_id"], row["district"]) for row in rows]
