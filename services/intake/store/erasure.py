"""Where intake holds something of people, by case; `erase` empties these tables (G13)."""

from typing import Final

from libs.db.erasure import Holdings

PERSONAL: Final = (
    "vault",
    "vault_former",
    "phone_trace",
    "search_token",
    "respondent_trace",
    "suggested",
    "note",
    "attachment",
)

OBJECTS: Final = "attachment_gone"
"""Objects that are still to be deleted; the erasure adds to this table, a loop empties it."""

HOLDINGS: Final = Holdings(
    erased="select state = 'erased' from intake_case where case_id = $1",
    tables={table: "case_id = $1" for table in (*PERSONAL, OBJECTS)},
)
