"""The console in a real browser, on the whole stack: an operator's call from the entry to the take-up."""

import os
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from ops.browser import browsing, chromium, new_page, sign_in
from ops.demo import samples
from ops.installation import Installation
from ops.stack.keys import ensure_accounts
from tests.component.test_stack_life import Heshi
from tests.e2e import world
from tests.e2e.test_whole_stack import heshi

__all__ = ["heshi"]

if chromium() is None and os.environ.get("HESHI_BROWSER") != "required":
    pytest.skip("there is no chromium: install Debian's", allow_module_level=True)

[CASE_1] = samples.inputs([1])
SCRIPT = "<script>document.title='!'</script>"


@pytest.fixture(scope="module")
def browser(heshi: Heshi) -> Iterator[Browser]:
    with browsing() as opened:
        yield opened


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    opened, wrong = new_page(browser), list[str]()
    opened.on("pageerror", lambda error: wrong.append(str(error)))
    opened.on("console", lambda told: wrong.append(told.text) if "Content Security" in told.text else None)
    yield opened
    opened.context.close()
    assert wrong == []


@pytest.fixture
def console(heshi: Heshi) -> str:
    return Installation.current().url("console")


def go_to(page: Page, label: str) -> None:
    """Press Tab until the field with this label has the focus: what no key reaches, nobody can use."""
    wanted = page.get_by_label(label, exact=True)
    for _ in range(60):
        if wanted.evaluate("element => element === document.activeElement"):
            return
        page.keyboard.press("Tab")
    raise AssertionError(f"no key leads to {label}")


def choose(page: Page, label: str, word: str) -> None:
    """Choose an option by the keys alone."""
    go_to(page, label)
    field = page.get_by_label(label, exact=True)
    for _ in range(40):
        if field.evaluate("element => element.selectedOptions[0].textContent") == word:
            return
        page.keyboard.press("ArrowDown")
    raise AssertionError(f"no key leads to {word}")


def open_entry(heshi: Heshi, page: Page, console: str) -> None:
    """Sign in as an operator and open the entry form."""
    sign_in(page, console, "operator", ensure_accounts(heshi.home)["operator"])
    page.goto(f"{console}/cases/new")


def enter_case_1(page: Page) -> None:
    said: Any = CASE_1.input
    go_to(page, "来电人怎么说")
    page.keyboard.insert_text(said["narrative"])
    choose(page, "类型", "纠纷调解")
    choose(page, "类别", "劳动争议纠纷")
    choose(page, "细类", "劳动报酬")
    for label, text in (
        ("事发地址", said["place"]["address"]),
        ("涉及金额(元)", "18600"),
        ("姓名", said["applicant"]["name"]),
        ("电话", said["applicant"]["phone"]),
    ):
        go_to(page, label)
        page.keyboard.insert_text(text)
    for label in ("同意转交承办组织", "同意短信告知"):
        go_to(page, label)
        page.keyboard.press("Space")
    go_to(page, "对方当事人 1")
    page.keyboard.insert_text(said["respondents"][0]["name"])
    expect(page.locator("#aloud")).to_contain_text("138 000 000 01")
    page.keyboard.press("Control+Enter")


def in_time(work: Any) -> Any:
    """Run what another person does meanwhile, on a loop of its own thread."""
    with ThreadPoolExecutor(1) as aside:
        return aside.submit(lambda: __import__("asyncio").run(work)).result(60)


async def taken_up(case_id: str) -> None:
    async with world.opened() as doors:
        await world.take_up(doors, case_id)


def test_an_operator_enters_case_1_by_keyboard_and_sees_it_taken_up(
    heshi: Heshi, page: Page, console: str
) -> None:
    open_entry(heshi, page, console)
    enter_case_1(page)
    page.wait_for_url(re.compile(r"/cases/[0-9a-f-]{36}\?new="))
    expect(page.get_by_role("status").filter(has_text="已登记")).to_be_visible()
    case_id = re.search(r"/cases/([0-9a-f-]{36})", page.url)
    assert case_id is not None
    page.set_viewport_size({"width": 420, "height": 900})
    assert page.evaluate("document.documentElement.scrollWidth") == 420
    page.locator("#panel summary").first.focus()

    # It grows while it is looked at: routed, then taken up by the organisation's software.
    state = page.locator(".state")
    expect(state).to_have_text("待承接", timeout=20_000)
    in_time(taken_up(case_id[1]))
    expect(state).to_have_text("已承接", timeout=20_000)
    expect(page.locator(".moments")).to_contain_text("承接")
    expect(page.locator("#panel")).to_contain_text("承接通知", timeout=20_000)
    assert page.evaluate("document.activeElement.localName") == "summary"

    why = page.get_by_role("region", name="为什么由该组织承办")
    expect(why).to_contain_text("临江区劳动人民调解委员会")
    expect(why).to_contain_text("首选类型")
    why.locator("summary").click()
    expect(why).to_contain_text("不在服务区域")
    when = page.get_by_role("region", name="为什么是这个日期")
    term = when.locator("details").filter(has_text="劳动争议调解期限")
    term.locator("summary").click()
    expect(term).to_contain_text("计入")


