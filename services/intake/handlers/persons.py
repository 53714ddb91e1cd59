"""The right of a person to see and have what is kept of them (PIPL art 45)."""

from typing import Any, Final

from libs.privacy.blindindex import read_phone
from libs.web.errors import FieldError, Invalid
from libs.web.principal import Principal
from services.intake.domain.disclosure import plain
from services.intake.domain.statement import PersonFile, Reveal
from services.intake.handlers.desk import Asked, Desk, Query
from services.intake.handlers.reading import phone_hashes, reveal

AT_ONCE: Final = 100


async def file_of(desk: Desk, wanted: PersonFile, caller: Principal, asked: Asked) -> dict[str, Any]:
    """Every case of the number that the caller may know of, the newest first, in plain, with what was said
    before each amendment. Each is audited as revealed, for the purpose. Raises Invalid for no whole number.
    """
    if read_phone(wanted.phone).e164 is None:
        raise Invalid(errors=[FieldError("/phone", "invalid_phone")])
    hashes = phone_hashes(desk, wanted.phone, caller.districts)
    purpose = Reveal(purpose=wanted.purpose)
    files: list[dict[str, Any]] = []
    after = None
    while True:
        found = await desk.views.find(Query.of(caller, limit=AT_ONCE, after=after, **hashes))
        for case, _ in found[:AT_ONCE]:
            body, _ = await reveal(desk, case.case_id, purpose, asked)
            former = [
                {"until_version": version, **plain(desk.vault.open(kept), None)}
                for version, kept in await desk.views.former(case.case_id)
            ]
            files.append({**body, "former": former})
        if len(found) <= AT_ONCE:
            return {"cases": files}
        after = found[AT_ONCE - 1][0].case_id
