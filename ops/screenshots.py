"""Take the pictures of the console in docs/images from a fresh stack on which the sample cases were played.

python -m ops.screenshots
"""

import asyncio
import sys
from pathlib import Path

from ops.browser import browsing, chromium, new_page, sign_in
from ops.demo import samples, script
from ops.demo.__main__ import play
from ops.demo.stage import own_home, supervised
from ops.installation import Installation
from ops.stack.home import Home
from ops.stack.keys import ensure_accounts

FOLDER = Path(__file__).parents[1] / "docs" / "images"


def main() -> None:
    """Play, then look: the entry form, the board, a case."""
    if chromium() is None:
        sys.exit("heshi: there is no chromium: install Debian's.")
    with own_home(), supervised():
        chosen = [(sample, script.of(sample.number)) for sample in samples.inputs(script.numbers())]
        asyncio.run(play(chosen))
        take()


def take() -> None:
    """One picture per page, as a dispatcher sees it."""
    console = Installation.current().url("console")
    passwords = ensure_accounts(Home.from_environment())
    FOLDER.mkdir(exist_ok=True)
    with browsing() as browser:
        page = new_page(browser)
        sign_in(page, console, "dispatcher", passwords["dispatcher"])
        page.locator("#cases tr").nth(5).wait_for()
        page.screenshot(path=FOLDER / "console-board.png")
        first = page.locator("#cases tr").filter(has_text="临江区劳动人民调解委员会").last
        first.locator("button").click()
        page.locator("#side-open").click()
        page.locator("#panel").wait_for()
        page.locator("#panel details").first.evaluate("element => (element.open = true)")
        page.screenshot(path=FOLDER / "console-case.png")
        page.goto(f"{console}/cases/new")
        page.fill("#narrative", str(samples.inputs([1])[0].input["narrative"]))
        page.screenshot(path=FOLDER / "console-entry.png", full_page=True)


if __name__ == "__main__":
    main()
