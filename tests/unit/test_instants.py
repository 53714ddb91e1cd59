"""Whatever instant a door lets in can be told in every zone, kept in a column and counted on from."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from libs.clocks.calendar import instant
from libs.web.errors import Invalid
from libs.web.paging import decode, encode
from services.console.api.board import At
from services.intake.domain.statement import Instant as IntakeInstant
from services.intake.domain.statement import KeyWanted
from services.mediation.api.bodies import Instant as MediationInstant
from services.mediation.api.bodies import SessionOutcome
from services.routing.api.assignments import PreviewForm

ENDS = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)
ZONES = st.integers(-23 * 60 - 59, 23 * 60 + 59).map(lambda minutes: timezone(timedelta(minutes=minutes)))
INSTANTS = st.builds(lambda at, zone: at.replace(tzinfo=zone), st.sampled_from(ENDS) | st.datetimes(), ZONES)


def _adapted(kind: object) -> Callable[[str], object]:
    return TypeAdapter(kind).validate_python


DOORS: dict[str, Callable[[str], object]] = {
    "intake": _adapted(IntakeInstant),
    "mediation": _adapted(MediationInstant),
    "session": lambda text: SessionOutcome.model_validate({"held": True, "next": text}).next,
    "preview": lambda text: PreviewForm.model_validate({"at": text}).at,
    "board": _adapted(At),
    "cursor": lambda text: (decode("list", encode("list", text), datetime) or (None,))[0],
}


@pytest.mark.parametrize("door", DOORS)
@given(at=INSTANTS)
@example(at=ENDS[0].replace(tzinfo=timezone(timedelta(hours=8))))
@example(at=ENDS[1])
@example(at=ENDS[1].replace(tzinfo=timezone(-timedelta(hours=14))))
def test_an_instant_that_is_let_in_can_be_told_anywhere(door: str, at: datetime) -> None:
    try:
        told = DOORS[door](at.isoformat())
    except (ValidationError, Invalid):
        return
    assert isinstance(told, datetime)
    assert told == at
    assert instant(told)
    assert told.astimezone(UTC) + timedelta(days=90) > told.astimezone(UTC) - timedelta(days=90)


def test_what_lies_beyond_is_named() -> None:
    with pytest.raises(ValidationError) as refused:
        KeyWanted.model_validate({"expires_at": "9999-12-31T23:59:59Z"})
    assert [(fault["loc"], fault["type"]) for fault in refused.value.errors()] == [
        (("expires_at",), "too_late")
    ]
