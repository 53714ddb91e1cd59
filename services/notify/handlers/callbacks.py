"""How a provider proves its callbacks: a MAC in each receipt's address, a token with citizens' SMS."""

import hashlib
import hmac
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from libs.privacy.keyring import Keyring

PURPOSE: Final = "request"
_MO: Final = b"kannel-mo"


@dataclass(frozen=True, slots=True)
class Callbacks:
    """Makes and checks both; every version of the key is good for checking, so rotation loses no receipt."""

    keyring: Keyring

    def receipt_query(self, message_id: UUID, case_id: UUID, district: str) -> str:
        """The query of a receipt's address: ids and a MAC over them, no personal data (G21)."""
        mac = self.keyring.hmac(PURPOSE, _signed(message_id, case_id, district)).hex()
        return f"id={message_id}&case={case_id}&district={district}&mac={mac}"

    def is_receipt(self, message_id: UUID, case_id: UUID, district: str, mac: str) -> bool:
        """Whether the MAC was made here for these ids."""
        return self._known(_signed(message_id, case_id, district), mac)

    def is_gateway(self, token: str) -> bool:
        """Whether the token is the one that our gateway sends with citizens' SMS."""
        return self._known(_MO, token)

    def _known(self, message: bytes, given: str) -> bool:
        digest = given.encode("ascii", "replace")
        return any(
            hmac.compare_digest(hmac.digest(key.material, message, hashlib.sha256).hex().encode(), digest)
            for key in self.keyring.all(PURPOSE)
        )


def _signed(message_id: UUID, case_id: UUID, district: str) -> bytes:
    return f"kannel-dlr|{message_id}|{case_id}|{district}".encode()
