"""`heshi audit verify` and `heshi republish`: the stored record checked, the stored events sent again."""

import asyncio
import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from uuid import UUID

from libs.db import auditlog
from libs.messaging import heads, outbox
from libs.messaging.producer import BrokerAway
from libs.messaging.reader import KafkaPlace
from libs.privacy.audit import AuditRow, Break, SignedHead, signing_key, verify
from libs.privacy.keyring import KeyMissing, Keyring
from ops.installation import Installation
from ops.stack.errors import StackError
from ops.stack.parts import SERVICES


@dataclass
class Verdict:
    """What a check found: how much there was, and each place that does not hold, with its service."""

    rows: int = 0
    heads: int = 0
    places: list[tuple[str, Break]] = field(default_factory=list)


def verify_all(services: Sequence[str]) -> Verdict:
    """Check every chain, one snapshot per service, against its head and all that were published before."""
    return asyncio.run(_verify(services or SERVICES))


async def _verify(services: Sequence[str]) -> Verdict:
    here, verdict = Installation.current(), Verdict()
    # Heads first: one that is published meanwhile would be ahead of the snapshot.
    published = await _published(here)
    keyring = Keyring.open(here.home.keys) if published else None
    for service in services:
        said = [each for each in published if each.service == service]
        verdict.heads += len(said)
        forged = [each.head for each in said if not _is_signed(each, keyring)]
        verdict.places += [(service, Break(head.chain, head.seq, "FORGED")) for head in forged]
        async with here.database(service) as database, database.transaction() as tx:
            await auditlog.one_snapshot(tx)
            for head in await auditlog.heads(tx):
                rows = await auditlog.rows(tx, service, head.chain)
                verdict.rows += len(rows)
                before = [s.head for s in said if s.head.chain == head.chain and s.head not in forged]
                verdict.places += [(service, place) for place in verify(rows, [head, *before])]
    return verdict


async def _published(here: Installation) -> list[SignedHead]:
    try:
        return await heads.published(KafkaPlace(here.kafka, os.environ.get("HESHI_TOPIC_PREFIX", "")))
    except BrokerAway as away:
        raise StackError(f"The published heads cannot be read: {away}.") from None


def _is_signed(said: SignedHead, keyring: Keyring | None) -> bool:
    try:
        return keyring is not None and said.signed_by(signing_key(keyring.by_kid(said.kid)).public_key())
    except KeyMissing:
        return False


def of_case(case_id: UUID) -> list[AuditRow]:
    """What every service's audit holds of a case, in the order of time: who did what, and who read it."""

    async def collect() -> list[AuditRow]:
        found: list[AuditRow] = []
        for service in SERVICES:
            async with Installation.current().database(service) as database, database.read() as tx:
                found += await auditlog.of_case(tx, service, case_id)
        return sorted(found, key=lambda row: row.at)

    return asyncio.run(collect())


def republish(service: str, since: datetime | None, case_id: UUID | None) -> int:
    """Point the service's relay to its stored events and states again; how many. Inboxes absorb repeats."""

    async def act() -> int:
        async with Installation.current().database(service) as database, database.transaction() as tx:
            moment = since.replace(tzinfo=UTC) if since else None
            return await outbox.republish(tx, since=moment, case_id=case_id)

    return asyncio.run(act())
