"""What intake's doors share: who may enter, and who asks."""

from typing import Annotated

from fastapi import Depends
from starlette.requests import Request

from libs.runtime.telemetry import traceparent
from libs.web.asgi import received_at
from libs.web.auth import channel, staff
from libs.web.idempotency import idempotency
from libs.web.principal import Principal
from services.intake.domain.case import AUDITORS, DISPATCHERS, REGISTRARS, SEALED_OFFICERS, SUPERVISORS
from services.intake.domain.portal import READ
from services.intake.handlers.desk import Asked, Desk

Caller = Annotated[Principal, Depends(staff(*REGISTRARS, *SEALED_OFFICERS))]
Registering = Annotated[Principal, Depends(staff(*REGISTRARS, *SEALED_OFFICERS) | channel())]
Reader = Annotated[Principal, Depends(staff(*REGISTRARS, *SEALED_OFFICERS) | channel(READ))]
Dispatcher = Annotated[Principal, Depends(staff(*DISPATCHERS, *SEALED_OFFICERS))]
Supervisor = Annotated[Principal, Depends(staff(*SUPERVISORS, *SEALED_OFFICERS))]
Auditor = Annotated[Principal, Depends(staff(*AUDITORS))]
NoteReader = Annotated[Principal, Depends(staff(*REGISTRARS, *SEALED_OFFICERS, *AUDITORS))]


def desk_of(request: Request) -> Desk:
    """The tools of the use cases."""
    desk: Desk = request.app.state.container
    return desk


def command_of(
    request: Request, caller: Principal, *, version: int | None = None, keyed: bool | None = None
) -> Asked:
    """A request that acts, made repeatable by its key, or by the version that it names. `keyed`: whether it
    must have a key; every POST unless told otherwise."""
    required = request.method == "POST" if keyed is None else keyed
    key = idempotency(request, caller, required=required)
    return Asked(caller.actor(), received_at(request), key, version, traceparent())


def inquiry_of(request: Request, caller: Principal) -> Asked:
    """A request that changes nothing."""
    return Asked(caller.actor(), received_at(request), trace=traceparent())
