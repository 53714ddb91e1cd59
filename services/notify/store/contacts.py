"""Notify's copy of how applicants are reached, taken from the dossier and sealed again in its own vault."""

from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple
from uuid import UUID

from libs.db.pool import Tx
from libs.events.dossier import DossierSealed
from libs.messaging.consumer import StateRecord
from libs.privacy.blindindex import blind_index
from libs.privacy.dossier import open_compartment
from libs.privacy.keyring import Keyring
from services.notify.domain.case import Contact
from services.notify.store.sealing import Seals

READER: Final = "notify"


class Kept(NamedTuple):
    """A record of the dossier as notify keeps it."""

    case_id: UUID
    version: int
    erased: bool
    reachable: bool = False
    safe: bool = True
    phone: bytes | None = None
    phone_index: bytes | None = None


def phone_index(keyring: Keyring, district: str, e164: str) -> bytes:
    """The keyed hash by which a number's cases are found."""
    return blind_index(keyring.current("index"), district, "contact.phone", e164)


class Contacts:
    """The copy of `intake.dossier.v1`, compartment `contact`: number, whether it takes SMS, is safe."""

    def __init__(self, keyring: Keyring, seals: Seals) -> None:
        self._keyring, self._seals = keyring, seals

    async def apply(self, tx: Tx, records: Sequence[StateRecord]) -> Sequence[UUID]:
        """Keep the newest copy of each case, of an erased one its version alone (G12) and its replies
        without their words; returns the cases whose messages waited for it."""
        rows = [self._kept(record) for record in records]
        case_ids = [row.case_id for row in rows]
        await tx.execute(
            """
            insert into contact (case_id, version, erased, reachable, safe, phone, phone_index)
            select * from unnest($1::uuid[], $2::bigint[], $3::boolean[], $4::boolean[], $5::boolean[],
                $6::bytea[], $7::bytea[])
            order by 1
            on conflict (case_id) do update set
                version = greatest(contact.version, excluded.version), erased = excluded.erased,
                reachable = excluded.reachable, safe = excluded.safe, phone = excluded.phone,
                phone_index = excluded.phone_index
            where not contact.erased and (excluded.erased or contact.version < excluded.version)
            """,
            *([row[column] for row in rows] for column in range(len(Kept._fields))),
        )
        erased = [row.case_id for row in rows if row.erased]
        if erased:
            await tx.execute("update received set text = null, phone = null where case_id = any($1)", erased)
        return [waiting.case_id for waiting in await released(tx, case_ids)]

    async def empty(self, tx: Tx) -> None:
        """Forget every copy, all but what is known to be erased."""
        await tx.execute("delete from contact where not erased")

    def _kept(self, record: StateRecord) -> Kept:
        """The record, its compartment checked against its place; one without a contact has no number."""
        case_id = UUID(record.key)
        if record.value is None:
            return Kept(case_id, record.version, erased=True)
        dossier = DossierSealed.model_validate_json(record.value, extra="ignore")
        token = dossier.compartments.get("contact", {}).get(READER)
        if token is None:
            return Kept(case_id, record.version, erased=False)
        told = open_compartment(self._keyring, READER, token, case_id, "contact", record.version)
        phone = told.get("phone")
        if not isinstance(phone, str):
            return Kept(case_id, record.version, erased=False, safe=bool(told.get("safe_contact")))
        return Kept(
            case_id,
            record.version,
            erased=False,
            reachable=bool(told.get("sms_capable")),
            safe=bool(told.get("safe_contact")),
            phone=self._seals.seal("contact", "phone", case_id, phone),
            phone_index=phone_index(self._keyring, dossier.district, phone),
        )


async def read_contacts(tx: Tx, case_ids: Sequence[UUID]) -> dict[UUID, Contact]:
    """The contacts of these cases, as decisions see them: without the number."""
    rows = await tx.fetch(
        """
        select c.case_id, c.version, c.erased, c.reachable, c.safe,
            exists (select from opt_out o where o.phone_index = c.phone_index) as opted_out
        from contact c where c.case_id = any($1)
        """,
        case_ids,
    )
    return {row["case_id"]: _contact_of(row) for row in rows}


class Waiting(NamedTuple):
    """A case with messages whose contact is here now."""

    case_id: UUID
    district: str


async def released(tx: Tx, case_ids: Sequence[UUID] | None = None) -> list[Waiting]:
    """Cases whose messages wait for a contact that is here: of these, or of all (at most 500 at a time)."""
    rows = await tx.fetch(
        """
        select distinct m.case_id, m.district
        from message m join contact c using (case_id) join correspondence n using (case_id)
        where m.state = 'deferred' and m.not_before is null and m.reason = 'CONTACT'
          and c.version >= n.dossier_version and ($1::uuid[] is null or m.case_id = any($1))
        order by m.case_id limit 500
        """,
        case_ids,
    )
    return [Waiting(row["case_id"], row["district"]) for row in rows]


def _contact_of(row: Mapping[str, Any]) -> Contact:
    return Contact(
        version=row["version"],
        reachable=row["reachable"],
        safe=row["safe"],
        opted_out=row["opted_out"],
        erased=row["erased"],
    )
