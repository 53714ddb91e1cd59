"""Open311 reports as statements, and cases as requests."""

from dataclasses import replace
from typing import Any

import pytest
from pydantic import ValidationError

from libs.web.fieldfaults import field_error
from services.intake.domain.georeport import (
    Report,
    is_service,
    listed,
    services,
    statement_of,
    told_as_request,
)
from tests.unit.intake.build import NOW, accepted, known, registered


def report(**fields: Any) -> Report:
    return Report.model_validate({"service_code": "D02", "address_string": "锦苑一期3幢", **fields})


def test_every_category_that_stands_alone_is_a_service() -> None:
    told = {service["service_code"] for service in services(known())}
    assert told == {code for code, category in known().categories.items() if not category.tag_only}
    assert is_service("D02", known())
    assert not is_service("D19", known())
    assert not is_service("D98", known())


def test_a_report_without_a_description_says_what_it_is_about() -> None:
    said = statement_of(report(), known())
    assert (said.channel, said.category, said.narrative) == ("api", "D02", "邻里纠纷")
    assert (said.place.address, said.kind, said.applicant.phone_verified) == ("锦苑一期3幢", None, None)


@pytest.mark.parametrize(
    ("first", "last", "name"),
    [
        ("明远", "许", "许明远"),
        (None, "许", "许"),
        ("Anna", "Lee", "Anna Lee"),
        ("Anna", None, "Anna"),
        (None, None, None),
    ],
)
def test_names_are_written_as_their_language_does(
    first: str | None, last: str | None, name: str | None
) -> None:
    assert statement_of(report(first_name=first, last_name=last), known()).applicant.name == name


def test_coordinates_stand_with_the_address_or_for_it() -> None:
    both = statement_of(report(lat=31.25, long=121.5), known())
    assert both.place.address == "锦苑一期3幢（坐标 31.250000, 121.500000）"
    alone = statement_of(report(address_string=None, lat=31.25, long=121.5), known())
    assert alone.place.address == "（坐标 31.250000, 121.500000）"


def test_the_longest_address_and_its_coordinates_fit_in_one_field() -> None:
    said = statement_of(report(address_string="弄" * 160, lat=-89.123456, long=-179.123456), known())
    assert said.place.address is not None
    assert len(said.place.address) <= 200


@pytest.mark.parametrize(
    "fields",
    [
        {"address_string": None},
        {"lat": 31.0},
        {"long": 121.0},
        {"lat": 91.0, "long": 0.0},
        {"lat": 0.0, "long": -181.0},
        {"lat": float("nan"), "long": 0.0},
        {"address_string": "弄" * 161},
        {"colour": "red"},
    ],
)
def test_a_report_that_cannot_be_taken(fields: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        report(**fields)


def test_what_is_not_kept_is_listed() -> None:
    assert report().dropped() == []
    assert report(email="a@example.org", account_id="7").dropped() == ["email", "account_id"]


def test_a_list_is_divided_by_commas() -> None:
    assert listed("AB12CD34, EF56GH78,,") == ("AB12CD34", "EF56GH78")
    assert listed(None) == listed(" ,") == ()


def test_what_is_too_long_is_told_its_limit() -> None:
    with pytest.raises(ValidationError) as refused:
        report(address_string="弄" * 161, first_name="明" * 91)
    told = [field_error(fault, "en").detail for fault in refused.value.errors()]
    assert told == ["at most 160 characters", "at most 90 characters"]


@pytest.mark.parametrize(
    ("stage", "status"),
    [
        ("registered", "open"),
        ("accepted", "open"),
        ("forwarded", "open"),
        ("refused", "closed"),
        ("merged", "closed"),
        ("withdrawn", "closed"),
    ],
)
def test_a_request_is_open_while_somebody_works_on_it(stage: Any, status: str) -> None:
    told = told_as_request(replace(registered(), stage=stage), known())
    assert told["status"] == status
    assert told["status_notes"]


def test_a_closed_case_is_a_closed_request() -> None:
    told = told_as_request(replace(accepted(), closed_at=NOW), known())
    assert (told["status"], told["status_notes"]) == ("closed", "已办结")


def test_a_case_without_a_category_is_a_request_without_a_service() -> None:
    told = told_as_request(registered(category=None), known())
    assert (told["service_code"], told["service_name"]) == (None, None)
