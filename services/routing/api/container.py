"""What the routes use, made by the composition root, and what they share."""

from dataclasses import dataclass

from starlette.requests import Request

from libs.areas import Levels
from libs.db.shell import Shell
from libs.web.asgi import received_at
from libs.web.errors import NotFound
from libs.web.principal import Principal
from services.routing.domain.case import RoutingCase
from services.routing.domain.organisation import Vocabulary
from services.routing.handlers.registry import Act, Registry
from services.routing.handlers.views import Views


@dataclass(frozen=True)
class Container:
    """The parts behind the doors."""

    shell: Shell[RoutingCase]
    registry: Registry
    levels: Levels
    views: Views
    vocabulary: Vocabulary


def container(request: Request) -> Container:
    """The parts of this process."""
    parts: Container = request.app.state.container
    return parts


def act(request: Request, caller: Principal, name: str) -> Act:
    """What the caller does, at the time it was asked for (G17)."""
    return Act(caller.actor(), received_at(request), name)


def own_district(caller: Principal, told: str | None) -> str:
    """The district that a request is about: the one it names, or the caller's only one; else 404."""
    if told is None and len(caller.districts) == 1:
        return next(iter(caller.districts))
    if told is None or not caller.covers(told):
        raise NotFound("own_district")
    return told
