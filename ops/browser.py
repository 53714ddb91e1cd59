"""A real browser, Debian's chromium, driven by Playwright: for the console's tests and its pictures."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

FLAGS = (
    "--no-sandbox",  # as root in a container there is no other way
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
)


def chromium() -> str | None:
    """Where the browser is; None where there is none."""
    return shutil.which("chromium") or shutil.which("chromium-browser")


@contextmanager
def browsing() -> Iterator["Browser"]:
    """A browser of our own while the block runs."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium(), args=list(FLAGS))
        try:
            yield browser
        finally:
            browser.close()


def new_page(browser: "Browser") -> "Page":
    """A page in Chinese with cookies of its own, as another person's browser has them."""
    context = browser.new_context(
        viewport={"width": 1280, "height": 900}, locale="zh-CN", reduced_motion="reduce"
    )
    return context.new_page()


def sign_in(page: "Page", console: str, user: str, password: str) -> None:
    """Sign in by keyboard, as people do; the page of cases is open afterwards."""
    page.goto(f"{console}/sign-in")
    page.get_by_label("用户名").press_sequentially(user)
    page.get_by_label("密码").press_sequentially(password)
    page.keyboard.press("Enter")
    page.wait_for_url(f"{console}/")
