"""The console's read model on a real database: repeats, disorder, concurrent workers, who sees what."""

import asyncio
import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from uuid_utils.compat import uuid7

from libs.db.pool import Database
from libs.events.base import Payload
from libs.events.envelope import Envelope
from services.console.domain.access import Scope, Session, Tries
from services.console.domain.board import CaseRow
from services.console.store import NEWEST, PRESSING, CaseViews, SessionStore, narrowed
from tests.unit.console.test_board import after, intake, mediation, notify

ALL = Scope(frozenset({"990101"}), ordinary=True, sealed=False)
NOW = datetime(2026, 2, 5, 2, tzinfo=UTC)

Event = tuple[Envelope, Payload]


def event(case_id: UUID, version: int, payload: Payload, minutes: int = 0) -> Event:
    payload = payload.model_copy(update={"case_id": case_id})
    at = NOW + timedelta(minutes=minutes)
    source = f"/services/{payload.TOPIC.partition('.')[0]}"
    return Envelope(uuid7(), payload.TYPE, source, case_id, version, at, payload.TOPIC), payload


@pytest.fixture
async def console(database: Any) -> Database:
    opened: Database = await database("console")
    return opened


@pytest.fixture
def views(console: Database) -> CaseViews:
    return CaseViews(console)


async def tell(console: Database, views: CaseViews, *events: Event) -> None:
    async with console.transaction() as tx:
        await views.apply(tx, events)


async def rows(views: CaseViews, scope: Scope = ALL) -> dict[UUID, CaseRow]:
    newest, _ = await views.newest(scope)
    return {row.case_id: row for row in newest}


async def test_the_row_is_what_the_rules_say(console: Database, views: CaseViews) -> None:
    case_id = uuid7()
    told = (intake("case.registered"), mediation("case.taken_up"), notify("message.sent"))
    await tell(console, views, *(event(case_id, 1, payload) for payload in told))
    expected = replace(after(*told, row=CaseRow(case_id, "990101")), message_at=NOW)
    assert (await rows(views))[case_id] == expected


async def test_a_batch_that_comes_again_changes_nothing(console: Database, views: CaseViews) -> None:
    case_id = uuid7()
    batch = [event(case_id, 1, intake("case.registered")), event(case_id, 2, intake("case.accepted"))]
    await tell(console, views, *batch)
    before = await rows(views)
    _, horizon = await views.newest(ALL)
    await tell(console, views, *batch)
    await tell(console, views, batch[0])
    assert await rows(views) == before
    assert (await views.changed(ALL, horizon))[0] == []
    moments = await views.timeline(ALL, case_id)
    assert moments is not None
    assert [moment.type for moment in moments] == ["case.registered", "case.accepted"]


async def test_g8_topics_may_come_in_any_order(console: Database, views: CaseViews) -> None:
    first, second = uuid7(), uuid7()
    payloads = (intake("case.accepted"), mediation("case.taken_up"), notify("message.delivered"))
    for payload in payloads:
        await tell(console, views, event(first, 1, payload))
    for payload in reversed(payloads):
        await tell(console, views, event(second, 1, payload))
    found = await rows(views)
    assert found[first] == replace(found[second], case_id=first)


async def test_a_case_is_shown_once_its_facts_are_known(console: Database, views: CaseViews) -> None:
    case_id = uuid7()
    await tell(console, views, event(case_id, 1, notify("message.sent")))
    assert await rows(views) == {}
    await tell(console, views, event(case_id, 1, intake("case.registered")))
    assert (await rows(views))[case_id].message == "N07"


async def test_two_workers_never_wait_for_each_other_in_a_circle(console: Database, views: CaseViews) -> None:
    cases = [uuid7() for _ in range(60)]

    async def work(topic: Any, order: Sequence[UUID]) -> None:
        for version in range(1, 6):
            await tell(console, views, *(event(case_id, version, topic) for case_id in order))

    await asyncio.gather(
        work(intake("case.registered"), cases), work(mediation("case.taken_up"), cases[::-1])
    )
    found = await rows(views)
    assert {(row.intake_version, row.mediation_version) for row in found.values()} == {(5, 5)}
    assert len(found) == 60


