"""What the play of a case leaves behind."""

from collections.abc import Awaitable
from dataclasses import dataclass
from typing import TypeVar

from ops.demo.waiting import Trouble

T = TypeVar("T")


@dataclass(slots=True)
class Trail:
    """A played case: who is told of it, how far it came, and why it did not come further.

    `intake` and `mediation` are its versions there when the script's `begin` was over: what events up to
    them triggered are its first messages.
    """

    phone: str | None
    case_id: str | None = None
    intake: int = 0
    mediation: int = 0
    trouble: str | None = None

    async def attempt(self, act: Awaitable[T]) -> T | None:
        """What the act gives; None when it fails, and then the first failure is noted."""
        try:
            return await act
        except Trouble as trouble:
            self.trouble = self.trouble or str(trouble)
            return None
