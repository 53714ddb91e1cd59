"""Routing's cases on a real database: what is written, loads under concurrent workers, needs, notes."""

import asyncio
from collections import Counter
from contextlib import suppress
from typing import Any
from uuid import UUID

import orjson
import pytest

from libs.db.pool import Database, Tx
from libs.db.work import Actor
from libs.messaging.consumer import StateRecord
from libs.privacy.dossier import DossierRefused, seal_compartment
from libs.runtime.loops import Pulse
from services.routing.consumers import Resume
from services.routing.domain.board import Board, Needs
from services.routing.domain.case import Status
from services.routing.handlers import CHOOSE_BY_HAND
from services.routing.handlers.cases import ChooseOrganisation
from services.routing.handlers.registry import Act
from services.routing.store.cases import CaseStore
from services.routing.store.needs import released
from tests.component.routing_kit import Kit, ids, keyring, labour
from tests.support.wait import until
from tests.unit.routing.build import DISTRICT, MONDAY
from tests.unit.routing.play import facts

SUPERVISOR = Actor("staff", "supervisor", frozenset({"supervisor"}), districts=frozenset({DISTRICT}))


@pytest.fixture
async def base(database: Any) -> Database:
    made: Database = await database("routing")
    return made


@pytest.fixture
async def kit(base: Database) -> Kit:
    return Kit(base, keyring())


async def statuses(kit: Kit) -> Counter[str]:
    return Counter(row["status"] for row in await kit.rows("select status from routing_case"))


async def offers_of(kit: Kit, case_id: UUID) -> list[tuple[str | None, str]]:
    rows = await kit.rows("select org_id, result from assignment where case_id = $1 order by number", case_id)
    return [(row["org_id"], row["result"]) for row in rows]


async def test_an_accepted_case_is_written_with_its_attempt_event_and_load(kit: Kit) -> None:
    await kit.seed(labour("LAB-1"), labour("LAB-2", paused=True))
    [case_id] = ids(1)
    await kit.accept(case_id)
    assert await offers_of(kit, case_id) == [("LAB-1", "pending")]
    load = await kit.row("select * from org_load where org_id = 'LAB-1'")
    assert (load["open"], load["new"], load["day"], load["last_at"]) == (1, 1, MONDAY.date(), MONDAY)
    event = await kit.row("select type, version, payload from event where case_id = $1", case_id)
    assert (event["type"], event["version"]) == ("assignment.proposed", 1)
    assert orjson.loads(event["payload"])["out"] == [{"org_id": "LAB-2", "reasons": ["PAUSED"]}]
    assert await kit.row("select 1 from outbox where kind = 'event'")


async def test_a_case_comes_back_from_the_store_as_it_was(kit: Kit) -> None:
    await kit.seed(labour("LAB-1"))
    case_id, waiting, closed = ids(3)
    await kit.accept(case_id)
    await kit.accept(waiting, has_needs=True, dossier_version=1)
    await kit.close(closed)
    async with kit.database.transaction() as tx:
        cases = await kit.store.load(tx, [case_id, waiting, closed])
    assert {c: case.status for c, case in cases.items()} == {
        case_id: Status.PROPOSED,
        waiting: Status.WAITING_NEEDS,
        closed: Status.CLOSED,
    }
    assert cases[case_id].facts == facts()
    assert cases[closed].facts is None


async def test_one_batch_decides_on_running_figures(kit: Kit) -> None:
    await kit.seed(labour("LAB-1", capacity=2), labour("LAB-2", capacity=3))
    cases = ids(7)
    await kit.accept(*cases)
    assert await kit.open_cases() == {"LAB-1": 2, "LAB-2": 3}
    assert await statuses(kit) == {"proposed": 5, "exhausted": 2}


async def test_the_offers_of_a_day_are_bounded(kit: Kit) -> None:
    await kit.seed(labour("LAB-1", capacity=50, new_per_day=3))
    cases = ids(5)
    await kit.accept(*cases)
    await kit.close(*cases)
    assert await kit.open_cases() == {}
    assert (await kit.row("select new from org_load"))["new"] == 3
    await kit.accept(*ids(1))
    assert await kit.open_cases() == {}


async def test_g5_two_workers_and_a_burst_never_exceed_a_capacity(base: Database) -> None:
    keys = keyring()
    workers = [Kit(base, keys), Kit(base, keys)]
    capacities = {"LAB-1": 40, "LAB-2": 25, "LAB-3": 60}
    await workers[0].seed(*(labour(org_id, capacity=capacity) for org_id, capacity in capacities.items()))
    cases = ids(400)

    async def work(worker: Kit, mine: list[UUID]) -> None:
        for start in range(0, len(mine), 25):
            await worker.accept(*mine[start : start + 25])

    await asyncio.gather(work(workers[0], list(cases[:200])), work(workers[1], list(cases[200:])))
    assert await workers[0].open_cases() == capacities
    assert await statuses(workers[0]) == {"proposed": 125, "exhausted": 275}
    held = await workers[0].rows(
        "select org_id, count(*) from assignment where result = 'pending' group by 1"
    )
    assert {row["org_id"]: row["count"] for row in held} == capacities


