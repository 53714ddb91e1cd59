"""Portals: other systems that register matters by an API key and follow their own, and those alone.

A portal speaks for citizens, not for staff. It decides nothing, raises no flag by hand, and learns nothing of
what staff think of a matter: flags and urgency, other people's cases, clocks that tell of a danger.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from math import ceil
from typing import Any, Final

from libs.clocks.calendar import instant
from libs.db.work import Actor
from libs.messaging.deadline import next_due
from libs.web.errors import FieldError, Forbidden, Invalid, Refusal, Title
from services.intake.domain.case import Case
from services.intake.domain.statement import Statement

READ: Final = "read"
VERIFIED_PHONES: Final = "verified-phones"
"""The portal has asked each person for a code sent to the number: only a verified one gets SMS."""
WAYS: Final = frozenset({"web", "grid", "api"})
"""Channels by which a portal's matters come. A phone call, a visit or a letter is entered by who took it."""

SCOPES: Final = WAYS | {READ, VERIFIED_PHONES}
"""What a key may be good for: a way of registering, reading one's own cases, vouching for numbers."""
USUAL: Final = tuple(sorted(WAYS | {READ}))

WINDOW: Final = timedelta(hours=1)
MOST: Final = "PORTAL_REGISTRATIONS_PER_HOUR"
"""The limit of `limits.json`: registrations of one applicant's number by portals in `WINDOW`."""

OWED: Final = ("PET-NOTICE", "PET-FORWARD")
"""The clocks of what the law owes the person (XF22 art 23); the others are the house's own, and may tell of
a flag."""


class TooManyOfOneNumber(Refusal):
    """A portal registers one number's matters faster than any person has them; nobody else is refused."""

    STATUS, CODE, TITLE = (
        429,
        "too_many_registrations",
        Title("该号码登记过于频繁，请稍后再试或致电热线", "Too many matters of this number"),
    )


@dataclass(frozen=True, slots=True)
class ChannelKey:
    """An issued key of a portal, without its secret. `last_used_at` is right to a minute."""

    key_id: str
    channel: str
    district: str
    scopes: tuple[str, ...]
    shown: str
    issued_at: datetime
    expires_at: datetime | None = None
    revoked_at: datetime | None = None
    last_used_at: datetime | None = None

    def told(self) -> dict[str, Any]:
        """As the door answers it."""
        moments = ("issued_at", "expires_at", "revoked_at", "last_used_at")
        return {
            "channel": self.channel,
            "key_id": self.key_id,
            "district": self.district,
            "scopes": list(self.scopes),
            "shown": self.shown,
            **{name: instant(at) if (at := getattr(self, name)) else None for name in moments},
        }


def check_scopes(scopes: Sequence[str]) -> tuple[str, ...]:
    """The scopes of a new key, the usual ones where none is named; Invalid for what is none."""
    if faults := [
        FieldError(f"/scopes/{n}", "unknown_code") for n, s in enumerate(scopes) if s not in SCOPES
    ]:
        raise Invalid(errors=faults)
    return tuple(sorted(set(scopes))) or USUAL


def credential(actor: Actor, district: str) -> str:
    """Within what an outside number is unique for ever: the person, or the portal with all its keys."""
    return f"portal:{district}/{actor.portal}" if actor.portal else actor.label()


def check_portal(said: Statement, actor: Actor) -> None:
    """Let pass what this actor may say: staff everything, a portal what citizens say and its key allows.

    Raises Forbidden for a key that registers nothing, Invalid with all fields that are not a portal's.
    """
    if actor.portal is None:
        return
    if actor.scopes.isdisjoint(WAYS):
        raise Forbidden
    if faults := list(_not_a_portals(said, actor)):
        raise Invalid(errors=faults)


def _not_a_portals(said: Statement, actor: Actor) -> Iterator[FieldError]:
    if said.channel not in actor.scopes & WAYS:
        yield FieldError("/channel", "not_for_key")
    if said.applicant.phone_verified and VERIFIED_PHONES not in actor.scopes:
        yield FieldError("/applicant/phone_verified", "not_for_key")
    if said.decision is not None:
        yield FieldError("/decision", "staff_only")
    if said.flags:
        yield FieldError("/flags", "staff_only")


def check_pace(before: Sequence[datetime], most: int, now: datetime) -> None:
    """Raise TooManyOfOneNumber when `most` matters of a number, newest first, came within `WINDOW`.

    Whoever is refused here is registered by the call centre, where no such limit is (XF22 art 44(1)).
    """
    if len(before) >= most and (wait := before[most - 1] + WINDOW - now) > timedelta():
        raise TooManyOfOneNumber(retry_after=ceil(wait.total_seconds()))


def told_to_portal(case: Case, version: int) -> dict[str, Any]:
    """A case as its portal sees it, by its own number too."""
    number = case.origin.external_ref if case.origin else None
    return {**answer_to_portal(case, version), "external_ref": number}


def answer_to_portal(case: Case, version: int) -> dict[str, Any]:
    """Number, codes that the citizen chose or hears of, state and dates. It may be stored: the portal's own
    number, which may be anything, is not in it."""
    facts = case.facts
    due = next_due({rule: clock for rule, clock in case.deadlines.items() if rule in OWED})
    return {
        "case_id": str(case.case_id),
        "district": case.district,
        "query_code": facts.query_code,
        "channel": facts.channel,
        "kind": facts.kind,
        "category": facts.category,
        "grid": facts.grid,
        "state": case.state,
        "version": version,
        "received_at": instant(facts.received_at),
        "registered_at": instant(facts.registered_at),
        "accepted_at": instant(facts.accepted_at) if facts.accepted_at else None,
        "due": {"rule": due.rule, "due_at": instant(due.due_at)} if due else None,
        "reason_code": case.reason_code,
        "directed_to": case.directed_to,
    }
