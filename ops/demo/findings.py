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


async def find(doors: Doors, trails: Mapping[int, Trail]) -> list[Findings | None]:
    """What became of each case, by its number; None for one that was never entered or that no service shows.

    The messages of all cases and their children are known first: an SMS is a case's own only if it is no
    other's.
    """
    messages = await asyncio.gather(*(trail.attempt(_messages(doors, trail)) for trail in trails.values()))
    of_children = await asyncio.gather(
        *(trail.attempt(_messages_of_children(doors, trail)) for trail in trails.values())
    )
    every = chain.from_iterable(found or () for found in (*messages, *of_children))
    got = sms.received(every, await doors.ledger())
    told = zip(trails.values(), messages, strict=True)
    numbers = {trail.case_id: number for number, trail in trails.items() if trail.case_id}
    return await asyncio.gather(
        *(trail.attempt(_of_one(doors, trail, own or [], got, numbers)) for trail, own in told)
    )


async def settled(doors: Doors, case_id: str) -> list[dict[str, Any]]:
    """The messages of a case once none of them is on its way any more."""

    async def look() -> list[dict[str, Any]]:
        told = await doors.messages(case_id)
        return told if all(message["state"] in SETTLED for message in told) else []

    return await awaited(look, "the end of every message")


async def _messages(doors: Doors, trail: Trail) -> list[dict[str, Any]]:
    return await settled(doors, _entered(trail))


async def _messages_of_children(doors: Doors, trail: Trail) -> list[dict[str, Any]]:
    children = (await doors.intake.get(f"/v1/cases/{_entered(trail)}")).body["children"]
    found = await asyncio.gather(*(settled(doors, child["case_id"]) for child in children))
    return [message for messages in found for message in messages]


async def _of_one(
    doors: Doors,
    trail: Trail,
    messages: Sequence[Mapping[str, Any]],
    got: Sequence[Sms],
    numbers: Mapping[str, int],
) -> Findings:
    case_id = _entered(trail)
    intake = (await doors.intake.get(f"/v1/cases/{case_id}")).body
    attempts = await doors.attempts(case_id)
    mediation = await doors.at_mediation(case_id)
    mine = [one for one in got if one.concerns(case_id, trail.phone)]
    suppressed = [message for message in messages if message["state"] == "suppressed"]
    return Findings(
        values=_of_intake(intake, numbers)
        | await _route(doors, intake, attempts)
        | {
            "children": [await _child(doors, child) for child in intake["children"]],
            "offered": any(attempt["org_id"] for attempt in attempts),
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


def _of_intake(case: Mapping[str, Any], numbers: Mapping[str, int]) -> dict[str, Any]:
    names = ("kind", "category", "topic", "grid", "flags", "urgency", "state", "reason_code", "lawful_route")
    into = case["merged_into"]
    return {name: case[name] for name in names} | {
        "duplicate_of": numbers.get(into, into),
        "new_case_number": into is None,
    }


async def _route(
    doors: Doors, intake: Mapping[str, Any], attempts: Sequence[Mapping[str, Any]]
) -> dict[str, Any]:
    """Where the case went at first, and whether without a person's word: to an organisation or to whom the
    rule referred it; else to the body that intake directed it to, or with the case it was joined to."""
    if intake["merged_into"]:
        return _target((await doors.attempts(intake["merged_into"]))[0]) | {
            "co_target_types": [],
            "auto_route_allowed": False,
        }
    if attempts:
        return _target(attempts[0]) | {"auto_route_allowed": attempts[0]["org_id"] is not None}
    org_id = intake["directed_to"]
    org = (await doors.routing.get(f"/v1/organisations/{org_id}")).body if org_id else {"type": None}
    return {
        "target_type": org["type"],
        "target_organisation": org_id,
        "co_target_types": [],
        "auto_route_allowed": intake["state"] == "forwarded",
    }


def _target(attempt: Mapping[str, Any]) -> dict[str, Any]:
    referral = attempt["referral"] or {}
    return {
        "target_type": attempt["org_type"] or referral.get("type"),
        "target_organisation": attempt["org_id"] or referral.get("org_id"),
        "co_target_types": [co["type"] for co in attempt["co_mediators"]],
    }


CHILD_TYPES = {"DIS": "MEDIATION", "CON": "LEGAL_CONSULT", "PSY": "PSY_SUPPORT"}
"""The samples' words for a child, by its kind."""


async def _child(doors: Doors, child: Mapping[str, Any]) -> dict[str, Any]:
    """A child by its kind, and the type of the organisation that has it."""
    held = [attempt["org_type"] for attempt in await doors.attempts(child["case_id"]) if attempt["org_type"]]
    return {
        "type": CHILD_TYPES.get(child["kind"], child["kind"]),
        "kind": child["kind"],
        "target_type": held[-1] if held else None,
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
