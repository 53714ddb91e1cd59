"""Entering and working on cases in a browser's eyes: forms, faults at their fields, merging, script."""

import re
from typing import Any
from uuid import UUID

import aiohttp
import pytest

from libs.web.errors import (
    Busy,
    FieldError,
    Forbidden,
    ForbiddenAction,
    InProgress,
    Invalid,
    KeyReused,
    NotFound,
    Refusal,
    Stale,
    Unavailable,
)
from services.console.handlers.casework import Answer, Upload
from tests.component.test_console_board import event
from tests.component.test_console_pages import PASSWORD, House, browser, form_of, house, sign_in
from tests.unit.console.test_board import intake, mediation

__all__ = ["browser", "house"]

CASE = "019c2b6e-7001-7001-8001-000000000001"
OTHER = "019c2b6e-7001-7001-8001-000000000002"
SCRIPT = "<script>alert(1)</script>"


def case(**changes: Any) -> dict[str, Any]:
    """A case as intake answers it, masked."""
    return {
        "case_id": CASE,
        "district": "990101",
        "query_code": "K7M2P9QX",
        "kind": "DIS",
        "track": "MEDIATION",
        "category": "D10",
        "topic": None,
        "grid": "99010100100203",
        "flags": [],
        "urgency": "BLUE",
        "state": "registered",
        "version": 1,
        "registered_at": "2026-02-05T10:12:00+08:00",
        "received_at": "2026-02-05T10:12:00+08:00",
        "due": {"rule": "PROD-TRIAGE-BLUE", "due_at": "2026-02-07T00:00:00+08:00"},
        "parent": None,
        "children": [],
        "possible_duplicates": [],
        "related": [],
        "merged_into": None,
        "holds": [],
        "warnings": [],
        "channel": "phone",
        "headcount": 1,
        "amount_fen": None,
        "anonymous": False,
        "real_name": True,
        "directed_to": None,
        "reason_code": None,
        "reminders": 0,
        "released": False,
        "applicant": {"name": "周**", "phone": "138****0001"},
        "place": {"address": "云桥街道****"},
        "narrative": "三个月工资未发",
        **changes,
    }


def there(house: House, version: int = 1, **changes: Any) -> None:
    """Intake has the case; the other services have nothing of it yet."""
    house.services.answers["intake", "GET", f"/v1/cases/{CASE}"] = Answer(case(**changes), version)


@pytest.fixture
async def operator(browser: aiohttp.ClientSession) -> aiohttp.ClientSession:
    await sign_in(browser)
    return browser


async def page(browser: aiohttp.ClientSession, path: str, **form: str) -> tuple[int, str, str]:
    """Status, text, and where it leads; with a form it is sent."""
    if not form:
        async with browser.get(path, allow_redirects=False) as answer:
            return answer.status, await answer.text(), answer.headers.get("location", "")
    async with browser.post(path, data=form, allow_redirects=False) as answer:
        return answer.status, await answer.text(), answer.headers.get("location", "")


async def send(browser: aiohttp.ClientSession, path: str, **form: str) -> tuple[int, str, str]:
    return await page(browser, path, **{"form": await form_of(browser, "/cases/new"), "key": "k1", **form})


async def test_what_is_typed_is_registered_as_the_operators_own_request(
    house: House, operator: aiohttp.ClientSession
) -> None:
    house.services.answers["intake", "POST", "/v1/cases"] = Answer(case(version=2), 2)
    status, _, goes_to = await send(operator, "/cases/new", narrative="路灯不亮", kind="HLP", accept="1")
    assert (status, goes_to) == (303, f"/cases/{CASE}?new=2")
    (asked,) = house.services.asked
    assert (asked["user"], asked["key"]) == ("operator", "k1")
    assert (asked["body"]["narrative"], asked["body"]["decision"]) == ("路灯不亮", {"action": "accept"})


async def test_who_may_not_read_what_they_registered_gets_its_query_code(
    house: House, operator: aiohttp.ClientSession
) -> None:
    """Else the operator, led to a case that is not there for them, enters it again."""
    house.services.answers["intake", "POST", "/v1/cases"] = Answer(case(kind="REP", track="SEALED"), 1)
    status, text, _ = await send(operator, "/cases/new", narrative="举报", kind="REP", accept="1")
    assert (status, "K7M2P9QX" in text) == (201, True)
    assert "decision" not in house.services.asked[-1]["body"]


async def test_what_was_typed_outlives_session_and_form(
    house: House, operator: aiohttp.ClientSession
) -> None:
    """Signed in anew elsewhere, and then signed out: the form comes back, under the key that it had."""
    house.services.answers["intake", "POST", "/v1/cases"] = Answer(case(), 1)
    old = await form_of(operator, "/cases/new")
    operator.cookie_jar.clear()
    await sign_in(operator)
    typed = {"form": old, "key": "k1", "narrative": "路灯不亮", "flags": "VIOLENCE"}
    status, text, _ = await page(operator, "/cases/new", **typed)
    assert (status, "页面已过期" in text) == (403, True)
    for kept in (">路灯不亮</textarea>", 'value="k1"', 'value="VIOLENCE" checked'):
        assert kept in text
    assert f'name="form" value="{await form_of(operator, "/cases/new")}"' in text
    operator.cookie_jar.clear()
    status, text, _ = await page(operator, "/cases/new", **typed)
    assert (status, '<a href="/sign-in" target="_blank">' in text, "退出" in text) == (401, True, False)
    for kept in (">路灯不亮</textarea>", 'value="k1"', 'value="VIOLENCE" checked'):
        assert kept in text
    assert house.services.asked == []