async def test_g9_a_change_that_commits_late_is_still_seen(console: Database, views: CaseViews) -> None:
    """G9: by a clock or a counter the slow transaction's row would be passed over for ever."""
    slow, quick = uuid7(), uuid7()
    _, horizon = await views.newest(ALL)
    async with console.transaction() as tx:
        await views.apply(tx, [event(slow, 1, intake("case.registered"))])
        await tell(console, views, event(quick, 1, intake("case.registered")))
        early, horizon = await views.changed(ALL, horizon)
        assert early == []
    seen, horizon = await views.changed(ALL, horizon)
    assert {row.case_id for row, _ in seen} == {slow, quick}
    assert (await views.changed(ALL, horizon))[0] == []


def held(org: str, **facts: Any) -> tuple[Payload, Payload]:
    """A case that an organisation holds."""
    return intake("case.accepted", case=facts), mediation("case.taken_up", org_id=org)


@pytest.mark.parametrize(
    ("scope", "seen"),
    [
        (ALL, {"ordinary", "about LAB"}),
        (Scope(frozenset({"990101"}), ordinary=False, sealed=True), {"report"}),
        (Scope(frozenset({"990101"}), ordinary=True, sealed=True), {"ordinary", "about LAB", "report"}),
        (Scope(frozenset({"990101"}), ordinary=True, sealed=False, org="LAB-01"), {"ordinary"}),
        (Scope(frozenset({"990101"}), ordinary=True, sealed=False, org="PSY-01"), set()),
        (Scope(frozenset({"990102"}), ordinary=True, sealed=True), set()),
        (Scope(frozenset(), ordinary=True, sealed=True), set()),
    ],
    ids=["office", "sealed", "both", "partner", "other partner", "other district", "no district"],
)
async def test_everyone_sees_their_own_cases_alone(
    console: Database, views: CaseViews, scope: Scope, seen: set[str]
) -> None:
    cases = {
        "ordinary": held("LAB-01"),
        "about LAB": held("LAB-01", complained_about_org="LAB-01"),
        "report": (intake("case.registered", case={"kind": "REP"}),),
    }
    ids = {name: uuid7() for name in cases}
    _, horizon = await views.newest(scope)
    for name, payloads in cases.items():
        await tell(console, views, *(event(ids[name], 1, payload) for payload in payloads))
    expected = {ids[name] for name in seen}
    assert set(await rows(views, scope)) == expected
    touched, _ = await views.changed(scope, horizon)
    assert {row.case_id for row, visible in touched if visible} == expected
    for case_id in ids.values():
        assert (await views.timeline(scope, case_id) is not None) == (case_id in expected)


async def test_the_newest_case_stands_first(console: Database, views: CaseViews) -> None:
    cases = [uuid7() for _ in range(3)]
    for minute, case_id in enumerate(cases):
        at = (NOW + timedelta(minutes=minute)).isoformat()
        await tell(console, views, event(case_id, 1, intake("case.registered", case={"registered_at": at})))
    newest, _ = await views.newest(ALL)
    assert [row.case_id for row in newest] == cases[::-1]


@pytest.mark.parametrize(
    "scope",
    [
        ALL,
        Scope(frozenset({"990101", "990102"}), ordinary=True, sealed=True),
        Scope(frozenset({"990101"}), ordinary=False, sealed=True),
        Scope(frozenset({"990101"}), ordinary=True, sealed=False, org="LAB-02"),
    ],
    ids=["office", "two districts", "sealed", "partner"],
)
@pytest.mark.parametrize("query", [NEWEST, PRESSING], ids=["newest", "pressing"])
async def test_the_board_reads_no_more_cases_than_it_shows(
    console: Database, scope: Scope, query: str
) -> None:
    """However long the past is: a sort of whole districts would grow with it."""
    await console.execute(
        """
        insert into case_view (case_id, district, kind, registered_at, org_id, mediation_due_at)
        select gen_random_uuid(), case when n % 3 = 0 then '990102' else '990101' end,
            case when n % 500 = 1 then 'REP' else 'DIS' end, now() - n * interval '1 minute',
            case when n % 400 = 2 then 'LAB-02' else 'LAB-01' end, now() + n * interval '1 minute'
        from generate_series(1, 30000) n
        """
    )
    await console.execute("analyze case_view")
    districts, org = ", ".join(sorted(scope.districts)), f"'{scope.org}'" if scope.org else "null"
    who = f"'{{{districts}}}', {scope.sealed}, {scope.ordinary}, {org}"
    types, place = {
        NEWEST: ("", ""),
        PRESSING: ("timestamptz, uuid, ", "now(), '00000000-0000-0000-0000-000000000000', "),
    }[query]
    async with console.transaction() as tx:
        # As the server plans it in the end for a statement that is asked again and again.
        await tx.execute("set local plan_cache_mode = force_generic_plan")
        await tx.execute(f"prepare board (text[], bool, bool, text, {types}int) as {narrowed(query, scope)}")
        plan = await tx.fetchval(f"explain (analyze, format json) execute board ({who}, {place}200)")
        await tx.execute("deallocate board")
    nodes = list(below(json.loads(plan)[0]["Plan"]))
    assert "Seq Scan" not in {node["Node Type"] for node in nodes}
    scans = [node for node in nodes if node.get("Relation Name") == "case_view"]
    assert scans
    for node in scans:
        assert node["Actual Rows"] + node.get("Rows Removed by Filter", 0) <= 250, node


