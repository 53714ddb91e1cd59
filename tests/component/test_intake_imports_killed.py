"""An import whose worker is killed goes on where it was: nothing is lost, nothing is there twice."""

import signal
from pathlib import Path

from libs.db.pool import Database
from tests.component.import_process import POINTS, Order, ended
from tests.component.intake_door import opened
from tests.component.intake_files import Desk, csv_file, row
from tests.support.infrastructure import Databases

ROWS = 450
FAULTY = {7, 300}
FILE = csv_file(*(row(n, 人数="三" if n in FAULTY else "3", 外部编号=f"2026-{n}") for n in range(ROWS)))


async def all_is_there_once(desk: Desk, import_id: str) -> None:
    told = (await desk.door.get(f"/v1/imports/{import_id}")).body
    counted = {name: told[name] for name in ("state", "rows", "checked", "taken", "refused")}
    taken = ROWS - len(FAULTY)
    assert counted == {"state": "done", "rows": ROWS, "checked": ROWS, "taken": taken, "refused": len(FAULTY)}
    found = await desk.door.rows("select external_ref from intake_case order by case_id")
    numbers = [case["external_ref"] for case in found]
    assert sorted(numbers) == sorted(f"2026-{n}" for n in range(ROWS) if n not in FAULTY)
    assert len(await desk.door.rows("select 1 from event")) == taken
    assert len(await desk.table("csv", told["error_file"])) == 1 + len(FAULTY)
    assert (await desk.counts())[1] == 0


async def test_killed_at_every_point_in_turn(databases: Databases, tmp_path: Path) -> None:
    dsn = databases.fresh("intake")
    database = await Database.open(dsn, name="test-intake", size=4)
    try:
        async with opened(database, tmp_path) as door:
            desk = Desk(door)
            sent = await desk.send(FILE)
            for seed, point in enumerate(POINTS, 5):
                assert await ended(Order(dsn, str(tmp_path), seed, point)) == -signal.SIGKILL
            assert await ended(Order(dsn, str(tmp_path), 40)) == 0
            again = await desk.send(FILE)
            assert again.headers["idempotent-replayed"] == "true"
            await all_is_there_once(desk, sent.body["import_id"])
    finally:
        await database.close()
