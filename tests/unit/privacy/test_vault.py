"""Sealed fields open in their place with their key, and nowhere else."""

from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.privacy.keyring import Key, KeyMissing, Keyring
from libs.privacy.vault import SealBroken, WrappedKey, new_data_key, seal, unseal, unseal_text, unwrap

KEYRING = Keyring.ephemeral(["vault-intake", "vault-notify"])
DATA_KEY = unwrap(KEYRING, new_data_key(KEYRING, "vault-intake"))
CASE = UUID("01920000-0000-7000-8000-000000000001")
PLACE: dict[str, Any] = {"table": "party", "column": "name", "row": CASE, "key_version": 1}


@given(st.text())
def test_a_text_comes_back(text: str) -> None:
    assert unseal_text(seal(text, DATA_KEY, **PLACE), DATA_KEY, **PLACE) == text


@given(st.binary(max_size=2000))
def test_bytes_come_back(content: bytes) -> None:
    assert unseal(seal(content, DATA_KEY, **PLACE), DATA_KEY, **PLACE) == content


@pytest.mark.parametrize(
    "elsewhere",
    [
        {"table": "respondent"},
        {"column": "phone"},
        {"row": UUID("01920000-0000-7000-8000-000000000002")},
        {"key_version": 2},
    ],
    ids=["table", "column", "row", "key version"],
)
def test_a_sealed_field_moved_elsewhere_does_not_open(elsewhere: dict[str, Any]) -> None:
    sealed = seal("周小川", DATA_KEY, **PLACE)
    with pytest.raises(SealBroken):
        unseal(sealed, DATA_KEY, **{**PLACE, **elsewhere})


def test_a_place_with_the_separator_in_a_name_is_refused() -> None:
    with pytest.raises(ValueError, match="separator"):
        seal("x", DATA_KEY, table="a|b", column="c", row="r", key_version=1)


@given(st.data())
def test_a_changed_bit_does_not_open(data: st.DataObject) -> None:
    sealed = bytearray(seal("身份证号", DATA_KEY, **PLACE))
    at = data.draw(st.integers(0, len(sealed) * 8 - 1))
    sealed[at // 8] ^= 1 << at % 8
    with pytest.raises(SealBroken):
        unseal(bytes(sealed), DATA_KEY, **PLACE)


@pytest.mark.parametrize("length", [0, 5, 12, 20])
def test_a_field_cut_short_does_not_open(length: int) -> None:
    with pytest.raises(SealBroken):
        unseal(seal("周小川", DATA_KEY, **PLACE)[:length], DATA_KEY, **PLACE)


def test_another_cases_key_does_not_open() -> None:
    other = unwrap(KEYRING, new_data_key(KEYRING, "vault-intake"))
    with pytest.raises(SealBroken):
        unseal(seal("周小川", DATA_KEY, **PLACE), other, **PLACE)


def test_the_same_field_never_looks_the_same() -> None:
    assert len({seal("周小川", DATA_KEY, **PLACE) for _ in range(100)}) == 100


def test_errors_and_keys_show_nothing_of_the_field() -> None:
    with pytest.raises(SealBroken) as broken:
        unseal(seal("周小川", DATA_KEY, **PLACE), DATA_KEY, **{**PLACE, "column": "phone"})
    assert str(broken.value) == "party.phone does not open in its place"
    assert repr(DATA_KEY).startswith("<libs.privacy.vault.DataKey object at ")


class TestWrappedKeys:
    """The data key is of use only to who has the wrapping key."""

    def test_a_wrapped_key_opens_after_a_rotation(self) -> None:
        before = Keyring([Key("vault-intake", 1, b"1" * 32)])
        after = Keyring([Key("vault-intake", 1, b"1" * 32), Key("vault-intake", 2, b"2" * 32)])
        wrapped = new_data_key(before, "vault-intake")
        sealed = seal("周小川", unwrap(before, wrapped), **PLACE)
        assert wrapped.version == 1
        assert new_data_key(after, "vault-intake").version == 2
        assert unseal_text(sealed, unwrap(after, wrapped), **PLACE) == "周小川"

    def test_without_the_wrapping_key_nothing_opens(self) -> None:
        wrapped = new_data_key(Keyring([Key("vault-intake", 1, b"1" * 32)]), "vault-intake")
        with pytest.raises(KeyMissing):
            unwrap(Keyring([Key("vault-intake", 2, b"2" * 32)]), wrapped)

    @pytest.mark.parametrize(
        "change",
        [
            {"purpose": "vault-notify"},
            {"wrapped": bytes(40)},
            {"wrapped": b""},
            {"wrapped": b"short"},
        ],
    )
    def test_a_wrapped_key_that_was_changed_is_refused(self, change: dict[str, Any]) -> None:
        wrapped = new_data_key(KEYRING, "vault-intake")
        changed = WrappedKey(
            **{**{f: getattr(wrapped, f) for f in ("purpose", "version", "wrapped")}, **change}
        )
        with pytest.raises(SealBroken):
            unwrap(KEYRING, changed)

    def test_each_case_has_a_key_of_its_own(self) -> None:
        assert len({new_data_key(KEYRING, "vault-intake").wrapped for _ in range(50)}) == 50
