"""The keyring's files and the console's first accounts: made once, never changed here.

`<purpose>.<version>.key` holds 32 random bytes in base64url; `token.<version>.pem` signs staff tokens and
`token.<version>.pub.pem` checks them. Services read them; who rotates a key adds a higher version beside it.
"""

import base64
import json
import os
import secrets
from pathlib import Path

from argon2 import PasswordHasher
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from libs.runtime.settings import DEMO_MARK
from ops.stack.errors import explained
from ops.stack.home import Home

SERVICE_PURPOSES = ("vault-intake", "vault-routing", "vault-mediation", "vault-notify")
READER_PURPOSES = ("dossier-routing", "dossier-mediation", "dossier-notify")
PURPOSES = (*SERVICE_PURPOSES, *READER_PURPOSES, "index", "search", "request", "audit")

DEMO_DISTRICT = "990101"
DEMO_ROLES = ("operator", "dispatcher", "supervisor", "admin", "auditor")


def ensure_keys(home: Home, mode: str = "demo") -> None:
    """Make every key that has no version yet. A key is never replaced: it may have sealed something.

    Keys made in demo mode are marked: in production the services refuse them.
    """
    folder = home.keys
    if mode == "demo" and not any(folder.glob("*.key")):
        write_once(folder / DEMO_MARK, b"These keys were made for trying things out.\n")
    for purpose in PURPOSES:
        if not any(folder.glob(f"{purpose}.*.key")):
            write_once(folder / f"{purpose}.1.key", base64.urlsafe_b64encode(secrets.token_bytes(32)))
    if not any(folder.glob("token.*.pub.pem")):
        private = Ed25519PrivateKey.generate()
        write_once(
            folder / "token.1.pem",
            private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()),
        )
        write_once(
            folder / "token.1.pub.pem",
            private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo),
        )


def ensure_accounts(home: Home) -> dict[str, str]:
    """The sign-in names of the demo with their passwords, made on first use.

    The console reads only Argon2id hashes; the words stay in `passwords.txt`, for this folder's owner.
    """
    accounts, words = home.accounts, home.folder() / "passwords.txt"
    if not accounts.exists():
        passwords = {role: secrets.token_urlsafe(9) for role in DEMO_ROLES}
        hasher = PasswordHasher()
        rows = [
            {
                "user": role,
                "roles": [role],
                "districts": [DEMO_DISTRICT],
                "password_hash": hasher.hash(password),
            }
            for role, password in passwords.items()
        ]
        words.unlink(missing_ok=True)
        write_once(words, "".join(f"{role} {password}\n" for role, password in passwords.items()).encode())
        write_once(accounts, json.dumps(rows, indent=1).encode())
    if not words.exists():  # its owner took it away
        return {}
    return dict(line.split() for line in words.read_text().splitlines())


def write_once(path: Path, content: bytes) -> None:
    """Write a secret file, whole and on the disk before it has its name, readable by its owner alone."""
    with explained("writing a key"):
        fresh = path.with_name(f".{path.name}.new")
        with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        fresh.rename(path)