async def test_the_last_place_goes_to_one_of_two_that_decide_at_once(base: Database) -> None:
    keys, both_decide = keyring(), asyncio.Event()

    class Meeting(CaseStore):
        """Holds a batch between its board and its decision until the other one is there as well."""

        async def share(self, tx: Tx, works: Any) -> Board:
            board = await super().share(tx, works)
            here.append(board)
            if len(here) == 2:
                both_decide.set()
            with suppress(TimeoutError):  # the other cannot come while this one has the loads
                await asyncio.wait_for(both_decide.wait(), 0.5)
            return board

    here: list[Board] = []
    workers = [Kit(base, keys), Kit(base, keys)]
    await workers[0].seed(labour("LAB-1", capacity=1))
    for worker in workers:
        worker.use(Meeting(worker.boards, keys))
    await asyncio.gather(*(worker.accept(case_id) for worker, case_id in zip(workers, ids(2), strict=True)))
    assert await workers[0].open_cases() == {"LAB-1": 1}
    assert await statuses(workers[0]) == {"proposed": 1, "exhausted": 1}


async def test_returns_and_closes_of_one_worker_do_not_cross_a_burst_of_another(base: Database) -> None:
    keys = keyring()
    one, two = Kit(base, keys), Kit(base, keys)
    await one.seed(labour("LAB-1", capacity=15), labour("LAB-2", capacity=15))
    first = list(ids(30))
    await one.accept(*first)

    async def end_all() -> None:
        for start in range(0, 30, 10):
            await one.close(*first[start : start + 10])

    async def begin_more() -> None:
        for _ in range(6):
            await two.accept(*ids(10))

    await asyncio.gather(end_all(), begin_more())
    held = await one.rows("select org_id, count(*) from assignment where result = 'pending' group by 1")
    assert {row["org_id"]: row["count"] for row in held} == await one.open_cases()
    assert all(row["count"] <= 15 for row in held)


async def test_a_returned_case_goes_to_the_next_and_then_to_the_duty_desk(kit: Kit) -> None:
    await kit.seed(labour("LAB-1"), labour("LAB-2"), labour("LAB-3"))
    [case_id] = ids(1)
    await kit.accept(case_id)
    await kit.give_back(case_id)
    await kit.give_back(case_id)
    assert await offers_of(kit, case_id) == [
        ("LAB-1", "returned"),
        ("LAB-2", "returned"),
        (None, "exhausted"),
    ]
    assert await kit.open_cases() == {}
    types = [
        row["type"]
        for row in await kit.rows("select type from event where case_id = $1 order by id", case_id)
    ]
    assert types == ["assignment.proposed", "assignment.proposed", "assignment.exhausted"]


# --- needs --------------------------------------------------------------------------------------------------


def record(kit: Kit, case_id: UUID, version: int, needs: dict[str, object] | None, **odd: Any) -> StateRecord:
    """A dossier with the needs sealed for routing, or without any."""
    compartments: dict[str, Any] = {}
    if needs is not None:
        sealed = seal_compartment(
            kit.keys, "routing", odd.get("of", case_id), "needs", odd.get("sealed_version", version), needs
        )
        compartments = {"needs": {"routing": sealed}}
    value = {
        "case_id": str(case_id),
        "district": DISTRICT,
        "version": version,
        "compartments": compartments,
    }
    return StateRecord(str(case_id), version, orjson.dumps(value))


async def apply(kit: Kit, *records: StateRecord) -> list[UUID]:
    async with kit.database.transaction() as tx:
        return list(await kit.needs.apply(tx, records))


async def known(kit: Kit, case_id: UUID) -> tuple[int, Needs] | None:
    async with kit.database.read() as tx:
        copy = (await kit.needs.read(tx, [case_id])).get(case_id)
    return (copy.version, copy.needs) if copy else None


YI = {"language": "ii", "language_help": True, "ethnic_support": True, "mode": "phone"}


async def test_needs_are_kept_sealed_and_open_for_the_rule(kit: Kit) -> None:
    [case_id] = ids(1)
    await apply(kit, record(kit, case_id, 3, YI))
    assert await known(kit, case_id) == (3, Needs("ii", "phone", True))
    row = await kit.row("select sealed from needs")
    assert b"ii" not in row["sealed"]
    assert b"phone" not in row["sealed"]


