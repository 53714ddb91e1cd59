"""Where notify holds something of people, by case; the dossier's tombstone empties it (G13)."""

from typing import Final

from libs.db.erasure import Holdings

HOLDINGS: Final = Holdings(
    erased="select erased from contact where case_id = $1",
    tables={
        "contact": "case_id = $1 and (phone is not null or phone_index is not null)",
        "received": "case_id = $1 and (text is not null or phone is not null)",
    },
)
