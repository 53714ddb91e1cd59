"""A process that works on imports and that a test may lose, killed at a named point.

    python -m tests.component.import_process ORDER      (ORDER: an `Order` as JSON)

It ends by itself when no import is open.
"""

import asyncio
import json
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from libs.db.pool import Database
from ops.stack.child import launched
from services.intake.store.cases import IntakeStore
from services.intake.store.imports import ImportStore
from tests.component.intake_door import opened
from tests.component.intake_files import Desk
from tests.support import process

POINTS: dict[str, tuple[type, str, bool]] = {
    "checked, not written down": (ImportStore, "checked", False),
    "checked and written down": (ImportStore, "checked", True),
    "all checked": (ImportStore, "all_checked", True),
    "saved, not committed": (IntakeStore, "save", True),
    "taken, not written down": (ImportStore, "took", False),
    "taken and written down": (ImportStore, "took", True),
    "all taken, not finished": (ImportStore, "finish", False),
}
"""Where it may be hit: around which method, and whether after it."""


@dataclass(frozen=True)
class Order:
    """The database and the state folder of an intake, and where the process ends at its `nth` time there."""

    dsn: str
    folder: str
    seed: int
    point: str = ""
    nth: int = 1


async def ended(order: Order) -> int:
    """The exit code of a process that had this order."""
    command = [sys.executable, "-m", "tests.component.import_process", json.dumps(asdict(order))]
    running = await asyncio.create_subprocess_exec(
        *launched(command, signal.SIGKILL), cwd=process.ROOT, stdout=asyncio.subprocess.DEVNULL
    )
    try:
        return await asyncio.wait_for(running.wait(), 60)
    finally:
        if running.returncode is None:
            running.kill()


@asynccontextmanager
async def _desk(order: Order) -> AsyncIterator[Desk]:
    database = await Database.open(order.dsn, name="imports", size=4)
    try:
        async with opened(database, Path(order.folder), seed=order.seed) as door:
            yield Desk(door)
    finally:
        await database.close()


async def main(order: Order) -> None:
    """Work until nothing is open; what another worker left is taken up when its lease is over."""
    still = "select 1 from import where state in ('received', 'checking', 'taking')"
    async with _desk(order) as desk:
        importer = desk.importer()
        while await desk.door.rows(still):
            if not await importer.work(desk.pulse):
                await asyncio.sleep(0.1)


if __name__ == "__main__":
    given = Order(**json.loads(sys.argv[1]))
    if given.point:
        process.POINTS.update(POINTS)
        process.hit(given.point, given.nth, signal.SIGKILL)
    asyncio.run(main(given))
