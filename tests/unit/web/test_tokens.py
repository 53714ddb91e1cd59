"""Staff tokens: issued for minutes, verified by several public keys, remembered until they expire."""

import base64
import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from joserfc import jwt
from joserfc.jwk import OctKey, OKPKey

from libs.testing.clock import ManualClock
from libs.web import tokens
from libs.web.errors import Unauthorised
from libs.web.tokens import SigningKey, Verifier, issue, newest_signing_key, staff_roles

ROLES = frozenset({"operator", "supervisor"})


class Office:
    """A key folder, a verifier in demo mode, and a hand on both clocks."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.clock = ManualClock()
        self.passed = 0.0
        self.keys: dict[str, SigningKey] = {}
        self.add("1")
        self.verifier = self.another("demo")

    def another(self, mode: Any) -> Verifier:
        return Verifier(self.folder, mode=mode, now=self.clock.now, passed=lambda: self.passed)

    def add(self, version: str) -> None:
        key = OKPKey.generate_key("Ed25519")
        (self.folder / f"token.{version}.pub.pem").write_bytes(key.as_pem(private=False))
        (self.folder / f"token.{version}.pem").write_bytes(key.as_pem(private=True))
        self.keys[version] = SigningKey(version, key)

    def token(self, version: str = "1", **claims: Any) -> str:
        given: dict[str, Any] = {"sub": "wang", "roles": ["operator"], "districts": ["990101"]}
        given |= {"now": self.clock.now(), "ttl": timedelta(minutes=5), "known_roles": ROLES} | claims
        return issue(self.keys[version], **given)

    def signed(self, key: OKPKey | None = None, header: dict[str, Any] | None = None, **claims: Any) -> str:
        """A token with any claims and header, whoever signs it."""
        now = int(self.clock.now().timestamp())
        body = {"iss": "heshi", "sub": "wang", "roles": [], "districts": [], "iat": now, "exp": now + 60}
        headers = {"alg": "Ed25519", "kid": "1", **(header or {})}
        kept = {name: value for name, value in (body | claims).items() if value is not ...}
        return jwt.encode(headers, kept, key or self.keys["1"].key, algorithms=["Ed25519"])


@pytest.fixture
def office(tmp_path: Path) -> Office:
    return Office(tmp_path)


def test_a_token_says_who_in_which_roles_for_whom(office: Office) -> None:
    token = office.token(roles=["supervisor", "operator"], org="LAB-01", districts=["990101", "990102"])
    person = office.verifier.verify(token)
    assert (person.kind, person.id, person.org_id) == ("staff", "wang", "LAB-01")
    assert person.roles == {"operator", "supervisor"}
    assert person.covers("990101")
    assert not person.covers("990100")


def test_it_expires_also_when_it_is_remembered(office: Office) -> None:
    token = office.token()
    office.verifier.verify(token)
    office.clock.advance(minutes=5, seconds=-1)
    office.verifier.verify(token)
    office.clock.advance(seconds=1)
    with pytest.raises(Unauthorised) as caught:
        office.verifier.verify(token)
    assert caught.value.detail == "the token expired"


def test_a_verified_token_is_not_verified_again(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    token = office.token()
    first = office.verifier.verify(token)
    monkeypatch.setattr(jwt, "decode", None)
    assert office.verifier.verify(token) is first


def test_what_is_remembered_is_bounded(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tokens, "REMEMBERED", 3)
    for number in range(10):
        office.verifier.verify(office.token(sub=f"s{number}"))
    assert len(office.verifier._verified) == 3


def test_several_keys_are_valid_at_once_and_the_newest_signs(office: Office) -> None:
    office.add("2")
    office.passed += 11
    assert newest_signing_key(office.folder).version == "2"
    office.verifier.verify(office.token("1"))
    office.verifier.verify(office.token("2"))


def test_the_tokens_of_a_deleted_key_count_no_more(office: Office) -> None:
    office.add("2")
    office.passed += 11
    token = office.token("1")
    office.verifier.verify(token)
    (office.folder / "token.1.pub.pem").unlink()
    office.passed += 11
    with pytest.raises(Unauthorised):
        office.verifier.verify(token)
    office.verifier.verify(office.token("2"))


def test_versions_count_as_numbers(office: Office) -> None:
    office.add("9")
    office.add("10")
    assert newest_signing_key(office.folder).version == "10"


def test_without_a_private_key_nothing_is_signed(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"token\.<version>\.pem"):
        newest_signing_key(tmp_path)


def unsigned(header: dict[str, Any], claims: dict[str, Any]) -> str:
    parts = (
        base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode() for part in (header, claims)
    )
    return ".".join((*parts, ""))


@pytest.mark.parametrize("text", ["", "x", "a.b.c", "..", "a" * 5_000, "é.é.é", "\ud800", "heshi_live_x"])
def test_garbage_is_unauthorised(office: Office, text: str) -> None:
    with pytest.raises(Unauthorised):
        office.verifier.verify(text)


def test_an_unsigned_token_is_unauthorised(office: Office) -> None:
    now = int(office.clock.now().timestamp())
    claims = {"iss": "heshi", "sub": "x", "roles": ["admin"], "districts": [], "iat": now, "exp": now + 60}
    for algorithm in ("none", "None", "Ed25519"):
        with pytest.raises(Unauthorised):
            office.verifier.verify(unsigned({"alg": algorithm, "kid": "1"}, claims))


def test_a_public_key_used_as_a_shared_secret_is_unauthorised(office: Office) -> None:
    now = int(office.clock.now().timestamp())
    public = OctKey.import_key((office.folder / "token.1.pub.pem").read_text().replace("-----", "_____"))
    claims = {"iss": "heshi", "sub": "x", "roles": [], "districts": [], "iat": now, "exp": now + 60}
    token = jwt.encode({"alg": "HS256", "kid": "1"}, claims, public)
    with pytest.raises(Unauthorised):
        office.verifier.verify(token)


def test_a_strangers_signature_is_unauthorised(office: Office) -> None:
    with pytest.raises(Unauthorised):
        office.verifier.verify(office.signed(OKPKey.generate_key("Ed25519")))


@pytest.mark.parametrize("kid", ["2", "../1", "1.pub.pem", "", 1, None, ["1"], {"a": 1}])
def test_only_the_version_of_a_key_in_the_folder_is_a_kid(office: Office, kid: object) -> None:
    try:
        token = office.signed(header={"kid": kid})
    except Exception:
        token = unsigned({"alg": "Ed25519", "kid": kid}, {})
    with pytest.raises(Unauthorised):
        office.verifier.verify(token)


@pytest.mark.parametrize(
    "claims",
    [
        {"iss": "other"},
        {"iss": ...},
        {"exp": ...},
        {"exp": "soon"},
        {"exp": True},
        {"iat": ...},
        {"iat": None},
        {"sub": ...},
        {"sub": ""},
        {"sub": 5},
        {"roles": ...},
        {"roles": "admin"},
        {"roles": [1]},
        {"districts": ...},
        {"districts": "990101"},
        {"org": 5},
    ],
)
def test_a_claim_that_is_missing_or_wrong_is_unauthorised(office: Office, claims: dict[str, Any]) -> None:
    office.verifier.verify(office.signed())
    with pytest.raises(Unauthorised):
        office.verifier.verify(office.signed(**claims))


def test_a_token_from_the_future_is_unauthorised(office: Office) -> None:
    now = int(office.clock.now().timestamp())
    office.verifier.verify(office.signed(iat=now + 29, exp=now + 60))
    with pytest.raises(Unauthorised):
        office.verifier.verify(office.signed(iat=now + 31, exp=now + 60))


def test_in_production_a_token_lives_five_minutes_at_most(office: Office) -> None:
    demo = office.token(ttl=timedelta(hours=12))
    office.verifier.verify(demo)
    strict = office.another("production")
    with pytest.raises(Unauthorised):
        strict.verify(demo)
    strict.verify(office.token(ttl=timedelta(minutes=5), mode="production"))


@pytest.mark.parametrize(
    "wish",
    [
        {"mode": "production", "ttl": timedelta(minutes=5, seconds=1)},
        {"ttl": timedelta(hours=12, seconds=1)},
        {"ttl": timedelta(0)},
        {"ttl": timedelta(minutes=-1)},
        {"roles": ["OPERATOR"]},
        {"roles": ["operator", "king"]},
    ],
)
def test_what_may_not_be_issued(office: Office, wish: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"token lives at most|no such role"):
        office.token(**wish)


def test_the_roles_are_those_of_people_who_sign_in() -> None:
    roles = staff_roles(Path(__file__).parents[3] / "data")
    assert {"operator", "dispatcher", "supervisor", "duty_officer", "admin", "auditor"} <= roles
    assert {"sealed_officer", "partner_handler", "partner_lead"} <= roles
    assert not {"court", "applicant", "OPERATOR"} & roles
