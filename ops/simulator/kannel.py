"""The words of Kannel's sendsms call (its user guide, "Using the HTTP Interface to Send SMS Messages")."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from urllib.parse import parse_qsl, quote

import phonenumbers

DELIVERED, UNDELIVERED, SUBMITTED = 1, 2, 8
ACCEPTED = "0: Accepted for delivery"
SINGLE_UNITS, PART_UNITS = 70, 67


class Refused(Exception):
    """The call cannot be taken; `status` and the text are Kannel's."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status, self.text = status, text


@dataclass(frozen=True, slots=True)
class Call:
    """One sendsms call: where the SMS goes (E.164), what it says, and which receipts are wanted."""

    to: str
    sender: str
    text: str
    dlr_mask: int
    dlr_url: str | None
    password: str = field(default="", repr=False)

    @property
    def parts(self) -> int:
        """Into how many SMS the text is split, in UCS-2 units."""
        units = len(self.text.encode("utf-16-be")) // 2
        return 1 if units <= SINGLE_UNITS else -(-units // PART_UNITS)

    def wanted(self, *types: int) -> tuple[int, ...]:
        """Those receipt types for which the call asks, when it says where to send them."""
        return tuple(kind for kind in types if self.dlr_mask & kind) if self.dlr_url else ()


def parse(encoded: bytes) -> Call:
    """Read an URL-encoded call. Refused: a parameter is missing or makes no sense."""
    # latin-1 keeps the bytes as they are: with coding=2 and no charset the SMS is UTF-16, all else UTF-8.
    pairs = parse_qsl(encoded.decode("latin-1"), keep_blank_values=True, encoding="latin-1")
    fields = {name: value.encode("latin-1") for name, value in pairs}
    to, text = phone(_plain(fields, "to")), _text(fields)
    if to is None:
        raise Refused(400, "Missing receiver number, rejected")
    if not text:
        raise Refused(400, "Empty text not allowed, rejected")
    mask = _plain(fields, "dlr-mask") or "0"
    if not mask.isdigit():
        raise Refused(400, "dlr-mask is not a number, rejected")
    return Call(
        to=to,
        sender=_plain(fields, "from"),
        text=text,
        dlr_mask=int(mask),
        dlr_url=_plain(fields, "dlr-url") or None,
        password=_plain(fields, "password"),
    )


@lru_cache(maxsize=65_536)
def phone(number: str) -> str | None:
    """A number as E.164, +86 when it names no country; None when it is no number.

    A leading blank is a plus that somebody forgot to encode.
    """
    try:
        parsed = phonenumbers.parse("+" + number[1:] if number.startswith(" ") else number, "CN")
    except phonenumbers.NumberParseException:
        return None
    return phonenumbers.format_number(parsed, phonenumbers.PhoneNumberFormat.E164)


def receipt_url(template: str, kind: int, sms_id: int, phone_number: str, at_unix: int) -> str:
    """The dlr-url with Kannel's escapes filled in."""
    escapes = {"%d": str(kind), "%I": str(sms_id), "%F": str(sms_id), "%p": phone_number, "%T": str(at_unix)}
    for escape, value in escapes.items():
        template = template.replace(escape, quote(value))
    return template


def _plain(fields: Mapping[str, bytes], name: str) -> str:
    return fields.get(name, b"").decode("utf-8", "replace")


def _text(fields: Mapping[str, bytes]) -> str:
    coding = _plain(fields, "coding") or "0"
    charset = _plain(fields, "charset") or ("UTF-16BE" if coding == "2" else "UTF-8")
    try:
        return fields.get("text", b"").decode(charset)
    except (LookupError, UnicodeDecodeError) as error:
        raise Refused(400, "Charset conversion failed, rejected") from error
