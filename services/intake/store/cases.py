"""Cases as the shell loads and saves them in batches: one statement per table."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import orjson

from libs.db.faults import Conflict
from libs.db.pool import Tx
from libs.db.work import Change, Work
from libs.messaging import deadlines
from services.intake.domain.case import SEALED_KIND, Case, Origin, Sealed
from services.intake.domain.portal import MOST
from services.intake.domain.registration import Neighbours, Register
from services.intake.store import attachments
from services.intake.store.erasure import PERSONAL
from services.intake.store.rows import CASES, case_of
from services.intake.store.traces import write_respondents, write_tokens

MOST_TWINS = 5
"""Cases of the same phone that the answer to a registration names, the newest first."""

LATEST_OF_A_NUMBER = 100
"""So many of a number's cases are looked at, read first from its own index: joined at once, the planner walks
through all cases of the district instead."""


class IntakeStore:
    """The cases as the shell reads and writes them; rows are locked through their heads."""

    async def load(self, tx: Tx, case_ids: Sequence[UUID]) -> dict[UUID, Case]:
        """The cases with all their clocks, without what is sealed."""
        rows = await tx.fetch(f"{CASES} where c.case_id = any($1)", case_ids)
        found = [row["case_id"] for row in rows]
        clocks, files = await deadlines.load(tx, found), await attachments.load(tx, found)
        return {
            row["case_id"]: case_of(row, clocks.get(row["case_id"], {}), files.get(row["case_id"], ()))
            for row in rows
        }

    async def share(self, tx: Tx, works: Sequence[Work[Case, Any]]) -> Neighbours:
        """What new cases of the batch must know of those that exist."""
        new = [work.command for work in works if isinstance(work.command, Register)]
        if not new:
            return Neighbours()
        codes = await tx.fetch(
            "select query_code from intake_case where query_code = any($1)",
            [code for command in new for code in command.query_codes],
        )
        return Neighbours(
            codes={row["query_code"] for row in codes},
            origins=await _origins(tx, [command.origin for command in new if command.origin]),
            twins=await _twins(tx, [command.sealed.phone.whole for command in new if command.sealed.phone]),
            paces=await _paces(tx, [command for command in new if command.portal is not None]),
        )

    async def save(self, tx: Tx, changes: Sequence[Change[Case]], shared: Neighbours) -> None:
        """One statement per table, sorted by key. Raises Conflict when a query code or external number was
        taken meanwhile: the batch is decided again with what is known then."""
        written = [(change, change.after) for change in changes if change.after is not None]
        await _insert_cases(tx, [case for change, case in written if change.before is None])
        await _update_cases(tx, [case for change, case in written if change.before is not None])
        sealed = [(case, case.sealed) for _, case in written if case.sealed is not None]
        await _keep_former(tx, [change.case_id for change, case in written if change.before and case.sealed])
        await _write_sealed(tx, sealed)
        await _insert_notes(tx, [case for _, case in written if case.notes])
        await attachments.save(tx, changes)
        await _erase(tx, [case.case_id for _, case in written if case.stage == "erased"])
        await deadlines.save(
            tx,
            [
                (
                    case.case_id,
                    case.district,
                    change.before.deadlines if change.before else {},
                    case.deadlines,
                )
                for change, case in written
            ],
        )


async def _origins(tx: Tx, origins: Sequence[Origin]) -> dict[Origin, UUID]:
    if not origins:
        return {}
    rows = await tx.fetch(
        """
        select c.credential, c.external_ref, c.case_id from intake_case c
        join unnest($1::text[], $2::text[]) as o (credential, external_ref) using (credential, external_ref)
        where c.external_ref is not null
        """,
        [origin.credential for origin in origins],
        [origin.external_ref for origin in origins],
    )
    return {Origin(row["credential"], row["external_ref"]): row["case_id"] for row in rows}


async def _twins(tx: Tx, phones: Sequence[bytes]) -> Mapping[bytes, tuple[UUID, ...]]:
    """The newest cases of each phone that were not finished here, accusations left out."""
    if not phones:
        return {}
    rows = await tx.fetch(
        """
        select w.whole, t.case_id from unnest($1::bytea[]) as w (whole)
        cross join lateral (
            select c.case_id
            from (select case_id from phone_trace where whole = w.whole order by case_id desc limit $4) p
            join intake_case c using (case_id)
            where c.state in ('registered', 'accepted', 'forwarded') and c.kind is distinct from $2
            order by c.case_id desc limit $3
        ) t order by t.case_id desc
        """,
        sorted(set(phones)),
        SEALED_KIND,
        MOST_TWINS,
        LATEST_OF_A_NUMBER,
    )
    found: dict[bytes, tuple[UUID, ...]] = defaultdict(tuple)
    for row in rows:
        found[row["whole"]] += (row["case_id"],)
    return found


async def _paces(tx: Tx, commands: Sequence[Register]) -> dict[bytes, list[datetime]]:
    """When a portal's applicant had matters registered by portals, the newest, so many as are looked at."""
    phones = sorted({command.sealed.phone.whole for command in commands if command.sealed.phone})
    if not phones:
        return {}
    rows = await tx.fetch(
        """
        select w.whole, t.at from unnest($1::bytea[]) as w (whole)
        cross join lateral (
            select c.case_id, (c.facts ->> 'registered_at')::timestamptz as at
            from (select case_id from phone_trace where whole = w.whole order by case_id desc limit $3) p
            join intake_case c using (case_id)
            where c.portal is not null
            order by c.case_id desc limit $2
        ) t order by t.case_id desc
        """,
        phones,
        max(command.known.limits[MOST] for command in commands),
        LATEST_OF_A_NUMBER,
    )
    found: dict[bytes, list[datetime]] = defaultdict(list)
    for row in rows:
        found[row["whole"]].append(row["at"])
    return found