async def test_what_presses_most_stands_first_and_pages_go_on_behind_it(
    console: Database, views: CaseViews
) -> None:
    cases = [uuid7() for _ in range(5)]
    for nth, case_id in enumerate(cases):
        due = {"rule": "MED-TERM", "due_on": None, "due_at": (NOW + timedelta(days=9 - nth)).isoformat()}
        due["provisional"] = False
        registered, taken = (
            intake("case.registered", deadlines=[]),
            mediation("case.taken_up", deadlines=[due]),
        )
        await tell(console, views, event(case_id, 1, registered), event(case_id, 1, taken))
    await tell(console, views, event(cases[0], 2, mediation("deadline.missed", deadlines=[]), 5))
    done = uuid7()
    await tell(console, views, event(done, 1, intake("case.registered", deadlines=[])))
    order = [cases[0], *cases[:0:-1]]
    seen: list[UUID] = []
    after: tuple[datetime, UUID] | None = None
    while page := await views.pressing(ALL, after, 2):
        seen += [row.case_id for row in page]
        assert page[-1].pressing_at is not None
        after = page[-1].pressing_at, page[-1].case_id
    assert seen == order
    assert await views.pressing(Scope(frozenset({"990101"}), False, True), None, 10) == []


def below(node: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """A plan's node and all under it."""
    yield node
    for child in node.get("Plans", ()):
        yield from below(child)


async def test_tries_at_the_same_time_all_count(console: Database) -> None:
    sessions = SessionStore(console)
    counted: list[int] = []

    def listen(tries: Sequence[Tries]) -> timedelta:
        counted.append(tries[0].count)
        return timedelta()

    await asyncio.gather(*(sessions.count_try([b"name", b"address"], NOW, listen) for _ in range(8)))
    assert sorted(counted) == list(range(8))


async def test_a_held_try_does_not_count(console: Database) -> None:
    sessions, counted = SessionStore(console), []

    def hold(tries: Sequence[Tries]) -> timedelta:
        counted.append(tries[0].count)
        return timedelta(seconds=1)

    for _ in range(3):
        assert await sessions.count_try([b"name", b"address"], NOW, hold) == timedelta(seconds=1)
    assert counted == [0, 0, 0]


async def test_tries_are_told_in_the_order_of_their_keys_and_forgiven(console: Database) -> None:
    sessions = SessionStore(console)
    told: list[list[int]] = []

    def listen(tries: Sequence[Tries]) -> timedelta:
        told.append([one.count for one in tries])
        return timedelta()

    keys = [b"z-name", b"a-address"]
    await sessions.count_try(keys, NOW, listen)
    await sessions.count_try([b"other", b"a-address"], NOW, listen)
    await sessions.forgive(keys)
    await sessions.count_try(keys, NOW, listen)
    assert told == [[0, 0], [0, 1], [0, 1]]


async def test_a_session_is_kept_until_it_is_closed_and_both_are_audited(console: Database) -> None:
    sessions = SessionStore(console)
    session = Session("operator", NOW, NOW)
    await sessions.open(b"hash", session)
    assert await sessions.find(b"hash") == session
    await sessions.touch(b"hash", NOW + timedelta(minutes=5))
    assert await sessions.find(b"hash") == replace(session, seen_at=NOW + timedelta(minutes=5))
    for _ in range(2):
        await sessions.close(b"hash", "operator", NOW)
    assert await sessions.find(b"hash") is None
    async with console.read() as tx:
        audited = await tx.fetch("select actor, action from audit order by at, action")
    assert [(row["actor"], row["action"]) for row in audited] == [
        ("staff:operator", "console.sign_in"),
        ("staff:operator", "console.sign_out"),
    ]
