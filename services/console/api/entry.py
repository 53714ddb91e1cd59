"""HTTP in: the entry form of a matter, sent to intake as its operator's own request."""

import uuid
from collections.abc import Mapping, Sequence
from typing import Final

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from libs.web.errors import Forbidden, KeyReused, Refusal
from services.console.api.common import (
    FORM,
    Person,
    container,
    found_rows,
    in_frame,
    key_after,
    page,
    sent_form,
    texts,
)
from services.console.domain.access import Account
from services.console.domain.entry import FACTS, RESPONDENTS, draft, faults_by_field, statement
from services.console.handlers.casework import enter, known, suggested

CHANNELS: Final = ("phone", "visit", "web", "letter", "sms", "grid")

BLANK: Final[Mapping[str, str]] = {
    "channel": "phone",
    "language": "zh",
    "headcount": "1",
    "safe_contact": "1",
    "accept": "1",
}
"""What the form says before anybody typed: what is so in most calls."""

router = APIRouter(include_in_schema=False)


@router.get("/cases/new")
async def entry_page(request: Request, account: Person) -> Response:
    """An empty entry form; its key makes sending it twice the same as once."""
    return _form(request, account, BLANK, (), str(uuid.uuid4()))


@router.post("/cases/new", openapi_extra=FORM)
async def register(request: Request, account: Person) -> Response:
    """Register what the form says, and show the case; else the form as it was, each fault at its field."""
    sent = await sent_form(request)
    form, flags = texts(sent), [value for value in sent.getlist("flags") if isinstance(value, str)]
    key = form.get("key", "")
    try:
        answer = await enter(container(request).services, account, statement(form, flags), key)
    except Refusal as refusal:
        return _form(request, account, form, flags, key_after(refusal, key), refusal)
    return RedirectResponse(f"/cases/{answer.body['case_id']}?new={answer.body['version']}", 303)


@router.post("/cases/known", openapi_extra=FORM)
async def known_matters(request: Request, account: Person) -> Response:
    """The earlier matters of the number that is being typed, as a part of the entry form."""
    behind, form = container(request), await _typed(request, account)
    try:
        found = await known(behind.services, account, form.get("phone", ""))
    except Refusal as refusal:
        return page(request, "known.html", refusal.status, rows=[], more=False, fault=refusal.title.zh)
    rows = await found_rows(request, account, found.items)
    return page(request, "known.html", rows=rows, more=found.next is not None, fault="")


@router.post("/cases/suggested", openapi_extra=FORM)
async def suggestions(request: Request, account: Person) -> Response:
    """What the text that is being typed suggests, as a part of the entry form; choosing is the operator's."""
    behind, form = container(request), await _typed(request, account)
    try:
        told = await suggested(behind.services, account, draft(form))
    except Refusal as refusal:
        return page(request, "suggested.html", refusal.status, fault=refusal.title.zh)
    return page(request, "suggested.html", fault="", **behind.words.suggested(told))


async def _typed(request: Request, account: Account) -> Mapping[str, str]:
    """What was typed so far, for a part of the form that is asked for meanwhile."""
    if not account.may_enter:
        raise Forbidden
    return texts(await sent_form(request))


def _form(
    request: Request,
    account: Account,
    form: Mapping[str, str],
    flags: Sequence[str],
    key: str,
    refusal: Refusal | None = None,
) -> Response:
    if not account.may_enter:
        raise Forbidden
    words = container(request).words.vocabularies
    faults = faults_by_field(refusal.errors, form) if refusal else {}
    return in_frame(
        request,
        account,
        "entry.html",
        refusal.status if refusal else 200,
        key=key,
        said=form,
        flagged=flags,
        faults=faults,
        fault=refusal.title.zh if refusal else "",
        perhaps_there=isinstance(refusal, KeyReused),
        taken=refusal.extra.get("case_id") if refusal else None,
        channels={code: words["channels"][code] for code in CHANNELS},
        kinds=words["kinds"],
        categories=words["categories"],
        topics=words["topics"],
        flag_words=words["flags"],
        dated_facts=words["dated_facts"],
        wordings=words["consents"],
        respondents=range(RESPONDENTS),
        facts=range(FACTS),
    )