async def test_half_a_fact_comes_back_under_its_key_before_anybody_is_asked(
    house: House, operator: aiohttp.ClientSession
) -> None:
    status, text, _ = await send(operator, "/cases/new", narrative="x", fact_on_1="2026-01-22")
    assert (status, 'id="fault-fact_1"' in text, 'name="key" value="k1"' in text) == (422, True, True)
    assert house.services.asked == []


async def test_who_may_not_accept_is_told_at_the_box(house: House, operator: aiohttp.ClientSession) -> None:
    house.services.answers["intake", "POST", "/v1/cases"] = Forbidden()
    _, text, _ = await send(operator, "/cases/new", narrative="x", kind="DIS", accept="1")
    assert '<p class="fault" id="fault-accept">您的岗位不能受理这类事项' in text


async def test_what_was_registered_alone_is_said_to_wait_for_its_decision(
    house: House, operator: aiohttp.ClientSession
) -> None:
    for state, waits in (("registered", True), ("accepted", False)):
        there(house, state=state)
        assert ("尚未受理，等待决定" in (await page(operator, f"/cases/{CASE}?new=0"))[1]) == waits


async def test_a_form_has_a_key_of_its_own_so_that_sending_twice_is_once(
    operator: aiohttp.ClientSession,
) -> None:
    keys = [
        re.search(r'name="key" value="([^"]+)"', (await page(operator, "/cases/new"))[1]) for _ in range(2)
    ]
    assert keys[0] is not None
    assert keys[1] is not None
    assert keys[0][1] != keys[1][1]


async def test_a_fault_stands_at_its_field_and_nothing_typed_is_lost(
    house: House, operator: aiohttp.ClientSession
) -> None:
    fault = Invalid(errors=[FieldError("/applicant/phone", "too_long", "过长")])
    house.services.answers["intake", "POST", "/v1/cases"] = fault
    status, text, _ = await send(operator, "/cases/new", narrative="路灯不亮", phone="1" * 40, kind="DIS")
    assert status == 422
    assert '<p class="fault" id="fault-phone">过长</p>' in text
    assert 'aria-describedby="fault-phone"' in text
    assert ">路灯不亮</textarea>" in text
    assert '<option value="DIS" selected>' in text
    assert 'name="key" value="k1"' not in text


async def test_a_service_that_is_away_is_said_and_nothing_typed_is_lost(
    house: House, operator: aiohttp.ClientSession
) -> None:
    house.services.answers["intake", "POST", "/v1/cases"] = Unavailable()
    status, text, _ = await send(operator, "/cases/new", narrative="路灯不亮")
    assert status == 503
    assert "服务暂不可用" in text
    assert ">路灯不亮</textarea>" in text


OPEN_OUTCOMES = [
    Unavailable(),
    InProgress(),
    Busy(),
    KeyReused(),
    Refusal(code="too_many_requests", status=429),
    Refusal(code="timeout", status=503),
    Refusal(code="internal_error", status=500),
]


@pytest.mark.parametrize("refusal", OPEN_OUTCOMES, ids=lambda refusal: refusal.code)
async def test_while_nobody_knows_whether_it_took_effect_it_is_sent_again_under_its_key(
    house: House, operator: aiohttp.ClientSession, refusal: Refusal
) -> None:
    """Else an operator who tries again after a timeout registers the matter twice."""
    there(house)
    house.services.answers["intake", "POST", "/v1/cases"] = refusal
    house.services.answers["intake", "POST", f"/v1/cases/{CASE}/reminders"] = refusal
    _, entry, _ = await send(operator, "/cases/new", narrative="路灯不亮", key="first")
    _, acts, _ = await send(operator, f"/cases/{CASE}/acts/remind", version="1", text="又来电", key="first")
    assert 'name="key" value="first"' in entry
    assert acts.count('name="key" value="first"') == 1


async def test_what_perhaps_was_registered_before_is_not_registered_anew_by_a_click(
    house: House, operator: aiohttp.ClientSession
) -> None:
    house.services.answers["intake", "POST", "/v1/cases"] = KeyReused()
    _, text, _ = await send(operator, "/cases/new", narrative="路灯不亮，又添一句")
    assert "可能已经登记" in text
    taken = Refusal(code="external_ref_taken", case_id=OTHER)
    house.services.answers["intake", "POST", "/v1/cases"] = taken
    _, text, _ = await send(operator, "/cases/new", narrative="路灯不亮，又添一句", external_ref="A-1")
    assert f'href="/cases/{OTHER}"' in text
    assert ">路灯不亮，又添一句</textarea>" in text


