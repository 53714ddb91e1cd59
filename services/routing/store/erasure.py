"""Where routing holds something of people, by case; the dossier's tombstone empties it (G13)."""

from typing import Final

from libs.db.erasure import Holdings

HOLDINGS: Final = Holdings(
    erased="select erased from needs where case_id = $1",
    tables={
        "needs": "case_id = $1 and sealed is not null",
        "assignment": "case_id = $1 and note is not null",
    },
)
