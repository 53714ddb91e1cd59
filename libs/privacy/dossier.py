"""Sealed compartments of a dossier: a standard JWE (A256KW, A256GCM) to the key of the one reader (G14).

The protected header says whose, which and how new the compartment is. A reader compares it with the record
it came in, so a compartment cannot be put into another case, be taken for another one, or be turned back.
"""

from collections.abc import Mapping
from functools import lru_cache
from typing import Final
from uuid import UUID

import orjson
from joserfc import jwe
from joserfc.errors import JoseError
from joserfc.jwe import JWERegistry
from joserfc.jwk import GuestProtocol, OctKey

from libs.privacy.keyring import Key, Keyring

_MAX_BYTES: Final = (
    512 * 1024
)  # the size of a record (G11); the library's own 64 kB are less than a long story


class DossierRefused(Exception):
    """A compartment that was altered, or is not the one of this reader, case, name and version."""


def purpose_of(reader: str) -> str:
    """The purpose of the keys that open compartments for the service `reader`."""
    return f"dossier-{reader}"


def seal_compartment(
    keyring: Keyring,
    reader: str,
    case_id: UUID | str,
    compartment: str,
    version: int,
    content: Mapping[str, object],
) -> str:
    """The content as a compact JWE that only `reader` opens, under its newest key; KeyMissing."""
    key = keyring.current(purpose_of(reader))
    header = _header(key, case_id, compartment, version)
    return jwe.encrypt_compact(header, orjson.dumps(content), _jwk(key.material), registry=_REGISTRY)


def open_compartment(
    keyring: Keyring, reader: str, token: str, case_id: UUID | str, compartment: str, version: int
) -> dict[str, object]:
    """The content again.

    DossierRefused when the token was altered or its header names another reader, case, compartment or
    version; KeyMissing when the key it names is not here (yet).
    """

    def key_of(sealed: GuestProtocol) -> OctKey:
        header = sealed.headers()
        key = keyring.by_kid(str(header.get("kid")))
        if key.purpose != purpose_of(reader) or header != _header(key, case_id, compartment, version):
            raise DossierRefused(f"not {compartment} of case {case_id} version {version} for {reader}")
        return _jwk(key.material)

    try:
        sealed = jwe.decrypt_compact(token, key_of, registry=_REGISTRY)
        content: dict[str, object] = orjson.loads(sealed.plaintext or b"")
    except (JoseError, ValueError) as error:
        raise DossierRefused(f"{compartment} of case {case_id} cannot be read") from error
    return content


def _header(key: Key, case_id: UUID | str, compartment: str, version: int) -> dict[str, object]:
    return {
        "alg": "A256KW",
        "enc": "A256GCM",
        "kid": key.kid,
        "case_id": str(case_id),
        "compartment": compartment,
        "version": version,
    }


@lru_cache(maxsize=64)
def _jwk(material: bytes) -> OctKey:
    return OctKey.import_key(material)


class _Registry(JWERegistry):
    max_ciphertext_length = _MAX_BYTES


_REGISTRY = _Registry(algorithms=["A256KW", "A256GCM"], strict_check_header=False)