@pytest.mark.parametrize("field", ["headcount", "amount"])
async def test_a_number_of_thousands_of_digits_is_a_fault_like_any_other(
    house: House, operator: aiohttp.ClientSession, field: str
) -> None:
    house.services.answers["intake", "POST", "/v1/cases"] = Invalid()
    assert (await send(operator, "/cases/new", narrative="x", **{field: "9" * 5000}))[0] == 422
    there(house)
    house.services.answers["intake", "POST", f"/v1/cases/{CASE}/reminders"] = Invalid()
    assert (await send(operator, f"/cases/{CASE}/acts/remind", version="9" * 5000))[0] == 422


async def test_a_fault_of_a_box_stands_at_the_box(house: House, operator: aiohttp.ClientSession) -> None:
    fault = Invalid(errors=[FieldError("/consents/sms", "unknown", "不明")])
    house.services.answers["intake", "POST", "/v1/cases"] = fault
    _, text, _ = await send(operator, "/cases/new", narrative="x", sms="1")
    assert '<p class="fault" id="fault-sms">不明</p>' in text
    assert 'name="sms" value="1" checked aria-invalid="true"' in text


async def test_who_calls_again_is_known_by_what_they_brought_before(
    house: House, operator: aiohttp.ClientSession
) -> None:
    found = Answer({"items": [case(state="accepted")], "next": None})
    house.services.answers["intake", "POST", "/v1/cases/search"] = found
    status, text, _ = await send(operator, "/cases/known", phone="13800000001")
    assert status == 200
    for shown in ("1 件", "K7M2P9QX", "纠纷调解", "已受理", f'href="/cases/{CASE}"'):
        assert shown in text
    assert house.services.asked[-1]["body"] == {"phone": "13800000001"}
    case_id = UUID(CASE)
    offered = [event(case_id, 1, intake("case.accepted")), event(case_id, 1, mediation("case.offered"))]
    await house.tell(*offered)
    for path, form in (("/cases/known", {"phone": "13800000001"}), ("/search", {"sought": "0001"})):
        _, text, _ = await send(operator, path, **form)
        assert ("待承接" in text, "已受理" in text, "2月9日" in text) == (True, False, True)
    found.body["items"] = []
    assert "以前没有事项" in (await send(operator, "/cases/known", phone="13800000001"))[1]


async def test_earlier_matters_that_cannot_be_asked_for_are_no_matters_that_are_not_there(
    house: House, operator: aiohttp.ClientSession
) -> None:
    house.services.answers["intake", "POST", "/v1/cases/search"] = Unavailable()
    status, text, _ = await send(operator, "/cases/known", phone="13800000001")
    assert status == 503
    assert "暂时查不到" in text
    assert "没有事项" not in text
    house.services.answers["intake", "POST", "/v1/cases/search"] = Refusal(code="invalid", status=422)
    assert "号码还不完整" in (await send(operator, "/cases/known", phone="1380000"))[1]


def told(**lists: Any) -> Answer:
    names = ("kinds", "categories", "flags", "lawful_routes", "grids", "duplicates", "clusters")
    return Answer({"urgency": "RED", **{name: [] for name in names}, **lists})


async def test_what_is_typed_suggests_and_shows_why(house: House, operator: aiohttp.ClientSession) -> None:
    house.services.answers["intake", "POST", "/v1/suggestions"] = told(
        kinds=[{"code": "DIS", "score": 0.81, "because": ["协调"]}],
        categories=[{"code": "D02", "score": 0.7, "because": []}],
        flags=[
            {"code": "VIOLENCE", "score": 1.0, "because": ["拿刀"]},
            {"code": "SELF_HARM", "score": 0.0, "because": ["没有轻生"]},
        ],
        duplicates=[{"code": str(CASE), "score": 0.5, "because": ["phone", "narrative"]}],
        possible_flags=[{"code": "MASS_EVENT", "score": 0.66, "because": ["都去门口坐着"]}],
        clusters=[{"code": str(OTHER), "score": 0.45, "because": ["respondents", "place", "narrative"]}],
    )
    status, text, _ = await send(
        operator,
        "/cases/suggested",
        narrative="他拿刀<b>",
        address="锦苑",
        phone="",
        headcount="3",
        category="D02",
        respondent_0="何某某",
        respondent_1="",
    )
    assert status == 200
    for shown in (
        'data-code="DIS" title="协调"',
        "纠纷调解",
        "81%",
        "无明确词句",
        "拿刀",
        "提到但否认",
        "<small>都去门口坐着</small>",
    ):
        assert shown in text
    assert re.search("可能：群体性事件苗头（系统没有标记，请核实", text)
    for case, why in ((CASE, "可能是同一件事"), (OTHER, "他人反映的可能是同一情况")):
        assert re.search(f'{why}：<a href="/cases/{case}"', text)
    assert "45%，同一对方、同一网格同类事项、诉求相似" in text
    assert house.services.asked[-1]["body"] == {
        "narrative": "他拿刀<b>",
        "address": "锦苑",
        "headcount": 3,
        "category": "D02",
        "respondents": [{"name": "何某某", "organisation": False}],
    }


@pytest.mark.parametrize("headcount", ["", "0", "x", "-3", pytest.param("9" * 5000, id="5,000 digits"), "²"])
async def test_a_headcount_that_is_none_hinders_no_suggestion(
    house: House, operator: aiohttp.ClientSession, headcount: str
) -> None:
    house.services.answers["intake", "POST", "/v1/suggestions"] = told()
    assert (await send(operator, "/cases/suggested", narrative="x", headcount=headcount))[0] == 200
    assert house.services.asked[-1]["body"] == {"narrative": "x"}