async def _insert_cases(tx: Tx, cases: Sequence[Case]) -> None:
    if not cases:
        return
    written = await tx.execute(
        """
        insert into intake_case (case_id, district, state, facts, said_urgency, reminders, reason_code,
            directed_to, merged_into, happened_on, warnings, twins, consents, ended_at, credential,
            external_ref, portal)
        select * from unnest($1::uuid[], $2::text[], $3::text[], $4::jsonb[], $5::text[], $6::int[],
            $7::text[], $8::text[], $9::uuid[], $10::date[], $11::jsonb[], $12::jsonb[],
            $13::jsonb[], $14::timestamptz[], $15::text[], $16::text[], $17::text[])
        order by 1
        on conflict do nothing
        """,
        *_columns(cases, ("case_id", "district", "stage", "facts", "said_urgency")),
        *_columns(cases, ("reminders", "reason_code", "directed_to", "merged_into", "happened_on")),
        [_json([warning.as_json() for warning in case.warnings]) for case in cases],
        [_json([str(twin) for twin in case.twins]) for case in cases],
        [_json([consent.as_json() for consent in case.consents]) for case in cases],
        [case.ended_at for case in cases],
        *_origin_columns(cases),
        [case.portal for case in cases],
    )
    if written != len(cases):
        raise Conflict


async def _update_cases(tx: Tx, cases: Sequence[Case]) -> None:
    if not cases:
        return
    await tx.execute(
        """
        update intake_case c set state = n.state, facts = n.facts, reminders = n.reminders,
            reason_code = n.reason_code, directed_to = n.directed_to, merged_into = n.merged_into,
            said_urgency = n.said_urgency, happened_on = n.happened_on, warnings = n.warnings,
            children = n.children, related = n.related, consents = n.consents, holds = n.holds,
            ended_at = n.ended_at, credential = n.credential, external_ref = n.external_ref
        from unnest($1::uuid[], $2::text[], $3::jsonb[], $4::text[], $5::int[], $6::text[], $7::text[],
            $8::uuid[], $9::date[], $10::jsonb[], $11::jsonb[], $12::jsonb[], $13::jsonb[], $14::jsonb[],
            $15::timestamptz[], $16::text[], $17::text[]) as n (case_id, state, facts, said_urgency,
            reminders, reason_code, directed_to, merged_into, happened_on, warnings, children, related,
            consents, holds, ended_at, credential, external_ref)
        where c.case_id = n.case_id
        """,
        *_columns(cases, ("case_id", "stage", "facts", "said_urgency")),
        *_columns(cases, ("reminders", "reason_code", "directed_to", "merged_into", "happened_on")),
        [_json([warning.as_json() for warning in case.warnings]) for case in cases],
        [_json([child.as_json() for child in case.children]) for case in cases],
        [_json([str(one) for one in case.related]) for case in cases],
        [_json([consent.as_json() for consent in case.consents]) for case in cases],
        [_json(case.holds) for case in cases],
        [case.ended_at for case in cases],
        *_origin_columns(cases),
    )


