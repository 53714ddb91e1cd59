"""From a row to the case that it holds."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import orjson

from libs.events.base import CaseFacts
from libs.messaging.deadline import Deadline
from services.intake.domain.attachment import Attachment
from services.intake.domain.case import Case, Child, Consent, Origin, Warning

CASES: Final = "select c.*, x.closed_at from intake_case c left join closing x using (case_id)"
"""Rows of `intake_case` with what mediation says of them; `c` and `x` are their names."""


def case_of(
    row: Mapping[str, Any], clocks: Mapping[str, Deadline], attachments: tuple[Attachment, ...] = ()
) -> Case:
    """The case of a row of `intake_case`."""
    return Case(
        case_id=row["case_id"],
        district=row["district"],
        stage=row["state"],
        facts=CaseFacts.model_validate_json(row["facts"]),
        said_urgency=row["said_urgency"],
        deadlines=clocks,
        reminders=row["reminders"],
        reason_code=row["reason_code"],
        directed_to=row["directed_to"],
        merged_into=row["merged_into"],
        happened_on=row["happened_on"],
        warnings=tuple(Warning(**warning) for warning in orjson.loads(row["warnings"])),
        twins=tuple(map(UUID, orjson.loads(row["twins"]))),
        children=tuple(
            Child(UUID(child["case_id"]), child["kind"], child["query_code"])
            for child in orjson.loads(row["children"])
        ),
        related=tuple(map(UUID, orjson.loads(row["related"]))),
        consents=tuple(
            Consent(**{**told, "at": datetime.fromisoformat(told["at"])})
            for told in orjson.loads(row["consents"])
        ),
        holds=tuple(orjson.loads(row["holds"])),
        ended_at=row["ended_at"],
        closed_at=row["closed_at"],
        origin=Origin(row["credential"], row["external_ref"]) if row["external_ref"] else None,
        portal=row["portal"],
        attachments=attachments,
    )
