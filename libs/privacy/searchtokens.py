"""Finding a text by its words without storing the words: keyed hashes, of no use without the key.

A table of tokens leaks how often each word is used and which texts share words. So the key is another one in
each scope, and what is a token at all is for the caller to choose with care (docs/decisions/0023).
"""

import hashlib
import hmac
from functools import lru_cache
from typing import Final

from libs.privacy.keyring import Key

TOKEN_BYTES: Final = 4
"""Of 100,000 words in use two or three share a token with another: whoever searches reads what was found
before believing it, and half of the usual eight bytes keeps the tokens of a long text in their row."""

MOST_KEPT: Final = 65_536
"""Words whose tokens are remembered per key: pairs of characters repeat, and hashing costs ten times more."""


class Tokens(dict[str, int]):
    """The token of each word under one key, in the signed 32 bits of a PostgreSQL integer."""

    def __init__(self, key: bytes) -> None:
        """A key of at most 64 bytes."""
        super().__init__()
        self._empty = hashlib.blake2b(key=key, digest_size=TOKEN_BYTES)

    def __missing__(self, word: str) -> int:
        if len(self) >= MOST_KEPT:
            self.clear()
        hashed = self._empty.copy()
        hashed.update(word.encode())
        token = self[word] = int.from_bytes(hashed.digest(), signed=True)
        return token


def tokens(key: Key, scope: str) -> Tokens:
    """The tokens of a scope, `990101` for instance: those of two scopes say nothing of each other."""
    return _tokens(key.material, scope)


@lru_cache(maxsize=256)
def _tokens(material: bytes, scope: str) -> Tokens:
    return Tokens(hmac.digest(material, f"search|{scope}".encode(), hashlib.sha256))
