"""What loops and doors look at: messages that are due, silent or listed, and how fresh the copies are."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from libs.db.pool import Database
from libs.messaging.reader import as_of
from services.notify.domain.case import Correspondence, Facts
from services.notify.domain.rules import Practice
from services.notify.handlers.sender import Due
from services.notify.handlers.upkeep import Silent
from services.notify.handlers.views import Listed
from services.notify.store.cases import facts_of, message_of
from services.notify.store.contacts import Waiting, released
from services.notify.store.sealing import Seals

SEALED_KIND = "REP"


@dataclass(frozen=True, slots=True)
class Views:
    """Reads of one process. `intake` and `dossier` name the consumers whose copies must be fresh (G15)."""

    database: Database
    seals: Seals
    intake: str
    dossier: str

    async def due(self, now: datetime, limit: int) -> list[Due]:
        """Messages that may be sent now, the longest due first, each with its number. What became due at once
        goes in the order of a case's life, which the templates are numbered by.

        Left out: later messages of the same case, and cases with a call under way, with a copy of the contact
        that is older than the facts, or with a parked or dead event of intake: something not yet known may
        stand against the message.
        """
        async with self.database.read() as tx:
            rows = await tx.fetch(
                """
                select m.message_id, m.case_id, m.district, c.version, c.phone
                from message m
                join contact c using (case_id)
                join correspondence n using (case_id)
                where m.state in ('planned', 'deferred') and m.not_before <= $1
                  and c.version >= n.dossier_version
                  and not exists (
                      select from message o where o.case_id = m.case_id
                        and (o.state = 'sending' or (o.state in ('planned', 'deferred') and o.not_before <= $1
                            and (o.not_before, o.template, o.message_id)
                              < (m.not_before, m.template, m.message_id))))
                  and not exists (select from parked p where p.consumer = $3 and p.case_id = m.case_id)
                  and not exists (select from dead_letter d
                                  where d.consumer = $3 and d.case_id = m.case_id and d.status = 'dead')
                order by m.not_before, m.template, m.message_id limit $2
                """,
                now,
                limit,
                self.intake,
            )
        return [
            Due(
                message_id=row["message_id"],
                case_id=row["case_id"],
                district=row["district"],
                contact_version=row["version"],
                phone=self._phone(row) or "",
            )
            for row in rows
        ]

    async def fresh_since(self) -> datetime | None:
        """Since when at least the copies of intake's facts and contacts are whole; None: not known (G15)."""
        ages = [await as_of(self.database, consumer) for consumer in (self.intake, self.dossier)]
        known = [age for age in ages if age is not None]
        return min(known) if len(known) == len(ages) else None

    async def waiting(self) -> list[Waiting]:
        """Cases whose messages waited for a contact that is here."""
        async with self.database.read() as tx:
            return await released(tx)

    async def silent(self, practice: Practice, now: datetime, limit: int) -> list[Silent]:
        """Messages of which nothing was heard for too long."""
        async with self.database.read() as tx:
            rows = await tx.fetch(
                """
                (select message_id, case_id, district from message
                 where state = 'sending' and changed_at < $1 order by changed_at limit $5)
                union all
                (select message_id, case_id, district from message
                 where state = 'indeterminate' and changed_at < $2 order by changed_at limit $5)
                union all
                (select message_id, case_id, district from message
                 where state = 'sent' and changed_at < $3 order by changed_at limit $5)
                union all
                (select message_id, case_id, district from message
                 where state in ('planned', 'deferred') and planned_at < $4 order by planned_at limit $5)
                """,
                now - practice.call_lost_after,
                now - practice.indeterminate_for,
                now - practice.receipt_within,
                now - practice.send_within,
                limit,
            )
        return [Silent(**row) for row in rows]

    async def place_of(self, message_id: UUID, districts: Collection[str]) -> tuple[UUID, str] | None:
        """Case and district of a message in these districts; a sealed case's are nobody's."""
        async with self.database.read() as tx:
            row = await tx.fetchrow(
                """
                select m.case_id, m.district from message m left join correspondence n using (case_id)
                where m.message_id = $1 and m.district = any($2) and n.kind is distinct from $3
                """,
                message_id,
                list(districts),
                SEALED_KIND,
            )
        return (row["case_id"], row["district"]) if row else None

    async def listed(
        self,
        districts: Collection[str],
        *,
        sealed: bool,
        case_id: UUID | None,
        state: str | None,
        after: UUID | None,
        limit: int,
    ) -> Sequence[Listed]:
        """Messages in the order they were planned; those of sealed cases only with `sealed` (XF22 art 30)."""
        async with self.database.read() as tx:
            rows = await tx.fetch(
                """
                select m.*, a.at as attempt_at, a.outcome, a.code, a.ended_at, h.version as case_version,
                    n.facts_version, n.kind, n.track, n.topic, n.lawful_route, n.flags, n.query_code,
                    n.anonymous, n.sms_consent, n.dossier_version, c.phone
                from message m
                join case_head h using (case_id)
                join correspondence n using (case_id)
                left join contact c using (case_id)
                left join attempt a on a.message_id = m.message_id and a.number = m.attempts
                where m.district = any($1) and ($2 or n.kind is distinct from $3)
                  and ($4::uuid is null or m.case_id = $4) and ($5::text is null or m.state = $5)
                  and ($6::uuid is null or m.message_id > $6)
                order by m.message_id limit $7
                """,
                list(districts),
                sealed,
                SEALED_KIND,
                case_id,
                state,
                after,
                limit,
            )
        return [self._listed(row) for row in rows]

    def _listed(self, row: Any) -> Listed:
        facts: Facts | None = facts_of(row)
        message = message_of(row)
        return Listed(
            case=Correspondence(row["case_id"], row["district"], facts),
            message=message,
            version=row["case_version"],
            phone=self._phone(row) if message.party == "applicant" else None,
        )

    def _phone(self, row: Any) -> str | None:
        sealed = row["phone"]
        return self.seals.open("contact", "phone", row["case_id"], sealed) if sealed else None
