"""The use cases of intake; `USE_CASES` is the contents page."""

from collections.abc import Mapping
from typing import Any, Final

from libs.db.work import UseCase
from services.intake.domain.case import Case
from services.intake.handlers.acting import (
    CHANGE_FLAGS,
    CHANGE_HOLDS,
    ERASE,
    FULFIL,
    RELATE,
    RELEASE,
    REMIND,
    SETTLE,
    TAKE_BACK,
)
from services.intake.handlers.alarms import RING
from services.intake.handlers.amending import AMEND
from services.intake.handlers.attachment_worker import SCANNED
from services.intake.handlers.attachments import ATTACH, HAND_OUT, LET_OUT, LIST_FILES, TAKE_OUT
from services.intake.handlers.reading import LOOK, READ_NOTES
from services.intake.handlers.registering import OPEN_CHILD, REGISTER

USE_CASES: Final[Mapping[str, UseCase[Case, Any]]] = {
    "POST /v1/cases": REGISTER,
    "POST /v1/cases/{case_id}/children": OPEN_CHILD,
    "PATCH /v1/cases/{case_id}": AMEND,
    "POST /v1/cases/{case_id}/decision": SETTLE,
    "POST /v1/cases/{case_id}/objection": TAKE_BACK,
    "POST /v1/cases/{case_id}/flags": CHANGE_FLAGS,
    "POST /v1/cases/{case_id}/release": RELEASE,
    "POST /v1/cases/{case_id}/reminders": REMIND,
    "POST /v1/cases/{case_id}/related": RELATE,
    "POST /v1/cases/{case_id}/duties": FULFIL,
    "POST /v1/cases/{case_id}/holds": CHANGE_HOLDS,
    "POST /v1/cases/{case_id}/erasure, a period of retention is over": ERASE,
    "GET /v1/cases/{case_id}, POST /v1/cases/{case_id}/reveal": LOOK,
    "GET /v1/cases/{case_id}/notes": READ_NOTES,
    "PUT /v1/cases/{case_id}/attachments": ATTACH,
    "GET /v1/cases/{case_id}/attachments": LIST_FILES,
    "GET /v1/cases/{case_id}/attachments/{attachment_id}": HAND_OUT,
    "POST /v1/cases/{case_id}/attachments/{attachment_id}/release": LET_OUT,
    "POST /v1/cases/{case_id}/attachments/{attachment_id}/removal": TAKE_OUT,
    "a file was scanned": SCANNED,
    "a deadline ran out or comes near": RING,
}
