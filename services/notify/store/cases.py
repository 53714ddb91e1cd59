"""Cases with their messages, loaded and saved for the shell: one statement per table."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from uuid import UUID

import orjson

from libs.db.pool import Tx
from libs.db.work import Change, Work
from services.notify.domain.case import Attempt, Correspondence, Facts, Message
from services.notify.domain.rules import Rules
from services.notify.handlers.desk import Desk
from services.notify.store.contacts import read_contacts
from services.notify.store.replies import Heard, keep_replies
from services.notify.store.sealing import Seals

NO_FACTS = Facts(0, None, None, None, None, (), "", False, False, 0)
"""What stands in the columns of a case whose facts are not known; `facts_version` null says so."""


class CaseStore:
    """The store of the shell. Whole cases are loaded, only what changed is written."""

    def __init__(self, rules: Rules, seals: Seals) -> None:
        self._rules, self._seals = rules, seals

    async def share(self, tx: Tx, works: Sequence[Work[Correspondence, Any]]) -> Desk:
        """The rules, and the newest contacts: also of cases that this batch makes (G8)."""
        return Desk(self._rules, await read_contacts(tx, [work.case_id for work in works]))

    async def load(self, tx: Tx, case_ids: Sequence[UUID]) -> dict[UUID, Correspondence]:
        rows = await tx.fetch("select * from correspondence where case_id = any($1)", case_ids)
        messages: dict[UUID, dict[UUID, Message]] = {}
        for row in await tx.fetch(_MESSAGES + " where m.case_id = any($1) order by m.message_id", case_ids):
            messages.setdefault(row["case_id"], {})[row["message_id"]] = message_of(row)
        return {row["case_id"]: _case_of(row, messages.get(row["case_id"], {})) for row in rows}

    async def save(self, tx: Tx, changes: Sequence[Change[Correspondence]], shared: Any) -> None:
        cases = [(change.before, change.after) for change in changes if change.after is not None]
        await _save_cases(tx, [after for before, after in cases if _own(before) != _own(after)])
        changed = [
            (before.messages.get(message.id) if before else None, message, after)
            for before, after in cases
            for message in after.messages.values()
            if before is None or before.messages.get(message.id) is not message
        ]
        await _insert_messages(tx, [(message, case) for was, message, case in changed if was is None])
        await _update_messages(tx, [message for was, message, _ in changed if was is not None])
        await _save_attempts(
            tx, [message for was, message, _ in changed if was is None or was.attempt != message.attempt]
        )
        heard = [Heard(case.case_id, sms) for _, case in cases for sms in case.received]
        await keep_replies(tx, self._seals, heard)


_MESSAGES = """
    select m.*, a.at as attempt_at, a.outcome, a.code, a.ended_at
    from message m left join attempt a on a.message_id = m.message_id and a.number = m.attempts
