"""Assignments: why a case went where it went, a supervisor's choice, and what the rule would say."""

from collections.abc import Collection, Iterator, Mapping
from datetime import UTC, datetime
from typing import Annotated, Any, Final
from uuid import UUID

from fastapi import APIRouter, Depends
from pydantic import AwareDatetime, Field
from starlette.requests import Request
from starlette.responses import Response

from libs.db.work import Work
from libs.events.base import Area, Code, Count, Shape
from libs.runtime.telemetry import traceparent
from libs.web.answers import answer, json
from libs.web.asgi import received_at
from libs.web.auth import staff
from libs.web.errors import FieldError, Invalid, NotFound
from libs.web.etag import etag, if_match
from libs.web.idempotency import idempotency
from libs.web.paging import page
from libs.web.principal import Principal
from services.routing.api.container import act, container, own_district
from services.routing.domain.field import Load
from services.routing.domain.organisation import Vocabulary
from services.routing.domain.question import Choice, Question, Rules
from services.routing.domain.wording import in_words
from services.routing.handlers import CHOOSE_BY_HAND
from services.routing.handlers.cases import ChooseOrganisation
from services.routing.handlers.views import OFFICERS, SEALED_OFFICER, CaseHeader
from services.routing.policy import choose

router = APIRouter(tags=["assignments"])

Reader = Annotated[Principal, Depends(staff(*OFFICERS, SEALED_OFFICER))]
Chooser = Annotated[Principal, Depends(staff("supervisor", "duty_officer"))]
Previewer = Annotated[Principal, Depends(staff(*OFFICERS, "admin"))]


_FIRST: Final = datetime(2000, 1, 1, tzinfo=UTC)
_LAST: Final = datetime(2100, 1, 1, tzinfo=UTC)
"""Beyond, no calendar answers and no clock of ours goes."""


class ChoiceForm(Shape):
    """`POST /v1/cases/{case_id}/assignments`."""

    org_id: Code
    reason: str = Field(min_length=1, max_length=500)


class PreviewForm(Shape):
    """`POST /v1/assignments/preview`: the facts of a case that need not exist."""

    kind: Code | None = None
    category: Code | None = None
    grid: Area | None = None
    flags: tuple[Code, ...] = Field((), max_length=20)
    released: bool = False
    language: Code | None = None
    ethnic_support: bool = False
    mode: Code | None = None
    chosen_target: Code | None = None
    complained_about_org: Code | None = None
    declined: tuple[Code, ...] = Field((), max_length=100)
    returns: Count = 0
    consent: bool = True
    at: AwareDatetime | None = Field(None, ge=_FIRST, le=_LAST)
    loads: Mapping[Code, Count] | None = Field(None, max_length=1000)


@router.get("/v1/cases/{case_id}/assignments")
async def list_attempts(request: Request, case_id: UUID, caller: Reader) -> Response:
    """Every attempt of the case: who was considered, who was out and why, who won and why."""
    header = await _seen(request, case_id, caller)
    reading = act(request, caller, "assignment.notes_read")
    items = await container(request).views.attempts(case_id, reading)
    body = {"case_id": case_id, "state": header.status, "version": header.version, **page(items, None)}
    return json(body, etag=etag(header.version))


@router.post("/v1/cases/{case_id}/assignments")
async def post_choice(request: Request, case_id: UUID, form: ChoiceForm, caller: Chooser) -> Response:
    """A supervisor chooses (202): the answer is mediation's, until then the attempt is pending (G16)."""
    once, expected = idempotency(request, caller), if_match(request)
    header = await _seen(request, case_id, caller)
    work = Work(
        use_case=CHOOSE_BY_HAND,
        case_id=case_id,
        command=ChooseOrganisation(form.org_id, form.reason),
        actor=caller.actor(),
        district=header.district,
        received_at=received_at(request),
        key=once,
        expected_version=expected,
        trace=traceparent(),
    )
    return answer(await container(request).shell.submit(work))


@router.post("/v1/assignments/preview")
async def post_preview(request: Request, form: PreviewForm, caller: Previewer) -> Response:
    """What the rule says of these facts now, or with other loads or at another time; stores nothing."""
    parts = container(request)
    district = own_district(caller, form.grid[:6] if form.grid else None)
    board = await parts.views.board(district)
    field = board.fields[district]
    _check_codes(form, parts.vocabulary, board.rules, {org.org_id for org in field.partners})
    loads = board.loads
    if form.loads is not None:
        loads = {org_id: Load(open=count) for org_id, count in form.loads.items()}
    question = Question(
        kind=form.kind,
        category=form.category,
        grid=form.grid,
        at=form.at or received_at(request),
        flags=frozenset(form.flags),
        released=form.released,
        chosen_target=form.chosen_target,
        complained_about=form.complained_about_org,
        consent=form.consent,
        declined=frozenset(form.declined),
        returns=form.returns,
        language=form.language,
        mode=form.mode,
        ethnic_support=form.ethnic_support,
    )
    return json(_told(choose(question, field, loads, board.rules)))


def _told(choice: Choice) -> dict[str, Any]:
    return {
        "chosen": choice.chosen.org_id if choice.chosen else None,
        "reason": choice.reason,
        "referral": choice.referral._asdict() if choice.referral else None,
        "target": choice.target,
        "because": {"code": choice.because, **in_words(choice.because, choice.target)},
        "candidates": [candidate._asdict() for candidate in choice.candidates],
        "co_mediators": [co._asdict() for co in choice.co_mediators],
        "out": [out._asdict() for out in choice.out],
        "rule_version": choice.rule_version,
    }


def _check_codes(form: PreviewForm, words: Vocabulary, rules: Rules, partners: Collection[str]) -> None:
    """Raise Invalid for codes that nobody knows: a preview of a misspelt case would mislead."""
    told: Iterator[tuple[str, str | None, Collection[str]]] = iter(
        [
            ("/kind", form.kind, words.kinds),
            ("/category", form.category, words.categories),
            ("/mode", form.mode, words.modes),
            ("/chosen_target", form.chosen_target, words.classes.keys()),
            *((f"/flags/{nth}", flag, rules.flags) for nth, flag in enumerate(form.flags)),
            *(("/loads", org_id, partners) for org_id in form.loads or ()),
        ]
    )
    faults = [
        FieldError(place, "unknown_code")
        for place, code, known in told
        if code is not None and code not in known
    ]
    if faults:
        raise Invalid(errors=faults)


async def _seen(request: Request, case_id: UUID, caller: Principal) -> CaseHeader:
    """The header of a case that the caller may see; else 404."""
    header = await container(request).views.header(case_id)
    if header is None or not header.seen_by(caller.actor()):
        raise NotFound()
    return header
