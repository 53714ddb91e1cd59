"""API keys: their form tells a typing error from a key."""

import random
from zlib import crc32

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.web.apikeys import ALPHABET, PREFIX, checksum, generate, hash_of, shown, well_formed

KEY = f"{PREFIX}{'0123456789ABCDEFGHIJKLMNOPQRST'}{checksum('0123456789ABCDEFGHIJKLMNOPQRST')}"


def test_a_key_is_prefix_thirty_random_characters_and_a_checksum() -> None:
    key = generate()
    assert key.startswith("heshi_live_")
    assert len(key) == len(PREFIX) + 36
    assert set(key.removeprefix(PREFIX)) <= set(ALPHABET)
    assert well_formed(key)


def test_the_checksum_is_crc32_in_base62() -> None:
    body = "a" * 30
    value = 0
    for sign in checksum(body):
        value = value * 62 + ALPHABET.index(sign)
    assert value == crc32(body.encode())
    assert len(checksum(body)) == 6


def test_keys_differ() -> None:
    assert len({generate() for _ in range(100)}) == 100
    chooser = random.Random(1).choice
    assert generate(chooser) != generate(chooser)


@pytest.mark.parametrize(
    "text",
    [
        "",
        PREFIX,
        KEY[:-1],
        KEY + "0",
        KEY.upper(),
        KEY.replace("live", "test"),
        f" {KEY}",
        KEY + "\n",
        "é" * 47,
    ],
)
def test_what_is_no_key(text: str) -> None:
    assert well_formed(KEY)
    assert not well_formed(text)


@given(st.integers(len(PREFIX), len(KEY) - 1), st.sampled_from(ALPHABET))
def test_one_wrong_character_is_noticed(place: int, sign: str) -> None:
    typed = KEY[:place] + sign + KEY[place + 1 :]
    assert well_formed(typed) == (typed == KEY)


def test_what_is_stored_does_not_show_the_key() -> None:
    assert len(hash_of(KEY)) == 32
    assert KEY.encode() not in hash_of(KEY)
    assert hash_of(KEY) != hash_of(generate())
    assert shown(KEY) == "heshi_live_01234567"
