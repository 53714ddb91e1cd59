"""How the gateway misbehaves when told to."""

import random
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

Mode = Literal[
    "ok",
    "slow",
    "hang",
    "reset_after_accept",
    "http_500",
    "throttle",
    "garbage",
    "no_receipt",
    "duplicate_receipt",
    "late_receipt",
    "undelivered",
    "rejected",
    "unauthorised",
]

DELAYS_S = {"slow": 3.0, "hang": 60.0, "late_receipt": 30.0}
DUPLICATES = 10


class Behaviour(BaseModel):
    """What the gateway does with `share` of the calls; the other calls go well.

    `delay_s` is the wait of `slow`, `hang` and `late_receipt`; its default depends on the mode.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    mode: Mode = "ok"
    share: float = Field(default=1.0, ge=0, le=1)
    delay_s: float | None = Field(default=None, ge=0, le=86_400)

    def drawn(self) -> Mode:
        """The mode of one call."""
        return self.mode if random.random() < self.share else "ok"  # noqa: S311 - not a secret

    def delay(self, mode: Mode) -> float:
        """Seconds that this mode waits; 0 for a mode that does not."""
        if mode not in DELAYS_S:
            return 0.0
        return DELAYS_S[mode] if self.delay_s is None else self.delay_s