def test_script_that_a_citizen_dictates_never_runs(heshi: Heshi, page: Page, console: str) -> None:
    open_entry(heshi, page, console)
    for field in ("narrative", "address", "name", "phone", "respondent_0"):
        page.fill(f"#{field}", f"{SCRIPT}{field}")
    page.uncheck("[name=accept]")
    page.keyboard.press("Control+Enter")
    page.wait_for_url(re.compile(r"/cases/[0-9a-f-]{36}"))
    expect(page.locator("#panel")).to_contain_text(SCRIPT)
    assert page.title().endswith("和事")


def test_two_people_on_one_case_the_slower_merges(
    heshi: Heshi, browser: Browser, page: Page, console: str
) -> None:
    passwords = ensure_accounts(heshi.home)
    sign_in(page, console, "dispatcher", passwords["dispatcher"])
    page.goto(f"{console}/cases/new")
    page.fill("#narrative", "与开发商的纠纷法院上月已立案")
    page.uncheck("[name=accept]")
    page.keyboard.press("Control+Enter")
    page.wait_for_url(re.compile(r"/cases/[0-9a-f-]{36}"))
    page.get_by_text("不予受理", exact=True).first.click()
    page.locator("#refuse-reason_code").select_option("IN_LITIGATION")
    page.locator("#refuse-text").fill("法院已立案")

    other = new_page(browser)
    sign_in(other, console, "supervisor", passwords["supervisor"])
    other.goto(page.url.partition("?")[0])
    other.get_by_text("标记风险", exact=True).first.click()
    other.locator("#flags-flag").select_option("VULNERABLE")
    other.locator("form[action$='/flags'] button").click()
    other.wait_for_url(re.compile(r"done="))
    other.context.close()

    page.locator("form[action$='/refuse'] button").click()
    told = page.locator("section[role=alert]").filter(has_text="已被他人更新")
    expect(told).to_contain_text("标记变更")
    expect(page.locator("#refuse-text")).to_have_value("法院已立案")
    expect(page.locator("#refuse-reason_code")).to_have_value("IN_LITIGATION")
    page.locator("form[action$='/refuse'] button").click()
    page.wait_for_url(re.compile(r"done="))
    expect(page.locator(".state")).to_have_text("不予受理")


def test_a_case_s_page_finds_back_to_its_stream_and_catches_up(
    heshi: Heshi, page: Page, console: str
) -> None:
    open_entry(heshi, page, console)
    page.fill("#narrative", "楼上漏水")
    page.uncheck("[name=accept]")
    page.keyboard.press("Control+Enter")
    page.wait_for_url(re.compile(r"/cases/[0-9a-f-]{36}"))
    page.route("**/events", lambda route: route.fulfill(status=503), times=1)
    page.reload()
    expect(page.locator("#link")).to_have_text("已断开，正在重连")
    with page.expect_response("**/panel", timeout=20_000):
        expect(page.locator("#link")).to_have_text("实时", timeout=20_000)


def test_a_suggestion_is_chosen_by_the_operator_and_not_before(
    heshi: Heshi, page: Page, console: str
) -> None:
    open_entry(heshi, page, console)
    page.fill("#narrative", "楼上漏水泡坏天花板，邻居不肯赔，请协调")
    suggested = page.get_by_role("region", name="系统建议")
    offer = suggested.get_by_role("button", name="邻里纠纷")
    expect(offer).to_be_visible(timeout=20_000)
    expect(page.locator("#category")).to_have_value("")
    offer.click()
    expect(page.locator("#category")).to_have_value("D02")

    page.context.clear_cookies()
    page.fill("#phone", "+86 138 0000 0004")
    expect(page.get_by_role("region", name="来电人以前的事项")).to_contain_text("在新标签页登录")
    page.keyboard.press("Control+Enter")
    expect(page.locator("main")).to_contain_text("没有登记")
    expect(page.locator("#phone")).to_have_value("+86 138 0000 0004")


def test_who_calls_again_is_known_while_the_number_is_typed(heshi: Heshi, page: Page, console: str) -> None:
    sign_in(page, console, "operator", ensure_accounts(heshi.home)["operator"])
    for nth in range(2):
        page.goto(f"{console}/cases/new")
        page.fill("#narrative", "邻居装修太吵")
        page.locator("#phone").press_sequentially("137 0000 4321")
        known = page.get_by_role("region", name="来电人以前的事项")
        expect(known).to_contain_text("以前有 1 件事项" if nth else "以前没有事项", timeout=20_000)
        page.uncheck("[name=accept]")
        page.keyboard.press("Control+Enter")
        page.wait_for_url(re.compile(r"/cases/[0-9a-f-]{36}"))
