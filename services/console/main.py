"""The console's composition root: `python -m services.console.main [api|worker|all]`."""

from argon2 import PasswordHasher

from libs.runtime.service import Platform, Service, run
from libs.web import tokens
from libs.web.limits import Turns
from services.console.api import ROUTERS, Container, Cookies, with_error_pages
from services.console.consumers import consumers
from services.console.handlers.door import Door
from services.console.pages.files import Pages
from services.console.pages.words import Words
from services.console.providers import HttpServices
from services.console.settings import Settings
from services.console.store import AccountFile, CaseViews, SessionStore

UPLOADS = 2
"""Files that are in memory at a time, on their way to intake."""


async def build(platform: Platform) -> Service:
    """The console over its own database: a projection, and the pages that show it."""
    settings: Settings = platform.settings
    views = CaseViews(platform.database)
    readiness = platform.lifecycle.readiness
    services = HttpServices(
        settings.urls,
        settings.keys_folder,
        tokens.staff_roles(settings.data),
        "production" if settings.production else "demo",
        platform.now,
    )
    platform.lifecycle.close_last("services", services.close)
    container = Container(
        door=Door(
            AccountFile(settings.accounts), SessionStore(platform.database), PasswordHasher(), platform.now
        ),
        board=views,
        services=services,
        pages=Pages(),
        words=Words.load(settings.data, platform.now),
        cookies=Cookies(secure=settings.production),
        turns=Turns(UPLOADS),
        stopping=lambda: readiness.stopping,
    )
    return Service(api=with_error_pages(platform.app(ROUTERS, container)), projections=consumers(views.apply))


if __name__ == "__main__":
    run("console", Settings, build)