async def test_only_a_newer_dossier_counts(kit: Kit) -> None:
    [case_id] = ids(1)
    await apply(kit, record(kit, case_id, 3, YI))
    await apply(kit, record(kit, case_id, 2, {"language": "bo"}))
    assert await known(kit, case_id) == (3, Needs("ii", "phone", True))
    await apply(kit, record(kit, case_id, 4, None))
    assert await known(kit, case_id) == (4, Needs())


async def test_erased_needs_never_come_back(kit: Kit) -> None:
    [case_id] = ids(1)
    await apply(kit, record(kit, case_id, 3, YI))
    await apply(kit, StateRecord(str(case_id), 4, None))
    await apply(kit, record(kit, case_id, 5, YI))
    row = await kit.row("select version, erased, sealed, data_key from needs")
    assert tuple(row) == (4, True, None, None)
    assert await known(kit, case_id) == (4, Needs())


async def test_a_compartment_of_another_case_or_version_is_refused(kit: Kit) -> None:
    case_id, other = ids(2)
    for odd in ({"of": other}, {"sealed_version": 2}):
        with pytest.raises(DossierRefused):
            await apply(kit, record(kit, case_id, 3, YI, **odd))
    assert await known(kit, case_id) is None


async def test_arriving_needs_let_the_waiting_case_go_on(kit: Kit) -> None:
    await kit.seed(labour("LAB-1"), labour("LAB-2", languages=["zh", "ii"]))
    case_id, other = ids(2)
    await kit.accept(case_id, has_needs=True, dossier_version=2)
    await kit.accept(other, has_needs=True, dossier_version=5)
    assert await apply(kit, record(kit, case_id, 1, YI)) == []
    arrived = await apply(kit, record(kit, case_id, 2, YI), record(kit, other, 4, YI))
    assert arrived == [case_id]
    await resume(kit).arrived(arrived)
    assert await offers_of(kit, case_id) == [("LAB-2", "pending")]
    assert await offers_of(kit, other) == []


async def test_needs_that_came_first_hold_nothing_up(kit: Kit) -> None:
    await kit.seed(labour("LAB-1"), labour("LAB-2", languages=["zh", "ii"]))
    [case_id] = ids(1)
    await apply(kit, record(kit, case_id, 2, YI))
    await kit.accept(case_id, has_needs=True, dossier_version=2)
    assert await offers_of(kit, case_id) == [("LAB-2", "pending")]


async def test_a_case_that_a_crash_left_waiting_goes_on_by_itself(kit: Kit) -> None:
    await kit.seed(labour("LAB-1", languages=["ii"]))
    [case_id] = ids(1)
    await kit.accept(case_id, has_needs=True, dossier_version=1)
    await apply(kit, record(kit, case_id, 1, YI))  # and nobody is told
    pulse = Pulse(lambda: None)
    looking = asyncio.create_task(resume(kit).look(pulse))
    await until(lambda: offers_of(kit, case_id))
    pulse.stop()
    await looking
    assert await offers_of(kit, case_id) == [("LAB-1", "pending")]


def resume(kit: Kit) -> Resume:
    async def waiting(case_ids: Any) -> Any:
        async with kit.database.read() as tx:
            return await released(tx, case_ids)

    return Resume(kit.shell, waiting, lambda: MONDAY)


# --- a person's choice --------------------------------------------------------------------------------------


async def test_a_person_s_words_are_sealed_audited_when_read_and_erased_with_the_case(kit: Kit) -> None:
    await kit.seed(labour("LAB-1"), labour("LAB-2"))
    [case_id] = ids(1)
    await kit.accept(case_id)
    [result] = await kit.run(CHOOSE_BY_HAND, (case_id, ChooseOrganisation("LAB-2", "周某更信任该会")))
    assert result.outcome is not None
    assert "周某" not in str(result.outcome.body)
    dump = await kit.row("select note from assignment where number = 2")
    assert "周某".encode() not in dump["note"]
    reading = Act(SUPERVISOR, MONDAY, "assignment.notes_read")
    seen = await kit.views.attempts(case_id, reading)
    assert [(a["attempt"], a["note"], a["by_person"]) for a in seen] == [
        (1, None, None),
        (2, "周某更信任该会", "routing"),
    ]
    assert seen[1]["because"] == {"code": "PERSON", "zh": "由督办员指定", "en": "chosen by a supervisor"}
    await apply(kit, StateRecord(str(case_id), 9, None))
    assert [a["note"] for a in await kit.views.attempts(case_id, reading)] == [None, None]
    audits = await kit.rows(
        "select actor, action, case_id from audit where case_id is not null order by action"
    )
    assert [tuple(row) for row in audits] == [
        ("service:routing", "assignment.chosen", case_id),
        ("staff:supervisor", "assignment.notes_read", case_id),
    ]
