"""Where mediation holds something of people, by case; the dossier's tombstone empties it (G13)."""

from typing import Final

from libs.db.erasure import Holdings

HOLDINGS: Final = Holdings(
    erased="select erased from dossier where case_id = $1",
    tables={
        "dossier": "case_id = $1 and (contact is not null or story is not null)",
        "note": "case_id = $1",
        "data_key": "case_id = $1",
    },
)