"""


def message_of(row: Mapping[str, Any]) -> Message:
    """A message with its last attempt, from a row of `message` joined with `attempt`."""
    attempt = None
    if row["attempt_at"] is not None:
        attempt = Attempt(row["attempts"], row["attempt_at"], row["outcome"], row["code"], row["ended_at"])
    return Message(
        id=row["message_id"],
        template=row["template"],
        party=row["party"],
        trigger=row["trigger"],
        trigger_version=row["trigger_version"],
        values=orjson.loads(row["values"]),
        state=row["state"],
        planned_at=row["planned_at"],
        changed_at=row["changed_at"],
        reason=row["reason"],
        not_before=row["not_before"],
        attempts=row["attempts"],
        allowed=row["allowed"],
        attempt=attempt,
        answered_at=row["answered_at"],
        repeat=row["repeat"],
        trace=row["trace"],
    )


def facts_of(row: Mapping[str, Any]) -> Facts | None:
    """The facts in a row of `correspondence`."""
    if row["facts_version"] is None:
        return None
    return Facts(
        version=row["facts_version"],
        kind=row["kind"],
        track=row["track"],
        topic=row["topic"],
        lawful_route=row["lawful_route"],
        flags=tuple(row["flags"]),
        query_code=row["query_code"],
        anonymous=row["anonymous"],
        sms_consent=row["sms_consent"],
        dossier_version=row["dossier_version"],
    )


def _case_of(row: Mapping[str, Any], messages: Mapping[UUID, Message]) -> Correspondence:
    return Correspondence(
        case_id=row["case_id"],
        district=row["district"],
        facts=facts_of(row),
        respondent_agreed=row["respondent_agreed"],
        messages=messages,
    )


def _own(case: Correspondence | None) -> tuple[Facts | None, bool] | None:
    return (case.facts, case.respondent_agreed) if case else None


async def _save_cases(tx: Tx, cases: Sequence[Correspondence]) -> None:
    if not cases:
        return
    facts = [case.facts or NO_FACTS for case in cases]
    await tx.execute(
        """
        insert into correspondence (case_id, district, facts_version, kind, track, topic, lawful_route, flags,
            query_code, anonymous, sms_consent, dossier_version, respondent_agreed)
        select case_id, district, facts_version, kind, track, topic, lawful_route,
            string_to_array(flags, ','), query_code, anonymous, sms_consent, dossier_version, agreed
        from unnest($1::uuid[], $2::text[], $3::int[], $4::text[], $5::text[], $6::text[], $7::text[],
            $8::text[], $9::text[], $10::boolean[], $11::boolean[], $12::int[], $13::boolean[])
            as t (case_id, district, facts_version, kind, track, topic, lawful_route, flags, query_code,
                anonymous, sms_consent, dossier_version, agreed)
        order by case_id
        on conflict (case_id) do update set
            facts_version = excluded.facts_version, kind = excluded.kind, track = excluded.track,
            topic = excluded.topic, lawful_route = excluded.lawful_route, flags = excluded.flags,
            query_code = excluded.query_code, anonymous = excluded.anonymous,
            sms_consent = excluded.sms_consent, dossier_version = excluded.dossier_version,
            respondent_agreed = excluded.respondent_agreed
        """,
        [case.case_id for case in cases],
        [case.district for case in cases],
        [case.facts.version if case.facts else None for case in cases],
        [each.kind for each in facts],
        [each.track for each in facts],
        [each.topic for each in facts],
        [each.lawful_route for each in facts],
        # An array of arrays of different lengths is nothing that PostgreSQL takes; codes hold no comma.
        [",".join(each.flags) for each in facts],
        [each.query_code for each in facts],
        [each.anonymous for each in facts],
        [each.sms_consent for each in facts],
        [each.dossier_version for each in facts],
        [case.respondent_agreed for case in cases],
    )


async def _insert_messages(tx: Tx, rows: Sequence[tuple[Message, Correspondence]]) -> None:
    if not rows:
        return
    messages = [message for message, _ in rows]
    await tx.execute(
        """
        insert into message (message_id, case_id, district, template, party, trigger, trigger_version,
            "values", state, reason, planned_at, changed_at, not_before, attempts, allowed, repeat, trace)
        select * from unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[], $5::text[], $6::text[],
            $7::int[], $8::json[], $9::text[], $10::text[], $11::timestamptz[], $12::timestamptz[],
            $13::timestamptz[], $14::smallint[], $15::smallint[], $16::smallint[], $17::text[])
        order by 1
        """,
        [message.id for message in messages],
        [case.case_id for _, case in rows],
        [case.district for _, case in rows],
        [message.template for message in messages],
        [message.party for message in messages],
        [message.trigger for message in messages],
        [message.trigger_version for message in messages],
        [orjson.dumps(dict(message.values)).decode() for message in messages],
        [message.state for message in messages],
        [message.reason for message in messages],
        [message.planned_at for message in messages],
        [message.changed_at for message in messages],
        [message.not_before for message in messages],
        [message.attempts for message in messages],
        [message.allowed for message in messages],
        [message.repeat for message in messages],
        [message.trace for message in messages],
    )


async def _update_messages(tx: Tx, messages: Sequence[Message]) -> None:
    if not messages:
        return
    rows = sorted(messages, key=lambda message: message.id)
    await tx.execute(
        """
        update message m set state = n.state, reason = n.reason, planned_at = n.planned_at,
            changed_at = n.changed_at, not_before = n.not_before, attempts = n.attempts,
            allowed = n.allowed, answered_at = n.answered_at
        from unnest($1::uuid[], $2::text[], $3::text[], $4::timestamptz[], $5::timestamptz[],
            $6::timestamptz[], $7::smallint[], $8::smallint[], $9::timestamptz[])
            as n (message_id, state, reason, planned_at, changed_at, not_before, attempts, allowed,
                answered_at)
        where m.message_id = n.message_id
        """,
        [message.id for message in rows],
        [message.state for message in rows],
        [message.reason for message in rows],
        [message.planned_at for message in rows],
        [message.changed_at for message in rows],
        [message.not_before for message in rows],
        [message.attempts for message in rows],
        [message.allowed for message in rows],
        [message.answered_at for message in rows],
    )


async def _save_attempts(tx: Tx, messages: Iterable[Message]) -> None:
    rows = sorted(
        ((message.id, message.attempt) for message in messages if message.attempt), key=lambda row: row[0]
    )
    if not rows:
        return
    attempts = [attempt for _, attempt in rows]
    await tx.execute(
        """
        insert into attempt (message_id, number, at, outcome, code, ended_at)
        select * from unnest($1::uuid[], $2::smallint[], $3::timestamptz[], $4::text[], $5::text[],
            $6::timestamptz[])
        order by 1, 2
        on conflict (message_id, number) do update set
            outcome = excluded.outcome, code = excluded.code, ended_at = excluded.ended_at
        """,
        [message_id for message_id, _ in rows],
        [attempt.number for attempt in attempts],
        [attempt.at for attempt in attempts],
        [attempt.outcome for attempt in attempts],
        [attempt.code for attempt in attempts],
        [attempt.ended_at for attempt in attempts],
    )