async def test_suggestions_that_are_away_hinder_nothing(
    house: House, operator: aiohttp.ClientSession
) -> None:
    house.services.answers["intake", "POST", "/v1/suggestions"] = Unavailable()
    status, text, _ = await send(operator, "/cases/suggested", narrative="x")
    assert (status, "暂时取不到" in text) == (503, True)


@pytest.mark.parametrize("form", ["", "wrong"])
@pytest.mark.parametrize(
    "path", ["/cases/new", "/cases/known", "/cases/suggested", f"/cases/{CASE}/acts/remind", "/search"]
)
async def test_a_form_of_another_site_does_nothing(
    house: House, operator: aiohttp.ClientSession, path: str, form: str
) -> None:
    status, _, _ = await page(operator, path, form=form, narrative="x", sought="x", version="1")
    assert status == 403
    assert house.services.asked == []


async def test_signing_in_opens_a_new_session_whatever_the_browser_brings(
    house: House, browser: aiohttp.ClientSession
) -> None:
    form, chosen = await form_of(browser), "chosen-by-somebody-else"
    (tie,) = [each for each in browser.cookie_jar if each.key == "heshi-form"]
    brought = {"cookie": f"heshi-form={tie.value}; heshi-session={chosen}"}
    data = {"user": "operator", "password": PASSWORD, "form": form}
    async with aiohttp.ClientSession(house.url) as other:
        async with other.post("/sign-in", data=data, headers=brought, allow_redirects=False) as answer:
            assert answer.status == 303
            assert answer.cookies["heshi-session"].value not in ("", chosen)
    async with aiohttp.ClientSession(house.url) as thief:
        async with thief.get(
            "/session", headers={"cookie": "heshi-session=chosen-by-somebody-else"}
        ) as answer:
            assert answer.status == 401


async def test_a_case_shows_what_it_is_and_what_may_be_done(
    house: House, operator: aiohttp.ClientSession
) -> None:
    there(house)
    status, text, _ = await page(operator, f"/cases/{CASE}")
    assert status == 200
    for shown in ("K7M2P9QX", "已登记", "138****0001", "三个月工资未发", "尚未派单"):
        assert shown in text
    assert re.findall(r'/acts/([a-z]+)"', text) == [
        "accept", "merge", "amend", "flags", "remind", "relate", "withdraw",
    ]  # fmt: skip
    there(house, state="accepted")
    closed = Answer({"state": "closed", "owner": "LAB-01"})
    house.services.answers["mediation", "GET", f"/v1/cases/{CASE}"] = closed
    house.services.answers["intake", "GET", FILES] = Answer({"items": []})
    _, text, _ = await page(operator, f"/cases/{CASE}")
    assert ("已办结" in text, "上传" in text) == (True, False)
    assert re.findall(r'/acts/([a-z]+)"', text) == ["relate"]


@pytest.mark.parametrize("field", ["narrative", "applicant", "place"], ids=["narrative", "name", "address"])
async def test_script_in_a_text_comes_out_as_text(
    house: House, operator: aiohttp.ClientSession, field: str
) -> None:
    said = {"narrative": SCRIPT, "applicant": {"name": SCRIPT, "phone": SCRIPT}, "place": {"address": SCRIPT}}
    there(house, **{field: said[field]})
    _, text, _ = await page(operator, f"/cases/{CASE}")
    assert SCRIPT not in text
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in text


async def test_script_in_any_field_of_the_form_comes_back_as_text(
    house: House, operator: aiohttp.ClientSession
) -> None:
    house.services.answers["intake", "POST", "/v1/cases"] = Invalid()
    names = re.findall(r' name="([a-z_0-9]+)"', (await page(operator, "/cases/new"))[1])
    typed = {name: f'">{SCRIPT}' for name in names if name not in ("form", "key")}
    status, text, _ = await send(operator, "/cases/new", **typed)
    assert status == 422
    assert SCRIPT not in text


async def test_no_page_lets_foreign_script_run(operator: aiohttp.ClientSession) -> None:
    async with operator.get("/cases/new") as answer:
        assert "default-src 'none'" in answer.headers["content-security-policy"]
        assert "'unsafe-inline'" not in answer.headers["content-security-policy"]


async def test_a_case_of_another_district_is_not_there(house: House, operator: aiohttp.ClientSession) -> None:
    house.services.answers["intake", "GET", f"/v1/cases/{CASE}"] = NotFound()
    assert (await page(operator, f"/cases/{CASE}"))[0] == 404


@pytest.mark.parametrize("user", ["auditor", "handler"])
async def test_who_works_on_no_cases_enters_none(
    house: House, browser: aiohttp.ClientSession, user: str
) -> None:
    await sign_in(browser, user)
    assert (await page(browser, "/cases/new"))[0] == 403
    form = await form_of(browser, "/")
    assert (await page(browser, "/cases/known", form=form, phone="13800000001"))[0] == 403
    house.services.answers["intake", "GET", f"/v1/cases/{CASE}"] = Forbidden()
    assert (await page(browser, f"/cases/{CASE}"))[0] == 403


