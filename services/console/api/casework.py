"""HTTP in: a case's page, its live part, and the acts of staff."""

import asyncio
import time
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Annotated, Any, Final
from uuid import UUID

from fastapi import APIRouter, Query
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from libs.web import fieldtexts
from libs.web.errors import FieldError, NotFound, Refusal, Stale, Unavailable
from services.console.api.common import (
    FORM,
    Person,
    container,
    in_frame,
    key_after,
    page,
    scope,
    sent_form,
    texts,
)
from services.console.domain.access import Account
from services.console.domain.acts import (
    ACTS,
    CaseAct,
    field_at,
    fitting,
    may_send,
    notice_offered,
    offered,
)
from services.console.domain.entry import NUMBER
from services.console.handlers.casework import File, act, attached, noted, open_file, written_notice
from services.console.pages.casefile import (
    ACT_FIELDS,
    TICKS,
    act_options,
    attachments,
    casefile,
    in_words,
    notes,
    others,
)
from services.console.pages.words import Words, date_in_words

READ_YOUR_WRITE: Final = 1.0
"""Seconds that a page waits for the read model to have what its reader just did (G26)."""
LOOK: Final = 0.05
INTAKE: Final = "intake.case.v1"

Version = Annotated[int | None, Query(ge=0, le=2**31)]

router = APIRouter(include_in_schema=False)


@router.get("/cases/{case_id}")
async def case_page(
    request: Request, case_id: UUID, account: Person, new: Version = None, done: Version = None
) -> Response:
    """A case: what it is, why it is where it is, until when, and what happened. `new` and `done` are the
    versions that the reader's own act made: they are waited for."""
    return await _case(request, account, case_id, new=new is not None, written=new or done or 0)


@router.get("/cases/{case_id}/panel")
async def panel(request: Request, case_id: UUID, account: Person) -> Response:
    """The live part of a case's page alone."""
    behind = container(request)
    file = await open_file(behind.services, account, case_id)
    lines, _ = await _lines(request, account, case_id, 0)
    return page(request, "case_panel.html", **await _shown(request, account, file), moments=lines)


@router.get("/cases/{case_id}/notice")
async def notice(request: Request, case_id: UUID, account: Person) -> Response:
    """The written notice of what was decided, ready to be printed."""
    behind = container(request)
    told = await written_notice(behind.services, account, case_id)
    dated = date_in_words(date.fromisoformat(told["dated"]))
    return page(request, "notice.html", notice=told, dated=dated, case_id=case_id)


@dataclass(frozen=True, slots=True)
class Refused:
    """An act that was refused: what was typed, why, and the key to send it again under."""

    act: CaseAct
    form: Mapping[str, str]
    why: Refusal
    key: str


@router.post("/cases/{case_id}/acts/{name}", openapi_extra=FORM)
async def do(request: Request, case_id: UUID, name: str, account: Person) -> Response:
    """Do an act on the version that its form was made for. Somebody was faster: what changed is shown beside
    what was typed, to be sent again. Whatever the answer, nothing that was typed is lost."""
    form = texts(await sent_form(request))
    what, key = ACTS.get(name), form.get("key", "")
    if what is None:
        raise NotFound
    version = int(form["version"]) if NUMBER.fullmatch(form.get("version", "")) else 0
    try:
        answer = await act(container(request).services, account, case_id, what, form, key, version)
    except Refusal as refusal:
        refused = Refused(what, form, refusal, key_after(refusal, key))
        try:
            if isinstance(refusal, Stale):
                return await _merge(request, account, case_id, refused, version)
            return await _case(request, account, case_id, refused=refused)
        except Unavailable:
            return _unsent(request, account, case_id, refused, version)
    return RedirectResponse(f"/cases/{case_id}?done={answer.body['version']}", 303)


async def case_with_fault(request: Request, account: Account, case_id: UUID, why: Refusal) -> Response:
    """The case's page, saying at its files why one was refused."""
    return await _case(request, account, case_id, file_fault=why)


async def _case(
    request: Request,
    account: Account,
    case_id: UUID,
    *,
    new: bool = False,
    written: int = 0,
    refused: Refused | None = None,
    file_fault: Refusal | None = None,
) -> Response:
    behind = container(request)
    file, files, texts = await asyncio.gather(
        open_file(behind.services, account, case_id),
        attached(behind.services, account, case_id),
        noted(behind.services, account, case_id),
    )
    why = refused.why if refused else file_fault
    lines, behindhand = await _lines(request, account, case_id, written)
    acts = _offered(account, file)
    return in_frame(
        request,
        account,
        "case.html",
        why.status if why else 200,
        **await _shown(request, account, file),
        moments=lines,
        **attachments(files, account.roles, behind.words),
        **notes(texts, behind.words),
        file_fault=_fault(file_fault),
        file_key=str(uuid.uuid4()),
        file_wanted=may_send(file.state),
        **_acts(behind.words, acts, file.version, refused, file.intake),
        new=new,
        waits=file.intake["state"] == "registered",
        behindhand=behindhand,
        has_notice=notice_offered(account.roles, file.intake),
    )


