"""The shortest list of faults that still fails: delta debugging (Zeller and Hildebrandt, 2002)."""

from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def shortest(items: list[T], fails: Callable[[list[T]], bool]) -> list[T]:
    """A sub-list, in order, that fails and of which no half and no single item can be left out.

    `items` fails. A test that fails only sometimes may leave more than is needed, never what has passed.
    """
    parts = 2
    while len(items) >= 2:
        size = max(1, len(items) // parts)
        chunks = [items[n : n + size] for n in range(0, len(items), size)]
        for nth in range(len(chunks)):
            rest = [item for n, chunk in enumerate(chunks) if n != nth for item in chunk]
            if rest and fails(rest):
                items, parts = rest, max(parts - 1, 2)
                break
        else:
            if size == 1:
                return items
            parts = min(parts * 2, len(items))
    return items
