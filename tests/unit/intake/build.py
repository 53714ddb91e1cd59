"""Cases, people and moments for the tests of intake's rules."""

import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from functools import cache
from itertools import count
from pathlib import Path
from typing import Any
from uuid import UUID

from libs.clocks.calendar import Calendar
from libs.clocks.rules import RuleBook
from libs.db.work import Actor, Decision, Moment, State
from services.intake.domain.case import Case, Note, Sealed
from services.intake.domain.people import personal
from services.intake.domain.reference import FILES, Reference, reference
from services.intake.domain.registration import Neighbours, Register, judge, register
from services.intake.domain.statement import Statement

DATA = Path(__file__).parents[3] / "data"
DISTRICT = "990101"
NOW = datetime(2026, 3, 2, 2, 0, tzinfo=UTC)
"""Monday, 10:00 local time."""

CASE = UUID("019c2b6e-7001-7001-8001-000000000001")
OTHER = UUID("019c2b6e-7001-7001-8001-000000000002")
_IDS = count(1)


@cache
def known() -> Reference:
    """The reference of `data/`."""
    files = {name: json.loads((DATA / f"{name}.json").read_text("utf-8")) for name in FILES}
    return reference(files, RuleBook.load(DATA / "deadlines.json"), Calendar.load(DATA))


@cache
def samples() -> Mapping[int, Mapping[str, Any]]:
    """The sample cases by number."""
    cases = json.loads((DATA / "sample_cases.json").read_text("utf-8"))["cases"]
    return {case["no"]: case for case in cases}


def actor(*roles: str, districts: frozenset[str] = frozenset({DISTRICT})) -> Actor:
    """A member of staff; an operator unless told otherwise."""
    return Actor("staff", "somebody", frozenset(roles or ("operator",)), districts=districts)


def moment(
    *roles: str,
    version: int = 1,
    now: datetime = NOW,
    others: Mapping[UUID, Case] | None = None,
    shared: Neighbours | None = None,
    districts: frozenset[str] = frozenset({DISTRICT}),
) -> Moment:
    """What a decision is told."""
    return Moment(
        now=now,
        actor=actor(*roles, districts=districts),
        version=version,
        new_id=new_id,
        others=others or {},
        shared=shared or Neighbours(),
    )


def new_id() -> UUID:
    """A fresh id; the tests' chance."""
    return UUID(int=next(_IDS))


def said(**fields: Any) -> Statement:
    """A statement with the two fields that are asked for, and whatever the test says."""
    return Statement.model_validate({"channel": "phone", "narrative": "门前路灯不亮", **fields})


def command(
    case_id: UUID = CASE, *, now: datetime = NOW, codes: tuple[str, ...] = ("K7M2P9QX",), **fields: Any
) -> Register:
    """The command that a statement becomes; the seals are empty shells."""
    statement = said(**fields)
    told = personal(statement)
    return Register(
        known=known(),
        case_id=case_id,
        district=DISTRICT,
        judgement=judge(statement, told.phone, known(), known().places[DISTRICT], now),
        query_codes=codes,
        happened_on=statement.happened_on,
        origin=None,
        portal=None,
        sealed=Sealed(1, b"key", b"applicant", b"story"),
        dossier=None if statement.kind == "REP" else dossier(case_id, 1),
        ruling=statement.decision,
        note=None,
    )


def dossier(case_id: UUID = CASE, version: int = 2) -> State:
    """A dossier record; what is in it does not matter to a decision."""
    return State("intake.dossier.v1", str(case_id), version, b"{}")


def registered(case_id: UUID = CASE, *, roles: tuple[str, ...] = (), **fields: Any) -> Case:
    """A case as a later decision finds it: without what the registration wrote."""
    decision = register(None, command(case_id, **fields), moment(*roles, version=0))
    return kept(decision)


def accepted(case_id: UUID = CASE, **fields: Any) -> Case:
    """An accepted dispute."""
    return registered(case_id, **{"kind": "DIS", "decision": {"action": "accept"}, **fields})


def kept(decision: Decision[Case]) -> Case:
    """The case as the store would load it after this decision."""
    assert decision.case is not None
    return replace(decision.case, sealed=None, notes=())


def note(act: str = "reason") -> Note:
    """A sealed text."""
    return Note(new_id(), act, NOW, "staff:somebody", b"sealed")
