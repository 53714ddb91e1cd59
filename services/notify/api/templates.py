"""Templates: what is sent, when and to whom, and how a text reads with given values."""

from collections.abc import Mapping
from typing import Annotated, Any

from fastapi import APIRouter, Depends
from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response

from libs.events.base import Code, Shape
from libs.web.answers import json
from libs.web.auth import staff
from libs.web.errors import FieldError, Invalid
from libs.web.paging import page
from libs.web.principal import Principal
from services.notify.api.container import container
from services.notify.domain.texts import Template, Unsendable, characters

router = APIRouter(tags=["templates"])

Reader = Annotated[Principal, Depends(staff())]


class PreviewForm(Shape):
    """`POST /v1/previews`: a template and the values of its placeholders."""

    template: Code
    values: Mapping[str, Annotated[str, Field(max_length=100)]] = Field({}, max_length=10)


@router.get("/v1/templates")
async def list_templates(request: Request, caller: Reader) -> Response:
    """All templates in their order."""
    items = [_item(template) for template in container(request).rules.templates.values()]
    return json(page(items, None))


@router.post("/v1/previews")
async def preview(request: Request, form: PreviewForm, caller: Reader) -> Response:
    """The SMS with these values, signature included; 422 with the reason for one that could not go out."""
    rules = container(request).rules
    template = rules.templates.get(form.template)
    if template is None:
        raise Invalid(errors=[FieldError("/template", "unknown_code")])
    unknown = sorted(set(form.values) - set(template.placeholders))
    if unknown:
        raise Invalid(errors=[FieldError("/values", "unknown_field")])
    try:
        text = rules.letterhead.compose(template, form.values)
    except Unsendable as fault:
        code = fault.code.lower()
        raise Invalid(errors=[FieldError("/values", code, f"sms_{code}")]) from fault
    return json(
        {"text": text, "characters": characters(text), "max_characters": rules.letterhead.max_characters}
    )


def _item(template: Template) -> dict[str, Any]:
    return {
        "id": template.id,
        "purpose": template.purpose,
        "trigger_event": template.trigger,
        "text": template.text,
        "placeholders": template.placeholders,
        "date_from": template.date_from,
        "audience": template.audience,
        "statutory": template.statutory,
        "quiet_hours_exempt": template.quiet_hours_exempt,
        "tracks": template.tracks,
        "filing_status": template.filing_status,
    }
