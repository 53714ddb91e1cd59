"""Messages: what was told to whom and what became of it, and sending one again."""

from typing import Annotated, Any, Final
from uuid import UUID

from fastapi import APIRouter, Depends, Query
from starlette.requests import Request
from starlette.responses import Response

from libs.db.work import Work
from libs.privacy.masking import mask_phone
from libs.runtime.telemetry import traceparent
from libs.web.answers import answer, json
from libs.web.asgi import received_at
from libs.web.auth import staff
from libs.web.errors import NotFound
from libs.web.etag import if_match
from libs.web.idempotency import idempotency
from libs.web.paging import DEFAULT_LIMIT, After, Limit, decode, encode, page
from libs.web.principal import Principal
from services.notify.api.container import container
from services.notify.domain.case import State
from services.notify.domain.planning import text
from services.notify.domain.rules import Rules
from services.notify.domain.texts import Unsendable
from services.notify.handlers import RESEND
from services.notify.handlers.sending import Resend
from services.notify.handlers.views import Listed

router = APIRouter(tags=["messages"])

OFFICERS: Final = ("operator", "dispatcher", "supervisor", "duty_officer")
SEALED_OFFICER: Final = "sealed_officer"
LIST: Final = "messages"

Reader = Annotated[Principal, Depends(staff(*OFFICERS, SEALED_OFFICER))]
Sender = Annotated[Principal, Depends(staff("dispatcher", "supervisor", "duty_officer"))]


@router.get("/v1/messages")
async def list_messages(
    request: Request,
    caller: Reader,
    case_id: UUID | None = None,
    state: Annotated[State | None, Query()] = None,
    limit: Limit = DEFAULT_LIMIT,
    after: After = None,
) -> Response:
    """Messages in the order they were planned; numbers masked, texts as they go out."""
    place = decode(LIST, after, UUID)
    parts = container(request)
    found = await parts.views.listed(
        caller.districts,
        sealed=SEALED_OFFICER in caller.roles,
        case_id=case_id,
        state=state,
        after=place[0] if place else None,
        limit=limit + 1,
    )
    items = [_item(listed, parts.rules) for listed in found[:limit]]
    more = len(found) > limit
    return json(page(items, encode(LIST, str(found[limit - 1].message.id)) if more else None))


@router.post("/v1/messages/{message_id}/resend")
async def resend(request: Request, message_id: UUID, caller: Sender) -> Response:
    """Send one again that failed, expired or was suppressed (202); the reasons against it are asked anew."""
    once = idempotency(request, caller)
    expected = if_match(request) if "if-match" in request.headers else None
    place = await container(request).views.place_of(message_id, caller.districts)
    if place is None:
        raise NotFound
    case_id, district = place
    work = Work(
        use_case=RESEND,
        case_id=case_id,
        command=Resend(message_id),
        actor=caller.actor(),
        district=district,
        received_at=received_at(request),
        key=once,
        expected_version=expected,
        trace=traceparent(),
    )
    return answer(await container(request).shell.submit(work))


def _item(listed: Listed, rules: Rules) -> dict[str, Any]:
    message = listed.message
    return {
        "id": str(message.id),
        "case_id": str(listed.case.case_id),
        "version": listed.version,
        "template": message.template,
        "purpose": rules.templates[message.template].purpose,
        "party": message.party,
        "trigger": message.trigger,
        "trigger_version": message.trigger_version,
        "state": message.state,
        "reason": message.reason,
        "phone": mask_phone(listed.phone) if listed.phone else None,
        "text": _text(listed, rules),
        "attempts": message.attempts,
        "outcome": message.attempt.outcome if message.attempt else None,
        "code": message.attempt.code if message.attempt else None,
        "planned_at": message.planned_at,
        "changed_at": message.changed_at,
        "not_before": message.not_before,
        "answered_at": message.answered_at,
    }


def _text(listed: Listed, rules: Rules) -> str | None:
    """The text as it goes out; None for one that cannot, since its facts or dates are missing."""
    try:
        return text(listed.case, listed.message, rules)
    except Unsendable:
        return None
