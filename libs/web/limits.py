"""How fast one caller may send, and how often an address may fail to sign in: token buckets in this process.

Each process counts for itself: with `n` API processes a caller has up to `n` times the rate. The limits keep
one caller from taking the door away from the others; they are no quota.
"""

import math
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from libs.web.errors import Overloaded
from libs.web.refusals import TooManyRequests, TooManyTries

REMEMBERED = 10_000
"""Names with a bucket, and credentials known to be good; the longest unused one starts afresh."""


class RateLimit:
    """`rate` requests a second in the long run, `burst` at once; `refusal` is what is raised beyond."""

    def __init__(
        self,
        rate: float,
        burst: float,
        now: Callable[[], float] = time.monotonic,
        refusal: type[TooManyRequests] = TooManyRequests,
    ) -> None:
        self._rate = rate
        self._burst = burst
        self._now = now
        self._refusal = refusal
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def check(self, name: str) -> None:
        """Raise the refusal, with the whole seconds until the next is possible, when none is now."""
        self._left(name, self._now())

    def take(self, name: str) -> None:
        """As `check`, and count one; a refused one costs nothing."""
        now = self._now()
        self._buckets[name] = (self._left(name, now) - 1, now)
        self._buckets.move_to_end(name)
        if len(self._buckets) > REMEMBERED:
            self._buckets.popitem(last=False)

    def _left(self, name: str, now: float) -> float:
        left, seen = self._buckets.get(name, (self._burst, now))
        left = min(self._burst, left + (now - seen) * self._rate)
        if left < 1:
            raise self._refusal(retry_after=math.ceil((1 - left) / self._rate))
        return left


class Turns:
    """What takes much memory: at most `most` at once, of them one of each name. Nobody waits."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._busy: set[str] = set()

    @contextmanager
    def take(self, name: str) -> Iterator[None]:
        """A turn until the block ends. Raises `TooManyRequests` when the name has one, `Overloaded` when all
        are taken."""
        if name in self._busy:
            raise TooManyRequests("one at a time", retry_after=2)
        if len(self._busy) >= self._most:
            raise Overloaded(retry_after=2)
        self._busy.add(name)
        try:
            yield
        finally:
            self._busy.discard(name)


class Tries:
    """Failed sign-ins by address, so that no key is found by trying.

    Above the rate a failure is 429 in place of 401, and a key that this process has not let in is not even
    looked up. A caller whose credential is good goes on, whatever others do behind the same address: that
    may be a proxy's.
    """

    def __init__(
        self, rate: float = 1.0, burst: float = 100.0, now: Callable[[], float] = time.monotonic
    ) -> None:
        self._limit = RateLimit(rate, burst, now, TooManyTries)
        self._good: OrderedDict[bytes, None] = OrderedDict()

    def check(self, address: str, key: bytes) -> None:
        """Raise `TooManyTries` for a key not known to be good from an address that failed too often."""
        if key not in self._good:
            self._limit.check(address)

    def succeeded(self, key: bytes) -> None:
        """The key, by its hash, opened the door."""
        self._good[key] = None
        self._good.move_to_end(key)
        if len(self._good) > REMEMBERED:
            self._good.popitem(last=False)

    def failed(self, address: str, key: bytes | None = None) -> None:
        """Count a failure, of this key if it was one; raises `TooManyTries` above the rate."""
        if key is not None:
            self._good.pop(key, None)
        self._limit.take(address)
