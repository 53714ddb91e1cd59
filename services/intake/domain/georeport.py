"""Open311 GeoReport v2: what a report says, as a statement, and what is told of a case, without any personal
field. The standard's words are kept; where it and the house differ, `docs/portal-api.md` says so."""

import re
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Final, Literal

from pydantic import Field, StringConstraints, model_validator
from pydantic_core import PydanticCustomError

from libs.clocks.calendar import instant
from services.intake.domain.case import Case
from services.intake.domain.reference import Reference
from services.intake.domain.statement import (
    CLEANED,
    Applicant,
    Code,
    Line,
    Narrative,
    Phone,
    Place,
    Said,
    Statement,
)

MOST: Final = 1_000
"""Requests in one list, and `WINDOW_DAYS` the days it goes back when no date is named: the standard's own
bounds."""
WINDOW_DAYS: Final = 90

FINISHED: Final = frozenset({"refused", "merged", "withdrawn"})
"""Stages in which nobody works on the matter under its own number; a closed case is finished too. A forwarded
one is open: another body has it."""

_NOTES: Final[Mapping[str, str]] = {
    "registered": "已登记",
    "accepted": "已受理",
    "forwarded": "已转送有权处理的机关",
    "refused": "不予受理",
    "merged": "已并入先前登记的事项",
    "withdrawn": "已撤回",
    "closed": "已办结",
}
_DROPPED: Final = ("email", "device_id", "account_id", "address_id", "media_url")
"""Fields of the standard that are taken and not kept; the answer says so."""
NOTICE: Final = "未保存："

Status = Literal["open", "closed"]

_WESTERN: Final = re.compile(r"[A-Za-z]")

Latitude = Annotated[float, Field(ge=-90, le=90, allow_inf_nan=False)]
Longitude = Annotated[float, Field(ge=-180, le=180, allow_inf_nan=False)]


Address = Annotated[str, StringConstraints(strip_whitespace=True, max_length=160), CLEANED]
"""Its coordinates follow it in the same field."""
Name = Annotated[str, StringConstraints(strip_whitespace=True, max_length=90), CLEANED]


class Report(Said):
    """The form of `POST /open311/v2/requests.json`; a place must be told, by address or by coordinates."""

    service_code: Code
    jurisdiction_id: Annotated[str, Field(max_length=64)] | None = None
    api_key: Annotated[str, Field(max_length=200)] | None = None
    description: Narrative | None = None
    lat: Latitude | None = None
    long: Longitude | None = None
    address_string: Address | None = None
    first_name: Name | None = None
    last_name: Name | None = None
    phone: Phone | None = None
    email: Line | None = None
    device_id: Line | None = None
    account_id: Line | None = None
    address_id: Line | None = None
    media_url: Annotated[str, Field(max_length=2_000)] | None = None

    @model_validator(mode="after")
    def _somewhere(self) -> "Report":
        if (self.lat is None) != (self.long is None):
            raise PydanticCustomError("half_a_place", "lat and long")
        if self.lat is None and self.address_string is None:
            raise PydanticCustomError("no_place", "a place")
        return self

    def dropped(self) -> list[str]:
        """The fields that are not kept."""
        return [name for name in _DROPPED if getattr(self, name)]


def statement_of(report: Report, known: Reference) -> Statement:
    """The statement that registers a report. Coordinates are not looked up: they go with the address, and a
    matter without an address is placed by a person."""
    return Statement(
        channel="api",
        category=report.service_code,
        narrative=report.description or known.categories[report.service_code].zh,
        place=Place(address="".join(_address(report))),
        applicant=Applicant(name=_name(report), phone=report.phone),
        district=report.jurisdiction_id,
    )


def _address(report: Report) -> Iterator[str]:
    if report.address_string:
        yield report.address_string
    if report.lat is not None:
        yield f"（坐标 {report.lat:.6f}, {report.long:.6f}）"


def _name(report: Report) -> str | None:
    """Family name first, as names are written here; a name in Latin letters as it is written there."""
    first, last = report.first_name or "", report.last_name or ""
    if _WESTERN.search(first + last):
        return f"{first} {last}".strip()
    return f"{last}{first}" or None


def listed(text: str | None) -> tuple[str, ...]:
    """What stands between commas."""
    return tuple(one for part in (text or "").split(",") if (one := part.strip()))


def is_service(code: str, known: Reference) -> bool:
    """Whether reports are taken under this category."""
    category = known.categories.get(code)
    return category is not None and not category.tag_only


def services(known: Reference) -> list[dict[str, Any]]:
    """The categories as services."""
    return [
        {
            "service_code": code,
            "service_name": category.zh,
            "description": "、".join(category.topic_names) or category.zh,
            "metadata": False,
            "type": "realtime",
            "keywords": ",".join(category.keywords),
            "group": "",
        }
        for code, category in known.categories.items()
        if not category.tag_only
    ]


def told_as_request(case: Case, known: Reference) -> dict[str, Any]:
    """What the standard calls a service request, without description, address and names."""
    facts = case.facts
    category = known.categories.get(facts.category or "")
    return {
        "service_request_id": facts.query_code,
        "status": "closed" if case.state in FINISHED or case.closed else "open",
        "status_notes": _NOTES.get(case.state),
        "service_name": category.zh if category else None,
        "service_code": facts.category,
        "requested_datetime": instant(facts.received_at),
    }
