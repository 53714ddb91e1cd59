"""What citizens wrote: kept sealed, once per number that the provider gave it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from libs.db.pool import Database, Tx
from libs.privacy.keyring import Keyring
from services.notify.domain.case import Received
from services.notify.domain.replies import Sent
from services.notify.store.contacts import phone_index
from services.notify.store.sealing import Seals


@dataclass(frozen=True, slots=True)
class Heard:
    """A reply that belongs to a case."""

    case_id: UUID
    sms: Received


async def keep_replies(tx: Tx, seals: Seals, heard: Sequence[Heard]) -> None:
    """Store the replies of a batch; a stop word counts for the number, in all its cases."""
    if not heard:
        return
    rows = sorted(heard, key=lambda row: row.sms.id)
    await tx.execute(
        """
        insert into received (received_id, ref, case_id, at, meaning, rating, in_reply_to, text)
        select * from unnest($1::uuid[], $2::bytea[], $3::uuid[], $4::timestamptz[], $5::text[],
            $6::smallint[], $7::uuid[], $8::bytea[])
        on conflict (ref) do nothing
        """,
        [row.sms.id for row in rows],
        [row.sms.ref for row in rows],
        [row.case_id for row in rows],
        [row.sms.at for row in rows],
        [row.sms.meaning for row in rows],
        [row.sms.rating for row in rows],
        [row.sms.in_reply_to for row in rows],
        [seals.seal("received", "text", row.sms.id, row.sms.text) for row in rows],
    )
    stopped = [row for row in rows if row.sms.meaning == "stop"]
    if stopped:
        await tx.execute(
            """
            insert into opt_out (phone_index, since)
            select distinct on (c.phone_index) c.phone_index, t.at
            from unnest($1::uuid[], $2::timestamptz[]) as t (case_id, at) join contact c using (case_id)
            where c.phone_index is not null order by c.phone_index
            on conflict (phone_index) do nothing
            """,
            [row.case_id for row in stopped],
            [row.sms.at for row in stopped],
        )


@dataclass(frozen=True, slots=True)
class Mailbox:
    """Replies before a case is found for them."""

    database: Database
    keyring: Keyring
    seals: Seals
    districts: Sequence[str]

    async def written_to(self, e164: str) -> list[Sent]:
        """Per case of this number the last message that went out, the newest cases first."""
        indexes = [phone_index(self.keyring, district, e164) for district in self.districts]
        async with self.database.read() as tx:
            rows = await tx.fetch(
                """
                select s.* from (select case_id from contact where phone_index = any($1)
                                 order by case_id desc limit 50) c
                cross join lateral (
                    select m.case_id, m.district, m.template, m.planned_at,
                        m.answered_at is not null as answered
                    from message m
                    where m.case_id = c.case_id and m.party = 'applicant' and m.attempts > 0
                      and m.state <> 'failed'
                    order by m.planned_at desc, m.message_id desc limit 1) s
                """,
                indexes,
            )
        return [Sent(**row) for row in rows]

    async def keep_unknown(self, sms: Received, number: str) -> None:
        """An SMS of a number without a case: kept with its number for a person, once."""
        async with self.database.transaction() as tx:
            await tx.execute(
                """
                insert into received (received_id, ref, at, meaning, text, phone)
                values ($1, $2, $3, $4, $5, $6) on conflict (ref) do nothing
                """,
                sms.id,
                sms.ref,
                sms.at,
                sms.meaning,
                self.seals.seal("received", "text", sms.id, sms.text),
                self.seals.seal("received", "phone", sms.id, number),
            )
            if sms.meaning == "stop":
                await self._opt_out(tx, number, sms.at)

    async def _opt_out(self, tx: Tx, number: str, at: datetime) -> None:
        for index in sorted(phone_index(self.keyring, district, number) for district in self.districts):
            await tx.execute(
                "insert into opt_out (phone_index, since) values ($1, $2) on conflict do nothing", index, at
            )
