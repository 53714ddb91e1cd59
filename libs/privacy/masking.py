"""What a person who may not see a field sees instead: enough to recognise it, too little to use it."""

import re
from typing import Final

HIDDEN: Final = "****"

_MOBILE = re.compile(r"(?:\+86)?(1\d\d)\d{4}(\d{4})")
_TOWN = re.compile(r".*?(?:街道|镇|乡)")


def mask_phone(number: str) -> str:
    """`138****0001` of a Chinese mobile number, `****21` of any other, `****` of what is no number."""
    mobile = _MOBILE.fullmatch(number)
    if mobile:
        return f"{mobile[1]}{HIDDEN}{mobile[2]}"
    digits = re.sub(r"\D", "", number)
    return HIDDEN + (digits[-2:] if len(digits) >= 7 else "")


def mask_name(name: str) -> str:
    """`周**`: the first character, the length of the rest not told."""
    return f"{name.strip()[:1]}**"


def mask_id_number(number: str) -> str:
    """`1****X`: the first and last character."""
    shown = number.strip()
    return f"{shown[0]}{HIDDEN}{shown[-1]}" if len(shown) > 2 else HIDDEN


def mask_address(address: str) -> str:
    """`云桥街道****`: down to the street or town, nothing nearer; `****` where none is named."""
    town = _TOWN.match(address)
    return (town[0] if town else "") + HIDDEN
