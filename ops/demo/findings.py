"""What became of a case, read from the doors of all services when everything has happened."""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import chain
from typing import Any, NamedTuple

from ops.demo import sms
from ops.demo.doors import Doors
from ops.demo.sms import Sms
from ops.demo.trail import Trail
from ops.demo.waiting import Trouble, awaited

SETTLED = frozenset({"delivered", "suppressed", "failed", "expired"})
"""States in which a message stays."""


class Happening(NamedTuple):
    """Something that happened, and the state of the case after it."""

    at: datetime
    event: str
    state: str


@dataclass(frozen=True, slots=True)
class Findings:
    """A case as it stands: `values` by the names of `compare.COMPARED`, the rest for people to read.

    `names` are those of the organisations in `attempts`.
    """

    values: Mapping[str, Any]
    query_code: str
    attempts: Sequence[Mapping[str, Any]]
    names: Mapping[str, str]
    timeline: Sequence[Happening]
    messages: Sequence[Sms]
    suppressed: Sequence[Mapping[str, Any]]


async def find(doors: Doors, trails: Sequence[Trail]) -> list[Findings | None]:
    """What became of each case; None for one that was never entered or that a service does not show.

    The messages of all cases are known first: an SMS is a case's own only if it is no other's.
    """
    messages = await asyncio.gather(*(trail.attempt(_messages(doors, trail)) for trail in trails))
    got = sms.received(chain.from_iterable(found or () for found in messages), await doors.ledger())
    told = zip(trails, messages, strict=True)
    return await asyncio.gather(
        *(trail.attempt(_of_one(doors, trail, own or [], got)) for trail, own in told)
    )


async def settled(doors: Doors, case_id: str) -> list[dict[str, Any]]:
    """The messages of a case once none of them is on its way any more."""

    async def look() -> list[dict[str, Any]]:
        told = await doors.messages(case_id)
        return told if all(message["state"] in SETTLED for message in told) else []

    return await awaited(look, "the end of every message")


async def _messages(doors: Doors, trail: Trail) -> list[dict[str, Any]]:
    return await settled(doors, _entered(trail))


async def _of_one(
    doors: Doors, trail: Trail, messages: Sequence[Mapping[str, Any]], got: Sequence[Sms]
) -> Findings:
    case_id = _entered(trail)
    intake = (await doors.intake.get(f"/v1/cases/{case_id}")).body
    attempts = (await doors.routing.get(f"/v1/cases/{case_id}/assignments")).body["items"]
    mediation = await doors.at_mediation(case_id)
    mine = [one for one in got if one.concerns(case_id, trail.phone)]
    suppressed = [message for message in messages if message["state"] == "suppressed"]
    return Findings(
        values=_of_intake(intake)
        | _of_routing(attempts)
        | {
            "sms_allowed": all(message["party"] != "applicant" for message in suppressed),
            "first_messages": [
                one.template for one in mine if one.among_first(trail.intake, trail.mediation)
            ],
        },
        query_code=intake["query_code"],
        attempts=attempts,
        names=await _names(doors, {attempt["org_id"] for attempt in attempts if attempt["org_id"]}),
        timeline=[*_at_intake(intake), *_at_mediation(mediation)],
        messages=mine,
        suppressed=suppressed,
    )


def _entered(trail: Trail) -> str:
    if trail.case_id is None:
        raise Trouble("the case was not entered")
    return trail.case_id


async def _names(doors: Doors, org_ids: Iterable[str]) -> dict[str, str]:
    found = {org_id: (await doors.routing.get(f"/v1/organisations/{org_id}")).body for org_id in org_ids}
    return {org_id: f"{org['name']} {org['name_en']}" for org_id, org in found.items()}


def _of_intake(case: Mapping[str, Any]) -> dict[str, Any]:
    names = ("kind", "category", "topic", "grid", "flags", "urgency", "state", "reason_code", "lawful_route")
    return {name: case[name] for name in names}


def _of_routing(attempts: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Where the rule sent the case at first: an organisation, or to whom it referred it."""
    first = attempts[0] if attempts else {}
    referral = first.get("referral") or {}
    return {
        "target_type": first.get("org_type") or referral.get("type"),
        "target_organisation": first.get("org_id") or referral.get("org_id"),
        "co_target_types": [co["type"] for co in first.get("co_mediators", ())],
    }


def _at_intake(case: Mapping[str, Any]) -> list[Happening]:
    registered = Happening(_time(case["registered_at"]), "case.registered", "registered")
    if not case["accepted_at"]:
        return [registered]
    return [registered, Happening(_time(case["accepted_at"]), "case.accepted", "accepted")]


def _at_mediation(case: Mapping[str, Any] | None) -> list[Happening]:
    told = case["timeline"] if case else []
    return [Happening(_time(event["timestamp"]), event["type"], event["data"]["state"]) for event in told]


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text)
