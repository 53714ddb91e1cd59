"""HTTP in: the entry form of a matter, sent to intake as its operator's own request."""

import uuid
from collections.abc import Mapping, Sequence
from typing import Final

from fastapi import APIRouter, Depends
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from libs.web.auth import open_to_all
from libs.web.errors import Forbidden, Invalid, KeyReused, Refusal, Unauthorised
from services.console.api.common import (
    FORM,
    Person,
    container,
    found_rows,
    in_frame,
    key_after,
    own_form,
    page,
    person,
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


@router.post("/cases/new", dependencies=[Depends(open_to_all)], openapi_extra=FORM)
async def register(request: Request) -> Response:
    """Register what the form says, and show the case, or its query code where the case is not for who entered
    it; else the form as it was, each fault at its field. It comes back also when the session or the form's
    token ended meanwhile: with the token of who is signed in now, or a way to the sign-in."""
    behind, account, sent = container(request), await person(request), await request.form()
    form, flags = texts(sent), [value for value in sent.getlist("flags") if isinstance(value, str)]
    key = form.get("key", "")
    try:
        if account is None:
            raise Unauthorised
        own_form(request, form.get("form", ""))
        said = statement(form, flags, behind.words.at_once)
    except Refusal as refusal:
        # Intake was not asked, so what is known of the key is as before.
        return _form(request, account, form, flags, key, refusal)
    try:
        answer = await enter(behind.services, account, said, key)
    except Refusal as refusal:
        return _form(request, account, form, flags, key_after(refusal, key), refusal)
    told = answer.body
    if account.may_read(told["kind"]):
        return RedirectResponse(f"/cases/{told['case_id']}?new={told['version']}", 303)
    return in_frame(request, account, "receipt.html", 201, code=told["query_code"])


@router.post("/cases/known", openapi_extra=FORM)
async def known_matters(request: Request, account: Person) -> Response:
    """The earlier matters of the number that is being typed, as a part of the entry form."""
    behind, form = container(request), await _typed(request, account)
    try:
        found = await known(behind.services, account, form.get("phone", ""))
    except Refusal as refusal:
        # What is no whole number yet is no fault.
        fault = "" if refusal.status == Invalid.STATUS else refusal.title.zh
        return page(request, "known.html", refusal.status, rows=None, more=False, fault=fault)
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
    account: Account | None,
    form: Mapping[str, str],
    flags: Sequence[str],
    key: str,
    refusal: Refusal | None = None,
) -> Response:
    if account is not None and not account.may_enter:
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
        signed_out=account is None,
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
