"""What two processes do at the same moment: the one that comes second decides again on what it finds."""

from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

from libs.db.pool import Database, Tx
from libs.db.work import Work
from services.intake.domain.case import Case
from services.intake.domain.registration import Neighbours
from services.intake.store.cases import IntakeStore
from tests.component.intake_door import Door, opened


class LateStore(IntakeStore):
    """Looks at its neighbours once too early, as if another process wrote between its look and its save."""

    def __init__(self) -> None:
        self.looks = 0

    async def share(self, tx: Tx, works: Sequence[Work[Case, Any]]) -> Neighbours:
        self.looks += 1
        return Neighbours() if self.looks == 1 else await super().share(tx, works)


async def _second(database: Database, folder: Path, first: dict[str, Any], second: dict[str, Any]) -> Any:
    async with opened(database, folder) as door:
        made = await door.register(**first)
        assert made.status == 201
    late = LateStore()
    async with opened(database, folder, late) as door:  # its chance starts over and draws the same codes
        answer = await door.register(**second)
        assert late.looks == 2
        return made, answer, await door.rows("select count(*) as n from intake_case")


async def test_a_query_code_taken_meanwhile_is_drawn_again(
    database: Callable[[str], Awaitable[Database]], tmp_path: Path
) -> None:
    made, answer, rows = await _second(await database("intake"), tmp_path, {}, {})
    assert answer.status == 201
    assert answer.body["query_code"] != made.body["query_code"]
    assert rows == [{"n": 2}]


async def test_an_external_number_taken_meanwhile_is_refused(
    database: Callable[[str], Awaitable[Database]], tmp_path: Path
) -> None:
    same = {"external_ref": "12345-2026-1"}
    made, answer, rows = await _second(await database("intake"), tmp_path, same, same)
    assert (answer.status, answer.body["case_id"]) == (409, made.body["case_id"])
    assert rows == [{"n": 1}]


async def test_flags_that_change_while_a_dossier_is_sealed_seal_it_again(
    database: Callable[[str], Awaitable[Database]], tmp_path: Path
) -> None:
    async with opened(await database("intake"), tmp_path) as door:
        case_id = (await door.register()).body["case_id"]
        case_of, views = door.desk.views.case, door.desk.views
        outdated: list[Any] = []

        async def meddled(asked: Any) -> Any:
            read = await case_of(asked)
            if not outdated:
                outdated.append(read)
                changed = await door.post(f"/v1/cases/{case_id}/flags", {"add": ["CONFIDENTIAL"]})
                assert changed.status == 200
            return read

        views.case = meddled  # type: ignore[method-assign]
        body = {"remove": ["CONFIDENTIAL"], "reason": "本人同意"}
        lowered = await _lower(door, case_id, body)
        assert (lowered.status, lowered.body["flags"]) == (200, [])
        (record,) = await door.rows("select version from state_record")
        assert record["version"] == 3


async def _lower(door: Door, case_id: str, body: dict[str, Any]) -> Any:
    return await door.post(f"/v1/cases/{case_id}/flags", body, "supervisor")