def _columns(cases: Sequence[Case], names: Iterable[str]) -> Iterable[list[Any]]:
    """The values of these fields over all cases, as a set-based statement takes them."""
    for name in names:
        values = [getattr(case, name) for case in cases]
        yield [value.model_dump_json() for value in values] if name == "facts" else values


def _origin_columns(cases: Sequence[Case]) -> tuple[list[str | None], list[str | None]]:
    """Credential and external number of each case, None where it has none."""
    return (
        [case.origin.credential if case.origin else None for case in cases],
        [case.origin.external_ref if case.origin else None for case in cases],
    )


async def _keep_former(tx: Tx, case_ids: Sequence[UUID]) -> None:
    """What was said before an amendment stays readable, sealed in its old place."""
    if not case_ids:
        return
    await tx.execute(
        """
        insert into vault_former (case_id, version, key_version, applicant, story)
        select v.case_id, h.version, v.key_version, v.applicant, v.story
        from vault v join case_head h using (case_id) where v.case_id = any($1) order by 1
        """,
        case_ids,
    )
    for table in ("phone_trace", "respondent_trace", "suggested"):
        await tx.execute(f"delete from {table} where case_id = any($1)", case_ids)  # noqa: S608 - a constant


async def _write_sealed(tx: Tx, rows: Sequence[tuple[Case, Sealed]]) -> None:
    if not rows:
        return
    await tx.execute(
        """
        insert into vault (case_id, district, key_version, data_key, applicant, story)
        select * from unnest($1::uuid[], $2::text[], $3::int[], $4::bytea[], $5::bytea[], $6::bytea[])
        order by 1
        on conflict (case_id) do update set applicant = excluded.applicant, story = excluded.story
        """,
        [case.case_id for case, _ in rows],
        [case.district for case, _ in rows],
        [sealed.key_version for _, sealed in rows],
        [sealed.data_key for _, sealed in rows],
        [sealed.applicant for _, sealed in rows],
        [sealed.story for _, sealed in rows],
    )
    phones = [(case.case_id, sealed.phone) for case, sealed in rows if sealed.phone is not None]
    await tx.execute(
        """
        insert into phone_trace (case_id, whole, last_four)
        select * from unnest($1::uuid[], $2::bytea[], $3::bytea[]) order by 1
        """,
        [case_id for case_id, _ in phones],
        [phone.whole for _, phone in phones],
        [phone.last_four for _, phone in phones],
    )
    await write_tokens(tx, [(case.case_id, sealed.tokens) for case, sealed in rows])
    await write_respondents(tx, [(case.case_id, sealed.respondents) for case, sealed in rows])


async def _insert_notes(tx: Tx, cases: Sequence[Case]) -> None:
    rows = sorted(
        ((note, case.case_id) for case in cases for note in case.notes), key=lambda row: row[0].note_id
    )
    if not rows:
        return
    await tx.execute(
        """
        insert into note (note_id, case_id, act, at, by, text)
        select * from unnest($1::uuid[], $2::uuid[], $3::text[], $4::timestamptz[], $5::text[], $6::bytea[])
        """,
        [note.note_id for note, _ in rows],
        [case_id for _, case_id in rows],
        [note.act for note, _ in rows],
        [note.at for note, _ in rows],
        [note.by for note, _ in rows],
        [note.text for note, _ in rows],
    )


async def _erase(tx: Tx, case_ids: Sequence[UUID]) -> None:
    """Remove every row that holds something of a person; `GET /v1/erasures` counts what is left."""
    for table in PERSONAL if case_ids else ():
        await tx.execute(f"delete from {table} where case_id = any($1)", case_ids)  # noqa: S608 - our own names


def _json(value: object) -> str:
    return orjson.dumps(value).decode()
