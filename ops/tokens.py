"""`heshi token`: a staff token for scripts, signed with this machine's key."""

import os
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

from libs.web import tokens
from ops.stack.errors import StackError
from ops.stack.home import Home
from ops.stack.keys import DEMO_DISTRICT

DATA = Path(__file__).parents[1] / "data"
UNITS = {"s": "seconds", "m": "minutes", "h": "hours"}


def issue(
    role: str, user: str | None = None, district: str = DEMO_DISTRICT, ttl: timedelta = timedelta(minutes=5)
) -> str:
    """A token for one role in one district; StackError without a key, for a wrong role or too long a life."""
    folder = Path(os.environ.get("HESHI_KEYS") or Home.from_environment().keys)
    try:
        return tokens.issue(
            tokens.newest_signing_key(folder),
            sub=user or role,
            roles=[role],
            districts=[district],
            now=datetime.now(UTC),
            ttl=ttl,
            known_roles=tokens.staff_roles(data()),
            mode="production" if os.environ.get("HESHI_MODE") == "production" else "demo",
        )
    except FileNotFoundError as error:
        raise StackError(f"{folder} holds no signing key: start Heshi once, or set HESHI_KEYS.") from error
    except ValueError as error:
        raise StackError(f"No token was made ({error}): change the role or --ttl.") from error


def data() -> Path:
    """The folder of the district's reference data."""
    return Path(os.environ.get("HESHI_DATA") or DATA)


def duration(text: str) -> timedelta:
    """`30s`, `5m` or `12h` as a time."""
    found = re.fullmatch(r"([1-9][0-9]{0,5})([smh])", text)
    if not found:
        raise StackError(f"{text} is no time: write it as in 30s, 5m or 12h.")
    return timedelta(**{UNITS[found[2]]: int(found[1])})
