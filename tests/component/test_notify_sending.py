"""Notify from an event to the phone: what is planned, what waits, what is held back, what is erased."""

from collections.abc import AsyncIterator
from datetime import date, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from libs.events.intake import CaseFlagsChanged
from libs.events.mediation import AgreementReached, CaseClosed, ConsentRecorded
from libs.privacy.vault import SealBroken
from services.notify.domain.rules import Practice
from tests.component.notify_kit import N01, PHONE, Notify, opened
from tests.support.wait import until
from tests.unit.notify.correspondence import CASE, DISTRICT, NOON, case_facts, due, registered, taken_up


@pytest.fixture
async def notify(database: Any, tmp_path: Path) -> AsyncIterator[Notify]:
    async with opened(await database("notify"), tmp_path) as one:
        yield one


@pytest.fixture
async def careful(database: Any, tmp_path: Path) -> AsyncIterator[Notify]:
    """Notify with quiet hours and daily cap."""
    async with opened(await database("notify"), tmp_path, Practice()) as one:
        yield one


async def test_a_registration_becomes_an_sms_and_its_receipt_comes_back(notify: Notify) -> None:
    await notify.dossier(CASE)
    await notify.hear(registered())
    notify.send()
    await notify.came("delivered")
    assert await notify.texts() == [N01]
    assert await notify.types() == ["planned", "sent", "delivered"]
    assert {payload["template"] for _, payload in await notify.events()} == {"N01"}


async def test_versions_count_the_events_of_the_case(notify: Notify) -> None:
    await notify.dossier(CASE)
    await notify.hear(registered())
    notify.send()
    await notify.came("delivered")
    (head,) = await notify.rows("select version from case_head")
    versions = [row["version"] for row in await notify.rows("select version from event order by id")]
    assert (head["version"], versions) == (3, [1, 2, 3])


async def test_the_steps_of_a_case_reach_the_phone_in_their_order(notify: Notify) -> None:
    await notify.dossier(CASE)
    await notify.hear(registered())
    await notify.hear(taken_up(), 4)
    notify.send()

    async def both() -> bool:
        return len(await notify.texts()) == 2

    await until(both)
    first, second = await notify.texts()
    assert first == N01
    assert "已安排专人负责" in second


async def test_a_message_without_contact_waits_until_the_dossier_comes(notify: Notify) -> None:
    await notify.hear(registered())
    notify.send()
    assert await notify.messages() == [("N01", "deferred", "CONTACT")]
    assert await notify.dossier(CASE) == [CASE]
    await notify.look()
    await notify.came("delivered")


async def test_a_contact_older_than_the_facts_does_not_let_go(notify: Notify) -> None:
    await notify.dossier(CASE, version=1)
    await notify.hear(registered(case=case_facts(dossier_version=2)))
    assert await notify.messages() == [("N01", "deferred", "CONTACT")]
    assert await notify.dossier(CASE, version=2, safe_contact=False) == [CASE]
    await notify.look()
    assert await notify.messages() == [("N01", "suppressed", "UNSAFE_CONTACT")]


async def test_an_older_dossier_never_replaces_a_newer_one(notify: Notify) -> None:
    await notify.dossier(CASE, version=5, safe_contact=False)
    await notify.dossier(CASE, version=4)
    await notify.hear(registered())
    assert await notify.messages() == [("N01", "suppressed", "UNSAFE_CONTACT")]


async def test_mediations_event_may_come_before_intakes(notify: Notify) -> None:
    await notify.dossier(CASE)
    await notify.hear(taken_up())
    assert await notify.messages() == [("N07", "deferred", "FACTS")]
    await notify.hear(registered())
    assert [state for _, state, _ in await notify.messages()] == ["planned", "planned"]


@pytest.mark.parametrize(
    ("facts", "contact", "reason"),
    [
        ({"flags": ("VIOLENCE",)}, {}, "RISK"),
        ({"sms_consent": False}, {}, "NO_CONSENT"),
        ({}, {"safe_contact": False}, "UNSAFE_CONTACT"),
        ({"anonymous": True}, {"phone": None, "sms_capable": False}, "ANONYMOUS"),
        ({}, {"phone": None, "sms_capable": False}, "NO_PHONE"),
        ({}, {"sms_capable": False}, "NO_PHONE"),
        ({"kind": "REP", "track": "SEALED"}, {}, "SEALED"),
    ],
)
async def test_a_suppressed_message_names_its_reason_and_goes_nowhere(
    notify: Notify, facts: dict[str, Any], contact: dict[str, Any], reason: str
) -> None:
    await notify.dossier(CASE, **contact)
    notify.send()
    await notify.hear(registered(case=case_facts(**facts)))
    assert await notify.messages() == [("N01", "suppressed", reason)]
    ((kind, payload),) = await notify.events()
    assert (kind, payload["reason"]) == ("message.suppressed", reason)
    assert await notify.texts() == []


async def test_the_same_event_again_sends_nothing_again(notify: Notify) -> None:
    await notify.dossier(CASE)
    await notify.hear(registered())
    await notify.hear(registered())
    assert await notify.messages() == [("N01", "planned", None), ("N01", "suppressed", "DUPLICATE")]
    notify.send()

    async def delivered() -> bool:
        return ("N01", "delivered", None) in await notify.messages()

    await until(delivered)
    assert await notify.texts() == [N01]


