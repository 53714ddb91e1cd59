"""Notify and its gateway: the class of each answer, retries, lost answers, crashes, receipts."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from services.notify.domain.sending import Answer, Result
from services.notify.handlers import CLAIM
from services.notify.handlers.sender import Sms
from services.notify.handlers.sending import Claim
from services.notify.providers import classify
from tests.component.notify_kit import N01, PHONE, Notify, only_message, opened
from tests.support.wait import until
from tests.unit.notify.correspondence import CASE, DISTRICT, registered


@pytest.fixture
async def notify(database: Any, tmp_path: Path) -> AsyncIterator[Notify]:
    async with opened(await database("notify"), tmp_path) as one:
        yield one


@pytest.mark.parametrize(
    ("mode", "answer"),
    [
        ("ok", Answer(Result.ACCEPTED, "202")),
        ("http_500", Answer(Result.RETRYABLE, "500")),
        ("throttle", Answer(Result.THROTTLED, "429", timedelta(seconds=1))),
        ("rejected", Answer(Result.REJECTED, "400")),
        ("unauthorised", Answer(Result.REFUSED_US, "403")),
        ("garbage", Answer(Result.INDETERMINATE, "200")),
        ("reset_after_accept", Answer(Result.INDETERMINATE, "ClientOSError")),
        ("hang", Answer(Result.INDETERMINATE, "TimeoutError")),
    ],
)
async def test_each_behaviour_of_the_gateway_has_its_class(notify: Notify, mode: str, answer: Answer) -> None:
    await notify.behave(mode)
    sms = Sms(UUID(int=1), CASE, DISTRICT, N01, PHONE)
    heard = await notify.gateway.send(sms)
    assert heard.result == answer.result
    if mode != "reset_after_accept":
        assert heard == answer


@pytest.mark.parametrize(
    ("status", "body", "result"),
    [
        (202, "0: Accepted for delivery", Result.ACCEPTED),
        (202, "3: Queued for later delivery", Result.ACCEPTED),
        (200, "", Result.INDETERMINATE),
        (302, "", Result.REFUSED_US),
        (401, "", Result.REFUSED_US),
        (403, "Authorization failed for sendsms", Result.REFUSED_US),
        (403, "Number(s) has/have been denied", Result.REJECTED),
        (404, "", Result.REFUSED_US),
        (408, "", Result.RETRYABLE),
        (418, "", Result.REJECTED),
        (429, "", Result.THROTTLED),
        (500, "", Result.RETRYABLE),
        (502, "", Result.INDETERMINATE),
        (503, "Temporal failure, try again later.", Result.RETRYABLE),
        (504, "", Result.INDETERMINATE),
        (599, "", Result.INDETERMINATE),
    ],
)
def test_each_status_has_its_class(status: int, body: str, result: Result) -> None:
    assert classify(status, body).result == result


@pytest.mark.parametrize(
    ("told", "seconds"), [("7", 7), (None, 1), ("soon", 1), ("0", 1), ("999999", 3600), ("-5", 1)]
)
def test_the_pause_that_a_gateway_asks_for_is_kept_within_an_hour(told: str | None, seconds: int) -> None:
    assert classify(429, "", told).retry_after == timedelta(seconds=seconds)


async def test_a_gateway_that_is_down_is_waited_for_and_burns_no_attempt(notify: Notify) -> None:
    await notify.dossier(CASE)
    await notify.hear(registered())
    port = notify.phones.port
    await notify.phones.close()
    notify.send()

    async def tried() -> bool:
        rows = await notify.rows("select outcome from attempt where outcome is not null")
        return bool(rows)

    await until(tried)
    (row,) = await notify.rows("select state, reason, allowed - attempts as left from message")
    assert (row["state"], row["reason"], row["left"]) == ("deferred", "RETRY", 3)
    assert notify.open[-1] is False
    assert port is not None


async def test_wrong_credentials_close_the_channel_and_burn_no_attempt(notify: Notify) -> None:
    await notify.behave("unauthorised")
    await notify.dossier(CASE)
    await notify.hear(registered())
    notify.send()

    async def refused() -> bool:
        rows = await notify.rows("select outcome from attempt")
        return [row["outcome"] for row in rows] == ["refused_us"]

    await until(refused)
    assert notify.open == [False]
    await notify.behave("ok")
    notify.clock.advance(minutes=1)
    await notify.fresh()
    await notify.came("delivered")
    assert notify.open[-1] is True
    assert await notify.texts() == [N01]


async def test_two_retries_then_a_person_is_told(notify: Notify) -> None:
    await notify.behave("http_500")
    await notify.dossier(CASE)
    await notify.hear(registered())
    notify.send()
    for attempts in (1, 2, 3):

        async def tried(number: int = attempts) -> bool:
            rows = await notify.rows("select outcome from attempt where outcome is not null")
            return len(rows) == number

        await until(tried)
        notify.clock.advance(seconds=61)
        await notify.fresh()
    await notify.came("failed")
    kind, payload = (await notify.events())[-1]
    assert (kind, payload["reason"]) == ("message.failed", "RETRIES")
    assert await notify.texts() == []


async def test_a_lost_answer_is_reconciled_by_the_receipt_and_never_sent_twice(notify: Notify) -> None:
    await notify.behave("reset_after_accept")
    await notify.dossier(CASE)
    await notify.hear(registered())
    notify.send()
    await notify.came("delivered")
    assert await notify.texts() == [N01]
    assert await notify.types() == ["planned", "sent", "delivered"]


async def test_a_hanging_gateway_leaves_the_message_indeterminate_then_failed(notify: Notify) -> None:
    await notify.behave("hang")
    await notify.dossier(CASE)
    await notify.hear(registered())
    notify.send()
    await notify.came("indeterminate")
    notify.clock.advance(minutes=10, seconds=1)
    await notify.look()
    assert await notify.messages() == [("N01", "failed", "INDETERMINATE")]


async def test_a_crash_around_the_call_leaves_an_attempt_and_no_second_call(notify: Notify) -> None:
    """The process dies between the commit of the attempt and the provider's answer."""
    await notify.dossier(CASE)
    await notify.hear(registered())
    message_id = await only_message(notify)
    claimed = await notify.command(CLAIM, CASE, Claim(message_id, 1))
    assert claimed.body is not None
    notify.clock.advance(seconds=31)
    await notify.fresh()
    notify.send()
    await notify.look()
    assert await notify.messages() == [("N01", "indeterminate", None)]
    assert await notify.views.due(notify.clock.now(), 10) == []
    assert await notify.receipt(message_id, CASE, "1") == 200
    assert await notify.state() == "delivered"
    assert await notify.texts() == []


