"""Following the board: first all rows, then what changed, and nothing of what one may not see."""

from collections.abc import Sequence
from uuid import UUID

from services.console.domain.access import Scope
from services.console.domain.board import CaseRow, Moment
from services.console.handlers.board import QUIET_LOOKS, Snapshot, Update, follow

SCOPE = Scope(frozenset({"990101"}), ordinary=True, sealed=False)
A, B = (CaseRow(UUID(int=number), "990101") for number in (1, 2))


class Told:
    """A board whose changes are told beforehand, look by look."""

    def __init__(self, rows: Sequence[CaseRow], *looks: Sequence[tuple[CaseRow, bool]]) -> None:
        self.rows, self.looks, self.horizons = list(rows), [list(look) for look in looks], ["10"]

    async def newest(self, scope: Scope) -> tuple[list[CaseRow], str]:
        return self.rows, "10"

    async def changed(self, scope: Scope, horizon: str) -> tuple[list[tuple[CaseRow, bool]], str]:
        assert horizon == self.horizons[-1]
        self.horizons.append(str(int(horizon) + 1))
        return self.looks.pop(0), self.horizons[-1]

    async def timeline(self, scope: Scope, case_id: UUID) -> list[Moment] | None:
        raise AssertionError("not asked")


async def seen(board: Told) -> list[Snapshot | Update]:
    async def pause(seconds: float) -> bool:
        return not board.looks

    return [change async for change in follow(board, SCOPE, pause)]


async def test_the_board_comes_first_then_each_change_from_where_the_last_look_ended() -> None:
    assert await seen(Told([A], [(B, True)], [(A, True)])) == [
        Snapshot([A]),
        Update([B], []),
        Update([A], []),
    ]


async def test_a_case_that_leaves_the_scope_is_taken_back() -> None:
    assert await seen(Told([A], [(A, False)], [(A, False)])) == [Snapshot([A]), Update([], [A.case_id])]


async def test_a_case_that_was_never_shown_is_never_named() -> None:
    assert await seen(Told([A], [(B, False)])) == [Snapshot([A])]


async def test_a_quiet_board_shows_now_and_then_that_it_lives() -> None:
    quiet: list[list[tuple[CaseRow, bool]]] = [[] for _ in range(QUIET_LOOKS * 2)]
    assert await seen(Told([A], *quiet)) == [Snapshot([A]), Update([], []), Update([], [])]
