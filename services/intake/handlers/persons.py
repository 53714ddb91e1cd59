"""The right of a person to see and have what is kept of them (PIPL art 45)."""

from typing import Any, Final

from libs.web.principal import Principal
from services.intake.domain.disclosure import plain
from services.intake.domain.statement import PersonFile, Reveal
from services.intake.handlers import attachments
from services.intake.handlers.desk import Asked, Desk, Query, paged
from services.intake.handlers.reading import number_hashes, reveal, whole_number

AT_ONCE: Final = 100


async def file_of(desk: Desk, wanted: PersonFile, caller: Principal, asked: Asked) -> dict[str, Any]:
    """Every case that the caller may know of and whose applicant has this number, the newest first, in plain,
    with what was said before each amendment. Each is audited as revealed, for the purpose. Raises Invalid for
    no whole number.

    A number before a correction may be a stranger's, and those of guardians, representatives and respondents
    are other people's than the applicant: they find nothing, since the file tells all of the applicant.
    """
    hashes = number_hashes(desk, whole_number(wanted.phone), caller.districts)
    purpose = Reveal(purpose=wanted.purpose)
    files: list[dict[str, Any]] = []
    after = None
    while True:
        found = await desk.views.find(Query.of(caller, limit=AT_ONCE, after=after, **hashes))
        page, last = paged(found, AT_ONCE)
        for case, _ in page:
            body, _ = await reveal(desk, case.case_id, purpose, asked)
            former = [
                {"until_version": version, **plain(desk.vault.open(kept), None)}
                for version, kept in await desk.views.former(case.case_id)
            ]
            attached = await attachments.filed(desk, case.case_id)
            files.append({**body, "former": former, "attachments": attached})
        if last is None:
            return {"cases": files}
        after = last[0].case_id
