"""One decision, one unit of work: what the fake shell and the real one keep of a command.

Cannot catch: what needs two processes or a second connection (locks, races, halving around a sick row, a
commit whose answer was lost): those are in `tests/integration` and `tests/faults`. Nor clocks that differ
between hosts: both worlds follow one clock that stands still.
"""

import asyncio
from dataclasses import replace

import pytest
from uuid_utils.compat import uuid7

from libs.db.work import Decision, State, UseCase, ignored
from libs.events.intake import CaseReminded
from libs.web.errors import KeyReused, NotFound, Refusal, Stale, Unavailable
from tests.contract.worlds import Contract
from tests.support import toy

KEY = b"k" * 32


def doing(work, decide):
    """The same command with another decision."""
    return replace(work, use_case=UseCase("other", decide))


def reminded(case_id, count: int) -> CaseReminded:
    return CaseReminded(case_id=case_id, district=toy.DISTRICT, count=count, new_facts=False)


async def test_a_command_writes_case_event_pointer_answer_and_audit(world: Contract):
    case_id = uuid7()
    outcome = await world.submit(toy.work(case_id, 5, key=KEY))
    assert (outcome.status, outcome.body, outcome.version, outcome.replayed) == (201, {"total": 5}, 1, False)
    seen = await world.seen()
    assert (seen.totals, seen.versions) == ({case_id: 5}, {case_id: 1})
    [event] = seen.events
    assert (event.case_id, event.caseversion, event.type) == (case_id, 1, "case.reminded")
    assert (event.source, event.time) == ("/services/intake", world.clock.now())
    assert (event.causation_id, event.correlation_id) == (None, event.event_id)
    assert seen.outbox == [event.event_id]
    assert seen.audit == [("counter.added", case_id, "staff:operator")]
    assert seen.answers == 1


async def test_a_refusal_changes_nothing(world: Contract):
    before = await world.seen()
    with pytest.raises(Refusal) as refused:
        await world.submit(toy.work(uuid7(), -1))
    assert refused.value.code == toy.NEGATIVE
    assert await world.seen() == before


async def test_a_bug_reaches_its_caller_and_changes_nothing(world: Contract):
    before = await world.seen()
    with pytest.raises(toy.Boom):
        await world.submit(toy.work(uuid7(), toy.BUG, key=KEY))
    assert await world.seen() == before


async def test_a_failure_is_its_case_s_alone(world: Contract):
    good, bad = [uuid7(), uuid7()], uuid7()
    results = await world.run([toy.work(good[0], 1), toy.work(bad, toy.BUG), toy.work(good[1], 2)])
    assert [type(result.error).__name__ for result in results] == ["NoneType", "Boom", "NoneType"]
    assert (await world.seen()).totals == {good[0]: 1, good[1]: 2}


async def test_g6_each_event_raises_the_version_by_one(world: Contract):
    case_id = uuid7()

    def twice(case, command, moment):
        assert moment.version == 1
        return Decision(case, [reminded(case_id, 1), reminded(case_id, 2)])

    await world.submit(toy.work(case_id, 1))
    outcome = await world.submit(doing(toy.work(case_id, 0), twice))
    assert outcome.version == 3
    assert [event.caseversion for event in (await world.seen()).events] == [1, 2, 3]


async def test_a_read_changes_nothing(world: Contract):
    case_id = uuid7()
    await world.submit(toy.work(case_id, 4))
    before = await world.seen()
    read = doing(toy.work(case_id, 0), lambda case, command, moment: Decision(case, reply=case.total))
    assert (await world.submit(read)).body == 4
    assert await world.seen() == before


async def test_a_decision_without_a_case_keeps_none(world: Contract):
    before = await world.seen()
    await world.submit(doing(toy.work(uuid7(), 0), lambda case, command, moment: Decision(None)))
    assert await world.seen() == before


async def test_commands_of_one_case_in_one_batch_build_on_each_other(world: Contract):
    case_id = uuid7()
    results = await world.run([toy.work(case_id, n) for n in (1, -1, 2)])
    assert [result.outcome and result.outcome.body["total"] for result in results] == [1, None, 3]
    seen = await world.seen()
    assert (seen.totals, seen.versions) == ({case_id: 3}, {case_id: 2})


async def test_only_the_version_that_stands_may_be_changed(world: Contract):
    case_id = uuid7()
    await world.submit(toy.work(case_id, 1))
    assert (await world.submit(toy.work(case_id, 1, expected=1))).version == 2
    with pytest.raises(Stale) as stale:
        await world.submit(toy.work(case_id, 1, expected=1))
    assert stale.value.extra["version"] == 2
    assert (await world.seen()).totals == {case_id: 2}


async def test_who_may_not_know_of_a_case_does_not_learn_its_version(world: Contract):
    case_id, cleared = uuid7(), "operator"
    await world.submit(toy.work(case_id, 1))

    def known(case, actor):
        if actor.id != cleared:
            raise NotFound

    for expected in (1, 7):
        work = replace(toy.work(case_id, 1, expected=expected, actor="stranger"), known=known)
        with pytest.raises(NotFound):
            await world.submit(work)
    assert (await world.submit(replace(toy.work(case_id, 1, expected=1), known=known))).version == 2


