"""Finding a person by phone without storing the phone: normalised numbers under a keyed hash.

The index leaks only that two cases share a number, within one district and column. Who has the key can try
all numbers, so the key stays outside the database.
"""

import hashlib
import hmac
from dataclasses import dataclass, field
from typing import Final, Literal

import phonenumbers
from phonenumbers import NumberParseException, PhoneNumberFormat, PhoneNumberType

from libs.privacy.keyring import Key

PhoneKind = Literal["mobile", "fixed", "foreign", "invalid"]

INDEX_BYTES: Final = 16

_REGION, _COUNTRY_CODE = "CN", 86


@dataclass(frozen=True, slots=True)
class Phone:
    """A number as it was told and what it is; `repr` shows only the kind.

    An invalid number is kept as told with a warning, so that a person can ask again; it has no `e164`.
    """

    told: str = field(repr=False)
    kind: PhoneKind
    e164: str | None = field(default=None, repr=False)

    @property
    def takes_sms(self) -> bool:
        """Whether our gateway can reach it: Chinese mobile numbers alone."""
        return self.kind == "mobile"

    @property
    def warning(self) -> str | None:
        """The code of what the operator should know, `PHONE_INVALID` for instance."""
        return None if self.takes_sms else f"PHONE_{self.kind.upper()}"


def read_phone(told: str) -> Phone:
    """What the told number is; digits of any script and the usual separators are understood."""
    try:
        number = phonenumbers.parse(told, _REGION)
    except NumberParseException:
        return Phone(told, "invalid")
    kind = phonenumbers.number_type(number)
    if kind == PhoneNumberType.UNKNOWN:
        return Phone(told, "invalid")
    e164 = phonenumbers.format_number(number, PhoneNumberFormat.E164)
    if number.country_code != _COUNTRY_CODE:
        return Phone(told, "foreign", e164)
    return Phone(told, "mobile" if kind == PhoneNumberType.MOBILE else "fixed", e164)


def blind_index(key: Key, district: str, column: str, value: str) -> bytes:
    """16 bytes by which equal values of one district and column are found; `value` normalised before."""
    if "|" in district or "|" in column:
        raise ValueError("district and column must not contain the separator")
    message = f"{district}|{column}|{value}".encode()
    return hmac.digest(key.material, message, hashlib.sha256)[:INDEX_BYTES]


def last_four_index(key: Key, district: str, column: str, e164: str) -> bytes:
    """The index of the last four digits, for callers who tell no more; coarse by intent."""
    return blind_index(key, district, f"{column}#last4", e164[-4:])
