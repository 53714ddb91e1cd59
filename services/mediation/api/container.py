"""What the doors find behind them."""

from dataclasses import dataclass

from starlette.requests import Request

from libs.clocks import Calendar, RuleBook
from libs.runtime.telemetry import traceparent
from libs.web.asgi import received_at
from libs.web.etag import if_match
from libs.web.idempotency import idempotency
from libs.web.principal import Principal
from services.mediation.handlers.desk import Asked, Desk, Lists
from services.mediation.handlers.tasking import TaskDesk


@dataclass(frozen=True, slots=True)
class Container:
    """Made by `main.py`."""

    desk: Desk
    lists: Lists
    tasks: TaskDesk
    book: RuleBook
    calendar: Calendar


def container(request: Request) -> Container:
    """The container of the application that the request came to."""
    found: Container = request.app.state.container
    return found


def acting(request: Request, caller: Principal, *, moves: bool) -> Asked:
    """A request that acts, made repeatable by its key. One that moves a case to another state must say on
    which version it was decided; any other may."""
    must = moves or "if-match" in request.headers
    expected = if_match(request) if must else None
    return Asked(caller.actor(), received_at(request), idempotency(request, caller), expected, traceparent())


def reading(request: Request, caller: Principal) -> Asked:
    """A request that only reads."""
    return Asked(caller.actor(), received_at(request), trace=traceparent())
