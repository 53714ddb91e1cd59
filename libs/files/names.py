"""Names of files as strangers give them: what is left of one, and how it is told to a browser."""

import re
import unicodedata
from typing import Final
from urllib.parse import quote

LONGEST: Final = 120
"""Characters of a name."""

_PATH: Final = re.compile(r"[/\\]")
_RESERVED: Final = re.compile(r'[<>:"|?*]')
_HIDDEN: Final = frozenset(("Cc", "Cf", "Cs", "Zl", "Zp"))
"""Unicode categories that nobody sees: controls, marks that turn the writing round, lone surrogates."""


def tidy(name: str) -> str:
    """The last part of a path, composed (NFC), without what is not seen or may stand in no name on some
    system; a long one keeps its ending. It may be empty."""
    seen = "".join(c for c in unicodedata.normalize("NFC", name) if unicodedata.category(c) not in _HIDDEN)
    last = _RESERVED.sub("_", _PATH.split(seen)[-1]).strip(" .")
    if len(last) <= LONGEST:
        return last
    ending = f".{extension(last)}" if len(extension(last)) < LONGEST // 2 else ""
    return last[: LONGEST - len(ending)] + ending


def extension(name: str) -> str:
    """What stands behind the last dot, in lower case; empty without one."""
    return name.rpartition(".")[2].lower() if "." in name else ""


def disposition(name: str) -> str:
    """The `Content-Disposition` by which a browser keeps the file under this name (RFC 6266, RFC 8187)."""
    plain = re.sub(r"[^A-Za-z0-9._-]", "_", name)
    return f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(name, safe='')}"
