"""`heshi erase` and `heshi export-person`: a person's rights over what is kept of them (PIPL arts 45, 47)."""

import os
from collections.abc import Callable, Iterator
from contextlib import AsyncExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any, Final, TextIO
from uuid import UUID

from ops.doors import Doors, holds
from ops.stack.errors import StackError

HOLDERS: Final = ("intake", "routing", "mediation", "notify")
"""The services that keep something of people; the console keeps codes and dates alone."""
PATIENCE: Final = timedelta(minutes=1)


async def erase(
    case_id: UUID, reason: str, role: str, district: str, say: Callable[[str], None]
) -> dict[str, dict[str, int]]:
    """Erase a case and wait until every service has; what is left after `PATIENCE` in each, by service and
    table. A case that was erased before is only looked after."""
    async with AsyncExitStack() as stack:
        services = [await stack.enter_async_context(Doors(name, role, district)) for name in HOLDERS]
        intake = services[0]
        if not await _is_erased(intake, case_id):
            case = await intake.call("GET", f"/v1/cases/{case_id}")
            await intake.call(
                "POST",
                f"/v1/cases/{case_id}/erasure",
                {"reason_code": reason},
                version=case["version"],
            )
        left = {}
        for service in services:
            await holds(partial(_is_erased, service, case_id), datetime.now(UTC) + PATIENCE)
            told = await _reached(service, case_id)
            say(f"{service.service}: {told['state']}")
            if told["state"] != "erased":
                left[service.service] = told["left"]
        return left


async def file_of(phone: str, purpose: str, role: str, district: str) -> dict[str, Any]:
    """All that the services keep of the person with this number: what was said, done and sent."""
    async with (
        Doors("intake", role, district) as intake,
        Doors("mediation", role, district) as mediation,
        Doors("notify", role, district) as notify,
    ):
        told = await intake.call("POST", "/v1/persons/file", {"phone": phone, "purpose": purpose})
        for case in told["cases"]:
            case_id = case["case_id"]
            case["mediation"] = await mediation.find(f"/v1/cases/{case_id}")
            case["messages"] = [sent async for sent in notify.items("/v1/messages", case_id=case_id)]
    return dict(told)


@contextmanager
def private(path: Path) -> Iterator[TextIO]:
    """A new file that its owner alone may read; StackError where it cannot be made. A failure leaves none."""
    try:
        file = os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8")
    except OSError as error:
        raise StackError(f"{path} cannot be made ({error.strerror}): name another file.") from error
    try:
        with file:
            yield file
    except BaseException:
        path.unlink()
        raise


async def _reached(service: Doors, case_id: UUID) -> dict[str, Any]:
    told: dict[str, Any] = await service.call("GET", f"/v1/erasures/{case_id}")
    return told


async def _is_erased(service: Doors, case_id: UUID) -> bool:
    return bool((await _reached(service, case_id))["state"] == "erased")