async def _merge(
    request: Request, account: Account, case_id: UUID, refused: Refused, version: int
) -> Response:
    """412: what others did since, the case as it stands, and the reader's own words."""
    behind = container(request)
    file = await open_file(behind.services, account, case_id)
    moments = await behind.board.timeline(scope(account), case_id) or []
    since = [behind.words.moment(each) for each in moments if each.topic == INTAKE and each.version > version]
    acts = [each for each in _offered(account, file) if each is refused.act]
    values = _acts(behind.words, acts, file.version, refused, file.intake)
    shown = await _shown(request, account, file)
    return in_frame(request, account, "merge.html", 412, **shown, since=since, **values)


def _unsent(request: Request, account: Account, case_id: UUID, refused: Refused, version: int) -> Response:
    """The case cannot be shown now; what was typed waits on a page of its own, to be sent again."""
    values = _acts(container(request).words, [refused.act], version, refused, None)
    return in_frame(request, account, "unsent.html", refused.why.status, case={"id": case_id}, **values)


async def _shown(request: Request, account: Account, file: File) -> dict[str, Any]:
    """The values of the page's live part."""
    behind = container(request)
    wanted = [one for ids in others(file.intake).values() for one in ids]
    rows = await behind.board.rows(scope(account), wanted) if wanted else {}
    return casefile(file, behind.words, rows)


def _offered(account: Account, file: File) -> list[CaseAct]:
    last = (file.attempts or [{}])[-1]
    held = last.get("reason") == "DUTY_DESK" and not file.intake["released"]
    return fitting(offered(account.roles, file.intake["kind"], file.state, held), file.intake)


def _acts(
    words: Words,
    acts: Sequence[CaseAct],
    version: int,
    refused: Refused | None,
    case: Mapping[str, Any] | None,
) -> dict[str, Any]:
    """The forms of acts; that of a refused one as it was sent. `typed`: what stood in it, in words, when its
    form is not among them any more."""
    options = act_options(words, case, refused.form if refused else {})
    keys = {each.name: str(uuid.uuid4()) for each in acts}
    typed = list[tuple[str, str]]()
    if refused is not None:
        keys |= {refused.act.name: refused.key}
        if refused.act not in acts:
            typed = in_words(refused.act.fields, refused.form, options)
    return {
        "acts": acts,
        "said": refused.form if refused else {},
        "failed": refused.act if refused else None,
        "fault": _fault(refused.why, refused.act) if refused else "",
        "wrong": {field_at(refused.act, error.pointer) for error in refused.why.errors} if refused else set(),
        "typed": typed,
        "version": version,
        "keys": keys,
        "options": options,
        "labels": ACT_FIELDS,
        "ticks": TICKS,
    }


def _fault(why: Refusal | None, act: CaseAct | None = None) -> str:
    """Why something was refused, in words, the fields of an act by their names; nothing for nothing."""
    if why is None:
        return ""
    names = [ACT_FIELDS.get(field_at(act, error.pointer), "") if act else "" for error in why.errors]
    told = [f"{name} {_text(error)}".strip() for name, error in zip(names, why.errors, strict=True)]
    return "：".join(filter(None, (why.title.zh, "；".join(told))))


def _text(error: FieldError) -> str:
    """A fault in Chinese: some are told in English alone, and the console's own without words."""
    return fieldtexts.text(error.code, "zh") if error.detail.isascii() else error.detail


async def _lines(
    request: Request, account: Account, case_id: UUID, written: int
) -> tuple[list[dict[str, Any]], bool]:
    """The timeline, and whether it still lacks the reader's own act after a moment of waiting."""
    behind, until = container(request), time.monotonic() + READ_YOUR_WRITE
    while True:
        moments = await behind.board.timeline(scope(account), case_id) or []
        known = max((each.version for each in moments if each.topic == INTAKE), default=0)
        if known >= written or time.monotonic() > until:
            return [behind.words.moment(each) for each in moments], known < written
        await asyncio.sleep(LOOK)
