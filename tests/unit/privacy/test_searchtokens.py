"""Tokens of words: the same for the same word and key, and nothing without the key."""

import pytest

from libs.privacy import searchtokens
from libs.privacy.keyring import Key
from libs.privacy.searchtokens import Tokens, tokens

KEY, OTHER = Key("search", 1, bytes(32)), Key("search", 2, bytes(range(32)))


def test_a_word_has_one_token_in_a_scope() -> None:
    assert tokens(KEY, "990101")["漏水"] == tokens(Key("search", 1, bytes(32)), "990101")["漏水"]
    assert tokens(KEY, "990101")["漏水"] != tokens(KEY, "990101")["水漏"]


def test_g22_districts_and_keys_have_tokens_of_their_own() -> None:
    asked = [(KEY, "990101"), (KEY, "990102"), (KEY, "990101|REP"), (OTHER, "990101")]
    assert len({tokens(key, scope)["漏水"] for key, scope in asked}) == len(asked)


def test_a_token_fits_an_integer_column() -> None:
    some = [Tokens(bytes(32))[f"word {number}"] for number in range(500)]
    assert -(2**31) <= min(some) < 0 < max(some) < 2**31
    assert len(set(some)) == len(some)


def test_not_every_word_that_was_ever_said_is_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(searchtokens, "MOST_KEPT", 3)
    some = Tokens(bytes(32))
    first = some["a"]
    for word in "bcdefg":
        assert isinstance(some[word], int)
        assert len(some) <= 3
    assert some["a"] == first
