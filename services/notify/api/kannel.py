"""The gateway's callbacks: receipts for what we sent, and the SMS that citizens write.

They come with our own MAC or token instead of a credential. What is understood is answered 200, also when it
changes nothing, so that the gateway does not bring it again; 503 asks it to.
"""

import hashlib
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import parse_qsl
from uuid import UUID

import structlog
from fastapi import APIRouter, Depends
from starlette.requests import Request
from starlette.responses import Response

from libs.db.work import Actor, IdempotencyKey, Work
from libs.privacy.blindindex import read_phone
from libs.runtime.telemetry import traceparent
from libs.web.answers import json
from libs.web.asgi import received_at
from libs.web.auth import open_to_all
from libs.web.body import FORMS, accepts
from libs.web.errors import Busy, FieldError, InProgress, Invalid, Unauthorised, Unavailable
from services.notify.api.container import Container, container
from services.notify.domain.case import Correspondence, Received
from services.notify.domain.replies import addressee, meaning
from services.notify.domain.sending import Receipt
from services.notify.handlers import CONFIRM, HEAR_REPLY
from services.notify.handlers.replies import HearReply
from services.notify.handlers.sending import Confirm

log = structlog.get_logger()

router = APIRouter(tags=["providers"], dependencies=[Depends(open_to_all)])

GATEWAY: Final = Actor("service", "kannel")
CREDENTIAL: Final = "x-kannel-token"
LONGEST_SMS: Final = 2000

RECEIPTS: Final = {
    "1": Receipt.DELIVERED,
    "2": Receipt.UNDELIVERED,
    "4": Receipt.UNDER_WAY,
    "8": Receipt.UNDER_WAY,
    "16": Receipt.UNDELIVERED,
}
"""Kannel's receipt types: delivered, not delivered, queued, submitted, refused by the carrier."""


_FORM = accepts(FORMS[0])


@router.get("/providers/kannel/dlr", openapi_extra=_FORM)
@router.post("/providers/kannel/dlr", openapi_extra=_FORM)
async def receipt(request: Request) -> Response:
    """What became of a message; 401 for what we did not sign. Repeated, late and contradictory ones are taken
    and change nothing (the first final word stands)."""
    told = await _told(request)
    message_id, case_id = _id(told.get("id")), _id(told.get("case"))
    district = told.get("district", "")
    if message_id is None or case_id is None:
        raise Unauthorised
    if not container(request).callbacks.is_receipt(message_id, case_id, district, told.get("mac", "")):
        raise Unauthorised
    kind = RECEIPTS.get(told.get("type", ""))
    if kind is None:
        log.error("receipt_unknown", message_id=message_id, provider="kannel")
        return json({"taken": False})
    work = Work(
        use_case=CONFIRM,
        case_id=case_id,
        command=Confirm(message_id, kind),
        actor=GATEWAY,
        district=district,
        received_at=received_at(request),
        trace=traceparent(),
    )
    await _take(container(request), work)
    return json({"taken": True})


@router.get("/providers/kannel/mo", openapi_extra=_FORM)
@router.post("/providers/kannel/mo", openapi_extra=_FORM)
async def reply(request: Request) -> Response:
    """A citizen's SMS. It belongs to the newest case that asked that number for a rating, else to the newest
    that wrote to it; one of an unknown number is kept for a person."""
    told, parts = await _told(request), container(request)
    if not parts.callbacks.is_gateway(request.headers.get(CREDENTIAL) or told.get("token", "")):
        raise Unauthorised
    number, text = told.get("from", ""), told.get("text", "")
    if not number or len(number) > 40 or len(text) > LONGEST_SMS or "\0" in text:
        raise Invalid(errors=[FieldError("/from" if not number else "/text", "invalid")])
    e164 = read_phone(number).e164
    case = addressee(await parts.mail.written_to(e164)) if e164 else None
    received_id, ref = parts.new_id(), _ref(told)
    if case is None:
        heard = meaning(text, rating_asked=False)
        sms = Received(received_id, received_at(request), heard.meaning, None, None, ref, text)
        await parts.mail.keep_unknown(sms, e164 or number)
        return json({"taken": True})
    work = Work(
        use_case=HEAR_REPLY,
        case_id=case.case_id,
        command=HearReply(received_id, ref, text),
        actor=GATEWAY,
        district=case.district,
        received_at=received_at(request),
        key=IdempotencyKey(scope=ref, body=ref),
        trace=traceparent(),
    )
    await _take(parts, work)
    return json({"taken": True})


async def _take(parts: Container, work: Work[Correspondence, Any]) -> None:
    """Do it. What cannot be done now must come again: a gateway takes a 4xx for the last word."""
    try:
        await parts.shell.submit(work)
    except (Busy, InProgress) as taken:
        raise Unavailable(retry_after=1) from taken


async def _told(request: Request) -> Mapping[str, str]:
    """The parameters of a callback, from the address and from a form."""
    form = (await request.body()).decode("utf-8", "replace")
    return dict(request.query_params) | dict(parse_qsl(form, keep_blank_values=True))


def _ref(told: Mapping[str, str]) -> bytes:
    """A digest by which the same SMS is known when the gateway brings it again."""
    name = told.get("id") or "|".join((told.get("time", ""), told.get("from", ""), told.get("text", "")))
    return hashlib.sha256(f"kannel-mo|{name}".encode()).digest()


def _id(text: str | None) -> UUID | None:
    try:
        return UUID(text or "")
    except ValueError:
        return None
