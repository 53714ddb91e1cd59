"""What the routes use, made by the composition root."""

from collections.abc import Callable
from dataclasses import dataclass
from uuid import UUID

from starlette.requests import Request

from libs.db.shell import Shell
from services.notify.domain.case import Correspondence
from services.notify.domain.rules import Rules
from services.notify.handlers.callbacks import Callbacks
from services.notify.handlers.views import Mail, MessageViews


@dataclass(frozen=True)
class Container:
    """The parts behind the doors."""

    shell: Shell[Correspondence]
    views: MessageViews
    mail: Mail
    rules: Rules
    callbacks: Callbacks
    new_id: Callable[[], UUID]


def container(request: Request) -> Container:
    """The parts of this process."""
    parts: Container = request.app.state.container
    return parts