async def test_of_two_changes_of_one_version_in_a_batch_the_second_is_stale(world: Contract):
    case_id = uuid7()
    await world.submit(toy.work(case_id, 1))
    first, second = await world.run([toy.work(case_id, 1, expected=1), toy.work(case_id, 5, expected=1)])
    assert first.error is None
    assert isinstance(second.error, Stale)
    assert (await world.seen()).totals == {case_id: 2}


async def test_g3_a_command_may_change_two_cases_at_once(world: Contract):
    """G3: both are read and saved in one decision, each with its own event and version."""
    giver, taker = uuid7(), uuid7()
    await world.run([toy.work(giver, 5), toy.work(taker, 1)])

    def give(case, command, moment):
        other = moment.others[taker]
        return Decision(
            replace(case, total=case.total - 2),
            [reminded(giver, 3)],
            others={taker: (replace(other, total=other.total + 2), [reminded(taker, 3)])},
        )

    await world.submit(replace(doing(toy.work(giver, 0), give), also=(taker,)))
    seen = await world.seen()
    assert (seen.totals, seen.versions) == ({giver: 3, taker: 3}, {giver: 2, taker: 2})
    assert [(e.case_id, e.caseversion) for e in seen.events[2:]] == [(giver, 2), (taker, 2)]


async def test_a_state_moves_forward_only(world: Contract):
    """G12: the newest of a batch stands; an older one changes nothing and is not published."""
    case_id, topic = uuid7(), "intake.dossier.v1"
    name = (topic, str(case_id))

    def stating(*versions: int):
        def state(case, command, moment):
            return Decision(
                toy.Counter(case_id),
                [reminded(case_id, 1)],
                state=[State(topic, str(case_id), n, b"v%d" % n) for n in versions],
            )

        return doing(toy.work(case_id, 0), state)

    await world.submit(stating(2))
    first = await world.seen()
    assert first.states == {name: (2, b"v2")}
    assert name in first.outbox
    await world.submit(stating(1))
    second = await world.seen()
    assert second.states == {name: (2, b"v2")}
    assert second.outbox.count(name) == 1
    await world.submit(stating(3))
    third = await world.seen()
    assert third.states == {name: (3, b"v3")}
    assert third.outbox.count(name) == 2


async def test_what_means_nothing_is_told(world: Contract):
    case_id = uuid7()
    await world.submit(
        doing(toy.work(case_id, 0), lambda case, command, moment: ignored(case, "closed already"))
    )
    assert world.ignored == ["closed already"]


async def test_a_repeated_key_gets_the_first_answer(world: Contract):
    case_id = uuid7()
    first = await world.submit(toy.work(case_id, 5, key=KEY))
    before = await world.seen()
    again = await world.submit(toy.work(case_id, 5, key=KEY))
    assert (again.status, again.body, again.version) == (first.status, first.body, first.version)
    assert again.replayed
    assert await world.seen() == before


async def test_a_repeated_answer_is_what_json_makes_of_the_first(world: Contract):
    case_id = uuid7()

    def decide(case, command, moment):
        return Decision(toy.Counter(case_id), [reminded(case_id, 1)], reply={"id": case_id}, location="/x")

    await world.submit(doing(toy.work(case_id, 0, key=KEY), decide))
    again = await world.submit(doing(toy.work(case_id, 0, key=KEY), decide))
    assert (again.body, again.location) == ({"id": str(case_id)}, "/x")


async def test_a_key_with_another_body_is_refused(world: Contract):
    case_id = uuid7()
    await world.submit(toy.work(case_id, 5, key=KEY))
    with pytest.raises(KeyReused):
        await world.submit(toy.work(case_id, 5, key=KEY, body=b"other"))
    assert (await world.seen()).totals == {case_id: 5}


async def test_ten_at_once_with_one_key_are_one_effect(world: Contract):
    case_id = uuid7()
    outcomes = await asyncio.gather(*(world.submit(toy.work(case_id, 1, key=KEY)) for _ in range(10)))
    assert sum(not outcome.replayed for outcome in outcomes) == 1
    assert (await world.seen()).totals == {case_id: 1}


async def test_one_key_twice_in_a_batch_is_one_effect(world: Contract):
    case_id = uuid7()
    results = await world.run([toy.work(case_id, 1, key=KEY), toy.work(case_id, 1, key=KEY)])
    assert [result.outcome.replayed for result in results if result.outcome] == [False, True]
    assert (await world.seen()).totals == {case_id: 1}


async def test_a_refusal_is_kept_with_its_key_and_given_again(world: Contract):
    case_id = uuid7()

    def refuse(case, command, moment):
        raise Stale("seen before", version=7)

    for replayed in (None, True):
        with pytest.raises(Refusal) as refused:
            await world.submit(doing(toy.work(case_id, 0, key=KEY), refuse))
        error = refused.value
        assert (error.status, error.code, error.detail) == (412, "stale_version", "seen before")
        assert (error.title, error.extra["version"]) == (Stale.TITLE, 7)
        assert error.extra.get("replayed") is replayed
    assert (await world.seen()).answers == 1


async def test_a_part_that_was_away_is_no_answer_to_keep(world: Contract):
    case_id, away = uuid7(), [Unavailable()]

    def decide(case, command, moment):
        if away:
            raise away.pop()
        return toy.decide(toy.Counter(case_id), command, moment)

    with pytest.raises(Unavailable):
        await world.submit(doing(toy.work(case_id, 3, key=KEY), decide))
    assert (await world.submit(doing(toy.work(case_id, 3, key=KEY), decide))).status == 201