async def test_a_case_without_a_kind_shows_what_its_text_suggests(
    house: House, operator: aiohttp.ClientSession
) -> None:
    there(house)
    assert "系统建议" not in (await page(operator, f"/cases/{CASE}"))[1]
    lists = {"kinds": [{"code": "DIS", "score": 0.8, "because": ["邻居"]}], "categories": []}
    there(house, kind=None, track=None, suggested=lists)
    text = (await page(operator, f"/cases/{CASE}"))[1]
    assert "系统建议" in text
    assert "纠纷调解 80%（邻居）" in text


async def test_where_nobody_may_take_a_case_the_page_says_why_of_each(
    house: House, operator: aiohttp.ClientSession
) -> None:
    there(house, state="accepted")
    nobody = {
        "attempt": 1,
        "org_id": None,
        "referral": None,
        "reason": "NO_ELIGIBLE",
        "state": "exhausted",
        "because": {"zh": "没有符合条件的组织"},
        "co_mediators": [],
        "candidates": [],
        "out": [{"org_id": "LAB-01", "reasons": ["NO_CONSENT"]}],
        "rule_version": "1",
    }
    house.services.answers["routing", "GET", f"/v1/cases/{CASE}/assignments"] = Answer({"items": [nobody]})
    text = (await page(operator, f"/cases/{CASE}"))[1]
    assert "1. 无可派组织" in text
    assert "：未同意转交" in text


async def test_a_case_shows_a_danger_that_nobody_has_flagged(
    house: House, operator: aiohttp.ClientSession
) -> None:
    farewell = {"code": "SELF_HARM", "score": 0.9, "because": ["猫送人了"]}
    there(house, possible_flags=[farewell])
    text = (await page(operator, f"/cases/{CASE}"))[1]
    assert "可能的风险（系统没有标记，请核实）" in text
    assert "（猫送人了）" in text


async def test_a_dispatcher_prints_the_notice_of_a_decision(
    house: House, browser: aiohttp.ClientSession
) -> None:
    await sign_in(browser, "dispatcher")
    there(house, state="registered")
    assert "打印告知书" not in (await page(browser, f"/cases/{CASE}"))[1]
    there(house, state="refused")
    assert f"/cases/{CASE}/notice" in (await page(browser, f"/cases/{CASE}"))[1]
    told = {
        "title": "不予受理告知书",
        "addressee": SCRIPT,
        "paragraphs": ["经审查，该事项已进入诉讼程序，不予受理。"],
        "number": "K7M2P9QX",
        "dated": "2026-03-03",
    }
    house.services.answers["intake", "GET", f"/v1/cases/{CASE}/notice"] = Answer(told)
    status, text, _ = await page(browser, f"/cases/{CASE}/notice")
    assert status == 200
    assert SCRIPT not in text
    for said in ("不予受理告知书", "K7M2P9QX", "已进入诉讼程序", "2026年3月3日"):
        assert said in text


async def test_an_operator_is_offered_no_notice(house: House, operator: aiohttp.ClientSession) -> None:
    there(house, state="refused")
    assert "打印告知书" not in (await page(operator, f"/cases/{CASE}"))[1]


async def test_an_act_is_done_on_the_version_that_was_seen(
    house: House, operator: aiohttp.ClientSession
) -> None:
    there(house)
    house.services.answers["intake", "POST", f"/v1/cases/{CASE}/reminders"] = Answer({"version": 2}, 2)
    status, _, goes_to = await send(operator, f"/cases/{CASE}/acts/remind", version="1", text="又来电")
    assert (status, goes_to) == (303, f"/cases/{CASE}?done=2")
    (asked,) = house.services.asked
    assert (asked["version"], asked["key"], asked["body"]) == (
        1,
        "k1",
        {"new_facts": False, "text": "又来电"},
    )


async def test_who_was_slower_sees_what_changed_beside_their_own_words(
    house: House, operator: aiohttp.ClientSession
) -> None:
    there(house, version=3, state="accepted")
    case_id = UUID(CASE)
    happened = [intake("case.registered"), intake("case.accepted"), intake("case.reminded")]
    await house.tell(*(event(case_id, number, each) for number, each in enumerate(happened, 1)))
    house.services.answers["intake", "POST", f"/v1/cases/{CASE}/flags"] = Stale(version=3)
    status, text, _ = await send(
        operator, f"/cases/{CASE}/acts/flags", version="1", flag="VIOLENCE", text="说到有人动手"
    )
    assert status == 412
    assert "已被他人更新" in text
    assert "说到有人动手" in text
    assert '<option value="VIOLENCE" selected>' in text
    assert 'name="version" value="3"' in text
    assert "催办" in text


ENTERED = {"reason_code": "IN_LITIGATION", "directed_to": "CT-01", "text": "法院已立案"}


