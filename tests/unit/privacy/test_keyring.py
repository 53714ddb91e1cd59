"""Keys by purpose and version: the newest writes, each valid one reads, and none is ever shown."""

import logging
from base64 import urlsafe_b64encode
from pathlib import Path

import pytest

from libs.privacy.keyring import Key, KeyMissing, Keyring, KeyUnreadable


def put(folder: Path, name: str, filler: int) -> bytes:
    material = bytes([filler]) * 32
    (folder / name).write_bytes(urlsafe_b64encode(material) + b"\n")
    return material


class Clock:
    seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


def test_the_newest_version_writes_and_all_read(tmp_path: Path) -> None:
    old, new = put(tmp_path, "vault-intake.9.key", 9), put(tmp_path, "vault-intake.10.key", 10)
    keyring = Keyring.open(tmp_path)
    assert keyring.current("vault-intake") == Key("vault-intake", 10, new)
    assert keyring.get("vault-intake", 9).material == old
    assert [key.version for key in keyring.all("vault-intake")] == [10, 9]


def test_purposes_are_apart(tmp_path: Path) -> None:
    put(tmp_path, "vault-intake.1.key", 1)
    put(tmp_path, "vault-notify.3.key", 3)
    keyring = Keyring.open(tmp_path)
    assert keyring.current("vault-intake").version == 1
    with pytest.raises(KeyMissing):
        keyring.get("vault-intake", 3)


def test_an_unknown_version_is_looked_for_at_once(tmp_path: Path) -> None:
    put(tmp_path, "vault-intake.1.key", 1)
    keyring = Keyring.open(tmp_path)
    fresh = put(tmp_path, "vault-intake.2.key", 2)
    assert keyring.by_kid("vault-intake.2").material == fresh
    assert keyring.current("vault-intake").version == 2


def test_a_purpose_made_after_the_start_is_found(tmp_path: Path) -> None:
    keyring = Keyring.open(tmp_path)
    put(tmp_path, "index.1.key", 1)
    assert keyring.current("index").version == 1


def test_a_rotated_key_writes_within_a_minute(tmp_path: Path) -> None:
    clock = Clock()
    put(tmp_path, "vault-intake.1.key", 1)
    keyring = Keyring.open(tmp_path, clock)
    put(tmp_path, "vault-intake.2.key", 2)
    clock.seconds = 59.0
    assert keyring.current("vault-intake").version == 1
    clock.seconds = 61.0
    assert keyring.current("vault-intake").version == 2


def test_a_retired_key_is_gone_within_a_minute(tmp_path: Path) -> None:
    clock = Clock()
    put(tmp_path, "vault-intake.1.key", 1)
    put(tmp_path, "vault-intake.2.key", 2)
    keyring = Keyring.open(tmp_path, clock)
    (tmp_path / "vault-intake.1.key").unlink()
    clock.seconds = 61.0
    assert keyring.current("vault-intake").version == 2
    with pytest.raises(KeyMissing):
        keyring.get("vault-intake", 1)


@pytest.mark.parametrize(
    "kid", ["", "vault-intake", "vault-intake.0", "vault-intake.01", "../secret.1", "a.1.key"]
)
def test_what_is_no_name_of_a_key_is_missing(tmp_path: Path, kid: str) -> None:
    put(tmp_path, "vault-intake.1.key", 1)
    with pytest.raises(KeyMissing):
        Keyring.open(tmp_path).by_kid(kid)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"abc",
        b"not base64url at all!",
        urlsafe_b64encode(bytes(31)),
        b"!" + urlsafe_b64encode(bytes(32)),
    ],
)
def test_an_unsound_file_stops_the_start_and_is_not_quoted(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "vault-intake.1.key").write_bytes(content)
    with pytest.raises(KeyUnreadable) as refused:
        Keyring.open(tmp_path)
    assert "vault-intake.1.key" in str(refused.value)
    assert not content or content.decode() not in str(refused.value)


def test_a_file_that_breaks_later_does_not_stop_those_who_have_their_keys(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    material = put(tmp_path, "vault-intake.1.key", 1)
    keyring = Keyring.open(tmp_path)
    (tmp_path / "vault-intake.2.key").write_bytes(b"half")
    with caplog.at_level(logging.WARNING), pytest.raises(KeyMissing):
        keyring.get("vault-intake", 2)
    assert "vault-intake.2.key" in caplog.text
    assert keyring.current("vault-intake").material == material


def test_other_files_of_the_folder_are_left_alone(tmp_path: Path) -> None:
    put(tmp_path, "vault-intake.1.key", 1)
    for name in ("token.1.pem", ".vault-intake.2.key.new", "console-accounts.json"):
        (tmp_path / name).write_bytes(b"something else")
    assert [key.version for key in Keyring.open(tmp_path).all("vault-intake")] == [1]


def test_nothing_shows_the_material(tmp_path: Path) -> None:
    material = put(tmp_path, "index.1.key", 77)
    keyring = Keyring.open(tmp_path)
    shown = repr(keyring) + repr(keyring.current("index")) + str(vars(keyring))
    assert repr(material) not in shown
    assert material.decode() not in shown
    assert "index.1" in repr(keyring)


def test_an_ephemeral_keyring_has_one_fresh_key_of_each_purpose() -> None:
    first, second = Keyring.ephemeral(["index", "request"]), Keyring.ephemeral(["index"])
    assert first.current("index").material != second.current("index").material
    assert first.current("request").version == 1
    with pytest.raises(KeyMissing):
        first.current("audit")


def test_an_hmac_is_that_of_the_newest_key(tmp_path: Path) -> None:
    put(tmp_path, "request.1.key", 1)
    before = Keyring.open(tmp_path).hmac("request", b"body")
    put(tmp_path, "request.2.key", 2)
    assert len(before) == 32
    assert Keyring.open(tmp_path).hmac("request", b"body") != before
