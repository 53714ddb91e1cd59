"""Notify's doors: citizens' replies, the list of messages, sending again, templates and previews."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest

from libs.events.mediation import CaseClosed
from tests.component.notify_kit import N01, PHONE, Notify, only_message, opened
from tests.support.wait import until
from tests.unit.notify.correspondence import CASE, DISTRICT, case_facts, registered, taken_up


@pytest.fixture
async def notify(database: Any, tmp_path: Path) -> AsyncIterator[Notify]:
    async with opened(await database("notify"), tmp_path) as one:
        yield one


async def asked_for_rating(notify: Notify) -> None:
    """A case that closed: its citizen was asked for a rating."""
    await notify.dossier(CASE)
    await notify.hear(registered())
    closed = CaseClosed(case_id=CASE, district=DISTRICT, state="closed", track="MEDIATION", result="AGREED")
    await notify.hear(closed, 9)
    notify.send()

    async def both() -> bool:
        return [state for _, state, _ in await notify.messages()] == ["delivered", "delivered"]

    await until(both)


async def heard(notify: Notify) -> list[tuple[str, int | None, str | None]]:
    """Meaning, rating and the template answered of every reply told to others."""
    rows = await notify.rows("select message_id, template from message")
    templates = {str(row["message_id"]): row["template"] for row in rows}
    return [
        (payload["meaning"], payload["rating"], templates.get(payload["in_reply_to"]))
        for kind, payload in await notify.events()
        if kind == "message.received"
    ]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("1", ("rating", 1, "N17")),
        ("３", ("rating", 3, "N17")),
        ("我有异议", ("dispute", None, "N17")),
        ("谢谢", ("unclear", None, "N17")),
        ("T", ("stop", None, "N17")),
    ],
)
async def test_a_reply_on_the_phone_becomes_a_meaning(
    notify: Notify, text: str, told: tuple[str, int | None, str | None]
) -> None:
    await asked_for_rating(notify)
    await notify.write(text)

    async def there() -> bool:
        return bool(await heard(notify))

    await until(there)
    assert await heard(notify) == [told]
    (row,) = await notify.rows("select * from received")
    assert row["case_id"] == CASE
    assert len(text) == 1 or text.encode() not in row["text"]  # one byte stands in any cipher text
    assert notify.seals.open("received", "text", row["received_id"], row["text"]) == text


async def test_the_words_of_a_reply_are_in_no_event(notify: Notify) -> None:
    await asked_for_rating(notify)
    assert await notify.mo(**{"from": PHONE, "text": "钱还没有拿到", "id": "7"}) == 200
    for row in await notify.rows("select payload from event"):
        assert "钱" not in row["payload"]
        assert "1380000" not in row["payload"]


async def test_the_same_sms_brought_again_counts_once(notify: Notify) -> None:
    await asked_for_rating(notify)
    for _ in range(3):
        assert await notify.mo(**{"from": PHONE, "text": "2", "id": "41"}) == 200
    assert await heard(notify) == [("rating", 2, "N17")]
    assert len(await notify.rows("select * from received")) == 1


async def test_a_digit_without_a_question_rates_nothing(notify: Notify) -> None:
    await notify.dossier(CASE)
    await notify.hear(registered())
    notify.send()
    await notify.came("delivered")
    assert await notify.mo(**{"from": PHONE, "text": "1", "id": "1"}) == 200
    assert await heard(notify) == [("unclear", None, None)]


async def test_of_two_cases_the_one_that_asked_gets_the_rating(notify: Notify) -> None:
    other = UUID(int=99)
    await asked_for_rating(notify)
    await notify.dossier(other)
    notify.clock.advance(hours=1)
    await notify.fresh()
    newer = registered(case_id=other, case=case_facts(query_code="ABCDEFGH"))
    await notify.hear(newer)

    async def delivered() -> bool:
        return len([state for _, state, _ in await notify.messages() if state == "delivered"]) == 3

    await until(delivered)
    assert await notify.mo(**{"from": "13800000001", "text": "1", "id": "5"}) == 200
    assert await notify.mo(**{"from": "13800000001", "text": "你好", "id": "6"}) == 200
    by_case = await notify.rows("select case_id, meaning from received order by at, received_id")
    assert [(row["case_id"], row["meaning"]) for row in by_case] == [(CASE, "rating"), (other, "unclear")]


async def test_an_unknown_number_is_kept_for_a_person(notify: Notify) -> None:
    for _ in range(2):
        assert await notify.mo(**{"from": "13800000999", "text": "你们是谁", "id": "9"}) == 200
    (row,) = await notify.rows("select * from received")
    assert row["case_id"] is None
    assert notify.seals.open("received", "phone", row["received_id"], row["phone"]) == "+8613800000999"
    assert await notify.events() == []


async def test_the_stop_word_stops_what_the_law_does_not_ask_for(notify: Notify) -> None:
    await asked_for_rating(notify)
    assert await notify.mo(**{"from": PHONE, "text": "t", "id": "3"}) == 200
    other = UUID(int=98)
    await notify.dossier(other)
    await notify.hear(registered(case_id=other, case=case_facts(query_code="ABCDEFGH")))
    await notify.hear(taken_up(case_id=other), 2)
    (first, first_state, _), second = (await notify.messages())[2:]
    assert (first, first_state) in [
        ("N01", "planned"),
        ("N01", "sending"),
        ("N01", "sent"),
    ]  # it is on its way
    assert second == ("N07", "suppressed", "OPTED_OUT")


async def test_what_comes_while_the_case_stays_locked_is_asked_for_again_and_not_lost(notify: Notify) -> None:
    await asked_for_rating(notify)
    message_id = (await notify.rows("select message_id from message where template = 'N17'"))[0]["message_id"]
    async with notify.database.transaction() as held:
        await held.execute("select from case_head where case_id = $1 for update", CASE)
        assert await notify.mo(**{"from": PHONE, "text": "2", "id": "7"}) == 503
        assert await notify.receipt(message_id, CASE, "1") == 503
    assert await notify.mo(**{"from": PHONE, "text": "2", "id": "7"}) == 200
    assert await heard(notify) == [("rating", 2, "N17")]


async def test_a_reply_without_our_token_is_401(notify: Notify) -> None:
    assert await notify.mo(token="0" * 64, **{"from": PHONE, "text": "1"}) == 401
    assert await notify.rows("select * from received") == []


@pytest.mark.parametrize("form", [{"text": "1"}, {"from": PHONE, "text": "一" * 2001}, {"from": "1" * 41}])
async def test_a_reply_without_sense_is_422(notify: Notify, form: dict[str, str]) -> None:
    assert await notify.mo(**form) == 422


async def test_a_get_brings_replies_as_well(notify: Notify) -> None:
    token = notify.keyring.hmac("request", b"kannel-mo").hex()
    query = {"from": "13800000999", "text": "你好", "id": "1", "token": token}
    async with notify.http.get(f"{notify.url}/providers/kannel/mo", params=query) as answer:
        assert answer.status == 200
    assert len(await notify.rows("select * from received")) == 1


# --- people -------------------------------------------------------------------------------------------------


async def test_the_list_shows_texts_and_masked_numbers(notify: Notify) -> None:
    await notify.dossier(CASE)
    await notify.hear(registered())
    notify.send()
    await notify.came("delivered")

    async def settled() -> bool:
        return bool(await notify.rows("select * from attempt where outcome = 'accepted'"))

    await until(settled)
    answer = await notify.ask("GET", f"/v1/messages?case_id={CASE}", role="operator")
    (item,) = answer.body["items"]
    assert answer.body["next"] is None
    assert (item["template"], item["state"], item["outcome"]) == ("N01", "delivered", "accepted")
    assert (item["phone"], item["text"]) == ("138****0001", N01)
    assert (item["version"], item["attempts"]) == (3, 1)
    assert "13800000001" not in str(answer.body)


async def test_the_list_is_read_in_pages_and_by_state(notify: Notify) -> None:
    for number in range(3):
        case = UUID(int=50 + number)
        await notify.dossier(case)
        await notify.hear(registered(case_id=case, case=case_facts(sms_consent=number != 1)))
    first = (await notify.ask("GET", "/v1/messages?limit=2")).body
    rest = (await notify.ask("GET", f"/v1/messages?limit=2&after={first['next']}")).body
    assert [len(first["items"]), len(rest["items"]), rest["next"]] == [2, 1, None]
    suppressed = (await notify.ask("GET", "/v1/messages?state=suppressed")).body["items"]
    assert [item["reason"] for item in suppressed] == ["NO_CONSENT"]
    assert (await notify.ask("GET", "/v1/messages?state=lost")).status == 422
    assert (await notify.ask("GET", "/v1/messages?after=x")).status == 422


async def test_another_district_sees_nothing(notify: Notify) -> None:
    await notify.dossier(CASE)
    await notify.hear(registered())
    message_id = await only_message(notify)
    assert (await notify.ask("GET", "/v1/messages", districts=("990102",))).body["items"] == []
    again = await notify.ask(
        "POST", f"/v1/messages/{message_id}/resend", districts=("990102",), idempotency_key="k"
    )
    assert again.status == 404


@pytest.mark.parametrize("role", ["admin", "auditor"])
async def test_who_reads_no_case_reads_no_message(notify: Notify, role: str) -> None:
    assert (await notify.ask("GET", "/v1/messages", role=role)).status == 403


async def test_a_sealed_case_is_seen_by_its_officer_alone(notify: Notify) -> None:
    await notify.hear(registered(case=case_facts(kind="REP", track="SEALED", query_code="")))
    message_id = await only_message(notify)
    assert (await notify.ask("GET", "/v1/messages")).body["items"] == []
    (item,) = (await notify.ask("GET", "/v1/messages", role="sealed_officer")).body["items"]
    assert item["reason"] == "SEALED"
    again = await notify.ask("POST", f"/v1/messages/{message_id}/resend", idempotency_key="k")
    assert again.status == 404


async def test_a_failed_message_is_sent_once_more_by_a_person(notify: Notify) -> None:
    await notify.behave("rejected")
    await notify.dossier(CASE)
    await notify.hear(registered())
    notify.send()
    await notify.came("failed")
    await notify.behave("ok")
    path = f"/v1/messages/{await only_message(notify)}/resend"
    first = await notify.ask("POST", path, idempotency_key="again")
    assert (first.status, first.body["state"]) == (202, "planned")
    await notify.came("delivered")
    repeated = await notify.ask("POST", path, idempotency_key="again")
    assert (repeated.status, repeated.body) == (202, first.body)
    assert await notify.texts() == [N01]
    assert await notify.types() == ["planned", "failed", "planned", "sent", "delivered"]


async def test_a_delivered_message_is_not_sent_again(notify: Notify) -> None:
    await notify.dossier(CASE)
    await notify.hear(registered())
    notify.send()
    await notify.came("delivered")
    answer = await notify.ask(
        "POST", f"/v1/messages/{await only_message(notify)}/resend", idempotency_key="k"
    )
    assert (answer.status, answer.body["code"], answer.body["state"]) == (
        409,
        "forbidden_action",
        "delivered",
    )


async def test_sending_again_asks_the_reasons_anew(notify: Notify) -> None:
    await notify.dossier(CASE)
    await notify.hear(registered(case=case_facts(flags=("VIOLENCE",))))
    notify.send()
    answer = await notify.ask(
        "POST", f"/v1/messages/{await only_message(notify)}/resend", idempotency_key="k"
    )
    assert answer.status == 202
    await notify.came("suppressed")
    assert await notify.texts() == []


async def test_sending_again_needs_a_key_a_role_and_the_version_if_told(notify: Notify) -> None:
    await notify.dossier(CASE)
    await notify.hear(registered(case=case_facts(flags=("VIOLENCE",))))
    path = f"/v1/messages/{await only_message(notify)}/resend"
    assert (await notify.ask("POST", path)).status == 400
    assert (await notify.ask("POST", path, role="operator", idempotency_key="k")).status == 403
    assert (await notify.ask("POST", path, idempotency_key="k", if_match='"7"')).status == 412
    unknown = await notify.ask("POST", f"/v1/messages/{uuid4()}/resend", idempotency_key="k")
    assert unknown.status == 404


async def test_templates_and_previews(notify: Notify) -> None:
    items = (await notify.ask("GET", "/v1/templates", role="admin")).body["items"]
    assert [item["id"] for item in items] == [f"N{number:02d}" for number in range(1, 22)]
    body = {"template": "N07", "values": {"no": "K7M2P9QX", "d": "2月9日"}}
    shown = await notify.ask("POST", "/v1/previews", body, role="admin")
    assert shown.status == 200
    assert shown.body["text"].startswith("【临江解纷】您的事项(编号K7M2P9QX)")
    assert shown.body["characters"] == len(shown.body["text"]) <= shown.body["max_characters"]


@pytest.mark.parametrize(
    ("body", "pointer", "code"),
    [
        ({"template": "N99"}, "/template", "unknown_code"),
        ({"template": "N07", "values": {"no": "K7M2P9QX"}}, "/values", "missing_value"),
        ({"template": "N07", "values": {"no": "x", "d": "y", "z": "1"}}, "/values", "unknown_field"),
        ({"template": "N07", "values": {"no": "政府", "d": "2月9日"}}, "/values", "forbidden_word"),
    ],
)
async def test_a_preview_says_why_a_text_could_not_go_out(
    notify: Notify, body: dict[str, Any], pointer: str, code: str
) -> None:
    answer = await notify.ask("POST", "/v1/previews", body, role="admin")
    assert answer.status == 422
    assert [(error["pointer"], error["code"]) for error in answer.body["errors"]] == [(pointer, code)]