@pytest.mark.parametrize("refusal", [Stale(version=3), ForbiddenAction()], ids=["412", "409"])
async def test_all_that_was_typed_is_shown_when_the_act_is_possible_no_more(
    house: House, browser: aiohttp.ClientSession, refusal: Refusal
) -> None:
    await sign_in(browser, "dispatcher")
    there(house, version=3, state="accepted")
    house.services.answers["intake", "POST", f"/v1/cases/{CASE}/decision"] = refusal
    status, text, _ = await send(browser, f"/cases/{CASE}/acts/refuse", version="1", **ENTERED)
    assert status == refusal.status
    for word in ("不予受理", "已进入诉讼", "临江区人民法院", "法院已立案"):
        assert word in text


async def test_an_act_waits_on_a_page_of_its_own_while_its_service_is_away(
    house: House, browser: aiohttp.ClientSession
) -> None:
    await sign_in(browser, "dispatcher")
    house.services.answers["intake", "POST", f"/v1/cases/{CASE}/decision"] = Unavailable()
    house.services.answers["intake", "GET", f"/v1/cases/{CASE}"] = Unavailable()
    status, text, _ = await send(browser, f"/cases/{CASE}/acts/refuse", version="7", key="first", **ENTERED)
    assert status == 503
    for kept in ('value="first"', 'name="version" value="7"', '"IN_LITIGATION" selected', ">法院已立案<"):
        assert kept in text


async def test_a_refused_act_says_why_and_keeps_what_was_typed(
    house: House, operator: aiohttp.ClientSession
) -> None:
    there(house)
    fault = Invalid(
        errors=[
            FieldError("/lawful_route", "required", "必填"),
            FieldError("/kind", "required", "without a kind no track"),
        ]
    )
    house.services.answers["intake", "POST", f"/v1/cases/{CASE}/decision"] = fault
    status, text, _ = await send(operator, f"/cases/{CASE}/acts/accept", version="1")
    assert status == 422
    assert "输入有误：依法分类 必填；类型 必填" in text
    assert 'id="accept-directed_to" name="directed_to">' in text
    there(house, kind="PET", track="PETITION")
    _, text, _ = await send(operator, f"/cases/{CASE}/acts/accept", version="1")
    assert 'name="lawful_route" aria-invalid="true" aria-describedby="fault-accept"' in text


async def test_a_case_without_a_kind_is_amended_before_it_is_accepted(
    house: House, operator: aiohttp.ClientSession
) -> None:
    there(house, kind=None, track=None, grid=None)
    _, text, _ = await page(operator, f"/cases/{CASE}")
    assert "/acts/accept" not in text
    for shown in ('<option value="DIS">纠纷调解', '<option value="99010100100203">云桥街道 锦苑第三网格'):
        assert shown in text
    house.services.answers["intake", "PATCH", f"/v1/cases/{CASE}"] = Answer({"version": 2}, 2)
    typed = {"kind": "DIS", "category": "D10", "address": "锦苑一期3幢", "text": "回拨核实"}
    status, _, goes_to = await send(operator, f"/cases/{CASE}/acts/amend", version="1", **typed)
    assert (status, goes_to) == (303, f"/cases/{CASE}?done=2")
    (asked,) = [each for each in house.services.asked if each["body"]]
    assert (asked["path"], asked["version"], asked["key"]) == (f"/v1/cases/{CASE}", 1, "k1")
    assert asked["body"] == {
        "kind": "DIS",
        "category": "D10",
        "topic": None,
        "place": {"address": "锦苑一期3幢"},
        "reason": "回拨核实",
    }


async def test_a_choice_comes_back_with_its_form_though_it_is_not_offered_any_more(
    house: House, operator: aiohttp.ClientSession
) -> None:
    there(house, version=3, state="accepted")
    house.services.answers["intake", "PATCH", f"/v1/cases/{CASE}"] = Stale(version=3)
    _, text, _ = await send(operator, f"/cases/{CASE}/acts/amend", version="1", kind="PET", text="核实")
    assert '<option value="PET" selected>' in text


@pytest.mark.parametrize(
    ("act", "path", "body"),
    [
        ("merge", "decision", {"action": "merge", "into": OTHER, "reason_text": "同一事"}),
        ("relate", "related", {"case_id": OTHER, "related": True}),
    ],
)
@pytest.mark.parametrize("named", [" k7m2p9qy", OTHER], ids=["query code", "id"])
async def test_another_case_is_named_by_its_number(
    house: House, operator: aiohttp.ClientSession, act: str, path: str, body: dict[str, Any], named: str
) -> None:
    there(house)
    house.services.answers["intake", "GET", "/v1/cases"] = Answer({"items": [case(case_id=OTHER)]})
    house.services.answers["intake", "POST", f"/v1/cases/{CASE}/{path}"] = Answer({"version": 2}, 2)
    typed = {"version": "1", "other": named, "text": "同一事"}
    assert (await send(operator, f"/cases/{CASE}/acts/{act}", **typed))[0] == 303
    assert house.services.asked[-1]["body"] == body


@pytest.mark.parametrize(
    ("named", "fault"), [("", "必填"), ("12", "应为八位查询码"), ("K7M2P9QY", "没有此查询码的事项")]
)
async def test_a_number_of_no_case_is_a_fault_at_its_field(
    house: House, operator: aiohttp.ClientSession, named: str, fault: str
) -> None:
    there(house)
    house.services.answers["intake", "GET", "/v1/cases"] = Answer({"items": []})
    status, text, _ = await send(operator, f"/cases/{CASE}/acts/merge", version="1", other=named)
    assert (status, f"另一事项的查询码 {fault}" in text) == (422, True)
    assert f'name="other" value="{named}"' in text
    assert not [each for each in house.services.asked if each["body"]]


