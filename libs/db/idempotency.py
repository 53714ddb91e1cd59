"""A repeated request gets the first answer again: key and effect are one transaction (G4)."""

from collections.abc import Mapping, Sequence
from typing import Any

import orjson

from libs.db.pool import Tx
from libs.db.work import IdempotencyKey, Outcome
from libs.web.errors import FieldError, InProgress, KeyReused, Refusal, Title

Answer = Outcome | Refusal


async def claim(tx: Tx, keys: Sequence[IdempotencyKey]) -> dict[bytes, Answer]:
    """Take the keys for this transaction; the answer for each that needs no work, by scope.

    A key that another process holds right now answers `InProgress` alone; one whose request was answered
    gives the first answer, or `KeyReused` when the body differs.
    """
    if not keys:
        return {}
    by_scope = {key.scope: key for key in keys}
    scopes = sorted(by_scope)
    # The lock is a statement of its own before the read: the read's snapshot must be younger than the lock.
    locked = await tx.fetch(
        "select scope, pg_try_advisory_xact_lock(number) as mine "
        "from unnest($1::bytea[], $2::bigint[]) as t (scope, number)",
        scopes,
        [int.from_bytes(scope[:8], "big", signed=True) for scope in scopes],
    )
    answers: dict[bytes, Answer] = {
        row["scope"]: InProgress(retry_after=1) for row in locked if not row["mine"]
    }
    rows = await tx.fetch(
        "select scope, body, status, answer, version, location from idempotency where scope = any($1)", scopes
    )
    for row in rows:
        same = row["body"] == by_scope[row["scope"]].body
        answers[row["scope"]] = of_row(row) if same else KeyReused()
    return answers


async def first_answer(tx: Tx, key: IdempotencyKey) -> Outcome | None:
    """Take one key; what its request was answered before, None when there is work to do.

    Raises the refusal that it got, `InProgress` and `KeyReused`.
    """
    answer = (await claim(tx, [key])).get(key.scope)
    if isinstance(answer, Refusal):
        raise answer
    return answer


async def keep(tx: Tx, answers: Sequence[tuple[IdempotencyKey, Answer]]) -> None:
    """Store first answers. They hold no personal field; answers of 500 and above are never stored."""
    if not answers:
        return
    rows = sorted((to_row(key, answer) for key, answer in answers), key=lambda row: row["scope"])
    await tx.execute(
        """
        insert into idempotency (scope, body, status, answer, version, location)
        select * from unnest($1::bytea[], $2::bytea[], $3::smallint[], $4::json[], $5::int[], $6::text[])
        """,
        *(
            [row[column] for row in rows]
            for column in ("scope", "body", "status", "answer", "version", "location")
        ),
    )


def to_row(key: IdempotencyKey, answer: Answer) -> dict[str, Any]:
    """An answer in the form in which it is kept."""
    if isinstance(answer, Refusal):
        refused = {
            "code": answer.code,
            "title": [answer.title.zh, answer.title.en],
            "detail": answer.detail,
            "errors": [[e.pointer, e.code, e.detail] for e in answer.errors],
            "extra": answer.extra,
        }
        kept, version, location = {"refused": refused}, 0, None
    else:
        kept, version, location = {"body": answer.body}, answer.version, answer.location
    return {
        "scope": key.scope,
        "body": key.body,
        "status": answer.status,
        "answer": orjson.dumps(kept, option=orjson.OPT_PASSTHROUGH_DATACLASS, default=str).decode(),
        "version": version,
        "location": location,
    }


def of_row(row: Mapping[str, Any]) -> Answer:
    """The first answer, as it is given to a repeated request."""
    stored = orjson.loads(row["answer"])
    refused = stored.get("refused")
    if refused is None:
        return Outcome(row["status"], stored["body"], row["version"], True, row["location"])
    return Refusal(
        refused["detail"],
        code=refused["code"],
        status=row["status"],
        title=Title(*refused["title"]),
        errors=[FieldError(*error) for error in refused["errors"]],
        replayed=True,
        **refused["extra"],
    )