async def test_two_senders_claim_a_message_once(notify: Notify) -> None:
    await notify.dossier(CASE)
    await notify.hear(registered())
    message_id = await only_message(notify)
    works = [notify.command(CLAIM, CASE, Claim(message_id, 1)) for _ in range(8)]
    outcomes = await asyncio.gather(*works, return_exceptions=True)
    taken = [o for o in outcomes if not isinstance(o, BaseException) and o.body is not None]
    assert len(taken) == 1
    assert len(await notify.rows("select * from attempt")) == 1


async def test_the_stop_waits_for_calls_under_way(notify: Notify) -> None:
    await notify.behave("slow", delay_s=0.5)
    await notify.dossier(CASE)
    await notify.hear(registered())
    notify.send()
    await notify.came("sending")
    pulse, task = notify._running.pop()
    pulse.stop()
    await task
    assert await notify.state() in ("sent", "delivered")


async def sent_without_receipt(notify: Notify) -> UUID:
    await notify.behave("no_receipt")
    await notify.dossier(CASE)
    await notify.hear(registered())
    notify.send()
    await notify.came("sent")
    return await only_message(notify)


@pytest.mark.parametrize(
    ("kinds", "state"),
    [
        (["1"], "delivered"),
        (["1"] * 10, "delivered"),
        (["2"], "failed"),
        (["16"], "failed"),
        (["1", "2"], "delivered"),
        (["2", "1"], "failed"),
        (["8"], "sent"),
        (["8", "1"], "delivered"),
        (["1", "8"], "delivered"),
        (["99"], "sent"),
    ],
)
async def test_receipts_in_any_number_and_order(notify: Notify, kinds: list[str], state: str) -> None:
    message_id = await sent_without_receipt(notify)
    for kind in kinds:
        assert await notify.receipt(message_id, CASE, kind) == 200
    assert await notify.state() == state
    finals = [kind for kind in await notify.types() if kind in ("delivered", "failed")]
    assert len(finals) == (0 if state == "sent" else 1)


async def test_a_forged_receipt_is_401_and_changes_nothing(notify: Notify) -> None:
    message_id = await sent_without_receipt(notify)
    assert await notify.receipt(message_id, CASE, "1", mac="0" * 64) == 401
    assert await notify.receipt(message_id, CASE, "1", mac="ü") == 401
    async with notify.http.get(f"{notify.url}/providers/kannel/dlr?id={message_id}&type=1") as answer:
        assert answer.status == 401
    assert await notify.state() == "sent"


async def test_a_receipt_for_a_message_that_is_gone_is_taken_and_means_nothing(notify: Notify) -> None:
    assert await notify.receipt(UUID(int=1), UUID(int=2), "1") == 200
    assert await notify.messages() == []


async def test_a_repeated_receipt_of_the_gateway_itself_counts_once(notify: Notify) -> None:
    await notify.behave("duplicate_receipt")
    await notify.dossier(CASE)
    await notify.hear(registered())
    notify.send()
    await notify.came("delivered")
    assert (await notify.types()).count("delivered") == 1


async def test_the_receipts_address_holds_no_personal_data(notify: Notify) -> None:
    query = notify.callbacks.receipt_query(UUID(int=1), CASE, DISTRICT)
    assert "1380000" not in query
    form = notify.gateway._form(Sms(UUID(int=1), CASE, DISTRICT, N01, PHONE)).decode()
    address = next(part for part in form.split("&") if part.startswith("dlr-url="))
    assert "1380000" not in address