async def test_a_case_shows_what_to_look_at_what_belongs_to_it_and_since_when(
    house: House, browser: aiohttp.ClientSession
) -> None:
    await sign_in(browser, "supervisor")
    await house.tell(event(UUID(OTHER), 1, intake("case.registered")))
    there(
        house,
        flags=["VIOLENCE"],
        warnings=[
            {"code": "PHONE_INVALID", "pointer": "/respondents/1/phone"},
            {"code": "GRID_UNRESOLVED", "pointer": "/place/address"},
            {"code": "MENTIONED_AND_DENIED", "pointer": "/narrative", "flag": "SELF_HARM"},
        ],
        possible_duplicates=[OTHER],
        related=[CASE],
        merged_into=OTHER,
        holds=["COURT"],
        received_at="2021-03-05T10:00:00+08:00",
        due={"rule": "PROD-TRIAGE-BLUE", "due_at": "2021-03-09T00:00:00+08:00"},
    )
    for path in (f"/cases/{CASE}", f"/cases/{CASE}/panel"):
        _, text, _ = await page(browser, path)
        for shown in (
            "电话号码无效，请核实（对方当事人 2）",
            "地址未能落到网格，请核实",
            "提到但否认，请核实（自伤自杀风险）",
            f'<dt>已并入</dt><dd><a href="/cases/{OTHER}">K7M2P9QX 纠纷调解 已登记</a>',
            f'<dt>可能重复</dt><dd><a href="/cases/{OTHER}">',
            f'<dt>关联事项</dt><dd><a href="/cases/{CASE}">查看</a>',
            "诉讼、仲裁或复议需要",
            "<dt>收到</dt><dd>2021年3月5日 10:00</dd>",
            '<b>2021年3月9日 00:00</b> <span class="soft">已超期',
        ):
            assert shown in text
        assert "进行中" not in text
    for act in ("lower", "hold", "unhold"):
        assert f"/cases/{CASE}/acts/{act}" in (await page(browser, f"/cases/{CASE}"))[1]


async def test_an_act_that_is_none_is_not_there(house: House, operator: aiohttp.ClientSession) -> None:
    assert (await send(operator, f"/cases/{CASE}/acts/erase", version="1"))[0] == 404


@pytest.mark.parametrize(
    ("sought", "body"),
    [
        ("k7m2p9qx", {"query_code": "K7M2P9QX"}),
        ("138 0000 0001", {"phone": "138 0000 0001"}),
        ("0001", {"phone": "0001"}),
        ("+8613800000004", {"phone": "+8613800000004"}),
        ("0571-87654321", {"phone": "0571-87654321"}),
        ("１３８０００００００４", {"phone": "13800000004"}),
        ("Ｋ７Ｍ２Ｐ９ＱＸ", {"query_code": "K7M2P9QX"}),
        ("87654329", {"query_code": "87654329"}),
        ("5幢301室", {"q": "5幢301室"}),
        ("尾号0004", {"q": "尾号0004"}),
        ("123456", {"q": "123456"}),
        ("漏水 3幢", {"q": "漏水 3幢"}),
        ("wechat", {"q": "wechat"}),
    ],
)
async def test_a_case_is_sought_by_number_phone_or_words_and_none_stands_in_an_address(
    house: House, operator: aiohttp.ClientSession, sought: str, body: dict[str, str]
) -> None:
    found = Answer({"items": [case()], "next": "more"})
    house.services.answers["intake", "POST", "/v1/cases/search"] = found
    status, text, _ = await send(operator, "/search", sought=sought)
    assert status == 200
    assert f'href="/cases/{CASE}"' in text
    assert 'name="after" value="more"' in text
    assert house.services.asked[-1]["body"] == body
    assert sought not in house.services.asked[-1]["path"]


async def test_a_search_says_what_is_wrong_with_it_and_where_to_look_on(
    house: House, operator: aiohttp.ClientSession
) -> None:
    asked = ("intake", "POST", "/v1/cases/search")
    nothing = FieldError("/q", "nothing_to_search", "没有可查的内容；电话请填 phone")
    house.services.answers[asked] = Invalid(errors=[nothing])
    text = (await send(operator, "/search", sought="水"))[1]
    assert ("没有可查的内容" in text, "phone" in text) == (True, False)
    house.services.answers[asked] = Answer({"items": [], "next": "more"})
    _, text, _ = await send(operator, "/search", sought="漏水")
    assert "可继续查更早的事项" in text
    assert 'name="after" value="more"' in text


