"""How fast one credential may send: a token bucket per credential, in this process."""

import math
import time
from collections import OrderedDict
from collections.abc import Callable

from libs.web.refusals import TooManyRequests

REMEMBERED = 10_000
"""Credentials with a bucket; the longest unused one starts afresh."""


class RateLimit:
    """`rate` requests a second in the long run, `burst` at once."""

    def __init__(self, rate: float, burst: float, now: Callable[[], float] = time.monotonic) -> None:
        self._rate = rate
        self._burst = burst
        self._now = now
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def take(self, credential: str) -> None:
        """Count a request; raises `TooManyRequests` with the whole seconds until the next is possible."""
        now = self._now()
        left, seen = self._buckets.get(credential, (self._burst, now))
        left = min(self._burst, left + (now - seen) * self._rate)
        if left < 1:
            raise TooManyRequests(retry_after=math.ceil((1 - left) / self._rate))
        self._buckets[credential] = (left - 1, now)
        self._buckets.move_to_end(credential)
        if len(self._buckets) > REMEMBERED:
            self._buckets.popitem(last=False)