async def test_a_flag_raised_before_the_call_stops_the_message(notify: Notify) -> None:
    await notify.dossier(CASE)
    await notify.hear(registered())
    await notify.hear(
        CaseFlagsChanged(
            case_id=CASE, district=DISTRICT, case=case_facts(flags=("SELF_HARM",)), added=("SELF_HARM",)
        ),
        2,
    )
    notify.send()
    assert await notify.messages() == [("N01", "suppressed", "RISK")]
    assert await notify.types() == ["planned", "suppressed"]


@pytest.mark.parametrize("age", [timedelta(seconds=31), None], ids=["old", "unknown"])
async def test_g15_stale_copies_of_intakes_facts_hold_messages_back(
    notify: Notify, age: timedelta | None
) -> None:
    await notify.dossier(CASE)
    await notify.hear(registered())
    if age is None:
        async with notify.database.transaction() as tx:
            await tx.execute("update consumer_offset set as_of = null")
    else:
        await notify.fresh(age)
    assert await notify.sender._look() == ()
    await notify.fresh()
    notify.send()
    await notify.came("delivered")


@pytest.mark.parametrize("table", ["parked", "dead_letter"])
async def test_a_case_with_a_parked_or_dead_event_of_intake_waits(notify: Notify, table: str) -> None:
    await notify.dossier(CASE)
    await notify.hear(registered())
    more = {"parked": ("next_at", "now()"), "dead_letter": ("first_failed_at", "now()")}[table]
    async with notify.database.transaction() as tx:
        await tx.execute(
            f"""
            insert into {table} (consumer, case_id, event_id, topic, partition, "offset", headers, attempts,
                error_type, error, {more[0]})
            values ('notify.intake-case', $1, $1, 'intake.case.v1', 0, 0, '[]', 1, 'x', 'x', {more[1]})
            """,
            CASE,
        )
    assert await notify.views.due(notify.clock.now(), 10) == []
    async with notify.database.transaction() as tx:
        await tx.execute(f"delete from {table}")
    assert len(await notify.views.due(notify.clock.now(), 10)) == 1


async def test_in_the_night_a_message_waits_for_the_morning(careful: Notify) -> None:
    careful.clock.set(NOON.replace(hour=22))
    await careful.fresh()
    await careful.dossier(CASE)
    await careful.hear(registered())
    careful.send()
    assert await careful.messages() == [("N01", "deferred", "QUIET_HOURS")]
    careful.clock.set(NOON.replace(hour=8) + timedelta(days=1))
    await careful.fresh()
    await careful.came("delivered")
    assert len(await careful.texts()) == 1


async def test_the_fourth_message_of_a_day_is_a_call(careful: Notify) -> None:
    await careful.dossier(CASE)
    await careful.hear(registered())
    careful.send()
    for version in range(2, 5):
        await careful.hear(taken_up(), version)

        async def settled(number: int = version) -> bool:
            states = [state for _, state, _ in await careful.messages()]
            return len(states) == number and set(states) <= {"delivered", "suppressed"}

        await until(settled)
    assert await careful.messages() == [
        ("N01", "delivered", None),
        ("N07", "delivered", None),
        ("N07", "delivered", None),
        ("N07", "suppressed", "DAILY_CAP"),
    ]


async def test_an_erased_contact_is_gone_for_ever(notify: Notify) -> None:
    await notify.dossier(CASE, version=1)
    await notify.hear(registered())
    await notify.tombstone(CASE, version=3)
    await notify.dossier(CASE, version=9)
    (row,) = await notify.rows("select version, erased, phone, phone_index from contact")
    assert (row["version"], row["erased"], row["phone"], row["phone_index"]) == (3, True, None, None)
    await notify.hear(taken_up(), 2)
    assert await notify.messages() == [("N01", "expired", "ERASED"), ("N07", "expired", "ERASED")]


async def test_a_number_lies_sealed_and_opens_only_in_its_place(notify: Notify) -> None:
    await notify.dossier(CASE)
    (row,) = await notify.rows("select phone from contact")
    assert b"13800000001" not in row["phone"]
    assert notify.seals.open("contact", "phone", CASE, row["phone"]) == PHONE
    with pytest.raises(SealBroken):
        notify.seals.open("contact", "phone", UUID(int=8), row["phone"])


async def test_a_respondent_who_agreed_is_called_since_its_number_is_not_here(notify: Notify) -> None:
    await notify.dossier(CASE)
    await notify.hear(registered())
    common: dict[str, Any] = {
        "case_id": CASE,
        "district": DISTRICT,
        "state": "in_mediation",
        "track": "MEDIATION",
    }
    await notify.hear(ConsentRecorded(**common, party="respondent", decision="agrees", at=NOON), 2)
    await notify.hear(
        AgreementReached(
            **common, form="oral", partial=False, effective_on=date(2026, 3, 25), performance_items=0
        ),
        3,
    )
    assert (await notify.messages())[1:] == [("N12", "planned", None), ("N12", "suppressed", "NO_PHONE")]


async def test_a_closing_asks_for_a_rating(notify: Notify) -> None:
    await notify.dossier(CASE)
    await notify.hear(registered(deadlines=(due("PET-NOTICE", date(2026, 4, 7)),)))
    closed = CaseClosed(case_id=CASE, district=DISTRICT, state="closed", track="MEDIATION", result="AGREED")
    await notify.hear(closed, 9)
    assert [name for name, _, _ in await notify.messages()] == ["N01", "N17"]
