"""A compartment opens for its reader, in its record, and nowhere else (G14)."""

import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from joserfc import jwe
from joserfc.jwk import OctKey

from libs.privacy.dossier import DossierRefused, open_compartment, seal_compartment
from libs.privacy.keyring import Key, KeyMissing, Keyring

KEYRING = Keyring.ephemeral(["dossier-notify", "dossier-mediation"])
CASE = UUID("01920000-0000-7000-8000-000000000001")
OTHER_CASE = UUID("01920000-0000-7000-8000-000000000002")
CONTACT = {"phone": "+8613800000001", "language": "zh", "safe_contact": True, "name": "周小川"}

json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), inner)
    ),
    max_leaves=10,
)


def sealed(keyring: Keyring = KEYRING, version: int = 3) -> str:
    return seal_compartment(keyring, "notify", CASE, "contact", version, CONTACT)


def header_of(token: str) -> dict[str, Any]:
    part = token.split(".", maxsplit=1)[0]
    header: dict[str, Any] = json.loads(urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    return header


def test_the_reader_gets_the_content() -> None:
    assert open_compartment(KEYRING, "notify", sealed(), CASE, "contact", 3) == CONTACT
    assert open_compartment(KEYRING, "notify", sealed(), str(CASE), "contact", 3) == CONTACT


@given(st.dictionaries(st.sampled_from(["narrative", "address", "respondents"]), json_values))
def test_any_content_comes_back(content: dict[str, object]) -> None:
    token = seal_compartment(KEYRING, "mediation", CASE, "story", 1, content)
    assert open_compartment(KEYRING, "mediation", token, CASE, "story", 1) == content


def test_the_header_is_the_standards_and_names_key_case_compartment_and_version() -> None:
    assert header_of(sealed()) == {
        "alg": "A256KW",
        "enc": "A256GCM",
        "kid": "dossier-notify.1",
        "case_id": str(CASE),
        "compartment": "contact",
        "version": 3,
    }


def test_any_library_of_the_standard_opens_it() -> None:
    key = OctKey.import_key(KEYRING.current("dossier-notify").material)
    opened = jwe.decrypt_compact(sealed(), key, registry=jwe.JWERegistry(strict_check_header=False))
    assert json.loads(opened.plaintext or b"") == CONTACT


@pytest.mark.parametrize(
    ("reader", "case_id", "compartment", "version"),
    [
        ("notify", OTHER_CASE, "contact", 3),
        ("notify", CASE, "story", 3),
        ("notify", CASE, "contact", 2),
        ("notify", CASE, "contact", 4),
        ("mediation", CASE, "contact", 3),
    ],
    ids=["another case", "another compartment", "an older record", "a newer record", "another reader"],
)
def test_a_compartment_that_is_not_the_one_asked_for_is_refused(
    reader: str, case_id: UUID, compartment: str, version: int
) -> None:
    with pytest.raises(DossierRefused):
        open_compartment(KEYRING, reader, sealed(), case_id, compartment, version)


@pytest.mark.parametrize(
    "change",
    [
        {"case_id": str(OTHER_CASE)},
        {"version": 4},
        {"kid": "dossier-mediation.1"},
        {"zip": "DEF"},
        {"alg": "dir"},
        {"enc": "A128GCM"},
        {"crit": ["b64"], "b64": False},
    ],
    ids=lambda change: next(iter(change)),
)
def test_a_rewritten_header_is_refused(change: dict[str, Any]) -> None:
    token = sealed()
    header = {**header_of(token), **change}
    part = urlsafe_b64encode(json.dumps(header, separators=(",", ":")).encode()).rstrip(b"=").decode()
    forged = ".".join([part, *token.split(".")[1:]])
    asked = {
        "case_id": str(CASE),
        "version": 3,
        **{k: v for k, v in change.items() if k in ("case_id", "version")},
    }
    with pytest.raises(DossierRefused):
        open_compartment(KEYRING, "notify", forged, asked["case_id"], "contact", asked["version"])


@given(st.data())
def test_a_changed_character_is_refused(data: st.DataObject) -> None:
    token = sealed()
    at = data.draw(st.sampled_from([i for i, char in enumerate(token) if char != "."]))
    char = data.draw(st.sampled_from("AQgw059_-"))
    changed = token[:at] + char + token[at + 1 :]
    try:
        content = open_compartment(KEYRING, "notify", changed, CASE, "contact", 3)
    except (DossierRefused, KeyMissing):
        return
    # The last character of a part may carry unused bits: the same bytes, so the same content.
    assert content == CONTACT


@given(st.text(max_size=200) | st.lists(st.text("ab0_-", max_size=30), min_size=5, max_size=5).map(".".join))
def test_what_is_no_token_is_refused(text: str) -> None:
    with pytest.raises((DossierRefused, KeyMissing)):
        open_compartment(KEYRING, "notify", text, CASE, "contact", 3)


def test_after_a_rotation_both_keys_read_and_the_newest_writes() -> None:
    first = Key("dossier-notify", 1, b"1" * 32)
    before, after = Keyring([first]), Keyring([first, Key("dossier-notify", 2, b"2" * 32)])
    assert open_compartment(after, "notify", sealed(before), CASE, "contact", 3) == CONTACT
    assert header_of(sealed(after))["kid"] == "dossier-notify.2"


def test_a_key_not_delivered_yet_is_missing_not_refused() -> None:
    with pytest.raises(KeyMissing):
        open_compartment(
            Keyring([Key("dossier-notify", 2, b"2" * 32)]), "notify", sealed(), CASE, "contact", 3
        )


def test_the_longest_story_fits() -> None:
    story = {"narrative": "冤" * 20_000, "respondents": [{"name": "云" * 100}] * 20}
    token = seal_compartment(KEYRING, "mediation", CASE, "story", 1, story)
    assert open_compartment(KEYRING, "mediation", token, CASE, "story", 1) == story


def test_chinese_text_takes_no_escapes() -> None:
    plain = seal_compartment(KEYRING, "mediation", CASE, "story", 1, {"narrative": "冤" * 1000})
    assert len(plain) < 3_000 * 4 / 3 + 500


def test_a_refusal_says_nothing_of_the_content() -> None:
    with pytest.raises(DossierRefused) as refused:
        open_compartment(KEYRING, "notify", sealed(), OTHER_CASE, "contact", 3)
    assert "138" not in str(refused.value)