async def test_the_texts_of_acts_stand_on_the_page_of_who_may_read_them(
    house: House, operator: aiohttp.ClientSession
) -> None:
    there(house)
    note = {
        "note_id": OTHER,
        "at": "2026-02-05T10:12:00+08:00",
        "actor": "staff:operator",
        "act": "reminder",
        "text": SCRIPT,
    }
    notes = ("intake", "GET", f"/v1/cases/{CASE}/notes")
    house.services.answers[notes] = Answer({"items": [note], "next": "more"})
    _, text, _ = await page(operator, f"/cases/{CASE}")
    for shown in ("办理说明", "<time>2月5日 10:12</time>催办，operator", "仅列出最早的 1 条"):
        assert shown in text
    assert SCRIPT not in text
    house.services.answers[notes] = Forbidden()
    assert "办理说明" not in (await page(operator, f"/cases/{CASE}"))[1]


FILE = "019c2b6e-7001-7001-8001-0000000000f1"
FILES = f"/v1/cases/{CASE}/attachments"


def with_file(house: House, state: str, name: str = "周**.pdf", reason: str | None = None) -> None:
    """The case with one file."""
    there(house)
    item = {
        "attachment_id": FILE,
        "name": name,
        "media_type": "application/pdf",
        "size": 2_000_000,
        "state": state,
        "reason": reason,
        "received_at": "2026-02-05T10:12:00+08:00",
    }
    house.services.answers["intake", "GET", FILES] = Answer({"items": [item]})


async def upload(
    browser: aiohttp.ClientSession, token: str, content: bytes = b"%PDF-"
) -> tuple[int, str, str]:
    form = aiohttp.FormData(quote_fields=False)
    form.add_field("form", token)
    form.add_field("key", "k7")
    form.add_field("file", content, filename="欠条.pdf", content_type="application/pdf")
    async with browser.post(f"/cases/{CASE}/attachments", data=form, allow_redirects=False) as answer:
        return answer.status, await answer.text(), answer.headers.get("location", "")


async def test_a_file_is_sent_on_as_its_readers_own_and_a_refused_one_is_told_why(
    house: House, operator: aiohttp.ClientSession
) -> None:
    with_file(house, "quarantined", SCRIPT)
    token = await form_of(operator, f"/cases/{CASE}")
    house.services.answers["intake", "PUT", FILES] = Answer({})
    assert await upload(operator, token) == (303, "", f"/cases/{CASE}#files")
    sent = house.services.asked[-1]
    assert (sent["user"], sent["key"]) == ("operator", "k7")
    assert sent["body"] == Upload("欠条.pdf", "application/pdf", b"%PDF-")
    refusal = Refusal(status=422, errors=[FieldError("/file", "damaged", "文件已损坏或不完整")])
    house.services.answers["intake", "PUT", FILES] = refusal
    status, text, _ = await upload(operator, token)
    assert (status, "文件已损坏或不完整" in text, "隔离待查" in text) == (422, True, True)
    assert SCRIPT not in text
    empty = aiohttp.FormData({"form": token, "key": "k7"}, default_to_multipart=True)
    async with operator.post(f"/cases/{CASE}/attachments", data=empty) as answer:
        assert "输入有误：每次只能发送一个文件" in await answer.text()
    asked = len(house.services.asked)
    status, text, _ = await upload(operator, "forged")
    assert (status, "页面已过期" in text) == (403, True)
    for more in (1, 20 * 1024):
        status, text, _ = await upload(operator, token, bytes(20 * 2**20 + more))
        assert (status, "内容过大" in text, "隔离待查" in text) == (413, True, True)
    assert [each for each in house.services.asked[asked:] if each["body"]] == []


async def test_who_may_fetch_a_file_saves_it_and_nothing_else_is_offered(
    house: House, browser: aiohttp.ClientSession
) -> None:
    await sign_in(browser, "dispatcher")
    link = f'href="/cases/{CASE}/attachments/{FILE}"'
    with_file(house, "rejected", reason="INFECTED")
    text = (await page(browser, f"/cases/{CASE}"))[1]
    assert (link in text, "检出病毒" in text, "放行</button>" in text) == (False, True, False)
    with_file(house, "released", "欠条.pdf")
    assert link in (await page(browser, f"/cases/{CASE}"))[1]
    headers = {"content-disposition": "attachment", "content-type": "application/octet-stream"}
    house.services.answers["intake", "GET", f"{FILES}/{FILE}"] = Answer((headers, b"%PDF-"))
    async with browser.get(f"/cases/{CASE}/attachments/{FILE}") as answer:
        assert (await answer.read(), answer.headers["content-disposition"]) == (b"%PDF-", "attachment")


async def test_a_sealed_officer_lets_a_file_out(house: House, browser: aiohttp.ClientSession) -> None:
    await sign_in(browser, "sealed")
    with_file(house, "quarantined")
    assert "放行</button>" in (await page(browser, f"/cases/{CASE}"))[1]
    at, token = f"/cases/{CASE}/attachments/{FILE}/release", await form_of(browser, f"/cases/{CASE}")
    house.services.answers["intake", "POST", f"{FILES}/{FILE}/release"] = Answer({})
    assert await page(browser, at, form=token, key="k8") == (303, "", f"/cases/{CASE}#files")
    assert house.services.asked[-1]["key"] == "k8"


async def test_who_may_not_know_of_files_sees_none(house: House, operator: aiohttp.ClientSession) -> None:
    there(house)
    house.services.answers["intake", "GET", FILES] = Forbidden()
    assert 'id="files"' not in (await page(operator, f"/cases/{CASE}"))[1]
